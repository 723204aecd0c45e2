package store_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// exercise uses every hot write and every list, so that all their statements are
// seen.
func exercise(t *testing.T, w *world) {
	t.Helper()
	ctx := t.Context()
	conv := w.talk("1")
	receive(t, w.db, says(w.ch, "1", "2", "x"), does(w.ch, "1", "3", "", connector.Message{Text: "y", ReplyTo: "2"}),
		does(w.ch, "1", "2", "v2", connector.Edit{Text: "z"}), does(w.ch, "1", "3", "", connector.Delete{}),
		does(w.ch, "1", "9", "v1", connector.Edit{Text: "unknown"}), does(w.ch, "1", "b", "", connector.Blocked{}))
	w.setURL("https://example.com")
	job := w.say(conv, "a b")
	w.accept(store.Accept{Conversation: conv, Text: "k", Idempotency: w.key("k", "r")})
	w.accept(store.Accept{Conversation: conv, Text: "k", Idempotency: w.key("k", "r")})
	moved := w.accept(store.Accept{First: &store.First{External: "5", PublicID: "5"}, Text: "f"}).Job
	work := w.claim(job.ID, "a", "b")
	w.echo("1", "e1", "other")
	w.ack("1", "p1", parley.AckRead)
	w.finish(work, store.Finish{Result: store.Retry, At: when})
	w.finish(w.claim(job.ID), delivered("p1"))
	w.finish(w.claim(job.ID), delivered("p2"))
	w.ack("1", "p2", parley.AckRead)
	f := delivered("p3")
	f.Sent.Chat = "6"
	w.finish(w.claim(moved.ID), f)
	b := &parley.BlockedStream{Stream: conv.Stream(), Head: 3, NextAt: when}
	w.deliver(store.Delivery{Cursor: 3, Block: b, Park: &parley.DeadLetter{Seq: 1}, Attempt: &parley.Attempt{Seq: 1}, Replayed: &store.Replayed{Seq: 1}})
	w.deliver(store.Delivery{Unblock: b.Stream})
	replay(t, w, nil)
	replay(t, w, []int64{1})
	lists(t, w, conv)
	timelines(t, w, conv, job.Message)
	w.setURL("")
	w.setPhone(annPhone)
	w.code("1", "")
	w.guess(annPhone, "0", "a")
	w.guess(annPhone, "1", "a")
	w.refresh("a", "b")
	w.access("b")
	w.refresh("a", "c")
	if err := w.db.SaveSessionState(ctx, w.company, w.ch.ID, w.grant, "k", []byte("v")); err != nil {
		t.Error(err)
	}
	w.cleanAll(time.Now().Add(time.Hour))
}

// timelines uses a second endpoint, and the way of a message.
func timelines(t *testing.T, w *world, conv parley.ConversationID, message parley.MessageID) {
	t.Helper()
	made := w.addEndpoint("https://example.com/b", parley.EventMessageNew)
	tl := w.timeline(conv, message)
	if len(tl.Events) == 0 || len(tl.Attempts) == 0 {
		t.Errorf("the timeline has nothing: %+v", tl)
	}
	kinds := []parley.EventKind{parley.EventMessageNew}
	if _, err := w.db.UpdateEndpoint(t.Context(), w.company, w.endpoint().ID, store.EndpointChange{Kinds: &kinds}); err != nil {
		t.Error(err)
	}
	if err := w.db.DeleteEndpoint(t.Context(), w.company, made.ID); err != nil {
		t.Error(err)
	}
}

func lists(t *testing.T, w *world, conv parley.ConversationID) {
	t.Helper()
	ctx, db, id := t.Context(), w.db, w.endpoint().ID
	check := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	for _, p := range []store.Page{{Limit: 5}, {Limit: 5, Desc: true}} {
		check(db.Messages(ctx, conv, p))
		check(db.Conversations(ctx, w.company, p))
		check(db.Companies(ctx, w.user, p))
		check(db.Channels(ctx, w.company, p))
		check(db.DeadLetters(ctx, w.company, p))
		check(db.Quarantines(ctx, w.company, p))
	}
	check(db.Conversation(ctx, w.company, conv))
	check(db.EventsAfter(ctx, w.company, 0, 5, 0))
	check(db.StreamEvents(ctx, w.company, conv.Stream(), 0, 9, 5))
	check(db.Event(ctx, w.company, 1))
	check(db.LastSeq(ctx, w.company))
	check(db.LogEnds(ctx, []parley.CompanyID{w.company}))
	check(db.ReadyChannels(ctx))
	check(db.OpenChannels(ctx))
	check(db.ReadyWork(ctx, w.ch.ID, 0, time.Now(), 5))
	check(db.SendingWork(ctx, 0, 5))
	check(db.OpenWork(ctx, w.ch.ID, 5))
	check(db.Promote(ctx))
	check(db.LaggingEndpoints(ctx, 0, 5))
	check(db.Endpoint(ctx, id))
	check(db.BlockedStreams(ctx, id))
	check(db.Replays(ctx, id, 5))
	check(db.Farewells(ctx, 0, 5))
	check(db.ChannelsInState(ctx, []parley.ChannelState{parley.ChannelEnabled}, 0, 5))
	check(db.SavedAnswer(ctx, w.user, []byte("k")))
	check(db.Depths(ctx))
	check(db.BilledChannels(ctx, w.user, when, store.BilledChannel{}, 5))
}

// big are the tables that grow with what happens, by the names that statements
// give them.
var big = map[string]bool{"message": true, "event": true, "job": true, "seen": true, "conversation": true, "contact": true, "idempotency": true,
	"receipt": true, "echo": true, "blocked_stream": true, "job_attempt": true, "webhook_attempt": true, "dead_letter": true, "quarantine": true,
	"sign_in_code": true, "sign_in_token": true, "running_request": true}

// openOnly are indexes on open work alone, which may be read whole.
var openOnly = []string{"job_open", "job_ready", "job_sending", "job_channel", "dead_letter_open"}

var (
	tableName = regexp.MustCompile(`(?:FROM|JOIN|UPDATE|INTO) (\w+)(?: (?:AS )?([a-z]\w*))?`)
	numbered  = regexp.MustCompile(`\$\d+`)
	walk      = regexp.MustCompile(`^(SCAN|SEARCH) (\w+)(.*)$`)
)

// plans explains all statements that were seen, on SQLite.
func plans(t *testing.T, w *world, watch *store.Watcher) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, text := range watch.Texts() {
		verb, _, _ := strings.Cut(strings.TrimSpace(text), " ")
		if !slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"}, verb) {
			continue
		}
		names := map[string]bool{}
		for _, n := range numbered.FindAllString(text, -1) {
			names[n] = true
		}
		rows, err := store.Query(w.db, 4, "EXPLAIN QUERY PLAN "+text, make([]any, strings.Count(text, "?")+len(names))...)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for _, r := range rows {
			all[text] = append(all[text], r[3])
		}
	}
	return all
}

// TestPlans looks at how SQLite runs every statement: none reads a big table from
// end to end, or from some id to its end.
func TestPlans(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, storetest.SQLite(t))
	watch := store.Watch(db)
	w := newWorld(t, db)
	exercise(t, w)
	all := plans(t, w, watch)
	if len(all) < 70 {
		t.Errorf("only %d statements were seen", len(all))
	}
	used := map[string]bool{}
	for text, steps := range all {
		alias := map[string]string{}
		for _, m := range tableName.FindAllStringSubmatch(text, -1) {
			alias[m[1]] = m[1]
			if m[2] != "" {
				alias[m[2]] = m[1]
			}
		}
		for _, step := range steps {
			for _, index := range openOnly {
				used[index] = used[index] || strings.Contains(step, "INDEX "+index)
			}
			m := walk.FindStringSubmatch(step)
			if m == nil || !big[alias[m[2]]] || slices.ContainsFunc(openOnly, func(i string) bool { return strings.Contains(m[3], "INDEX "+i) }) {
				continue
			}
			if m[1] == "SCAN" || strings.Contains(m[3], "(rowid>") || strings.Contains(m[3], "(rowid<") {
				t.Errorf("%s\n%s", text, step)
			}
		}
	}
	for _, index := range openOnly {
		if !used[index] {
			t.Errorf("nothing uses the index %s", index)
		}
	}
	for text, steps := range all {
		if strings.Contains(text, "hop (id)") && strings.Contains(text, "state = 'ready'") && strings.Count(fmt.Sprint(steps), "job_ready") < 2 {
			t.Errorf("the hop from channel to channel does not use job_ready: %v", steps)
		}
	}
}

// TestRowWrites counts the rows that a message costs. The counter of the log is
// raised once for each batch, so it is counted apart.
func TestRowWrites(t *testing.T) {
	t.Parallel()
	clock := newClock()
	o := storetest.SQLite(t)
	o.Now = clock.now
	db := storetest.Open(t, o)
	watch := store.Watch(db)
	w := newWorld(t, db)
	conv := w.talk("1")
	tests := []struct {
		name string
		do   func()
		most map[string]int // "" is all together
	}{
		{"received in a known conversation", func() { receive(t, db, says(w.ch, "1", "2", "x")) },
			map[string]int{"": 4, "UPDATE company_log SET": 1}},
		{"received twice", func() { receive(t, db, says(w.ch, "1", "2", "x")) }, map[string]int{"": 0}},
		{"64 received at once", func() {
			var in []*store.Receive
			for n := range 64 {
				in = append(in, says(w.ch, "1", fmt.Sprint("many", n), "x"))
			}
			receive(t, db, in...)
		}, map[string]int{"": 3*64 + 1}},
		{"sent in one part", func() { w.finish(w.claim(w.say(conv, "x").ID), delivered("p1")) },
			map[string]int{"": 7 + 1, "UPDATE company_log SET": 1, "INSERT INTO job_attempt": 0}},
		{"put off once", func() { w.finish(w.claim(w.say(conv, "x").ID), store.Finish{Result: store.Retry, At: when}) },
			map[string]int{"": 5, "INSERT INTO job_attempt": 1}},
		{"a receipt", func() { w.ack("1", "p1", parley.AckRead) }, map[string]int{"": 3}},
	}
	for _, tt := range tests {
		watch.Reset()
		tt.do()
		total, writes := watch.Rows()
		got := maps.Clone(writes)
		got[""] = total
		for statement, most := range tt.most {
			if got[statement] > most {
				t.Errorf("%s: %d rows by %q, want at most %d: %v", tt.name, got[statement], statement, most, writes)
			}
		}
	}
}
