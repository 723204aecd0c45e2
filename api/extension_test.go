package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image/png"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/jsonout"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

func TestWebhookSecret(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		n := newGateway(t, db).tenant(t)
		const path = "/p1/companies/{C}/webhook_secret"
		got := n.get(t, path).expect(t, "ok")
		first, _ := got.at("data", "secret").(string)
		if !strings.HasPrefix(first, "whsec_") || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("got %s", got.text)
		}
		second := n.post(t, path, "").expect(t, "ok").at("data", "secret")
		if second == first || n.get(t, path).at("data", "secret") != second {
			t.Errorf("got %v after %v", second, first)
		}
	})
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		n := newGateway(t, db).tenant(t)
		const path = "/p1/companies/{C}/dead_letters"
		url, _ := receiver(t, http.StatusOK)
		n.put(t, "/p1/companies/{C}", "webhook_url="+url).expect(t, "updated")
		ch := n.channel(t, "WA", "whatsapp")
		n.hear(t, ch, "79250000001", "1", "a") // conversation/new and message/new
		n.hear(t, ch, "79250000001", "2", "b")
		if got := n.get(t, path).expect(t, "ok").rows(t, "dead_letters", "event_id"); len(got) != 0 {
			t.Fatalf("got %v before anything failed", got)
		}
		n.put(t, "/p1/companies/{C}", "webhook_url=").expect(t, "updated")
		got := n.get(t, path+"?per=2").expect(t, "ok")
		if diff := cmp.Diff([]any{1.0, 2.0}, got.rows(t, "dead_letters", "event_id")); diff != "" {
			t.Fatal(diff)
		}
		first := got.at("data", "dead_letters").([]any)[0].(map[string]any)
		delete(first, "endpoint_id")
		at, _ := time.Parse(time.RFC3339, first["parked_at"].(string))
		want := map[string]any{"event_id": 1.0, "type": "conversation", "event": "new", "reason": "webhook_url was cleared", "attempts": 0.0,
			"parked_at": first["parked_at"], "parked_at_timestamp": float64(at.Unix()), "replay_requested_at": nil, "replayed_at": nil}
		if diff := cmp.Diff(want, first); diff != "" {
			t.Error(diff)
		}
		rest := n.get(t, path+"?from="+got.at("data", "next_page").(string))
		if diff := cmp.Diff([]any{3.0}, rest.rows(t, "dead_letters", "event_id")); diff != "" {
			t.Error(diff)
		}
		for _, step := range []struct {
			body string
			want float64
		}{{"event_ids[]=1&event_ids[]=999", 1}, {`{"event_ids":[]}`, 0}, {"", 3}} {
			if got := n.post(t, path+"/replay", step.body).expect(t, "ok"); got.at("data", "replayed") != step.want {
				t.Errorf("%q: got %s, want %v", step.body, got.text, step.want)
			}
		}
		n.post(t, path+"/replay", "event_ids[]=x").expect(t, "400 event_ids")
		if got := n.get(t, path).rows(t, "dead_letters", "replay_requested_at"); got[2] == nil {
			t.Errorf("got %v", got)
		}
	})
}

func TestQuarantine(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		n := newGateway(t, db).tenant(t)
		other := n.gateway.tenant(t)
		long := bytes.Repeat([]byte{0xff, 0}, maxQuarantined)
		for _, q := range []store.Quarantined{
			{Company: n.company, Channel: 7, Provider: "telegram", Source: "poll", Reason: "no JSON", Hash: []byte{1, 0xab}, Size: 2, Body: []byte("\x00<")},
			{Company: n.company, Provider: "viber", Source: "callback", Reason: "its beginning", Size: 3, Body: []byte("ab")},
			{Company: n.company, Provider: "viber", Source: "callback", Reason: "too large", Size: int64(len(long)), Body: long},
			{Company: other.company, Provider: "viber", Source: "callback", Reason: "of another company"},
		} {
			if err := db.Quarantine(context.Background(), q); err != nil {
				t.Fatal(err)
			}
		}
		got := n.get(t, "/p1/companies/{C}/quarantine").expect(t, "ok")
		items := got.at("data", "quarantine").([]any)
		if len(items) != 3 || items[1].(map[string]any)["truncated"] != true {
			t.Fatalf("got %s", got.text)
		}
		first := items[0].(map[string]any)
		for _, key := range []string{"id", "created_at", "created_at_timestamp"} {
			delete(first, key)
		}
		want := map[string]any{"channel_id": 7.0, "provider": "telegram", "source": "poll", "reason": "no JSON", "sha256": "01ab", "size": 2.0,
			"body": base64.StdEncoding.EncodeToString([]byte("\x00<")), "truncated": false}
		if diff := cmp.Diff(want, first); diff != "" {
			t.Error(diff)
		}
		second := items[2].(map[string]any)
		body, err := base64.StdEncoding.DecodeString(second["body"].(string))
		if err != nil || !bytes.Equal(body, long[:maxQuarantined]) || second["truncated"] != true || second["channel_id"] != nil {
			t.Errorf("got %d bytes, %v, %v", len(body), second["truncated"], err)
		}
	})
}

// TestMessageShapes checks the keys of messages, those beyond the original API
// included.
func TestMessageShapes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		n := newGateway(t, db).full(t)
		ch := n.whole(t, "WA")
		person := connector.Person{ID: "79250000001", Name: "Ann"}
		events := []*store.Receive{}
		for i, what := range []connector.What{
			connector.Message{Text: "a\"\\\n\t\r\x01<é>", ReplyTo: "1", Forwarded: true, Payload: "p"},
			connector.Message{Location: &parley.Location{Latitude: 1.5, Longitude: -2, Name: "Cafe"}},
			connector.Message{Text: "edited"}, connector.Message{Text: "deleted"},
		} {
			events = append(events, &store.Receive{Channel: ch, Event: connector.Event{ID: fmt.Sprint("m", i), Chat: connector.Chat{ID: person.ID}, From: person, What: what}})
		}
		for i, what := range []connector.What{connector.Edit{Text: "after"}, connector.Delete{}} {
			events = append(events, &store.Receive{Channel: ch, Event: connector.Event{ID: fmt.Sprint("m", i+2), Version: "2", Chat: connector.Chat{ID: person.ID}, From: person, What: what}})
		}
		for _, e := range events {
			if _, errs := db.Receive(context.Background(), e); errs[0] != nil {
				t.Fatal(errs[0])
			}
		}
		var page struct {
			Data struct{ Messages []json.RawMessage }
		}
		text := n.get(t, messagesPath).expect(t, "ok").text
		if err := json.Unmarshal([]byte(text), &page); err != nil || len(page.Data.Messages) != 5 {
			t.Fatalf("got %s, %v", text, err)
		}
		ids := n.get(t, messagesPath).rows(t, "messages", "external_id")
		const plain = `{"external_id":%v,"channel_id":{WA},"channel_type":"whatsapp","message":%s,"income":true,"created_at":"ISO","created_at_timestamp":UNIX,"attachments":[]%s}`
		for i, want := range []struct{ text, more string }{
			{`"Hello"`, ""},
			{`"a\"\\\n\t\r\u0001<é>"`, fmt.Sprintf(`,"reply_to_id":%v,"forwarded":true,"payload":"p"`, ids[0])},
			{`""`, `,"location":{"latitude":1.5,"longitude":-2,"name":"Cafe"}`},
			{`"after"`, `,"edited_at_timestamp":UNIX`},
			{`"deleted"`, `,"deleted_at_timestamp":UNIX`},
		} {
			if diff := cmp.Diff(n.fill(fmt.Sprintf(plain, ids[i], want.text, want.more)), still(string(page.Data.Messages[i]))); diff != "" {
				t.Error(diff)
			}
		}
		if text := string(jsonout.AppendString(nil, "a\xffb")); text != "\"a\ufffdb\"" {
			t.Errorf("got %q", text)
		}
	})
}

func TestAvatar(t *testing.T) {
	t.Parallel()
	n := newGateway(t, openSQLite(t)).tenant(t)
	got := n.do(t, request{line: "GET //avatars/original/missing.png", header: noToken + "\nAccept: image/*"})
	if got.code != 200 || got.header.Get("Content-Type") != "image/png" {
		t.Fatalf("got %d %v", got.code, got.header)
	}
	if _, err := png.Decode(strings.NewReader(got.text)); err != nil {
		t.Error(err)
	}
	if head := n.do(t, request{line: "HEAD /avatars/original/missing.png"}); head.code != 200 || head.text != "" {
		t.Errorf("HEAD: got %d %q", head.code, head.text)
	}
	n.get(t, "/avatars/original/other.png").expect(t, "404")
	n.get(t, "/avatars/original/missing.png/x").expect(t, "404")
}

// TestInteractive checks that no message goes out without its buttons.
func TestInteractive(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		n := newGateway(t, db).full(t)
		n.ids["V"] = int64(n.hear(t, n.whole(t, "WB"), "79250000001", "1", "Hello"))
		const path = conversationsPath + "/{V}/messages"
		n.post(t, path, `{"message":"x","interactive":{"type":"button","buttons":["fine","awesome"]}}`).expect(t, "ok")
		n.post(t, path, "message=y&interactive[type]=button&interactive[buttons][]=fine").expect(t, "ok")
		got := [][]string{}
		for _, w := range n.open(t, "WB") {
			got = append(got, w.Message.Buttons)
		}
		if diff := cmp.Diff([][]string{{"fine", "awesome"}, {"fine"}}, got); diff != "" {
			t.Errorf("buttons (-want +got):\n%s", diff)
		}
		for body, want := range map[string]string{
			`{"message":"x","interactive":{"type":"list","buttons":["a"]}}`:                                 "400 interactive.type",
			`{"message":"x","interactive":{"buttons":["a"]}}`:                                               "400 interactive.type",
			`{"message":"x","interactive":{"type":"button"}}`:                                               "400 interactive.buttons",
			`{"message":"x","interactive":{"type":"button","buttons":[]}}`:                                  "400 interactive.buttons",
			`{"message":"x","interactive":{"type":"button","buttons":["a","b","c","d"]}}`:                   "400 interactive.buttons",
			`{"message":"x","interactive":{"type":"button","buttons":["a"," "]}}`:                           "400 interactive.buttons",
			`{"message":"x","interactive":{"type":"button","buttons":["` + strings.Repeat("ж", 21) + `"]}}`: "400 interactive.buttons",
			`{"interactive":{"type":"button","buttons":["a"]}}`:                                             "400 message",
		} {
			n.post(t, path, body).expect(t, want)
		}
	})
}
