package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestSignIn: an operator gives a user a phone and an address; the code comes
// there, and its tokens open the API. The profile of limits holds for them.
func TestSignIn(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		codes := make(chan string, 10)
		receiver := newHost(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body) // half a body is no JSON
			var b struct {
				Type, Event string
				Data        struct{ Phone, Code string }
			}
			if err := json.Unmarshal(body, &b); err != nil || b.Type != "verification" || b.Event != "code" || b.Data.Phone != "79250000001" {
				t.Errorf("got %s", body)
			}
			codes <- b.Data.Code
		}))
		s := bareStage(t, database, func(c *config) { c.RateLimit = "v2" })
		s.open()
		s.cli("user", "set", "shop", "--partner", "--channel-price", "7", "--phone", "+7 925 000-00-01", "--webhook-url", receiver.url()+"/codes-x")
		anybody := &apiClient{t: t, base: s.api.base}
		if r := anybody.do("POST", "/api/verification", url.Values{"phone": {"79250000001"}}); r.status != http.StatusOK {
			t.Fatalf("verification: %d %s", r.status, r.body)
		}
		code := <-codes
		in := anybody.do("POST", "/api/sign_in", url.Values{"phone": {"79250000001"}, "code": {code}})
		access, refresh := in.header.Get("Authentication-Token"), in.header.Get("Refresh-Token")
		if in.status != http.StatusOK || access == "" || refresh == "" {
			t.Fatalf("sign-in: %d %s", in.status, in.body)
		}
		get := func(path string) apiReply {
			req, err := http.NewRequest(http.MethodGet, s.api.base+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Api-Token", access)
			return anybody.send(req)
		}
		if r := get("/p1/billing"); r.status != http.StatusOK || !strings.Contains(string(r.body), `"details":[],"total_cost":0`) {
			t.Errorf("billing: %d %s", r.status, r.body)
		}
		for range 10 {
			if r := get("/p1/" + s.path("/conversations")); r.status != http.StatusOK {
				t.Fatalf("conversations: %d %s", r.status, r.body)
			}
		}
		if r := get("/p1/" + s.path("/conversations")); r.status != http.StatusTooManyRequests || r.header.Get("Retry-After") == "" {
			t.Errorf("the eleventh list: %d %s", r.status, r.body)
		}
		s.stop()
		for _, secret := range []string{access, refresh, "79250000001", "codes-x"} {
			if strings.Contains(s.logs.String(), secret) {
				t.Errorf("%s was logged", secret)
			}
		}
	})
}
