package api

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTrace: every message that is accepted is told of once, with what the client
// says of its own trace; nothing else is.
func TestTrace(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got []string
	n := newGateway(t, openSQLite(t), func(c *Config) {
		c.Trace = func(a Accepted) {
			mu.Lock()
			defer mu.Unlock()
			if a.Took <= 0 || a.Begun.IsZero() || a.Job.Message == 0 || a.Job.Channel == 0 {
				t.Errorf("%+v", a)
			}
			got = append(got, fmt.Sprintf("%s %d of %d: %q", a.Route, a.Job.ID, a.Job.Company, a.Parent))
		}
	}).full(t)
	job := func(r reply) string {
		return fmt.Sprintf("%.0f of %d", r.body["data"].(map[string]any)["id"], n.company)
	}
	first := n.do(t, request{line: postMessages, body: "message=a", header: "Idempotency-Key: k\nTraceparent: 00-theirs"}).expect(t, "ok")
	n.keyed(t, messagesPath, "message=a", "k").expect(t, "ok") // the same again
	n.post(t, messagesPath, "").expect(t, "400 message")
	n.get(t, messagesPath).expect(t, "ok")
	second := n.post(t, messagesPath, "message=b").expect(t, "ok")
	n.post(t, conversationsPath, "provider=telegram_personal&phone=79250000002&text=hi").expect(t, "ok")
	const route = "/p1/companies/C/conversations"
	want := []string{route + "/CV/messages " + job(first) + `: "00-theirs"`, route + "/CV/messages " + job(second) + `: ""`}
	mu.Lock()
	defer mu.Unlock()
	if len(got) != 3 {
		t.Fatalf("told of %q", got)
	}
	if d := cmp.Diff(want, got[:2]); d != "" {
		t.Error(d)
	}
	if want := fmt.Sprintf("of %d: %q", n.company, ""); len(got[2]) < len(want) || got[2][:len(route)+1] != route+" " || got[2][len(got[2])-len(want):] != want {
		t.Errorf("a conversation that begins with a message: %q", got[2])
	}
}
