package suite

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// tokenHeader carries the API token.
const tokenHeader = "X-Private-Api-Token"

// An api is a client of the gateway under /p1.
type api struct {
	base  string // http://host:port
	token string
	http  *http.Client
}

func newAPI(base, token string) *api {
	return &api{base, token, &http.Client{Timeout: time.Minute}}
}

// object is what the API says of a company, a channel or a conversation.
type object struct {
	ID int64 `json:"external_id"`
}

// answer is what the suite reads of the API's answers.
type answer struct {
	Data struct {
		object
		Companies     []object `json:"companies"`
		Channels      []object `json:"channels"`
		Conversations []object `json:"conversations"`
		NextPage      string   `json:"next_page"`
	} `json:"data"`
}

// call makes a request below /p1/; form may be nil.
func (a *api) call(ctx context.Context, method, path string, form url.Values) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.base+"/p1/"+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set(tokenHeader, a.token)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := a.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s: %.300s", method, path, resp.Status, body)
	}
	var out answer
	if err := json.Unmarshal(body, &out); err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return &out, nil
}

// company returns the first company of the token's user.
func (a *api) company(ctx context.Context) (int64, error) {
	got, err := a.call(ctx, http.MethodGet, "companies", nil)
	if err != nil {
		return 0, err
	}
	if len(got.Data.Companies) == 0 {
		return 0, fmt.Errorf("the token's user has no company")
	}
	return got.Data.Companies[0].ID, nil
}

// conversations lists the ids of a company's conversations, the oldest first.
func (a *api) conversations(ctx context.Context, company int64) ([]string, error) {
	var ids []string
	query := form("per", "100")
	for {
		got, err := a.call(ctx, http.MethodGet, fmt.Sprintf("companies/%d/conversations?%s", company, query.Encode()), nil)
		if err != nil {
			return nil, err
		}
		for _, c := range got.Data.Conversations {
			ids = append(ids, strconv.FormatInt(c.ID, 10))
		}
		if got.Data.NextPage == "" {
			return ids, nil
		}
		query.Set("from", got.Data.NextPage)
	}
}

// form is made of names and values in turns.
func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}
