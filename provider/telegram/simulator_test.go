package telegram_test

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/fetch"
	"github.com/parley-im/parley/provider/telegram"
	"github.com/parley-im/parley/provider/telegram/telegramsim"
	"github.com/parley-im/parley/simulator"
)

// What only Telegram has, tried on its simulator: the conformance suite knows
// nothing of channels, topics and the like.

const testToken = "123456789:AAabcdefghijklmnopqrstuvwxyz0123456"

// A world is a bot at a simulator.
type world struct {
	*testing.T
	sim    *telegramsim.Server
	base   string
	client connector.Client
	file   []byte // what is sent
}

func newWorld(t *testing.T, opts telegramsim.Options) *world {
	w := &world{T: t, sim: telegramsim.New(opts)}
	server := httptest.NewServer(simulator.Handler(w.sim))
	t.Cleanup(server.Close)
	t.Cleanup(func() { _ = w.sim.Close() })
	w.base = server.URL
	if _, err := w.sim.AddBot(testToken, "Shop", "shop_bot"); err != nil {
		t.Fatal(err)
	}
	if err := w.sim.SetPrivacy("", false); err != nil {
		t.Fatal(err)
	}
	out, err := fetch.New(fetch.Options{AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(out.Close)
	ch := &parley.Channel{Provider: "telegram", Secrets: map[string]parley.Secret{"token": testToken, parley.SecretCallbackToken: "token"}}
	w.client, err = telegram.New().Open(t.Context(), ch, connector.Env{HTTP: out, Files: w, Log: slog.New(slog.DiscardHandler), Now: time.Now, Base: w.base})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Open gives the file that the case sends.
func (w *world) Open(context.Context, *parley.Attachment) (io.ReadCloser, int64, error) {
	return io.NopCloser(bytes.NewReader(w.file)), int64(len(w.file)), nil
}

// call makes a request as the bot, past the connector.
func (w *world) call(method string, params any, out any) {
	w.Helper()
	body, err := json.Marshal(params)
	if err != nil {
		w.Fatal(err)
	}
	resp, err := http.Post(w.base+"/bot"+testToken+"/"+method, "application/json", bytes.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct{ Result json.RawMessage }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || json.Unmarshal(answer.Result, out) != nil {
		w.Fatalf("%s: status %d, error %v, result %s", method, resp.StatusCode, err, answer.Result)
	}
}

// last is what the newest update says.
func (w *world) last() connector.Event {
	w.Helper()
	var updates []json.RawMessage
	w.call("getUpdates", map[string]any{"offset": -1}, &updates)
	if len(updates) != 1 {
		w.Fatalf("got %d updates, want the newest", len(updates))
	}
	header := http.Header{"X-Telegram-Bot-Api-Secret-Token": {"token"}}
	events, _, err := w.client.(connector.Receiver).Receive(w.Context(), connector.Callback{Header: header, Body: updates[0]})
	if err != nil || len(events) != 1 {
		w.Fatalf("got %d events and error %v, want one", len(events), err)
	}
	return events[0]
}

// run plays by the control API and returns the member of its answer.
func (w *world) run(verb, params, member string) string {
	w.Helper()
	resp, err := http.Post(w.base+"/sim/telegram/"+verb, "application/x-www-form-urlencoded", bytes.NewReader([]byte(params)))
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer map[string]json.RawMessage
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
		w.Fatalf("%s: status %d, error %v, %s", verb, resp.StatusCode, err, answer["error"])
	}
	return string(answer[member])
}

func TestOnlyTelegramSays(t *testing.T) {
	t.Parallel()
	channel := connector.Chat{ID: "-1002100000000", Group: true, Name: "News"}
	forum := connector.Chat{ID: "-1002100000000", Group: true, Name: "Forum"}
	ann := connector.Person{ID: "5550001", Name: "Ann"}
	tests := []struct {
		name  string
		verbs [][2]string
		chat  connector.Chat
		from  connector.Person
		what  connector.What
	}{
		{"post", [][2]string{{"groups", "title=News&type=channel"}, {"say", "chat=News&text=news"}},
			channel, connector.Person{ID: channel.ID, Name: "News"}, connector.Message{Text: "news"}},
		{"edited post", [][2]string{{"groups", "title=News&type=channel"}, {"say", "chat=News&text=news"}, {"edit", "chat=News&message_id=1&text=newer"}},
			channel, connector.Person{ID: channel.ID, Name: "News"}, connector.Edit{Text: "newer"}},
		{"anonymous administrator", [][2]string{{"groups", "title=Forum&type=supergroup&members=Ann"}, {"say", "chat=Forum&person=Ann&anonymous=true&text=we"}},
			forum, connector.Person{ID: forum.ID, Name: "Forum"}, connector.Message{Text: "we"}},
		{"in a topic", [][2]string{{"groups", "title=Forum&type=supergroup&forum=true&members=Ann"}, {"topic", "chat=Forum&person=Ann&name=Tea"},
			{"say", "chat=Forum&person=Ann&topic=2&text=green"}}, forum, ann, connector.Message{Text: "green"}},
		{"a new topic", [][2]string{{"groups", "title=Forum&type=supergroup&forum=true&members=Ann"}, {"topic", "chat=Forum&person=Ann&name=Tea"}},
			connector.Chat{}, connector.Person{}, connector.Ignored{Reason: "a service message of kind forum_topic_created"}},
		{"somebody joins", [][2]string{{"groups", "title=Forum&type=supergroup&members=Ann"}, {"join", "chat=Forum&person=Bob"}},
			connector.Chat{}, connector.Person{}, connector.Ignored{Reason: "a service message of kind new_chat_members"}},
		{"own contact", [][2]string{{"contact", "person=Ann&own=true"}}, connector.Chat{ID: ann.ID}, ann, connector.Message{Text: "Ann, +12025550100"}},
		{"web app", [][2]string{{"web_app_data", "person=Ann&data=%7B%7D&button_text=Go"}},
			connector.Chat{ID: ann.ID}, ann, connector.Message{Text: "Go", Payload: "{}"}},
		{"button elsewhere", [][2]string{{"say", "person=Ann&text=hi"}, {"press", "person=Ann&inline=true&data=x"}},
			connector.Chat{ID: ann.ID}, ann, connector.Message{Text: "x", Payload: "x"}},
		{"banned", [][2]string{{"groups", "title=Forum&type=supergroup&members=Ann"}, {"kick", "chat=Forum&person=Ann"}}, forum, ann, connector.Blocked{}},
		{"promoted", [][2]string{{"groups", "title=Forum&type=supergroup&members=Ann"}, {"promote", "chat=Forum&person=Ann&role=administrator"}},
			forum, ann, connector.Unblocked{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, telegramsim.Options{Insecure: true})
			for _, v := range tt.verbs {
				w.run(v[0], v[1], "")
			}
			e := w.last()
			if diff := cmp.Diff(tt.what, e.What); diff != "" || e.Chat != tt.chat || e.From != tt.from {
				t.Errorf("in %+v by %+v, want %+v by %+v (-want +got):\n%s", e.Chat, e.From, tt.chat, tt.from, diff)
			}
		})
	}
}

// pixels is a PNG of that size.
func pixels(t *testing.T, width, height int) []byte {
	var out bytes.Buffer
	if err := png.Encode(&out, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestSentAsDocument: what Telegram refuses as what it is arrives as a document,
// once, and so that its very bytes can be had.
func TestSentAsDocument(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		file  []byte
		kind  parley.FileKind
		mime  string
		verbs string // of restrict; empty: nothing is
		want  string // the method
	}{
		{"picture", pixels(t, 30, 20), parley.FilePhoto, "image/png", "", "sendPhoto"},
		{"too long a picture", pixels(t, 2100, 100), parley.FilePhoto, "image/png", "", "sendDocument"},
		{"too many pixels", pixels(t, 9000, 1001), parley.FilePhoto, "image/png", "", "sendDocument"},
		{"too many bytes", append(pixels(t, 30, 20), make([]byte, 10<<20)...), parley.FilePhoto, "image/png", "", "sendDocument"},
		{"no voice wanted", []byte("OggS\x00\x02OpusHead and so on"), parley.FileVoice, "audio/ogg", "voice notes", "sendDocument"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, telegramsim.Options{Insecure: true})
			w.file = tt.file
			chat := w.run("say", "person=Ann&text=hi", "chat")
			if tt.verbs != "" {
				w.run("restrict", "chat=Ann&deny="+tt.verbs, "")
			}
			m := &parley.Message{ID: 1, Files: []parley.Attachment{{ID: 1, Kind: tt.kind, Type: tt.mime}}}
			sent, err := w.client.Send(t.Context(), connector.Part{Message: m, Chat: chat, Count: 1, Text: "look", File: &m.Files[0], Key: "1"})
			list := w.sim.Sent().Last(10)
			if err != nil || len(list) != 1 || list[0].Method != tt.want || list[0].MessageID != sent.ProviderID || list[0].Text != "look" {
				t.Fatalf("got error %v and %+v, want one message by %s", err, list, tt.want)
			}
			if size, _ := list[0].Detail["file_size"].(int64); size != int64(len(tt.file)) {
				t.Errorf("the file has %v bytes, want %d", list[0].Detail["file_size"], len(tt.file))
			}
		})
	}
}

// TestLocalServer: a server in local mode takes files of any size, and gives out
// none over HTTP.
func TestLocalServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, telegramsim.Options{Local: true})
	w.run("document", "person=Ann&file_size=2000000000", "")
	e := w.last()
	m, _ := e.What.(connector.Message)
	if len(m.Files) != 1 || m.Files[0].Refused != "" {
		t.Fatalf("got %+v, want one file that is not refused beforehand", m)
	}
	_, err := w.client.(connector.Fetcher).Fetch(t.Context(), &parley.Attachment{Source: m.Files[0].Source})
	if parley.KindOf(err) != parley.KindRejected {
		t.Errorf("Fetch: got %v, want a rejection", err)
	}
	w.file = make([]byte, 51<<20)
	out := &parley.Message{ID: 1, Files: []parley.Attachment{{ID: 1, Kind: parley.FileDocument}}}
	if _, err := w.client.Send(t.Context(), connector.Part{Message: out, Chat: e.Chat.ID, Count: 1, File: &out.Files[0], Key: "1"}); err != nil {
		t.Errorf("Send of 51 MB: %v", err)
	}
}
