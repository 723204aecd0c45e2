package telegramsim_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/mymmrac/telego"
	ta "github.com/mymmrac/telego/telegoapi"
	tu "github.com/mymmrac/telego/telegoutil"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
	"github.com/parley-im/parley/simulator"
)

// refusal is what the client made of an error.
func refusal(t *testing.T, err error) *ta.Error {
	t.Helper()
	e, ok := errors.AsType[*ta.Error](err)
	if !ok {
		t.Fatalf("got %v, want a refusal by the API", err)
	}
	return e
}

func wantRefusal(t *testing.T, err error, code int, text string) {
	t.Helper()
	if e := refusal(t, err); e.ErrorCode != code || e.Description != text || e.Parameters != nil {
		t.Errorf("got %d %q %+v, want %d %q", e.ErrorCode, e.Description, e.Parameters, code, text)
	}
}

func TestCrosscheckRefusals(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{LookupIP: lookup})
	b, wrong := client(t, s, token), client(t, s, "123456789:"+strings.Repeat("A", 35))
	photo := must(b.SendPhoto(t.Context(), tu.Photo(toAnn, tu.FileFromBytes(sample(t, "photo.jpg"), "a.jpg"))))(t)
	text := func(to telego.ChatID, text string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := b.SendMessage(ctx, tu.Message(to, text))
			return err
		}
	}
	with := func(change func(*telego.SendMessageParams)) func(context.Context) error {
		return func(ctx context.Context) error {
			p := tu.Message(toAnn, "x")
			change(p)
			_, err := b.SendMessage(ctx, p)
			return err
		}
	}
	image := func(f telego.InputFile) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := b.SendPhoto(ctx, tu.Photo(toAnn, f))
			return err
		}
	}
	edit := func(to telego.ChatID, id int, text string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := b.EditMessageText(ctx, tu.EditMessageText(to, id, text))
			return err
		}
	}
	hook := func(p telego.SetWebhookParams) func(context.Context) error {
		return func(ctx context.Context) error { return b.SetWebhook(ctx, &p) }
	}
	button := func(x telego.InlineKeyboardButton) func(*telego.SendMessageParams) {
		return func(p *telego.SendMessageParams) { p.ReplyMarkup = tu.InlineKeyboard(tu.InlineKeyboardRow(x)) }
	}
	getFile := func(id string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := b.GetFile(ctx, &telego.GetFileParams{FileID: id})
			return err
		}
	}
	tests := []struct {
		name string
		call func(context.Context) error
		code int
		text string
	}{
		{"unknown method", func(ctx context.Context) error { _, err := b.GetMyCommands(ctx, nil); return err }, 404, "Not Found: method not found"},
		{"chat not found", text(tu.ID(42), "x"), 400, "Bad Request: chat not found"},
		{"channel not found", text(tu.Username("@nowhere"), "x"), 400, "Bad Request: chat not found"},
		{"never started", text(toBob, "x"), 403, "Forbidden: bot can't initiate conversation with a user"},
		{"blocked", text(tu.ID(ann+2), "x"), 403, "Forbidden: bot was blocked by the user"},
		{"deactivated", text(tu.ID(ann+3), "x"), 403, "Forbidden: user is deactivated"},
		{"to itself", text(tu.ID(123456789), "x"), 403, "Forbidden: the bot can't send messages to the bot"},
		{"no text", text(toAnn, ""), 400, "Bad Request: message text is empty"},
		{"long text", text(toAnn, strings.Repeat("x", 4097)), 400, "Bad Request: message is too long"},
		{"very long text", text(toAnn, strings.Repeat("x", 32769)), 400, "Bad Request: text is too long"},
		{"long caption", func(ctx context.Context) error {
			_, err := b.SendPhoto(ctx, tu.Photo(toAnn, tu.FileFromID(photo.Photo[0].FileID)).WithCaption(strings.Repeat("x", 1025)))
			return err
		}, 400, "Bad Request: message caption is too long"},
		{"tag", with(func(p *telego.SendMessageParams) { p.Text, p.ParseMode = "<x>", "HTML" }), 400, `Bad Request: can't parse entities: Unsupported start tag "x" at byte offset 0`},
		{"parse mode", with(func(p *telego.SendMessageParams) { p.ParseMode = "BBCode" }), 400, "Bad Request: unsupported parse_mode"},
		{"reply gone", with(func(p *telego.SendMessageParams) { p.ReplyParameters = &telego.ReplyParameters{MessageID: 99} }), 400, "Bad Request: message to be replied not found"},
		{"no topic", with(func(p *telego.SendMessageParams) { p.MessageThreadID = 99 }), 400, "Bad Request: message thread not found"},
		{"button data", with(button(tu.InlineKeyboardButton("x").WithCallbackData(strings.Repeat("x", 65)))), 400, "Bad Request: BUTTON_DATA_INVALID"},
		{"button", with(button(tu.InlineKeyboardButton("x"))), 400, "Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"},
		{"keyboard", with(func(p *telego.SendMessageParams) {
			p.ReplyMarkup = tu.Keyboard(tu.KeyboardRow(tu.KeyboardButton(strings.Repeat("x", 10<<10))))
		}), 400, "Bad Request: reply markup is too long"},
		{"edit nothing new", edit(toAnn, 2, "welcome"), 400, modified},
		{"edit unknown", edit(toAnn, 99, "x"), 400, "Bad Request: message to edit not found"},
		{"edit hers", edit(toAnn, 1, "x"), 400, "Bad Request: message can't be edited"},
		{"delete unknown", func(ctx context.Context) error { return b.DeleteMessage(ctx, tu.Delete(toAnn, 99)) }, 400, "Bad Request: message to delete not found"},
		{"copy unknown", func(ctx context.Context) error {
			_, err := b.CopyMessage(ctx, tu.CopyMessage(toAnn, toAnn, 99))
			return err
		}, 400, "Bad Request: message to copy not found"},
		{"answer unknown", func(ctx context.Context) error { return b.AnswerCallbackQuery(ctx, tu.CallbackQuery("1")) }, 400, "Bad Request: query is too old and response timeout expired or query ID is invalid"},
		{"no web content", image(tu.FileFromURL("https://files.example.com/a.jpg")), 400, "Bad Request: failed to get HTTP URL content"},
		{"private address", image(tu.FileFromURL("http://10.0.0.1/a.jpg")), 400, "Bad Request: wrong HTTP URL specified"},
		{"unknown file", image(tu.FileFromID("AgACAgIAAxkBAAIB")), 400, "Bad Request: wrong file identifier/HTTP URL specified"},
		{"no file id", image(tu.FileFromID("no id")), 400, "Bad Request: wrong remote file identifier specified: Wrong character in the string"},
		{"no image", image(tu.FileFromBytes([]byte("hello"), "a.jpg")), 400, "Bad Request: IMAGE_PROCESS_FAILED"},
		{"panorama", image(tu.FileFromBytes(pngOf(t, 2001, 100), "a.png")), 400, "Bad Request: PHOTO_INVALID_DIMENSIONS"},
		{"empty file", image(tu.FileFromBytes(nil, "a.png")), 400, "Bad Request: file must be non-empty"},
		{"one in an album", func(ctx context.Context) error {
			_, err := b.SendMediaGroup(ctx, tu.MediaGroup(toAnn, tu.MediaPhoto(tu.FileFromID(photo.Photo[0].FileID))))
			return err
		}, 400, "Bad Request: there must be at least 2 messages in an album"},
		{"big upload", func(ctx context.Context) error {
			_, err := b.SendDocument(ctx, tu.Document(toAnn, tu.FileFromBytes(make([]byte, 50<<20+1), "a")))
			return err
		}, 413, "Request Entity Too Large"},
		{"getFile of nothing", getFile(""), 400, "Bad Request: file_id not specified"},
		{"getFile of nonsense", getFile("no id"), 400, "Bad Request: invalid file_id"},
		{"getFile of unknown", getFile("AgACAgIAAxkBAAIBAAIBAAIB"), 400, "Bad Request: wrong file_id or the file is temporarily unavailable"},
		{"webhook over http", hook(telego.SetWebhookParams{URL: "http://gateway.test/x"}), 400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook"},
		{"webhook port", hook(telego.SetWebhookParams{URL: "https://gateway.test:99/x"}), 400, "Bad Request: bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443"},
		{"webhook inside", hook(telego.SetWebhookParams{URL: "https://10.0.0.1/x"}), 400, "Bad Request: bad webhook: IP address 10.0.0.1 is reserved"},
		{"webhook secret", hook(telego.SetWebhookParams{URL: "https://gateway.test/x", SecretToken: "a b"}), 400, "Bad Request: secret token contains unallowed characters"},
		{"webhook long secret", hook(telego.SetWebhookParams{URL: "https://gateway.test/x", SecretToken: strings.Repeat("a", 257)}), 400, "Bad Request: secret token is too long"},
		{"webhook nowhere", hook(telego.SetWebhookParams{URL: "https://"}), 400, "Bad Request: invalid webhook URL specified"},
		{"webhook certificate", hook(telego.SetWebhookParams{URL: "https://gateway.test/x", Certificate: certificate(3<<20 + 1)}), 400, "Bad Request: certificate size is too big (3145729 bytes)"},
		{"wrong token", wrong.Close, 401, "Unauthorized"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			wantRefusal(t, tt.call(t.Context()), tt.code, tt.text)
		})
	}
}

func certificate(size int) *telego.InputFile {
	f := tu.FileFromBytes(make([]byte, size), "c.pem")
	return &f
}

func TestCrosscheckParameters(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := peopled(t, telegramsim.Options{Now: c.now})
	b, ctx := client(t, s, token), t.Context()
	send := func(to int64) *ta.Error {
		t.Helper()
		_, err := b.SendMessage(ctx, tu.Message(tu.ID(to), "x"))
		return refusal(t, err)
	}
	must(s.Faults().Add(simulator.Fault{Kind: simulator.FaultThrottle, RetryAfter: 14}))(t)
	if e := send(ann); e.ErrorCode != 429 || e.Description != "Too Many Requests: retry after 14" || e.Parameters == nil || e.Parameters.RetryAfter != 14 {
		t.Errorf("throttled: %v", e)
	}
	old := group(t, s, telegramsim.Group{})
	to := must(s.Migrate(telegramsim.GroupAct{Chat: itoa(old)}))(t)
	if e := send(old); e.ErrorCode != 400 || e.Description != "Bad Request: group chat was upgraded to a supergroup chat" ||
		e.Parameters == nil || e.Parameters.MigrateToChatID != to.ID {
		t.Errorf("migrated: %v", e)
	}
	kicked := group(t, s, telegramsim.Group{Type: "supergroup"})
	must(s.Kick(telegramsim.GroupAct{Chat: itoa(kicked)}, true))(t)
	if e := send(kicked); e.ErrorCode != 403 || e.Description != "Forbidden: bot was kicked from the supergroup chat" {
		t.Errorf("kicked: %v", e)
	}
	muted := group(t, s, telegramsim.Group{Type: "supergroup"})
	must(0, s.Restrict("", itoa(muted), "text messages"))(t)
	if e := send(muted); e.Description != "Bad Request: not enough rights to send text messages to the chat" {
		t.Errorf("muted: %v", e)
	}
	must(0, s.Restrict("", "Ann", "voice notes"))(t)
	_, err := b.SendVoice(ctx, tu.Voice(toAnn, tu.FileFromBytes(sample(t, "voice.oga"), "a.oga")))
	wantRefusal(t, err, 400, "Bad Request: VOICE_MESSAGES_FORBIDDEN")
	if e := refusal(t, b.Close(ctx)); e.ErrorCode != 429 || e.Parameters == nil || e.Parameters.RetryAfter != 600 {
		t.Errorf("closed too early: %v", e)
	}
}

// inside runs calls within the process, so that a test can wait for them.
type inside struct{ http.Handler }

func (h inside) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

func TestCrosscheckConflicts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		act  func(context.Context, *telego.Bot) error
		text string
	}{
		{"another poll", func(ctx context.Context, b *telego.Bot) error {
			_, err := b.GetUpdates(ctx, &telego.GetUpdatesParams{})
			return err
		}, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"},
		{"a webhook", func(ctx context.Context, b *telego.Bot) error {
			return b.SetWebhook(ctx, &telego.SetWebhookParams{URL: "http://gateway.test/x"})
		}, "Conflict: terminated by setWebhook request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, telegramsim.Options{Local: true})
				b := must(telego.NewBot(token, telego.WithHTTPClient(&http.Client{Transport: inside{s}}), telego.WithDiscardLogger()))(t)
				got := make(chan error, 1)
				go func() {
					_, err := b.GetUpdates(t.Context(), &telego.GetUpdatesParams{Timeout: 30})
					got <- err
				}()
				synctest.Wait()
				must(0, tt.act(t.Context(), b))(t)
				wantRefusal(t, <-got, 409, tt.text)
			})
		})
	}
	s := newServer(t, telegramsim.Options{Local: true})
	b := client(t, s, token)
	must(0, b.SetWebhook(t.Context(), &telego.SetWebhookParams{URL: "http://gateway.test/x"}))(t)
	_, err := b.GetUpdates(t.Context(), &telego.GetUpdatesParams{})
	wantRefusal(t, err, 409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first")
}
