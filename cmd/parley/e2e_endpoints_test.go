package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/simulator"
)

// secondCRM is another receiver of the company's, for some types of event.
func (s *stage) secondCRM(types ...string) (c *crm, id int64) {
	s.t.Helper()
	c = newCRM(s.t)
	pairs := []string{"url", c.url() + "/hook"}
	for _, kind := range types {
		pairs = append(pairs, "event_types[]", kind)
	}
	id = s.api.must("POST", s.path("/webhooks"), pairs...).ID
	c.trust(s.api.must("GET", s.path("/webhooks/%d/secret", id)).Secret)
	return c, id
}

func kindsTaken(c *crm) []string {
	var all []string
	for _, h := range c.taken.After(0, 100_000, func(h hook) bool { return h.Type != "system" }) {
		all = append(all, h.kind)
	}
	return all
}

// TestTwoEndpoints: each gets what it has asked for, in order, and the one that is
// down does not hold up the other. What it has missed it gets later.
func TestTwoEndpoints(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s := newStage(t, database, nil)
		second, id := s.secondCRM("message/new")
		main, err := s.gateway.db.MainEndpoint(t.Context(), parley.CompanyID(s.company))
		if err != nil {
			t.Fatal(err)
		}
		s.api.must("PUT", s.path("/webhooks/%d", main.ID), "event_types[]", "conversation/new", "event_types[]", "job/executed")
		second.down()
		texts := numbered("ann", 5)
		for _, text := range texts {
			s.say("ann", text)
		}
		conversation := s.crm.next("conversation/new").Data.ExternalID
		poll(t, "all are stored", func() bool {
			return len(s.api.must("GET", s.path("/conversations/%d/messages", conversation)).Messages) == len(texts)
		})
		job := s.post(conversation, "an answer")
		if got := s.crm.next("job/executed").Data.ID; got != job {
			t.Errorf("executed %d, want %d", got, job)
		}
		if n := second.attempts.Total(); n != 0 {
			t.Errorf("%d requests reached the one that is down", n)
		}
		second.up()
		second.awaitSaid(conversation, append(texts, "an answer")...)
		if diff := cmp.Diff([]string{"conversation/new", "job/executed"}, kindsTaken(s.crm)); diff != "" {
			t.Errorf("the main one got:\n%s", diff)
		}
		if got := kindsTaken(second); len(got) != 6 || slices.ContainsFunc(got, func(k string) bool { return k != "message/new" }) {
			t.Errorf("the second one got %v", got)
		}
		if r := s.api.do(http.MethodDelete, "/p1/"+s.path("/webhooks/%d", id), nil); r.status != http.StatusOK {
			t.Fatalf("delete: %d %s", r.status, r.body)
		}
		s.api.must("PUT", s.path("/webhooks/%d", main.ID), "event_types", "")
		s.say("ann", "after the end")
		if got := s.crm.next("message/new").Data.Message; got != "after the end" || second.tries(got) != 0 {
			t.Errorf("got %q; the deleted one was tried %d times", got, second.tries(got))
		}
	})
}

// TestReplayOfOneEndpoint: the command replays what one endpoint did not take.
func TestReplayOfOneEndpoint(t *testing.T) {
	t.Parallel()
	s := newStage(t, "", func(c *config) { retries := 0; c.WebhookRetries = &retries })
	second, id := s.secondCRM()
	poison := func(_ http.ResponseWriter, h hook) int {
		if h.Data.Message == "poison" {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	}
	s.crm.answer(poison)
	second.answer(poison)
	s.say("ann", "poison")
	poll(t, "both have parked it", func() bool { return len(s.api.must("GET", s.path("/dead_letters")).DeadLetters) == 2 })
	s.crm.answer(nil)
	second.answer(nil)
	company := strconv.FormatInt(s.company, 10)
	if out := s.cli("deadletters", "replay", "--company", company, "--endpoint", strconv.FormatInt(id, 10)); out != "replaying 1\n" {
		t.Errorf("parley deadletters replay: %q", out)
	}
	if h := await(t, "the replay", second.taken, 0, func(h hook) bool { return h.replay }); h.Data.Message != "poison" {
		t.Errorf("replayed %+v", h)
	}
	if n := s.crm.tries("poison"); n != 1 {
		t.Errorf("%d attempts at the other endpoint, want 1", n)
	}
}

// TestTimeline tells of a message that was put off once, then delivered, and whose
// webhook failed twice.
func TestTimeline(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s := newStage(t, database, nil)
		conversation := s.meet("ann", "hello")
		s.crm.answer(func(_ http.ResponseWriter, h hook) int {
			if h.Data.Message == "an answer" && s.crm.tries("an answer") <= 2 {
				return http.StatusInternalServerError
			}
			return http.StatusOK
		})
		s.fault(simulator.Fault{Kind: simulator.FaultThrottle, Method: "sendMessage", Times: 1, RetryAfter: 1})
		job := s.post(conversation, "an answer")
		m := s.crm.next("message/new").Data
		if s.crm.next("job/executed").Data.ID != job {
			t.Fatal("another job")
		}
		want := []string{"accepted", "claimed", "answered retry throttled", "claimed", "answered delivered", "event message/new delivered",
			"event job/executed delivered", "webhook 500", "webhook 500", "webhook 200"}
		var got []string
		poll(t, "everything is delivered", func() bool {
			got = s.timeline(conversation, m.ExternalID, job)
			return slices.Equal(want, got)
		})
	})
}

// timeline reads a message's timeline, in words.
func (s *stage) timeline(conversation, message, job int64) []string {
	s.t.Helper()
	r := s.api.do(http.MethodGet, "/p1/"+s.path("/conversations/%d/messages/%d/timeline", conversation, message), nil)
	var a struct {
		Data struct {
			MessageID int64 `json:"message_id"`
			JobID     int64 `json:"job_id"`
			Entries   []struct {
				What, Result, Kind, Type, Event string
				Status                          int
				Webhooks                        []struct{ State string }
			}
		}
	}
	if err := json.Unmarshal(r.body, &a); err != nil || r.status != http.StatusOK || a.Data.MessageID != message || a.Data.JobID != job {
		s.t.Fatalf("timeline: %v %d %s", err, r.status, r.body)
	}
	var all []string
	for _, e := range a.Data.Entries {
		words := []string{e.What, e.Result, e.Kind}
		if e.Type != "" {
			words = append(words, e.Type+"/"+e.Event)
		}
		if e.Status != 0 {
			words = append(words, fmt.Sprint(e.Status))
		}
		for _, w := range e.Webhooks {
			words = append(words, w.State)
		}
		all = append(all, strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " "))
	}
	return all
}
