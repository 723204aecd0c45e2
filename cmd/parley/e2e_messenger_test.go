package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/simulator"
)

func (s *stage) fault(f simulator.Fault) {
	s.t.Helper()
	if _, err := s.tg.Faults().Add(f); err != nil {
		s.t.Fatal(err)
	}
}

// TestMessengerDown: what is accepted while the messenger cannot be reached goes
// out later, in order.
func TestMessengerDown(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s := newStage(t, database, nil)
		conversation := s.meet("ann", "hello")
		behind := s.logs.lines.Total()
		s.tg.down()
		var jobs []int64
		texts := []string{"one", "two", "three"}
		for _, text := range texts {
			jobs = append(jobs, s.post(conversation, text))
		}
		s.logs.await(t, behind, "msg=send ", "kind=unavailable")
		if got := s.api.must("GET", s.path("/channels/%d/jobs/%d", s.channel, jobs[0])); got.State != "trying_deliver" || got.Details != nil {
			t.Errorf("meanwhile: %+v", got)
		}
		s.tg.up()
		for i, text := range texts {
			s.delivered(jobs[i], text)
		}
		if got := s.tg.texts(annID); !slices.Equal(got, texts) {
			t.Errorf("at the messenger: %q", got)
		}
	})
}

// TestMessengerSick: answers that say not now are followed by another attempt.
func TestMessengerSick(t *testing.T) {
	t.Parallel()
	s := newStage(t, "", nil)
	conversation := s.meet("ann", "hello")
	t.Run("a page instead of an answer", func(t *testing.T) {
		s.fault(simulator.Fault{Kind: simulator.FaultHTML, Method: "sendMessage"})
		s.delivered(s.post(conversation, "after the page"), "after the page")
		if got := s.tg.requests("sendMessage"); len(got) != 2 || got[0].Status != http.StatusBadGateway || got[1].Status != http.StatusOK {
			t.Errorf("requests: %+v", got)
		}
	})
	t.Run("told to wait", func(t *testing.T) {
		s.fault(simulator.Fault{Kind: simulator.FaultThrottle, Method: "sendMessage", RetryAfter: 2})
		first, second := s.post(conversation, "after the wait"), s.post(conversation, "and this")
		s.delivered(first, "after the wait")
		s.delivered(second, "and this")
		got := s.tg.requests("sendMessage")[2:]
		if len(got) != 3 || got[0].Status != http.StatusTooManyRequests || got[1].Status != http.StatusOK {
			t.Fatalf("requests: %+v", got)
		}
		if waited := got[1].Time.Sub(got[0].Time); waited < 2*time.Second {
			t.Errorf("waited %v, told 2 s", waited)
		}
	})
	t.Run("cut after acceptance", func(t *testing.T) {
		s.fault(simulator.Fault{Kind: simulator.FaultCutAfter, Method: "sendMessage"})
		if reason := s.failed(s.post(conversation, "may have arrived")); reason != parley.UnknownOutcome || !strings.HasPrefix(reason, "outcome unknown: ") {
			t.Errorf("reason %q", reason)
		}
		s.delivered(s.post(conversation, "surely"), "surely")
		want := []string{"after the page", "after the wait", "and this", "may have arrived", "surely"}
		if got := s.tg.texts(annID); !slices.Equal(got, want) {
			t.Errorf("at the messenger: %q, want %q", got, want)
		}
	})
}

// TestTokenRevoked: the channel says so, its jobs end after the grace time, and a
// new token brings it back.
func TestTokenRevoked(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s := newStage(t, database, func(c *config) { c.ConnectGrace = time.Second })
		conversation := s.meet("ann", "hello")
		if _, err := s.tg.Revoke(""); err != nil {
			t.Fatal(err)
		}
		first, second := s.post(conversation, "one"), s.post(conversation, "two")
		if got := s.crm.system("disabled").Data.Details.EntityID; got != s.channel {
			t.Errorf("disabled: channel %d", got)
		}
		state := s.channelState()
		if state.State != "disabled" || !strings.Contains(state.Reason, "token") {
			t.Errorf("channel: %+v", state)
		}
		for _, job := range []int64{first, second} {
			if reason := s.failed(job); !strings.Contains(reason, state.Reason) {
				t.Errorf("job ended for %q, the channel's reason is %q", reason, state.Reason)
			}
		}
		const fresh = "7000001:AAa-new-token-for-the-same-bot"
		if _, err := s.tg.AddBot(fresh, "", ""); err != nil {
			t.Fatal(err)
		}
		s.api.must("PUT", s.path("/channels/%d", s.channel), "token", fresh)
		s.crm.system("authorized")
		if state := s.channelState(); state.State != "enabled" || state.Reason != "" {
			t.Errorf("channel: %+v", state)
		}
		s.delivered(s.post(conversation, "three"), "three")
		s.say("ann", "still there")
		if got := s.crm.next("message/new").Data; got.Message != "still there" || got.ConversationID != conversation {
			t.Errorf("heard: %+v", got)
		}
		if got := s.tg.texts(annID); !slices.Equal(got, []string{"three"}) {
			t.Errorf("at the messenger: %q", got)
		}
	})
}

// TestChannelDeleted: the messenger is told, jobs end, and the slot is free.
func TestChannelDeleted(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s := newStage(t, database, nil)
		conversation := s.meet("ann", "hello")
		s.fault(simulator.Fault{Kind: simulator.FaultThrottle, Method: "sendMessage", RetryAfter: 3600})
		first, second := s.post(conversation, "one"), s.post(conversation, "two")
		await(t, "the refusal", s.tg.Log(), 0, func(r simulator.Request) bool { return r.Status == http.StatusTooManyRequests })
		old := s.channel
		s.api.must("DELETE", s.path("/channels/%d", old))
		s.failed(first)
		s.failed(second)
		await(t, "deleteWebhook", s.tg.Log(), 0, func(r simulator.Request) bool { return r.Method == "deleteWebhook" })
		if got := s.tg.Accounts()[0].Webhook; got != "" {
			t.Errorf("callbacks still go to %q", got)
		}
		if got := s.api.do("GET", "/p1/"+s.path("/channels/%d", old), nil); got.status != http.StatusNotFound {
			t.Errorf("the deleted channel: %d", got.status)
		}
		if got := s.api.must("GET", s.path("/channels/%d/jobs/%d", old, first)); got.State != "not_delivered" {
			t.Errorf("job: %+v", got)
		}
		if got := s.api.must("GET", s.path("/channels")).Channels; len(got) != 0 {
			t.Errorf("channels: %+v", got)
		}
		s.connect()
		if s.channel == old {
			t.Errorf("the new channel is %d again", old)
		}
		for _, h := range s.crm.taken.After(0, 1000, nil) {
			if h.kind == "system/disabled" {
				t.Errorf("a deleted channel was announced: %+v", h)
			}
		}
	})
}

// TestOneAccountOnce: a bot that is connected already disables the second
// channel, and not the first.
func TestOneAccountOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s := newStage(t, database, nil)
		hook := s.tg.Accounts()[0].Webhook
		conversation := s.meet("ann", "hello")
		first, company := s.channel, s.company
		s.company = s.api.must("POST", "companies", "name", "Second").ExternalID
		s.crm.answerAs(t, s)
		s.channel = s.api.must("POST", s.path("/channels"), "provider", "telegram", "token", stageBot).ExternalID
		s.crm.system("disabled")
		if got := s.channelState(); got.State != "disabled" || got.Reason != "this account is already connected by another channel" {
			t.Errorf("second channel: %+v", got)
		}
		s.company, s.channel = company, first
		if got := s.channelState(); got.State != "enabled" {
			t.Errorf("first channel: %+v", got)
		}
		if got := s.tg.Accounts()[0].Webhook; got != hook {
			t.Errorf("callbacks go to %q, want %q", got, hook)
		}
		s.crm.trust(s.api.must("GET", s.path("/webhook_secret")).Secret)
		s.delivered(s.post(conversation, "still the first"), "still the first")
	})
}

// answerAs has the events of the stage's present company sent to the CRM.
func (c *crm) answerAs(t *testing.T, s *stage) {
	t.Helper()
	s.api.must("PUT", s.path(""), "webhook_url", c.url()+fmt.Sprintf("/company/%d", s.company), "extended_events", "true")
	c.trust(s.api.must("GET", s.path("/webhook_secret")).Secret)
}
