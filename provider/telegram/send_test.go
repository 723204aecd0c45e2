package telegram

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

func envOf(d connector.Doer) connector.Env { return connector.Env{HTTP: d} }

func part(text string) connector.Part {
	return connector.Part{Message: &parley.Message{ID: 42, Text: text}, Chat: "5550001", Count: 1, Text: text, Key: "42.0"}
}

func replyPart(index int, parent string) connector.Part {
	p := part("hi")
	p.Message.ReplyToID, p.Index, p.Count = parent, index, 2
	return p
}

const (
	sentResult = `{"message_id":91,"from":{"id":123456789,"is_bot":true,"first_name":"Shop"},"chat":{"id":5550001,"type":"private"},"date":1718000300,"text":"hi","new_field":{"x":[1]}}`
	migrated   = `{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":-1001234567890}}`
	parentGone = `{"ok":false,"error_code":400,"description":"Bad Request: message to be replied not found"}`
)

func TestSend(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 6, 10, 6, 18, 20, 0, time.UTC)
	plain := connector.Sent{ProviderID: "91", Ack: parley.AckSent, At: at}
	moved := plain
	moved.Chat = "-1001234567890"
	withReply := `{"chat_id":5550001,"text":"hi","reply_parameters":{"message_id":80,"allow_sending_without_reply":true}}`
	send := func(want string, status int, body string) step {
		return step{method: "sendMessage", want: want, status: status, body: body}
	}
	success := `{"ok":true,"result":` + sentResult + `}`
	tests := []struct {
		name  string
		part  connector.Part
		want  connector.Sent
		steps []step
	}{
		{"text", part("hi"), plain, []step{send(`{"chat_id":5550001,"text":"hi"}`, 200, success)}},
		{"no markup", part(`*a* <b> \ "`), plain, []step{send(`{"chat_id":5550001,"text":"*a* \u003cb\u003e \\ \""}`, 200, success)}},
		{"reply", replyPart(0, "80"), plain, []step{send(withReply, 200, success)}},
		{"reply on a later part", replyPart(1, "80"), plain, []step{send(`{"chat_id":5550001,"text":"hi"}`, 200, success)}},
		{"reply to a button", replyPart(0, "callback:80"), plain, []step{send(`{"chat_id":5550001,"text":"hi"}`, 200, success)}},
		{"moved", part("hi"), moved, []step{
			send(`{"chat_id":5550001,"text":"hi"}`, 400, migrated),
			send(`{"chat_id":-1001234567890,"text":"hi"}`, 200, success),
		}},
		{"parent gone", replyPart(0, "80"), plain, []step{
			send(withReply, 400, parentGone),
			send(`{"chat_id":5550001,"text":"hi"}`, 200, success),
		}},
		{"moved and parent gone", replyPart(0, "80"), moved, []step{
			send(withReply, 400, migrated),
			send(`{"chat_id":-1001234567890,"text":"hi","reply_parameters":{"message_id":80,"allow_sending_without_reply":true}}`, 400, parentGone),
			send(`{"chat_id":-1001234567890,"text":"hi"}`, 200, success),
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, _ := serve(t, tt.steps...)
			got, err := c.Send(context.Background(), tt.part)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSendMovesOnce(t *testing.T) {
	t.Parallel()
	again := step{method: "sendMessage", status: 400, body: migrated}
	c, s := serve(t, again, again)
	if _, err := c.Send(context.Background(), part("hi")); parley.KindOf(err) != parley.KindUnreachable {
		t.Errorf("got %v, want kind unreachable", err)
	}
	if len(s.calls) != 2 {
		t.Errorf("got %d requests, want 2", len(s.calls))
	}
}

func TestSendChat(t *testing.T) {
	t.Parallel()
	for _, chat := range []string{"", "0", "abc", "1e5", "5550001.0", "99999999999999999999"} {
		c, _ := serve(t)
		p := part("hi")
		p.Chat = chat
		if _, err := c.Send(context.Background(), p); parley.KindOf(err) != parley.KindInvalid {
			t.Errorf("chat %q: got %v, want kind invalid and no request", chat, err)
		}
	}
}

// A 404 ends a channel only if getMe says the same.
func TestSendConfirmsNotFound(t *testing.T) {
	t.Parallel()
	gone := func(method string) step {
		return step{method: method, status: 404, body: `{"ok":false,"error_code":404,"description":"Not Found"}`}
	}
	tests := []struct {
		name  string
		getMe step
		want  parley.Kind
	}{
		{"dead token", gone("getMe"), parley.KindLoggedOut},
		{"live token", ok("getMe", `{"id":123456789,"is_bot":true,"first_name":"Shop"}`), parley.KindUnavailable},
		{"no verdict", step{method: "getMe", status: 502, body: "<html>"}, parley.KindUnavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, _ := serve(t, gone("sendMessage"), tt.getMe)
			if _, err := c.Send(context.Background(), part("hi")); parley.KindOf(err) != tt.want {
				t.Errorf("got %v of kind %s, want %s", err, parley.KindOf(err), tt.want)
			}
		})
	}
}
