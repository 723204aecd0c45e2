package telegramsim_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/mymmrac/telego"
	tu "github.com/mymmrac/telego/telegoutil"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

// next is the newest update as the client reads it; older ones are confirmed.
func next(t *testing.T, b *telego.Bot) telego.Update {
	t.Helper()
	us := must(b.GetUpdates(t.Context(), &telego.GetUpdatesParams{Offset: -1}))(t)
	if len(us) != 1 {
		t.Fatalf("got %d updates, want the newest", len(us))
	}
	return us[0]
}

func TestCrosscheckContents(t *testing.T) {
	t.Parallel()
	c := newClock()
	place := telego.Location{Latitude: 52.1, Longitude: 4.3}
	small := func(w, h int) *telego.PhotoSize { return &telego.PhotoSize{Width: w, Height: h} }
	tests := []struct {
		say  telegramsim.Content
		want func(*telego.Message)
	}{
		{telegramsim.Content{Kind: "photo"}, func(m *telego.Message) {
			m.Photo = []telego.PhotoSize{*small(100, 75), *small(320, 240), *small(640, 480)}
		}},
		{telegramsim.Content{Kind: "document", Name: "../a.exe", Mime: "text/plain"}, func(m *telego.Message) {
			m.Document = &telego.Document{FileName: "../a.exe", MimeType: "text/plain"}
		}},
		{telegramsim.Content{Kind: "voice", Duration: 3}, func(m *telego.Message) {
			m.Voice = &telego.Voice{Duration: 3, MimeType: "audio/ogg"}
		}},
		{telegramsim.Content{Kind: "audio"}, func(m *telego.Message) {
			m.Audio = &telego.Audio{Duration: 1, Title: "Tone", Performer: "Ann", FileName: "audio.mp3", MimeType: "audio/mpeg"}
		}},
		{telegramsim.Content{Kind: "video"}, func(m *telego.Message) {
			m.Video = &telego.Video{Width: 128, Height: 96, Duration: 1, FileName: "video.mp4", MimeType: "video/mp4", Thumbnail: small(100, 75)}
		}},
		{telegramsim.Content{Kind: "video_note"}, func(m *telego.Message) {
			m.VideoNote = &telego.VideoNote{Length: 96, Duration: 1, Thumbnail: small(100, 75)}
		}},
		{telegramsim.Content{Kind: "animation"}, func(m *telego.Message) {
			m.Animation = &telego.Animation{Width: 128, Height: 96, Duration: 1, FileName: "animation.mp4", MimeType: "video/mp4", Thumbnail: small(100, 75)}
			m.Document = &telego.Document{FileName: "animation.mp4", MimeType: "video/mp4", Thumbnail: small(100, 75)}
		}},
		{telegramsim.Content{Kind: "sticker", Emoji: "👍", Set: "hands"}, func(m *telego.Message) {
			m.Sticker = &telego.Sticker{Type: "regular", Width: 512, Height: 512, Emoji: "👍", SetName: "hands", Thumbnail: small(100, 75)}
		}},
		{telegramsim.Content{Kind: "location", Latitude: 52.1, Longitude: 4.3, LivePeriod: 60}, func(m *telego.Message) {
			m.Location = &telego.Location{Latitude: 52.1, Longitude: 4.3, LivePeriod: 60}
		}},
		{telegramsim.Content{Kind: "venue", Latitude: 52.1, Longitude: 4.3, Title: "Shop", Address: "Here"}, func(m *telego.Message) {
			l := place
			m.Location, m.Venue = &l, &telego.Venue{Location: place, Title: "Shop", Address: "Here"}
		}},
		{telegramsim.Content{Kind: "contact", Own: true, Phone: "+123"}, func(m *telego.Message) {
			m.Contact = &telego.Contact{PhoneNumber: "+123", FirstName: "Ann", UserID: ann}
		}},
		{telegramsim.Content{Kind: "dice", Value: 6}, func(m *telego.Message) { m.Dice = &telego.Dice{Emoji: "🎲", Value: 6} }},
	}
	for _, tt := range tests {
		t.Run(tt.say.Kind, func(t *testing.T) {
			t.Parallel()
			s := peopled(t, telegramsim.Options{Now: c.now, Local: true})
			b := client(t, s, token)
			must(s.Say(telegramsim.Line{Person: "Ann", Content: []telegramsim.Content{tt.say}}))(t)
			from := annUser
			want := &telego.Message{MessageID: 3, From: &from, Chat: annsChat, Date: c.now().Unix()}
			tt.want(want)
			same(t, want, next(t, b).Message)
		})
	}
}

func TestCrosscheckEvents(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := peopled(t, telegramsim.Options{Now: c.now, Local: true})
	b := client(t, s, token)
	say(t, s, "Ann", "first")
	u := next(t, b)
	from := annUser
	same(t, &telego.Message{MessageID: 3, From: &from, Chat: annsChat, Date: c.now().Unix(), Text: "first"}, u.Message)

	c.add(time.Minute)
	must(s.Edit("", "Ann", 3, "second"))(t)
	if u = next(t, b); u.EditedMessage == nil || u.EditedMessage.Text != "second" || u.EditedMessage.EditDate != c.now().Unix() || u.Message != nil {
		t.Errorf("edit: %+v", u)
	}
	must(s.Say(telegramsim.Line{Person: "Ann", Text: "third", ReplyTo: 3}))(t)
	if u = next(t, b); u.Message.ReplyToMessage == nil || u.Message.ReplyToMessage.MessageID != 3 {
		t.Errorf("reply: %+v", u.Message)
	}
	must(s.Say(telegramsim.Line{Person: "Ann", Text: "x", Forward: &telegramsim.Forward{From: "Carl", Hidden: true, Date: 7}}))(t)
	same(t, &telego.MessageOriginHiddenUser{Type: "hidden_user", Date: 7, SenderUserName: "Carl"}, next(t, b).Message.ForwardOrigin)

	must(s.Block("", "Ann"))(t)
	u = next(t, b)
	if m := u.MyChatMember; m == nil || m.OldChatMember.MemberStatus() != "member" || m.NewChatMember.MemberStatus() != "kicked" ||
		m.NewChatMember.MemberUser().ID != 123456789 || m.From.ID != ann {
		t.Errorf("block: %+v", u)
	}
}

func TestCrosscheckAlbum(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{Local: true})
	b := client(t, s, token)
	next(t, b)
	must(s.Say(telegramsim.Line{Person: "Ann", Text: "both", Content: []telegramsim.Content{{Kind: "photo"}, {Kind: "video"}}}))(t)
	us := must(b.GetUpdates(t.Context(), &telego.GetUpdatesParams{Offset: -2}))(t)
	if len(us) != 2 || us[0].Message.MediaGroupID == "" || us[0].Message.MediaGroupID != us[1].Message.MediaGroupID ||
		us[0].Message.Caption != "both" || us[1].Message.Caption != "" || us[1].Message.Video == nil {
		t.Errorf("album: %+v", us)
	}
}

func TestCrosscheckButtons(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{Local: true})
	b, ctx := client(t, s, token), t.Context()
	keys := tu.InlineKeyboard(tu.InlineKeyboardRow(tu.InlineKeyboardButton("Yes").WithCallbackData("y")))
	m := must(b.SendMessage(ctx, tu.Message(toAnn, "sure?").WithReplyMarkup(keys)))(t)
	tap := func(x telegramsim.Tap) *telego.CallbackQuery {
		t.Helper()
		x.Person, x.MessageID, x.Data = "Ann", int64(m.MessageID), "y"
		_, id, err := s.Tap(x)
		must(id, err)(t)
		q := next(t, b).CallbackQuery
		if q == nil || q.ID != id || q.Data != "y" || q.From.ID != ann || q.ChatInstance == "" {
			t.Fatalf("query %+v", q)
		}
		must(0, b.AnswerCallbackQuery(ctx, tu.CallbackQuery(q.ID).WithText("ok")))(t)
		return q
	}
	if q := tap(telegramsim.Tap{}); q.Message == nil || !q.Message.IsAccessible() || q.Message.Message().Text != "sure?" {
		t.Errorf("message %+v", q.Message)
	}
	if q := tap(telegramsim.Tap{Inaccessible: true}); q.Message == nil || q.Message.IsAccessible() || q.Message.GetMessageID() != m.MessageID {
		t.Errorf("message %+v", q.Message)
	}
	if q := tap(telegramsim.Tap{Inline: true}); q.Message != nil || q.InlineMessageID == "" {
		t.Errorf("query %+v", q)
	}
}

func TestCrosscheckGroups(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{Local: true})
	b := client(t, s, token)
	basic := group(t, s, telegramsim.Group{Title: "Orders"})
	u := next(t, b)
	if m := u.Message; m == nil || len(m.NewChatMembers) != 1 || m.NewChatMembers[0].ID != 123456789 || m.Chat.Title != "Orders" {
		t.Errorf("added: %+v", u)
	}
	must(s.SetTitle(telegramsim.GroupAct{Chat: itoa(basic)}, "New"))(t)
	if m := next(t, b).Message; m.NewChatTitle != "New" || m.Chat.Type != "group" || m.From.ID != ann {
		t.Errorf("title: %+v", m)
	}
	to := must(s.Migrate(telegramsim.GroupAct{Chat: itoa(basic)}))(t)
	us := must(b.GetUpdates(t.Context(), &telego.GetUpdatesParams{Offset: -2}))(t)
	if us[0].Message.MigrateToChatID != to.ID || us[1].Message.MigrateFromChatID != basic || us[1].Message.Chat.ID != to.ID {
		t.Errorf("migrated: %+v, %+v", us[0].Message, us[1].Message)
	}
	must(s.Say(telegramsim.Line{Person: "Ann", Chat: itoa(to.ID), Text: "/hi", Anonymous: true}))(t)
	if m := next(t, b).Message; m.SenderChat == nil || m.SenderChat.ID != to.ID || m.From.ID != 1087968824 {
		t.Errorf("anonymous: %+v", m)
	}
	must(s.Kick(telegramsim.GroupAct{Chat: itoa(to.ID)}, false))(t)
	if m := next(t, b).MyChatMember; m == nil || m.NewChatMember.MemberStatus() != "left" {
		t.Errorf("removed: %+v", m)
	}
}

func TestCrosscheckChannel(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{Local: true})
	b, ctx := client(t, s, token), t.Context()
	news := group(t, s, telegramsim.Group{Type: "channel", Title: "News", Username: "news"})
	if m := next(t, b).MyChatMember; m == nil || m.NewChatMember.MemberStatus() != "administrator" || m.Chat.Type != "channel" {
		t.Errorf("added: %+v", m)
	}
	said := must(s.Say(telegramsim.Line{Chat: "@news", Text: "one", Signature: "Ann"}))(t)
	if m := next(t, b).ChannelPost; m == nil || m.Text != "one" || m.AuthorSignature != "Ann" || m.SenderChat.ID != news || m.From != nil {
		t.Errorf("post: %+v", m)
	}
	must(s.Amend(said.MessageID, telegramsim.Line{Chat: "@news", Text: "two"}))(t)
	if m := next(t, b).EditedChannelPost; m == nil || m.Text != "two" {
		t.Errorf("edited post: %+v", m)
	}
	own := must(b.SendMessage(ctx, tu.Message(tu.Username("@news"), "three")))(t)
	if m := next(t, b).ChannelPost; m == nil || m.MessageID != own.MessageID || own.From != nil || own.SenderChat == nil {
		t.Errorf("own post: %+v", m)
	}
	must(0, b.DeleteWebhook(ctx, &telego.DeleteWebhookParams{}))(t)
	must(b.GetUpdates(ctx, &telego.GetUpdatesParams{AllowedUpdates: []string{"chat_member"}}))(t)
	must(s.Join(telegramsim.GroupAct{Chat: "@news", Person: "Bob"}))(t)
	if m := next(t, b).ChatMember; m == nil || m.NewChatMember.MemberUser().ID != ann+1 {
		t.Errorf("joined: %+v", m)
	}
}

// Callbacks must be readable to the client, too.
func TestCrosscheckCallback(t *testing.T) {
	t.Parallel()
	got := make(chan telego.Update, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var u telego.Update
		if r.Header.Get("X-Telegram-Bot-Api-Secret-Token") != "s" || json.NewDecoder(r.Body).Decode(&u) != nil {
			t.Errorf("a callback with the headers %v cannot be read", r.Header)
		}
		got <- u
	}))
	defer srv.Close()
	s := newServer(t, telegramsim.Options{Local: true})
	must(0, client(t, s, token).SetWebhook(t.Context(), &telego.SetWebhookParams{URL: srv.URL, SecretToken: "s"}))(t)
	must(s.Say(telegramsim.Line{Person: "Ann", Text: "see", Content: []telegramsim.Content{{Kind: "photo"}}}))(t)
	if u := <-got; u.Message == nil || u.Message.Caption != "see" || len(u.Message.Photo) != 3 {
		t.Errorf("got %+v", u.Message)
	}
	_ = s.Close() // before the receiver: nothing is on its way any more
}
