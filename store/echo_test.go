package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

func (w *world) ack(person, id string, ack parley.Ack) {
	w.t.Helper()
	receive(w.t, w.db, does(w.ch, person, id, "", connector.Receipt{Ack: ack}))
}

// echo reports a message of our own account.
func (w *world) echo(person, id, text string) store.Received {
	w.t.Helper()
	return receive(w.t, w.db, does(w.ch, person, id, "", connector.Message{Text: text, Own: true}))[0]
}

const sent = " message/new job/executed"

func TestReceipts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		before []parley.Ack
		after  []parley.Ack
		log    string
		texts  string
	}{
		{"after the outcome", nil, []parley.Ack{2, 3}, sent + " message/ack message/ack", "hello:1 a:3"},
		{"equal ones are not repeated", nil, []parley.Ack{2, 2, 2}, sent + " message/ack", "hello:1 a:2"},
		{"never falls", nil, []parley.Ack{3, 2, 1}, sent + " message/ack", "hello:1 a:3"},
		{"before the outcome", []parley.Ack{2}, nil, sent + " message/ack", "hello:1 a:2"},
		{"the highest before the outcome", []parley.Ack{3, 2}, nil, sent + " message/ack", "hello:1 a:3"},
		{"before and after", []parley.Ack{2}, []parley.Ack{2, 3}, sent + " message/ack message/ack", "hello:1 a:3"},
		{"one that says what the outcome says", []parley.Ack{1}, nil, sent, "hello:1 a:1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			eachWorld(t, func(t *testing.T, w *world) {
				conv := w.talk("1")
				work := w.claim(w.say(conv, "a").ID)
				for _, ack := range tt.before {
					w.ack("1", "p1", ack)
				}
				w.finish(work, delivered("p1"))
				for _, ack := range tt.after {
					w.ack("1", "p1", ack)
				}
				w.wantLog(heard + tt.log)
				if got := w.texts(conv); got != tt.texts {
					t.Errorf("listed %q, want %q", got, tt.texts)
				}
				if n, err := store.EarlyReceipts(w.db); n != 0 || err != nil {
					t.Errorf("%d receipts are left, %v", n, err)
				}
			})
		})
	}
}

// TestReceiptsOfParts applies early receipts to the second part.
func TestReceiptsOfParts(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		conv := w.talk("1")
		job := w.say(conv, "a b")
		w.finish(w.claim(job.ID, "a", "b"), delivered("p1"))
		work := w.claim(job.ID)
		w.ack("1", "p2", parley.AckRead)
		w.finish(work, delivered("p2"))
		w.wantLog(heard + " message/new message/new job/executed message/ack")
		if got, want := w.texts(conv), "hello:1 a:1 b:3"; got != want {
			t.Errorf("listed %q, want %q", got, want)
		}
	})
}

// TestReceiptsOfTwoChannels has the same provider's id in two channels, whose
// outcomes share a batch.
func TestReceiptsOfTwoChannels(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		other := *w
		other.ch = storetest.Channel(t, w.db, w.companyWithMore(), "200")
		var outcomes []*store.Finish
		var convs []parley.ConversationID
		for _, each := range []*world{w, &other} {
			conv := each.talk("1")
			work := each.claim(each.say(conv, "a").ID)
			each.ack("1", "5", parley.AckRead)
			outcomes, convs = append(outcomes, each.outcome(work, delivered("5"))), append(convs, conv)
		}
		for _, err := range store.Finishes(w.db, outcomes...) {
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, conv := range convs {
			if got, want := w.texts(conv), "hello:1 a:3"; got != want {
				t.Errorf("conversation %d: listed %q, want %q", conv, got, want)
			}
		}
	})
}

// TestReceiptsOfTwoConversations has one provider id in two conversations, as
// where ids count within a chat: an early receipt is for the one that it names.
func TestReceiptsOfTwoConversations(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		first, second := w.talk("1"), w.talk("2")
		one, two := w.claim(w.say(first, "a").ID), w.claim(w.say(second, "b").ID)
		w.ack("2", "5", parley.AckRead)
		for _, err := range store.Finishes(w.db, w.outcome(one, delivered("5")), w.outcome(two, delivered("5"))) {
			if err != nil {
				t.Fatal(err)
			}
		}
		for conv, want := range map[parley.ConversationID]string{first: "hello:1 a:1", second: "hello:1 b:3"} {
			if got := w.texts(conv); got != want {
				t.Errorf("conversation %d: listed %q, want %q", conv, got, want)
			}
		}
	})
}

func TestEchoOfOwn(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		conv := w.talk("1")
		work := w.claim(w.say(conv, "a").ID)
		w.echo("1", "p1", "a")
		w.wantLog(heard)
		got, ok, err := w.db.EchoOf(t.Context(), work)
		if err != nil || !ok || got.ProviderID != "p1" || got.Ack != parley.AckSent || !got.At.Equal(when) {
			t.Errorf("echo %+v %t %v", got, ok, err)
		}
		w.finish(work, delivered("p1"))
		w.echo("1", "p1", "a") // from another source, later
		w.wantLog(heard + sent)
		if got, want := w.texts(conv), "hello:1 a:1"; got != want {
			t.Errorf("listed %q, want %q", got, want)
		}
	})
}

// TestEchoAfterOutcome is an own message's echo that comes when all is done: the
// result names the message that was sent.
func TestEchoAfterOutcome(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		conv := w.talk("1")
		job := w.say(conv, "a")
		w.finish(w.claim(job.ID), delivered("p1"))
		if out := w.echo("1", "p1", "a"); !out.Duplicate || out.Message != job.Message {
			t.Errorf("echo %+v, want a duplicate of message %d", out, job.Message)
		}
		w.wantLog(heard + sent)
	})
}

func TestEchoForeign(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		conv := w.talk("1")
		job := w.say(conv, "a b")
		work := w.claim(job.ID, "a", "b")
		w.echo("1", "f1", "from the phone")
		w.echo("1", "f1", "from the phone")
		if _, ok, err := w.db.EchoOf(t.Context(), work); ok || err != nil {
			t.Errorf("a message with another text proves the part: %t %v", ok, err)
		}
		w.finish(work, delivered("p1"))
		w.echo("1", "f1", "from the phone")
		w.wantLog(heard + " message/new message/new")
		w.finish(w.claim(job.ID), delivered("p2"))
		w.wantLog(heard + " message/new message/new message/new job/executed")
		if got, want := strings.Count(w.texts(conv), "from the phone:1"), 1; got != want {
			t.Errorf("listed %q: want the foreign message once", w.texts(conv))
		}
		w.ack("1", "f1", parley.AckRead)
		if got := w.texts(conv); !strings.Contains(got, "from the phone:3") {
			t.Errorf("listed %q: the receipt of the foreign message is lost", got)
		}
	})
}

// TestEchoWhileOthersSend keeps an echo until nothing of its conversation is
// being sent, whatever ends meanwhile.
func TestEchoWhileOthersSend(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		conv := w.talk("1")
		head, waiting := w.say(conv, "a"), w.say(conv, "b")
		work := w.claim(head.ID)
		w.echo("1", "f1", "foreign")
		w.finish(w.work(waiting.ID), failed("expired"))
		w.wantLog(heard + " job/executed")
		w.finish(work, failed("no"))
		w.wantLog(heard + " job/executed job/executed message/new")
	})
}

// TestReplyToEchoed replies to a message of ours whose echo was seen: it names
// the message that was sent, whenever the echo came.
func TestReplyToEchoed(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		conv := w.talk("1")
		job := w.say(conv, "a")
		work := w.claim(job.ID)
		w.echo("1", "p1", "a")
		w.finish(work, delivered("p1"))
		receive(t, w.db, does(w.ch, "1", "20", "", connector.Message{Text: "yes", ReplyTo: "p1"}))
		list, err := w.db.Messages(t.Context(), conv, store.Page{Limit: 10})
		if err != nil || list[len(list)-1].ReplyTo != job.Message {
			t.Errorf("messages %+v, %v: the last one answers %d", list, err, job.Message)
		}
	})
}

// TestEchoOfBroadcast: a post of ours in a broadcast channel comes back in the
// channel's own name, while it is sent or later, and is no message of a customer.
func TestEchoOfBroadcast(t *testing.T) {
	t.Parallel()
	post := func(w *world, id, text string) store.Received {
		r := inGroup(w.ch, "-100", id, connector.Message{Text: text})
		return receive(w.t, w.db, r)[0]
	}
	eachWorld(t, func(t *testing.T, w *world) {
		v := post(w, "1", "by an editor").Conversation
		work := w.claim(w.say(v, "ours").ID)
		post(w, "2", "ours")
		post(w, "3", "by an editor, meanwhile")
		w.finish(work, delivered("2"))
		if out := post(w, "2", "ours"); !out.Duplicate {
			t.Errorf("the post once more: %+v", out)
		}
		w.finish(w.claim(w.say(v, "ours again").ID), delivered("4"))
		if out := post(w, "4", "ours again"); !out.Duplicate {
			t.Errorf("a post that came back later: %+v", out)
		}
		var got []string
		for _, m := range w.messages(v) {
			got = append(got, fmt.Sprint(m.Income, " ", m.Text))
		}
		want := []string{"true by an editor", "false ours", "true by an editor, meanwhile", "false ours again"}
		slices.Sort(got) // what was held is stored with the outcome, under its earlier id
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("messages (-want +got):\n%s", diff)
		}
	})
}
