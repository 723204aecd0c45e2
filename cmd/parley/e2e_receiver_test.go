package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// numbered are n texts of a person.
func numbered(person string, n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("%s says %d", person, i))
	}
	return all
}

// TestReceiverDown: what happened while the receiver was away arrives in order
// once it is back.
func TestReceiverDown(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s := newStage(t, database, nil)
		people := []string{"ann", "Bo", "Cy", "Di"}
		conversations := map[string]int64{}
		for _, person := range people {
			conversations[person] = s.meet(person, "hello from "+person)
		}
		behind := s.logs.lines.Total()
		s.crm.retire() // it has taken what it was told, and said so
		for i := range 5 {
			for _, person := range people {
				s.say(person, numbered(person, 5)[i])
			}
		}
		s.logs.await(t, behind, "webhook", "kind=unavailable")
		s.crm.up()
		for _, person := range people {
			s.crm.awaitSaid(conversations[person], append([]string{"hello from " + person}, numbered(person, 5)...)...)
		}
		if got := s.api.must("GET", s.path("/dead_letters")).DeadLetters; len(got) != 0 {
			t.Errorf("dead letters: %+v", got)
		}
	})
}

// TestReceiverSlow: a conversation whose event is not answered holds up no other.
func TestReceiverSlow(t *testing.T) {
	t.Parallel()
	s := newStage(t, "", func(c *config) { c.WebhookTimeout = 2 * patience })
	ann, bo := s.meet("ann", "hello"), s.meet("Bo", "hello")
	reached, release := make(chan struct{}), make(chan struct{})
	reach := sync.OnceFunc(func() { close(reached) })
	s.crm.answer(func(_ http.ResponseWriter, h hook) int {
		if h.Data.Message == "held" {
			reach()
			<-release
		}
		return http.StatusOK
	})
	s.say("ann", "held")
	signalled(t, "the attempt", reached)
	s.say("ann", "behind it")
	for _, text := range numbered("Bo", 5) {
		s.say("Bo", text)
	}
	s.crm.awaitSaid(bo, append([]string{"hello"}, numbered("Bo", 5)...)...)
	if n := s.crm.tries("behind it"); n != 0 {
		t.Errorf("the event behind the held one was attempted %d times", n)
	}
	close(release)
	s.crm.awaitSaid(ann, "hello", "held", "behind it")
}

// TestReceiverTimeout: an answer that does not come in time is a failure.
func TestReceiverTimeout(t *testing.T) {
	t.Parallel()
	s := newStage(t, "", func(c *config) { c.WebhookTimeout = 100 * time.Millisecond })
	conversation := s.meet("ann", "hello")
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	s.crm.answer(func(_ http.ResponseWriter, h hook) int {
		if s.crm.tries(h.Data.Message) == 1 {
			<-release
			return http.StatusGone // nobody hears it
		}
		return http.StatusOK
	})
	s.say("ann", "late")
	s.crm.awaitSaid(conversation, "hello", "late")
	if n := s.crm.tries("late"); n < 2 {
		t.Errorf("%d attempts", n)
	}
}

// TestReceiverAnswers: only 200 counts, and nobody is sent elsewhere.
func TestReceiverAnswers(t *testing.T) {
	t.Parallel()
	s := newStage(t, "", nil)
	conversation := s.meet("ann", "hello")
	want := []string{"hello"}
	for _, status := range []int{http.StatusNoContent, http.StatusCreated, http.StatusFound, http.StatusPermanentRedirect, http.StatusBadRequest, http.StatusGone, http.StatusInternalServerError} {
		text := "answered " + strconv.Itoa(status)
		s.crm.answer(func(w http.ResponseWriter, h hook) int {
			if h.path != "/hook" {
				t.Errorf("%s was followed to %s", text, h.path)
			}
			if s.crm.tries(text) > 2 {
				return http.StatusOK
			}
			w.Header().Set("Location", s.crm.url()+"/elsewhere")
			return status
		})
		s.say("ann", text)
		want = append(want, text)
		s.crm.awaitSaid(conversation, want...)
		if n := s.crm.tries(text); n != 3 {
			t.Errorf("%s: %d attempts, want 3", text, n)
		}
	}
}

// TestReceiverFailsOneEvent: its conversation waits for it, the others do not.
func TestReceiverFailsOneEvent(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s := newStage(t, database, nil)
		ann, bo := s.meet("ann", "hello"), s.meet("Bo", "hello")
		cured := make(chan struct{})
		s.crm.answer(func(_ http.ResponseWriter, h hook) int {
			select {
			case <-cured:
			default:
				if h.Data.Message == "poison" {
					return http.StatusInternalServerError
				}
			}
			return http.StatusOK
		})
		s.say("ann", "poison")
		for _, text := range numbered("ann", 3) {
			s.say("ann", text)
		}
		s.crm.awaitTries("poison", 3)
		for _, text := range numbered("Bo", 5) {
			s.say("Bo", text)
		}
		s.crm.awaitSaid(bo, append([]string{"hello"}, numbered("Bo", 5)...)...)
		s.crm.awaitTries("poison", 6)
		if n := s.crm.tries("ann says 0"); n != 0 {
			t.Errorf("the event behind the failing one was attempted %d times", n)
		}
		close(cured)
		s.crm.awaitSaid(ann, append([]string{"hello", "poison"}, numbered("ann", 3)...)...)
	})
}

// TestDeadLetters: after 11 attempts, over a restart, the event is parked, what
// follows goes on, and it can be had again.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s := newStage(t, database, func(c *config) { // the policy's own number of repeats
			delay := 50 * time.Millisecond
			c.WebhookRetries, c.WebhookDelay = nil, &delay
		})
		conversation := s.meet("ann", "hello")
		letter(s, conversation, "poison 1", true)
		letter(s, conversation, "poison 2", false)
		s.crm.answer(nil)
		list := s.api.must("GET", s.path("/dead_letters")).DeadLetters
		if len(list) != 2 {
			t.Fatalf("dead letters: %+v", list)
		}
		for _, l := range list {
			if l.Type != "message" || l.Event != "new" || l.Attempts != 11 || l.Reason != "answered 500" || l.ReplayedAt != nil {
				t.Errorf("dead letter: %+v", l)
			}
		}
		shown := s.cli("deadletters", "list", "--company", strconv.FormatInt(s.company, 10))
		if strings.Count(shown, "answered 500") != 2 || !strings.Contains(shown, strconv.FormatInt(list[0].EventID, 10)) {
			t.Errorf("parley deadletters list:\n%s", shown)
		}
		if n := s.api.must("POST", s.path("/dead_letters/replay"), "event_ids[]", strconv.FormatInt(list[0].EventID, 10)).Replayed; n != 1 {
			t.Errorf("replayed %d by the API", n)
		}
		replayed(s, "poison 1")
		out := s.cli("deadletters", "replay", "--company", strconv.FormatInt(s.company, 10), strconv.FormatInt(list[1].EventID, 10))
		if out != "replaying 1\n" {
			t.Errorf("parley deadletters replay: %q", out)
		}
		replayed(s, "poison 2")
		poll(t, "the letters are marked as replayed", func() bool {
			list := s.api.must("GET", s.path("/dead_letters")).DeadLetters
			return list[0].ReplayedAt != nil && list[1].ReplayedAt != nil
		})
	})
}

// letter makes a dead letter. What follows it arrives after it was parked.
func letter(s *stage, conversation int64, text string, restart bool) {
	s.t.Helper()
	s.crm.answer(func(_ http.ResponseWriter, h hook) int {
		if strings.HasPrefix(h.Data.Message, "poison") {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	s.say("ann", text)
	s.say("ann", "after "+text)
	if restart {
		s.crm.awaitTries(text, 4)
		s.stop()
		if n := s.crm.tries(text); n >= 11 {
			s.t.Fatalf("%d attempts before the restart", n)
		}
		s.start()
	}
	if got := s.crm.next("message/new").Data.Message; got != "after "+text {
		s.t.Fatalf("got %q, want what follows %q", got, text)
	}
	if n := s.crm.tries(text); n != 11 {
		s.t.Errorf("%d attempts, want 11", n)
	}
}

// replayed waits for a replay, which is marked and made once.
func replayed(s *stage, text string) {
	s.t.Helper()
	h := s.crm.next("message/new")
	if h.Data.Message != text || !h.replay {
		s.t.Errorf("replayed %q, marked %v", h.Data.Message, h.replay)
	}
	if n := s.crm.tries(text); n != 12 {
		s.t.Errorf("%s: %d attempts with the replay, want 12", text, n)
	}
	for _, h := range s.crm.taken.After(0, 100_000, nil) {
		if h.replay && !strings.HasPrefix(h.Data.Message, "poison") {
			s.t.Errorf("marked as a replay: %+v", h)
		}
	}
}
