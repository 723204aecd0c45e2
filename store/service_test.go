package store_test

import (
	"strings"
	"testing"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
)

// TestServiceMessage: the outcome of a service message is told by an event of its
// own, after that of its job; what it says outlives the claim.
func TestServiceMessage(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		conv := w.talk("1")
		for _, end := range []store.Finish{delivered("p1"), failed("blocked")} {
			a := w.accept(store.Accept{Conversation: conv, Text: "long", Service: true})
			w.finish(w.claim(a.Job.ID), end)
		}
		w.finish(w.claim(w.say(conv, "other").ID), delivered("p2"))
		got := w.bodies(parley.EventService)
		if len(got) != 2 || !strings.Contains(got[0], `"delivered":true`) || !strings.Contains(got[1], `"delivered":false`) {
			t.Errorf("got %q", got)
		}
		if log := w.log(); !strings.Contains(log, "job/executed service_messages/update") {
			t.Errorf("log %s", log)
		}
	})
}

// TestMessageExtras: a template and buttons come back from the rows as they went.
func TestMessageExtras(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		conv := w.talk("1")
		a := w.accept(store.Accept{Conversation: conv, Template: &parley.Template{ID: "7", Language: "ru", Parameters: []string{"a", "b"}}, Buttons: []string{"fine"}})
		m := w.work(a.Job.ID).Message
		if m.Template == nil || m.Template.ID != "7" || m.Template.Language != "ru" || strings.Join(m.Template.Parameters, " ") != "a b" || strings.Join(m.Buttons, " ") != "fine" {
			t.Errorf("got %+v", m)
		}
	})
}
