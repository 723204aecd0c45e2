package store_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

var when = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// says is a message of a person in a direct chat.
func says(ch *parley.Channel, person, id, text string) *store.Receive {
	return &store.Receive{Channel: ch, Event: connector.Event{
		ID: id, At: when, Chat: connector.Chat{ID: person}, From: connector.Person{ID: person, Name: "Ann " + person},
		What: connector.Message{Text: text},
	}}
}

// does is any other event of a person.
func does(ch *parley.Channel, person, id, version string, what connector.What) *store.Receive {
	r := says(ch, person, id, "")
	r.Event.Version, r.Event.What = version, what
	return r
}

// receive stores and fails the test on any error.
func receive(t testing.TB, db *store.DB, in ...*store.Receive) []store.Received {
	t.Helper()
	out, errs := db.Receive(t.Context(), in...)
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// kinds returns the kinds of a company's events, in order.
func kinds(t testing.TB, db *store.DB, company parley.CompanyID) string {
	t.Helper()
	var list []string
	for n, e := range events(t, db, company) {
		if e.Seq != int64(n+1) {
			t.Errorf("event %d has number %d", n+1, e.Seq)
		}
		list = append(list, string(e.Kind))
	}
	return strings.Join(list, " ")
}

func events(t testing.TB, db *store.DB, company parley.CompanyID) []parley.Event {
	t.Helper()
	list, err := db.EventsAfter(context.Background(), company, 0, 100_000, 0)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestReceive(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		do   func(ch *parley.Channel) [][]*store.Receive // batches, one call each
		want string
		text string // of the last event's body, if not empty
	}{
		{"first message", func(ch *parley.Channel) [][]*store.Receive {
			return [][]*store.Receive{{says(ch, "1", "10", "hello")}}
		}, "conversation/new message/new", `"message":"hello"`},
		{"the same conversation twice in a batch", func(ch *parley.Channel) [][]*store.Receive {
			return [][]*store.Receive{{says(ch, "1", "10", "a"), says(ch, "1", "11", "b")}}
		}, "conversation/new message/new message/new", `"message":"b"`},
		{"a duplicate in a batch and one later", func(ch *parley.Channel) [][]*store.Receive {
			return [][]*store.Receive{{says(ch, "1", "10", "a"), says(ch, "1", "10", "a")}, {says(ch, "1", "10", "a")}}
		}, "conversation/new message/new", ""},
		{"the same id in another conversation", func(ch *parley.Channel) [][]*store.Receive {
			return [][]*store.Receive{{says(ch, "1", "10", "a"), says(ch, "2", "10", "b")}}
		}, "conversation/new message/new conversation/new message/new", ""},
		{"an edit in the same batch", func(ch *parley.Channel) [][]*store.Receive {
			return [][]*store.Receive{{says(ch, "1", "10", "a"), does(ch, "1", "10", "v2", connector.Edit{Text: "b"})}}
		}, "conversation/new message/new message/update", `"message":"b"`},
		{"an edit twice", func(ch *parley.Channel) [][]*store.Receive {
			e := does(ch, "1", "10", "v2", connector.Edit{Text: "b"})
			return [][]*store.Receive{{says(ch, "1", "10", "a")}, {e}, {e}}
		}, "conversation/new message/new message/update", ""},
		{"an edit of a message we never saw, then the message", func(ch *parley.Channel) [][]*store.Receive {
			return [][]*store.Receive{{does(ch, "1", "10", "v2", connector.Edit{Text: "b"})}, {says(ch, "1", "10", "a")}}
		}, "conversation/new message/new", `"message":"b"`},
		{"a delete, twice", func(ch *parley.Channel) [][]*store.Receive {
			return [][]*store.Receive{{says(ch, "1", "10", "a")}, {does(ch, "1", "10", "", connector.Delete{})}, {does(ch, "1", "10", "x", connector.Delete{})}}
		}, "conversation/new message/new message/delete", `"deleted_at_timestamp":`},
		{"blocked and back by writing", func(ch *parley.Channel) [][]*store.Receive {
			return [][]*store.Receive{{says(ch, "1", "10", "a")}, {does(ch, "1", "u1", "", connector.Blocked{})}, {says(ch, "1", "11", "b")}}
		}, "conversation/new message/new conversation/blocked conversation/unblocked message/new", ""},
		{"blocked by nobody we know", func(ch *parley.Channel) [][]*store.Receive {
			return [][]*store.Receive{{does(ch, "1", "u1", "", connector.Blocked{})}}
		}, "", ""},
		{"a new name", func(ch *parley.Channel) [][]*store.Receive {
			r := says(ch, "1", "11", "b")
			r.Event.From.Name = "Anna"
			return [][]*store.Receive{{says(ch, "1", "10", "a")}, {r}}
		}, "conversation/new message/new conversation/update message/new", ""},
		{"a reply", func(ch *parley.Channel) [][]*store.Receive {
			return [][]*store.Receive{{says(ch, "1", "10", "a")}, {does(ch, "1", "11", "", connector.Message{Text: "b", ReplyTo: "10"})}}
		}, "conversation/new message/new message/new", `"reply_to_id":`},
		{"an own message from elsewhere", func(ch *parley.Channel) [][]*store.Receive {
			return [][]*store.Receive{{does(ch, "1", "11", "", connector.Message{Text: "b", Own: true})}}
		}, "conversation/new message/new", `"income":false`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				_, company := storetest.Company(t, db, "acme", "")
				ch := storetest.Channel(t, db, company, "100")
				for _, batch := range tt.do(ch) {
					receive(t, db, batch...)
				}
				if got := kinds(t, db, company); got != tt.want {
					t.Errorf("events\n got %s\nwant %s", got, tt.want)
				}
				list := events(t, db, company)
				if len(list) > 0 && !strings.Contains(string(list[len(list)-1].Body), tt.text) {
					t.Errorf("body %s lacks %s", list[len(list)-1].Body, tt.text)
				}
			})
		})
	}
}

// TestReceiveSomeBad lets one item of a batch fail: the others are stored.
func TestReceiveSomeBad(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		_, company := storetest.Company(t, db, "acme", "")
		ch := storetest.Channel(t, db, company, "100")
		ghost := *ch
		ghost.Company, ghost.ID = company+1_000_000, ch.ID+1_000_000 // no such rows: constraints refuse them
		out, errs := db.Receive(t.Context(), says(ch, "1", "10", "a"), says(&ghost, "1", "10", "x"), says(ch, "1", "11", "b"))
		if errs[0] != nil || errs[1] == nil || errs[2] != nil {
			t.Fatalf("errors %v, want just the second", errs)
		}
		if out[0].Message == 0 || out[2].Message == 0 {
			t.Errorf("messages %v", out)
		}
		if got, want := kinds(t, db, company), "conversation/new message/new message/new"; got != want {
			t.Errorf("events %s, want %s", got, want)
		}
	})
}

// TestReceiveCancelled gives up waiting: the item is stored or dropped, and stored
// once when it comes again.
func TestReceiveCancelled(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		_, company := storetest.Company(t, db, "acme", "")
		ch := storetest.Channel(t, db, company, "100")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, errs := db.Receive(ctx, says(ch, "1", "10", "a"))
		if errs[0] != nil && errs[0] != context.Canceled {
			t.Fatal(errs[0])
		}
		receive(t, db, says(ch, "1", "10", "a"), says(ch, "1", "11", "b"))
		if got, want := kinds(t, db, company), "conversation/new message/new message/new"; got != want {
			t.Errorf("events %s, want %s", got, want)
		}
	})
}

func TestReceiveExpired(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		_, company := storetest.Company(t, db, "acme", "")
		r := says(storetest.Channel(t, db, company, "100"), "1", "10", "a")
		r.Expires = time.Now().Add(-time.Second)
		_, errs := db.Receive(t.Context(), r)
		if parley.KindOf(errs[0]) != parley.KindUnavailable {
			t.Errorf("error %v, want unavailable", errs[0])
		}
		if got := kinds(t, db, company); got != "" {
			t.Errorf("events %s, want none", got)
		}
	})
}

// TestSequence has many writers of two companies: no gap, no number twice, and
// within a conversation the order of the calls.
func TestSequence(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const writers, each = 8, 25
		var companies []parley.CompanyID
		done := make(chan error, 2*writers)
		for c := range 2 {
			_, company := storetest.Company(t, db, fmt.Sprint("acme ", c), "")
			companies = append(companies, company)
			ch := storetest.Channel(t, db, company, fmt.Sprint(c))
			for w := range writers {
				go func() {
					for n := range each {
						if _, errs := db.Receive(t.Context(), says(ch, fmt.Sprint(w), fmt.Sprint(n), fmt.Sprint(n))); errs[0] != nil {
							done <- errs[0]
							return
						}
					}
					done <- nil
				}()
			}
		}
		for range 2 * writers {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		for _, company := range companies {
			next := map[parley.StreamID]int{}
			for n, e := range events(t, db, company) {
				if e.Seq != int64(n+1) {
					t.Fatalf("number %d at place %d", e.Seq, n+1)
				}
				if e.Kind == parley.EventMessageNew {
					want := fmt.Sprintf(`"message":"%d"`, next[e.Stream])
					if !strings.Contains(string(e.Body), want) {
						t.Fatalf("stream %d: body %s, want %s", e.Stream, e.Body, want)
					}
					next[e.Stream]++
				}
			}
			if len(next) != writers {
				t.Errorf("%d conversations, want %d", len(next), writers)
			}
		}
	})
}
