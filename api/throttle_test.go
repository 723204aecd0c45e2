package api

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/parley-im/parley"
)

// TestWarnings: failures at speed are one line a second for each kind, and the next
// line tells how many there were.
func TestWarnings(t *testing.T) {
	t.Parallel()
	db, clock := openSQLite(t), newHand()
	broken := &brokenStore{DB: db}
	g := newGateway(t, db, func(c *Config) { c.Store, c.Now = broken, clock.now })
	n := g.full(t)
	flood := func(err error) {
		broken.fail = func() error { return err }
		for range 50 {
			n.post(t, messagesPath, "message=hi")
		}
	}
	count := func(text string) int { return strings.Count(g.log.String(), text) }
	flood(parley.Errorf(parley.KindUnavailable, "away"))
	flood(errors.New("broken"))
	clock.move(time.Second - 1)
	flood(parley.Errorf(parley.KindUnavailable, "away"))
	if count("level=WARN") != 2 || count("kind=unavailable") != 1 || count("kind=internal") != 1 || count("suppressed") != 0 {
		t.Errorf("in the first second:\n%s", g.log)
	}
	clock.move(1)
	flood(parley.Errorf(parley.KindUnavailable, "away"))
	if count("level=WARN") != 3 || count("suppressed=99") != 1 {
		t.Errorf("in the second:\n%s", g.log)
	}
	broken.fail = func() error { panic("x") }
	for range 50 {
		n.post(t, messagesPath, "message=hi").expect(t, "500")
	}
	if count("request panicked") != 1 {
		t.Errorf("panics: %d lines", count("request panicked"))
	}
}

// TestInvalidRequestsAreQuiet: what clients do wrong is not logged at the level
// that operators use.
func TestInvalidRequestsAreQuiet(t *testing.T) {
	t.Parallel()
	log := &journal{}
	g := newGateway(t, openSQLite(t), func(c *Config) { c.Log = slog.New(slog.NewTextHandler(log, nil)) })
	n := g.full(t)
	for range 20 {
		n.do(t, request{line: "GET /p1/companies", header: badToken}).expect(t, "401")
		n.do(t, request{line: "GET /p1/companies", header: noToken}).expect(t, "401")
		n.get(t, "/p1/nothing").expect(t, "404")
		n.get(t, "/api/nothing").expect(t, "404")
		n.post(t, "/p1/companies", `{"name":`).expect(t, "400")
		n.post(t, messagesPath, strings.Repeat("x", 2<<20)).expect(t, "400")
		n.do(t, request{line: http.MethodPatch + " /p1/companies"}).expect(t, "405")
	}
	if text := log.String(); text != "" {
		t.Errorf("logged\n%s", text)
	}
}
