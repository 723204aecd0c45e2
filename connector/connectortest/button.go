package connectortest

import (
	"context"
	"fmt"
	"strconv"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/simulator"
)

// Buttons say how people press buttons.
type Buttons struct {
	// Offer sends a message with a button under it as the account, past the
	// connector, which cannot, and returns the message's id.
	Offer func(ctx context.Context, base string, ch *parley.Channel, chat, title, data string) (string, error)
	// Press gets account, person, message_id and data.
	Press Play
	// Answer is what the simulator's log and faults call the confirmation of a
	// press; empty if the provider does not wait for any. Expire makes all presses
	// so far too old to be answered.
	Answer string
	Expire Play
}

// An offer is a message with a button.
type offer struct{ chat, message, title, data string }

func (w *world) offer() offer {
	w.Helper()
	o := offer{chat: w.say("Ann", "hello").chat, title: "Yes, <please> 👍", data: "order:42"}
	var err error
	o.message, err = w.suite.Buttons.Offer(w.ctx, w.base, w.channel, o.chat, o.title, o.data)
	w.ok("offer a button", err)
	return o
}

func (w *world) press(o offer) {
	w.Helper()
	w.play(w.suite.Buttons.Press, nil, "person", "Ann", "message_id", o.message, "data", o.data)
}

// pressed waits for press number n, from 1.
func (w *world) pressed(s *store, o offer, n int) connector.Event {
	w.Helper()
	var found []connector.Event
	w.first(s, fmtNumber("press", n), func(connector.Event) bool {
		found = nil
		for _, e := range w.unique(s.all()) {
			if m, is := e.What.(connector.Message); is && m.Payload == o.data {
				found = append(found, e)
			}
		}
		return len(found) >= n
	})
	return found[n-1]
}

// receiveButton: a press says the button's title, and each press is a message.
func receiveButton(w *world) {
	heard, o := w.listen(), w.offer()
	for n := range 2 {
		w.press(o)
		e := w.pressed(heard, o, n+1)
		m, _ := e.What.(connector.Message)
		if m.Text != o.title || e.Chat.ID != o.chat || e.From.Name != "Ann" || e.ID == o.message || len(m.Files) > 0 {
			w.Errorf("press: got %q as %q by %+v in chat %q, want %q as a message of its own by Ann in %q", m.Text, e.ID, e.From, e.Chat.ID, o.title, o.chat)
		}
		if want := w.suite.Buttons.Answer != ""; want != (e.Confirm != "") {
			w.Errorf("press: it wants to be confirmed: got %q, want %t", e.Confirm, want)
		}
	}
}

// confirmButton: a press is confirmed by one request, whatever comes of it, and
// one that waits no more is no error.
func confirmButton(w *world) {
	heard, o := w.listen(), w.offer()
	c, ok := w.client.(connector.Confirmer)
	if !ok {
		w.Fatal("the client is no connector.Confirmer")
	}
	confirm := func(n int, what string) error {
		w.press(o)
		e, before := w.pressed(heard, o, n), w.logged(w.suite.Buttons.Answer)
		if what == "late" {
			w.play(w.suite.Buttons.Expire, nil)
		}
		err := w.seen(c.Confirm(w.ctx, e.Confirm))
		if got := w.logged(w.suite.Buttons.Answer) - before; got != 1 {
			w.Errorf("Confirm, %s: %d requests, want 1", what, got)
		}
		return err
	}
	w.ok("Confirm", confirm(1, "in time"))
	w.ok("Confirm, again", c.Confirm(w.ctx, w.pressed(heard, o, 1).Confirm))
	w.ok("Confirm, late", confirm(2, "late"))
	for i, kind := range []simulator.FaultKind{simulator.FaultStatus, simulator.FaultHTML, simulator.FaultGarbage,
		simulator.FaultCutBefore, simulator.FaultCutAfter, simulator.FaultThrottle} {
		w.fault(kind, "method", w.suite.Buttons.Answer)
		w.has("Confirm with fault "+string(kind), confirm(3+i, string(kind)), later...)
	}
	w.ok("Confirm after the faults", confirm(9, "after the faults"))
}

// later are the kinds of what may work another time.
var later = []parley.Kind{parley.KindUnavailable, parley.KindThrottled, parley.KindUncertain}

// final are the kinds of what never will.
var final = []parley.Kind{parley.KindRejected, parley.KindInvalid, parley.KindUnsupported, parley.KindNotFound}

func fmtNumber(what string, n int) string { return fmt.Sprintf("%s number %d", what, n) }

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
