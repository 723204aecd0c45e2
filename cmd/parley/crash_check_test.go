package main_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/simulator"
)

// A crashJob is how a job ended, as the API tells it.
type crashJob struct {
	state   string // "" while it has not
	reason  string
	message int64
}

// readJobs reads the jobs that have not ended yet.
func (w *crashWorld) readJobs() string {
	open := 0
	for _, c := range w.chats {
		for i := range c.posts {
			p := &c.posts[i]
			if p.end.state == "" {
				p.end = w.readJob(p.job)
			}
			if p.end.state == "" {
				open++
				break // those behind it wait for it
			}
		}
	}
	if open > 0 {
		return fmt.Sprintf("%d conversations have open jobs", open)
	}
	return ""
}

func (w *crashWorld) readJob(id int64) crashJob {
	d := w.must("GET", w.path("/channels/%d/jobs/%d", w.channel, id), nil).Data
	if d.State == "trying_deliver" {
		return crashJob{}
	}
	return crashJob{state: d.State, reason: d.Details.Reason, message: d.Message}
}

// readMessages lists the messages of all conversations.
func (w *crashWorld) readMessages() {
	for _, c := range w.chats {
		for from := ""; ; {
			d := w.must("GET", w.path("/conversations/%d/messages?per=100&from=%s", c.id, from), nil).Data
			c.messages = append(c.messages, d.Messages...)
			if from = d.Next; from == "" {
				break
			}
		}
	}
}

// webhooksMissing tells what the receiver has not got yet: an event for each
// message listed, and one for each job.
func (w *crashWorld) webhooksMissing() string {
	got := map[string]map[int64]bool{"message/new": {}, "job/executed": {}, "attachment/ready": {}}
	for _, h := range w.hooks.all() {
		if ids := got[h.kind]; ids != nil && h.taken {
			ids[max(h.data.ID, h.data.Job)] = true
		}
	}
	var messages, jobs []int64
	files := 0
	for _, c := range w.chats {
		for _, m := range c.messages {
			if !got["message/new"][m.ID] {
				messages = append(messages, m.ID)
			}
			if m.Income && len(m.Files) == 1 && !got["attachment/ready"][m.Files[0].ID] {
				files++
			}
		}
		for _, p := range c.posts {
			if !got["job/executed"][p.job] {
				jobs = append(jobs, p.job)
			}
		}
	}
	switch {
	case len(messages)+len(jobs)+files == 0:
		return ""
	case len(messages)+len(jobs) == 0:
		return fmt.Sprintf("%d files are missing", files)
	}
	return fmt.Sprintf("%d messages and %d jobs are missing, such as message %v, job %v", len(messages), len(jobs), messages[:min(3, len(messages))], jobs[:min(3, len(jobs))])
}

// readRefused wants nothing to have been put aside.
func (w *crashWorld) readRefused() {
	for _, list := range []string{"dead_letters", "quarantine"} {
		d := w.must("GET", w.path("/%s", list), nil).Data
		for _, row := range slices.Concat(d.Letters, d.Quarantine) {
			w.t.Errorf("%s: %s", list, row)
		}
	}
}

// check compares what people said and clients sent with what came of it.
func (w *crashWorld) check() {
	w.gateway.complaints(w.t)
	for _, p := range w.hooks.problems {
		w.t.Error(p)
	}
	w.checkEvents()
	of := map[int64][]*crashHook{}
	for _, h := range w.hooks.all() {
		if h.kind == "message/new" {
			of[h.data.Conversation] = append(of[h.data.Conversation], h)
		}
	}
	sent := w.sent()
	for _, c := range w.chats {
		w.checkSaid(c, of[c.id])
		w.checkPosts(c, of[c.id])
		w.checkSent(c, sent)
		w.checkUnknown(c)
	}
	w.checkStrangers(sent)
	w.checkFilesSent()
	w.summary()
}

// sent counts what the simulator was made to send.
func (w *crashWorld) sent() map[string]int {
	times := map[string]int{}
	for _, s := range w.sim.Sent().After(0, 1_000_000, func(s simulator.Sent) bool { return s.Method == w.rules.method() }) {
		times[s.Text]++
	}
	return times
}

// checkEvents wants one event for each thing that happened, whatever was repeated.
func (w *crashWorld) checkEvents() {
	seen := map[string]string{}
	for _, h := range w.hooks.all() {
		if !h.taken {
			w.t.Errorf("a webhook was never taken: %s", h.body)
		}
		name := fmt.Sprintf("%s %d", h.kind, max(h.data.ID, h.data.Job))
		if h.kind == "attachment/failed" {
			w.t.Errorf("a file was lost: %s", h.body)
		}
		if h.kind != "message/new" && h.kind != "job/executed" && h.kind != "conversation/new" && h.kind != "attachment/ready" {
			continue
		}
		if was := seen[name]; was != "" {
			w.t.Errorf("two events for %s:\n%s\n%s", name, was, h.body)
		}
		seen[name] = h.body
	}
}

// checkSaid wants everything that a person said to be listed once, in order, and
// to have come by webhook in that order.
func (w *crashWorld) checkSaid(c *crashChat, hooks []*crashHook) {
	var listed, came []string
	for _, m := range c.messages {
		if m.Income {
			listed = append(listed, m.Text)
		}
	}
	for _, h := range hooks {
		if h.data.Income {
			came = append(came, h.data.Text)
		}
	}
	if diff := cmp.Diff(c.said, listed); diff != "" {
		w.t.Errorf("person %d: said (-), listed (+):\n%s", c.person, diff)
	}
	if diff := cmp.Diff(c.said, came); diff != "" {
		w.t.Errorf("person %d: said (-), came by webhook (+):\n%s", c.person, diff)
	}
}

// checkPosts wants the messages that were delivered, and no others, to be listed
// once, in the order in which they were accepted, and to have come by webhook so.
func (w *crashWorld) checkPosts(c *crashChat, hooks []*crashHook) {
	type own struct {
		ID   int64
		Text string
	}
	var want, listed, came []own
	for _, p := range c.posts {
		if p.end.state == "delivered" {
			want = append(want, own{p.end.message, p.text})
		}
	}
	for _, m := range c.messages {
		if !m.Income {
			listed = append(listed, own{m.ID, m.Text})
		}
	}
	for _, h := range hooks {
		if !h.data.Income {
			came = append(came, own{h.data.ID, h.data.Text})
		}
	}
	if diff := cmp.Diff(want, listed); diff != "" {
		w.t.Errorf("person %d: delivered (-), listed (+):\n%s", c.person, diff)
	}
	if diff := cmp.Diff(want, came); diff != "" {
		w.t.Errorf("person %d: delivered (-), came by webhook (+):\n%s", c.person, diff)
	}
}

// checkSent wants each message to have been asked for at most once, exactly once
// if it was delivered, and in order.
func (w *crashWorld) checkSent(c *crashChat, sent map[string]int) {
	last := 0
	for _, p := range c.posts {
		asked := w.door.asked[p.text]
		if sent[p.text] > 1 || len(asked) > 1 || sent[p.text] != len(asked) {
			w.t.Errorf("%q was sent %d times, and asked for in %+v", p.text, sent[p.text], asked)
		}
		if p.end.state == "delivered" && sent[p.text] != 1 {
			w.t.Errorf("%q is delivered, but was sent %d times", p.text, sent[p.text])
		}
		for _, a := range asked {
			if a.n < last {
				w.t.Errorf("%q was sent before one that was accepted earlier", p.text)
			}
			last = a.n
		}
	}
}

// checkUnknown wants a message that was not delivered to be one that a kill or a
// cut has hit. A conversation has one request under way, so a kill hits at most
// one of each, the last that the process has asked for.
func (w *crashWorld) checkUnknown(c *crashChat) {
	lasts, unknown := w.lasts(c), 0
	for _, p := range c.posts {
		if p.end.state == "delivered" {
			continue
		}
		if p.end.state != "not_delivered" || p.end.reason != parley.UnknownOutcome {
			w.t.Errorf("%q ended %s: %s", p.text, p.end.state, p.end.reason)
		}
		asked := w.door.asked[p.text]
		switch {
		case len(asked) > 0 && asked[0].cut:
			continue
		case len(asked) > 0 && (!w.gateway.killed[asked[0].run] || lasts[asked[0].run] != asked[0].n):
			w.t.Errorf("%q: outcome unknown, but process %d, which asked, was not killed over it", p.text, asked[0].run)
		}
		unknown++
	}
	if unknown > w.kills {
		w.t.Errorf("person %d: %d outcomes unknown after %d kills", c.person, unknown, w.kills)
	}
}

// lasts returns the last request of each process in a conversation.
func (w *crashWorld) lasts(c *crashChat) map[int]int {
	lasts := map[int]int{}
	for _, p := range c.posts {
		for _, a := range w.door.asked[p.text] {
			lasts[a.run] = max(lasts[a.run], a.n)
		}
	}
	return lasts
}

// checkStrangers wants no job and no request that nobody asked for.
func (w *crashWorld) checkStrangers(sent map[string]int) {
	jobs, texts := map[int64]crashPost{}, map[string]bool{}
	for _, c := range w.chats {
		for _, p := range c.posts {
			if was, known := jobs[p.job]; known {
				w.t.Errorf("%q and %q have one job", was.text, p.text)
			}
			jobs[p.job], texts[p.text] = p, true
		}
	}
	for _, h := range w.hooks.all() {
		if h.kind == "job/executed" {
			w.checkExecuted(h, jobs)
		}
	}
	for text := range sent {
		if !texts[text] {
			w.t.Errorf("%q was sent, but no client knows that it was accepted", text)
		}
	}
}

// checkExecuted wants an event about a job to say what the API says.
func (w *crashWorld) checkExecuted(h *crashHook, jobs map[int64]crashPost) {
	p, known := jobs[h.data.Job]
	if !known {
		w.t.Errorf("a job that no client knows has ended: %s", h.body)
		return
	}
	got := crashJob{state: "not_delivered", reason: h.data.Reason, message: h.data.Message}
	if h.data.Result == "DELIVERED" {
		got.state = "delivered"
	}
	if got != p.end {
		w.t.Errorf("%q: the event says %+v, the API %+v", p.text, got, p.end)
	}
}

// summary tells how hard the test was, and fails if it was too easy to mean much.
func (w *crashWorld) summary() {
	var said, posts, repeats, asked, unknown, cut int
	for _, c := range w.chats {
		said, posts = said+len(c.said), posts+len(c.posts)
		for _, p := range c.posts {
			repeats += p.repeats
			if p.end.state != "delivered" {
				unknown++
			}
			for _, a := range w.door.asked[p.text] {
				asked++
				if a.cut {
					cut++
				}
			}
		}
	}
	lines := []string{
		fmt.Sprintf("%d of %d kills hit work under way: %s", w.hits, w.kills, w.struck),
		fmt.Sprintf("%v of kills, of which %v of waiting for starts; then %v until all was done", w.calm.Sub(w.begun).Round(time.Millisecond), w.gateway.starting.Round(time.Millisecond), time.Since(w.calm).Round(time.Millisecond)),
		fmt.Sprintf("%d messages said, %d accepted after %d repeated requests", said, posts, repeats),
		fmt.Sprintf("%d sent, %d of them cut; %d outcomes unknown", asked, cut, unknown),
		fmt.Sprintf("%d webhooks; %d were refused once, %d that were taken came again, equal to the byte", len(w.hooks.order), w.hooks.refused, w.hooks.repeats),
	}
	w.t.Log(strings.Join(lines, "\n"))
	if s := w.struck; s.sends == 0 || s.webhooks == 0 || s.posts == 0 || unknown == 0 || repeats == 0 || w.hooks.repeats == 0 {
		w.t.Error("the kills have not hit enough for the test to mean anything")
	} else if w.rules.files && s.downloads == 0 {
		w.t.Error("the kills have hit no download")
	}
}
