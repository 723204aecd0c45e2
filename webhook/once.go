package webhook

import (
	"context"
	"net/http"
	"strconv"

	"github.com/parley-im/parley"
)

// Once makes one POST of a JSON body that is no event, such as a sign-in code, to
// an address that a user has chosen. It blocks for 10 s at most and does not
// repeat. Anything but an answer of 200 is an error; its code may be logged, its
// message may name the host.
func Once(ctx context.Context, client doer, url string, body []byte) error {
	timed, cancel := context.WithTimeout(ctx, defaultTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(timed, http.MethodPost, url, nil)
	if err != nil {
		return parley.Errorf(parley.KindInvalid, "the address is not a valid URL")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", defaultAgent)
	setBody(req, body)
	resp, err := client.Do(req)
	switch {
	case err == nil:
		drain(resp)
	case ctx.Err() != nil:
		return ctx.Err()
	case timed.Err() != nil:
		return parley.Errorf(parley.KindUncertain, "no answer within "+defaultTimeout.String())
	default:
		return err
	}
	if resp.StatusCode != http.StatusOK {
		status := strconv.Itoa(resp.StatusCode)
		return &parley.Error{Kind: statusKind(resp.StatusCode), Code: "status_" + status, Message: "answered " + status}
	}
	return nil
}
