package webhook

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/parley-im/parley"
)

const (
	testBody   = `{"source":"pact.im","operation":"test"}`
	testFailed = "webhook_url did not answer 200 to the test: "
)

// Test makes the request by which a webhook URL is tested before it is stored.
// It blocks for 10 s at most. The URL failed if the answer is not exactly 200: the
// error is then of KindInvalid and its message is fit for the caller of the API.
// If ctx ends first, the error is that of ctx.
func Test(ctx context.Context, client doer, url string) error {
	timed, cancel := context.WithTimeout(ctx, defaultTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(timed, http.MethodPost, url, nil)
	if err != nil {
		return parley.Errorf(parley.KindInvalid, "webhook_url is not a valid URL")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", defaultAgent)
	setBody(req, []byte(testBody))
	resp, err := client.Do(req)
	switch {
	case err == nil:
		drain(resp)
		return testAnswer(resp.StatusCode)
	case ctx.Err() != nil:
		return ctx.Err()
	case timed.Err() != nil:
		return parley.Errorf(parley.KindInvalid, testFailed+"no answer within "+defaultTimeout.String())
	}
	return testError(err)
}

func testAnswer(status int) error {
	if status == http.StatusOK {
		return nil
	}
	return parley.Errorf(parley.KindInvalid, testFailed+strconv.Itoa(status))
}

// testError keeps what is said about the URL itself, such as that it points to a
// private address.
func testError(err error) error {
	if e, ok := errors.AsType[*parley.Error](err); ok && e.Kind == parley.KindInvalid {
		return e
	}
	return &parley.Error{Kind: parley.KindInvalid, Message: testFailed + parley.Reason(err), Err: err}
}
