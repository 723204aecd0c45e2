package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A demoClient makes the calls that a new integrator would make.
type demoClient struct{ base, token string }

// demoAnswer holds what the demo reads of any answer.
type demoAnswer struct {
	Errors []string `json:"errors"`
	Data   struct {
		ExternalID    int64      `json:"external_id"`
		Companies     []demoItem `json:"companies"`
		Channels      []demoItem `json:"channels"`
		Conversations []demoItem `json:"conversations"`
	} `json:"data"`
}

type demoItem struct {
	ExternalID int64 `json:"external_id"`
}

func (c *demoClient) call(ctx context.Context, method, path string, form url.Values) (demoAnswer, error) {
	var a demoAnswer
	req, err := http.NewRequestWithContext(ctx, method, c.base+"/p1/"+path, strings.NewReader(form.Encode()))
	if err != nil {
		return a, err
	}
	req.Header.Set("X-Private-Api-Token", c.token)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return a, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return a, fmt.Errorf("%s %s: %d: %s", method, path, resp.StatusCode, strings.Join(a.Errors, "; "))
	}
	return a, nil
}

// company returns the demo's company, delivering to the receiver, and whether it
// has no channel yet.
func (c *demoClient) company(ctx context.Context, receiver string) (id int64, fresh bool, err error) {
	a, err := c.call(ctx, http.MethodGet, "companies", nil)
	if err != nil {
		return 0, false, err
	}
	if len(a.Data.Companies) == 0 {
		return 0, false, fmt.Errorf("the user has no company")
	}
	id = a.Data.Companies[0].ExternalID
	form := url.Values{"webhook_url": {receiver}, "extended_events": {"true"}}
	if _, err := c.call(ctx, http.MethodPut, fmt.Sprintf("companies/%d", id), form); err != nil {
		return 0, false, err
	}
	a, err = c.call(ctx, http.MethodGet, fmt.Sprintf("companies/%d/channels", id), nil)
	return id, len(a.Data.Channels) == 0, err
}

func (c *demoClient) channel(ctx context.Context, company int64, token string) error {
	_, err := c.call(ctx, http.MethodPost, fmt.Sprintf("companies/%d/channels", company), url.Values{"provider": {"telegram"}, "token": {token}})
	return err
}

// conversation returns the first conversation, 0 if there is none.
func (c *demoClient) conversation(ctx context.Context, company int64) (int64, error) {
	a, err := c.call(ctx, http.MethodGet, fmt.Sprintf("companies/%d/conversations", company), nil)
	if err != nil || len(a.Data.Conversations) == 0 {
		return 0, err
	}
	return a.Data.Conversations[0].ExternalID, nil
}

// awaitConversation waits until a message has come all the way.
func (c *demoClient) awaitConversation(ctx context.Context, company int64) (int64, error) {
	for {
		id, err := c.conversation(ctx, company)
		if err != nil || id != 0 {
			return id, err
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return 0, err
		}
	}
}
