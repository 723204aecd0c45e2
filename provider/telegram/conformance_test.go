package telegram_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/connector/connectortest"
	"github.com/parley-im/parley/provider/telegram"
	"github.com/parley-im/parley/provider/telegram/telegramsim"
	"github.com/parley-im/parley/simulator"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	suite(telegram.New()).Run(t)
}

// TestConformancePolled: the same without callbacks, as of a provider that has none.
func TestConformancePolled(t *testing.T) {
	t.Parallel()
	s := suite(pollable{telegram.New()})
	s.Can.Callback = false
	s.Run(t)
}

// pollable opens clients that take no callbacks.
type pollable struct{ connector.Provider }

func (p pollable) Open(ctx context.Context, ch *parley.Channel, env connector.Env) (connector.Client, error) {
	c, err := p.Provider.Open(ctx, ch, env)
	if err != nil {
		return nil, err
	}
	return struct {
		shy
		connector.Client
		connector.Verifier
		connector.Runner
		connector.Fetcher
		connector.Profiler
		connector.Confirmer
	}{shy{}, c, c.(connector.Verifier), c.(connector.Runner), c.(connector.Fetcher), c.(connector.Profiler), c.(connector.Confirmer)}, nil
}

// shy prints as nothing, in the place of the client around it.
type shy struct{}

func (shy) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte("client")) }
func (shy) MarshalJSON() ([]byte, error) { return []byte(`"client"`), nil }

// suite is the conformance suite with how Telegram's simulator says things.
func suite(p connector.Provider) connectortest.Suite {
	return connectortest.Suite{
		Provider: p,
		Simulator: func(log *slog.Logger) simulator.Simulator {
			return telegramsim.New(telegramsim.Options{Insecure: true, Log: log, RetryBase: time.Millisecond})
		},
		Credentials: func(account connectortest.Answer) map[string]parley.Secret {
			return map[string]parley.Secret{"token": parley.Secret(account["token"])}
		},
		Nobody: "4503599627370495",
		Can: connectortest.Abilities{
			Verify: true, Callback: true, Poll: true, Replies: true, Edits: true, Blocks: true, Starts: true,
		},
		Says: says(), Strange: strange(),
		Album:        &connectortest.Play{Verb: "album", Params: params("items", "photo,photo,photo")},
		Forward:      params("forward", "Bob"),
		EditCaption:  &connectortest.Play{Verb: "edit"},
		EditFile:     &connectortest.Play{Verb: "edit", Params: params("kind", "document")},
		EditLocation: &connectortest.Play{Verb: "move"},
		Buttons:      &connectortest.Buttons{Offer: offer, Press: play("press"), Answer: "answerCallbackQuery", Expire: play("expire")},
		Groups:       groups(), Fetch: fetching(), Profile: profiling(), Files: sending(),
	}
}

func params(pairs ...string) map[string]string {
	out := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

func play(verb string, pairs ...string) connectortest.Play {
	return connectortest.Play{Verb: verb, Params: params(pairs...)}
}

func file(f connector.File) connector.Message { return connector.Message{Files: []connector.File{f}} }

// says are the kinds of content. A photo, a voice message, a round video and a
// sticker have no name, and a photo, a round video and a sticker no type.
func says() []connectortest.Saying {
	const w, h = connectortest.PictureWidth, connectortest.PictureHeight
	sized := params("width", "640", "height", "360")
	return []connectortest.Saying{
		{Kind: "photo", Caption: true, Want: file(connector.File{Kind: parley.FilePhoto, Type: "image/jpeg", Width: w, Height: h})},
		{Kind: "video", Caption: true, Play: connectortest.Play{Params: sized},
			Want: file(connector.File{Kind: parley.FileVideo, Name: "video.mp4", Type: "video/mp4", Width: 640, Height: 360})},
		{Kind: "video_note", Play: connectortest.Play{Params: params("width", "240")},
			Want: file(connector.File{Kind: parley.FileVideoNote, Type: "video/mp4", Width: 240, Height: 240})},
		{Kind: "animation", Caption: true, Play: connectortest.Play{Params: sized},
			Want: file(connector.File{Kind: parley.FileAnimation, Name: "animation.mp4", Type: "video/mp4", Width: 640, Height: 360})},
		{Kind: "document", Caption: true, Want: file(connector.File{Kind: parley.FileDocument, Name: "document.pdf", Type: "application/pdf"})},
		{Kind: "audio", Caption: true, Want: file(connector.File{Kind: parley.FileAudio, Name: "audio.mp3", Type: "audio/mpeg"})},
		{Kind: "voice", Caption: true, Want: file(connector.File{Kind: parley.FileVoice, Type: "audio/ogg"})},
		{Kind: "sticker", Play: connectortest.Play{Params: params("emoji", "🎉")},
			Want: connector.Message{Text: "🎉", Files: []connector.File{{Kind: parley.FileSticker, Type: "image/webp", Width: 512, Height: 512}}}},
		{Kind: "location", Play: connectortest.Play{Params: params("latitude", "-33.8568", "longitude", "151.2153")},
			Want: connector.Message{Location: &parley.Location{Latitude: -33.8568, Longitude: 151.2153}}},
		{Kind: "live_location", Play: play("location", "latitude", "0.5", "longitude", "-0.25", "live_period", "900"),
			Want: connector.Message{Location: &parley.Location{Latitude: 0.5, Longitude: -0.25}}},
		{Kind: "venue", Play: connectortest.Play{Params: params("latitude", "52.1", "longitude", "4.3", "title", "Café & Co", "address", "Main Street 1")},
			Want: connector.Message{Location: &parley.Location{Latitude: 52.1, Longitude: 4.3, Name: "Café & Co", Address: "Main Street 1"}}},
		{Kind: "contact", Play: connectortest.Play{Params: params("phone_number", "12025550101", "first_name", "Bob", "last_name", "Lee")},
			Want: connector.Message{Text: "Bob Lee, +12025550101"}},
		{Kind: "poll", Play: connectortest.Play{Params: params("question", "Tea?", "options", "Yes,No")}, Want: connector.Message{Text: "Tea?\nYes\nNo"}},
		{Kind: "dice", Play: connectortest.Play{Params: params("value", "4")}, Want: connector.Message{Text: "🎲 4"}},
	}
}

// strange are contents that the connector does not carry; one of them is new.
func strange() []connectortest.Strange {
	raw := func(content string) func(string) (string, string) {
		return func(chat string) (event, id string) {
			return fmt.Sprintf(`{"message":{"message_id":700,"date":1700000000,"chat":{"id":%[1]s,"type":"private","first_name":"Ann"},
				"from":{"id":%[1]s,"is_bot":false,"first_name":"Ann"},%[2]s}}`, chat, content), "700"
		}
	}
	return []connectortest.Strange{
		{Name: "story", Event: raw(`"story":{"chat":{"id":1,"type":"channel"},"id":2}`), Want: connector.Message{Unsupported: "story"}},
		{Name: "with caption", Event: raw(`"paid_media":{"star_count":1,"paid_media":[]},"caption":"look"`),
			Want: connector.Message{Unsupported: "paid_media", Text: "look"}},
		{Name: "new", Event: raw(`"hologram":{"file_id":"x"}`), Want: connector.Message{Unsupported: "hologram"}},
	}
}

// offer sends a message with an inline button.
func offer(ctx context.Context, base string, ch *parley.Channel, chat, title, data string) (string, error) {
	id, err := strconv.ParseInt(chat, 10, 64)
	if err != nil {
		return "", err
	}
	button := map[string]string{"text": title, "callback_data": data}
	body, err := json.Marshal(map[string]any{"chat_id": id, "text": "Is this right?",
		"reply_markup": map[string]any{"inline_keyboard": [][]any{{button}}}})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/bot"+ch.Secrets["token"].Reveal()+"/sendMessage", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Result struct {
			ID json.Number `json:"message_id"`
		} `json:"result"`
	}
	err = json.NewDecoder(resp.Body).Decode(&answer)
	return answer.Result.ID.String(), err
}

// groups are basic ones, because only they move.
func groups() *connectortest.Groups {
	before, move := play("privacy", "on", "false"), play("migrate")
	return &connectortest.Groups{Before: &before, Make: play("groups", "type", "group"), Rename: play("title"),
		Remove: play("kick", "banned", "false"), Return: play("add"), Move: &move}
}

func fetching() *connectortest.Fetching {
	away := play("unavailable", "times", "1")
	return &connectortest.Fetching{
		Methods:  []string{"getFile", "download"},
		TooLarge: params("file_size", strconv.Itoa(20<<20+1)),
		Away:     &away,
		Unknown:  "BQACAgIAAxkBAAIBQ2Zr5Y7n0000000000000000000000000000000",
		Divert: func(path string, answer []byte, place string) []byte {
			if !strings.HasSuffix(path, "/getFile") {
				return answer
			}
			out, err := json.Marshal(map[string]any{"ok": true, "result": map[string]any{"file_id": "x", "file_unique_id": "y", "file_path": place}})
			if err != nil {
				return answer
			}
			return out
		},
		Under: func(ch *parley.Channel) []string {
			token := ch.Secrets["token"].Reveal()
			return []string{"/bot" + token + "/", "/file/bot" + token + "/", "/file/bot" + url.PathEscape(token) + "/"}
		},
	}
}

func profiling() *connectortest.Profiling {
	group := play("avatar")
	return &connectortest.Profiling{
		Picture: play("avatar"), Remove: play("avatar", "remove", "true"), GroupPicture: &group,
		Nonsense: []string{
			`{"ok":true}`, `{"ok":true,"result":null}`, `{"ok":true,"result":true}`, `{"ok":true,"result":[]}`, `{"ok":true,"result":{}}`,
			`{"ok":true,"result":{"total_count":1,"photos":[[]]}}`, `{"ok":true,"result":{"total_count":1,"photos":[[{"width":1}]]}}`,
			`{"ok":true,"result":{"photos":7}}`, `{"ok":true,"result":{"id":1,"title":"Other","type":"group"}}`,
			`{"ok":true,"result":{"id":"x"}}`, `{"ok":true,"result":{"id":1,"photo":{}}}`, `{"ok":false}`, `{"ok":"yes"}`,
		},
	}
}

func sending() *connectortest.Sending {
	return &connectortest.Sending{
		Carries: []connectortest.Carry{
			{Kind: "document", Method: "sendDocument"},
			{Kind: "photo", Method: "sendPhoto"},
			{Kind: "video", Method: "sendVideo"},
			{Kind: "audio", Method: "sendAudio"},
			{Kind: "voice", Voice: true, Method: "sendVoice"},
			{Kind: "animation", Type: "image/gif", Method: "sendAnimation"},
			{Kind: "document", Type: "text/plain", Method: "sendDocument"},
			{Kind: "photo", Type: "application/octet-stream", Method: "sendDocument"},
		},
		Refused:  &connectortest.Carry{Type: "image/jpeg", Method: "sendDocument"},
		TooLarge: 50<<20 + 1,
	}
}
