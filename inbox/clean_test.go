package inbox

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

const dirtyText, cleanText = "a\x00b\xffc", "a\ufffdb\ufffdc"

func TestCleanStrings(t *testing.T) {
	t.Parallel()
	place := &parley.Location{Latitude: 1, Name: dirtyText, Address: dirtyText}
	e := connector.Event{
		ID: dirtyText, Version: dirtyText,
		Chat: connector.Chat{ID: dirtyText, Name: dirtyText},
		From: connector.Person{ID: dirtyText, PublicID: dirtyText, Name: dirtyText, Username: dirtyText},
		What: connector.Message{Text: dirtyText, ReplyTo: dirtyText, Payload: dirtyText, Location: place},
	}
	if doubt, take := clean(&e, now); doubt != "" || !take {
		t.Errorf("got %q, %v, want it taken", doubt, take)
	}
	want := connector.Event{
		ID: cleanText, Version: cleanText, At: now,
		Chat: connector.Chat{ID: cleanText, Name: cleanText},
		From: connector.Person{ID: cleanText, PublicID: cleanText, Name: cleanText, Username: cleanText},
		What: connector.Message{Text: cleanText, ReplyTo: cleanText, Payload: cleanText,
			Location: &parley.Location{Latitude: 1, Name: cleanText, Address: cleanText}},
	}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Errorf("cleaned (-want +got):\n%s", diff)
	}
	if place.Name != dirtyText {
		t.Error("the connector's own location was changed")
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", maxText/2)
	tests := []struct {
		name  string
		event connector.Event
		doubt string
		take  bool
		what  connector.What
	}{
		{"fine", connector.Event{ID: "1", Chat: connector.Chat{ID: "c"}, What: connector.Message{Text: "hi"}}, "", true, connector.Message{Text: "hi"}},
		{"edit", connector.Event{ID: "1", Chat: connector.Chat{ID: "c"}, What: connector.Edit{Text: dirtyText}}, "", true, connector.Edit{Text: cleanText}},
		{"longest text", connector.Event{ID: "1", Chat: connector.Chat{ID: "c"}, What: connector.Message{Text: long}}, "", true, connector.Message{Text: long}},
		{"text too long", connector.Event{ID: "1", Chat: connector.Chat{ID: "c"}, What: connector.Message{Text: "x" + long}},
			"the text is too long and was cut", true, connector.Message{Text: "x" + long[:maxText-2]}},
		{"edit too long", connector.Event{ID: "1", Chat: connector.Chat{ID: "c"}, What: connector.Edit{Text: long + "x"}},
			"the text is too long and was cut", true, connector.Edit{Text: long}},
		{"id too long", connector.Event{ID: strings.Repeat("1", maxID+1), Chat: connector.Chat{ID: "c"}, What: connector.Message{}}, "an id is too long", false, connector.Message{}},
		{"no id", connector.Event{Chat: connector.Chat{ID: "c"}, What: connector.Message{}}, "an event without an id", false, connector.Message{}},
		{"no chat", connector.Event{ID: "1", What: connector.Message{}}, "a message without a conversation", false, connector.Message{}},
		{"no chat, edit", connector.Event{ID: "1", What: connector.Edit{}}, "a message without a conversation", false, connector.Edit{}},
		{"no chat, delete", connector.Event{ID: "1", What: connector.Delete{}}, "a message without a conversation", false, connector.Delete{}},
		{"no chat, receipt", connector.Event{ID: "1", What: connector.Receipt{Ack: 2}}, "", true, connector.Receipt{Ack: 2}},
		{"no content", connector.Event{ID: "1"}, "an event without content", false, nil},
		{"unknown", connector.Event{What: connector.Unknown{Reason: dirtyText}}, cleanText, false, connector.Unknown{Reason: dirtyText}},
		{"nowhere", connector.Event{ID: "1", Chat: connector.Chat{ID: "c"},
			What: connector.Message{Location: &parley.Location{Latitude: math.NaN()}}}, "", true, connector.Message{}},
		{"infinitely far", connector.Event{ID: "1", Chat: connector.Chat{ID: "c"},
			What: connector.Message{Location: &parley.Location{Longitude: math.Inf(1)}}}, "", true, connector.Message{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			doubt, take := clean(&tt.event, now)
			if doubt != tt.doubt || take != tt.take {
				t.Errorf("got %q, %v, want %q, %v", doubt, take, tt.doubt, tt.take)
			}
			if diff := cmp.Diff(tt.what, tt.event.What); diff != "" {
				t.Errorf("content (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCleanTime(t *testing.T) {
	t.Parallel()
	past := now.Add(-time.Hour)
	for _, tt := range []struct{ at, want time.Time }{{time.Time{}, now}, {now.Add(time.Second), now}, {past, past}, {now, now}} {
		e := connector.Event{ID: "1", At: tt.at, What: connector.Renamed{}}
		if clean(&e, now); !e.At.Equal(tt.want) {
			t.Errorf("time %v became %v, want %v", tt.at, e.At, tt.want)
		}
	}
}

func TestCleanAllocatesNothing(t *testing.T) {
	e := event("m1")
	if n := testing.AllocsPerRun(100, func() { clean(&e, now) }); n != 0 {
		t.Errorf("%v allocations for a clean event, want 0", n)
	}
}

func FuzzClean(f *testing.F) {
	f.Add("id", "chat", "text", 1.5)
	f.Add(dirtyText, "\xc3", strings.Repeat("é", maxText), math.Inf(-1))
	f.Fuzz(func(t *testing.T, id, chat, text string, latitude float64) {
		e := connector.Event{ID: id, Chat: connector.Chat{ID: chat, Name: text}, From: connector.Person{ID: chat, Name: text},
			What: connector.Message{Text: text, Payload: text, Unsupported: id, Location: &parley.Location{Latitude: latitude, Name: text}}}
		_, take := clean(&e, now)
		if !take {
			return
		}
		m := e.What.(connector.Message)
		for _, s := range []string{e.ID, e.Chat.ID, e.Chat.Name, e.From.Name, m.Text, m.Payload, m.Unsupported} {
			if !utf8.ValidString(s) || strings.Contains(s, "\x00") || len(s) > maxText+maxID {
				t.Errorf("not clean: %q", s)
			}
		}
		if _, err := json.Marshal(m); err != nil {
			t.Error(err)
		}
		again := e
		clean(&again, now)
		if diff := cmp.Diff(e, again); diff != "" {
			t.Errorf("cleaned again it changes:\n%s", diff)
		}
	})
}
