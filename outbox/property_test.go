package outbox

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

// A play is a random script of a provider and a store.
type play struct {
	keyed, receipts bool
	answers         []parley.Kind // of Send, drawn in the order of calls; then all is well
	delays          []int         // of Send, in ms
	claims          []bool        // claims that fail, though committed or not
	conversations   []int         // of the jobs
	parts           []int
	crashes         []int // ms between crashes of the process
}

var playKinds = []parley.Kind{
	"", "", "", parley.KindRejected, parley.KindUnreachable, parley.KindThrottled, parley.KindUnavailable, parley.KindUnavailable,
	parley.KindUncertain, parley.KindInternal, parley.KindLoggedOut,
}

func drawPlay(t *rapid.T) play {
	return play{
		keyed:         rapid.Bool().Draw(t, "keyed"),
		receipts:      rapid.Bool().Draw(t, "receipts"),
		answers:       rapid.SliceOfN(rapid.SampledFrom(playKinds), 0, 60).Draw(t, "answers"),
		delays:        rapid.SliceOfN(rapid.IntRange(0, 40_000), 1, 10).Draw(t, "delays"),
		claims:        rapid.SliceOfN(rapid.Bool(), 0, 10).Draw(t, "claims"),
		conversations: rapid.SliceOfN(rapid.IntRange(1, 5), 1, 40).Draw(t, "conversations"),
		parts:         rapid.SliceOfN(rapid.IntRange(1, 3), 1, 5).Draw(t, "parts"),
		crashes:       rapid.SliceOfN(rapid.IntRange(1, 90_000), 0, 3).Draw(t, "crashes"),
	}
}

// TestEveryJobEnds lets random things happen and then checks the promises: each
// job ends; a conversation's parts arrive in the order of acceptance; nothing
// arrives twice unless the provider takes keys, and with a key only under the same one.
func TestEveryJobEnds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		p := drawPlay(rt)
		inWorld(t, func(w *world) { w.play(rt, p) })
	})
}

func (w *world) play(rt *rapid.T, p play) {
	got := newArrivals(p.keyed)
	var mu sync.Mutex
	calls, claims := 0, 0
	w.prov.spec.Keyed, w.prov.spec.Receipts = p.keyed, p.receipts
	w.prov.plan = planWords
	w.prov.send = func(ctx context.Context, part connector.Part) (connector.Sent, error) {
		mu.Lock()
		kind, delay := parley.Kind(""), p.delays[calls%len(p.delays)]
		if calls < len(p.answers) {
			kind = p.answers[calls]
		}
		calls++
		mu.Unlock()
		if err := pause(ctx, time.Duration(delay)*time.Millisecond); err != nil {
			got.arrive(part) // the answer is lost, the part is not
			return connector.Sent{}, err
		}
		if kind == "" || kind == parley.KindUncertain || kind == parley.KindInternal {
			got.arrive(part)
		}
		if kind != "" {
			return connector.Sent{}, &parley.Error{Kind: kind, RetryAfter: 3 * time.Second}
		}
		return connector.Sent{ProviderID: part.Key, Ack: parley.AckSent}, nil
	}
	fail := func(op string, _ parley.JobID) error {
		mu.Lock()
		defer mu.Unlock()
		if op != "claim" {
			return nil
		}
		claims++
		if claims <= len(p.claims) && p.claims[claims-1] {
			return fails(parley.KindUnavailable, "connection lost")
		}
		return nil
	}
	w.mem.refuse, w.mem.lie = fail, fail
	w.cfg.Grants = frozen(1)
	w.start()
	var ids []parley.JobID
	for i, c := range p.conversations {
		ids = append(ids, w.accept(parley.ConversationID(c), words(p.parts[i%len(p.parts)])))
	}
	for _, ms := range p.crashes {
		w.pass(time.Duration(ms) * time.Millisecond)
		w.crash()
	}
	w.pass(5 * time.Hour)
	for _, id := range ids {
		if j := w.mem.job(id); j.State.Open() || (j.State == parley.JobNotDelivered) != (j.Reason != "") {
			rt.Errorf("job %d: %s %q", id, j.State, j.Reason)
		}
	}
	for _, wrong := range got.wrong {
		rt.Error(wrong)
	}
	w.end()
}

// crash drops the outbox as kill -9 does, its sends and commits included, and
// starts another under a new term.
func (w *world) crash() {
	w.mem.mu.Lock()
	w.mem.term++
	w.cfg.Grants = frozen(w.mem.term)
	w.mem.wake = func([]store.Work) {}
	w.mem.mu.Unlock()
	stop, done := w.stop, w.done
	stop()
	w.start()
	w.past = append(w.past, done) // it ends in its own time; its writes are refused
}

// frozen is a node's belief in the term it once had.
type frozen parley.Term

func (f frozen) Grant(c parley.CompanyID) (parley.Grant, bool) {
	return parley.Grant{Shard: c.Shard(), Term: parley.Term(f)}, true
}

type spot struct {
	job  parley.JobID
	part int
}

// arrivals is what a provider has really got.
type arrivals struct {
	keyed bool
	mu    sync.Mutex
	seen  map[string]bool
	last  map[parley.ConversationID]spot
	wrong []string
}

func newArrivals(keyed bool) *arrivals {
	return &arrivals{keyed: keyed, seen: make(map[string]bool), last: make(map[parley.ConversationID]spot)}
}

func (a *arrivals) arrive(p connector.Part) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seen[p.Key] {
		if !a.keyed {
			a.wrong = append(a.wrong, fmt.Sprintf("part %s arrived twice", p.Key))
		}
		return // a keyed provider does not do the same twice
	}
	a.seen[p.Key] = true
	c, here := p.Message.Conversation, spot{p.Message.Job, p.Index}
	if last := a.last[c]; here.job < last.job || here.job == last.job && here.part <= last.part && last.job != 0 {
		a.wrong = append(a.wrong, fmt.Sprintf("conversation %d: %v after %v", c, here, last))
	}
	a.last[c] = here
}
