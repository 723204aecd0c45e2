package telegramsim_test

import (
	"bytes"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/mymmrac/telego"
	tu "github.com/mymmrac/telego/telegoutil"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

// The tests in the crosscheck files let a client that was written by others, from
// the same reference, speak to the simulator over HTTP, as it is.

// client connects the foreign client to a simulator.
func client(t *testing.T, s *telegramsim.Server, token string) *telego.Bot {
	t.Helper()
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return must(telego.NewBot(token, telego.WithAPIServer(srv.URL), telego.WithHTTPClient(srv.Client()), telego.WithDiscardLogger()))(t)
}

var (
	toAnn = tu.ID(ann)
	toBob = tu.ID(ann + 1)
)

// The bot, Ann and the chat with her as the client must read them.
var (
	botUser  = telego.User{ID: 123456789, IsBot: true, FirstName: "Shop", Username: "shop_bot"}
	annUser  = telego.User{ID: ann, FirstName: "Ann", LanguageCode: "en"}
	annsChat = telego.Chat{ID: ann, Type: "private", FirstName: "Ann"}
)

// same compares what the client read with what it should have read: file ids
// and sizes have been checked elsewhere.
func same(t *testing.T, want, got any) {
	t.Helper()
	ignored := cmp.FilterPath(func(p cmp.Path) bool {
		name := p.Last().String()
		return name == ".FileID" || name == ".FileUniqueID" || name == ".FileSize" || name == ".ReplyMarkup"
	}, cmp.Ignore())
	if diff := cmp.Diff(want, got, ignored, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(telego.Message{}, telego.User{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// outgoing is the next message of the bot to Ann, with its content.
func outgoing(c *clock, id int, fill func(*telego.Message)) *telego.Message {
	from, replied := botUser, annUser
	m := &telego.Message{MessageID: id, From: &from, Chat: annsChat, Date: c.now().Unix(),
		ReplyToMessage: &telego.Message{MessageID: 1, From: &replied, Chat: annsChat, Date: c.now().Unix(), Text: "hello"}}
	fill(m)
	return m
}

func TestCrosscheckSends(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := peopled(t, telegramsim.Options{Now: c.now})
	b, ctx := client(t, s, token), t.Context()
	reply := &telego.ReplyParameters{MessageID: 1, AllowSendingWithoutReply: true}
	keys := tu.InlineKeyboard(tu.InlineKeyboardRow(tu.InlineKeyboardButton("Yes").WithCallbackData("y")))
	up := func(name string) telego.InputFile { return tu.FileFromBytes(sample(t, name), name) }
	bold := []telego.MessageEntity{{Type: "bold", Length: 2}}
	place := telego.Location{Latitude: 52.1, Longitude: 4.3}
	tests := []struct {
		name string
		send func() (*telego.Message, error)
		want func(*telego.Message)
	}{
		{"message", func() (*telego.Message, error) {
			return b.SendMessage(ctx, tu.Message(toAnn, "<b>hi</b>").WithParseMode("HTML").WithReplyParameters(reply).WithReplyMarkup(keys))
		}, func(m *telego.Message) { m.Text, m.Entities = "hi", bold }},
		{"photo", func() (*telego.Message, error) {
			return b.SendPhoto(ctx, tu.Photo(toAnn, up("photo.jpg")).WithCaption("hi").WithCaptionEntities(bold...).WithReplyParameters(reply))
		}, func(m *telego.Message) {
			m.Photo = []telego.PhotoSize{{Width: 100, Height: 75}, {Width: 320, Height: 240}, {Width: 640, Height: 480}}
			m.Caption, m.CaptionEntities = "hi", bold
		}},
		{"document", func() (*telego.Message, error) {
			return b.SendDocument(ctx, tu.Document(toAnn, up("document.pdf")).WithReplyParameters(reply))
		}, func(m *telego.Message) {
			m.Document = &telego.Document{FileName: "document.pdf", MimeType: "application/pdf"}
		}},
		{"audio", func() (*telego.Message, error) {
			return b.SendAudio(ctx, tu.Audio(toAnn, up("audio.mp3")).WithDuration(7).WithTitle("Tone").WithPerformer("Ann").WithReplyParameters(reply))
		}, func(m *telego.Message) {
			m.Audio = &telego.Audio{FileName: "audio.mp3", MimeType: "audio/mpeg", Duration: 7, Title: "Tone", Performer: "Ann"}
		}},
		{"video", func() (*telego.Message, error) {
			return b.SendVideo(ctx, tu.Video(toAnn, up("video.mp4")).WithDuration(7).WithWidth(64).WithHeight(48).WithReplyParameters(reply))
		}, func(m *telego.Message) {
			m.Video = &telego.Video{FileName: "video.mp4", MimeType: "video/mp4", Duration: 7, Width: 64, Height: 48}
		}},
		{"voice", func() (*telego.Message, error) {
			return b.SendVoice(ctx, tu.Voice(toAnn, up("voice.oga")).WithDuration(3).WithReplyParameters(reply))
		}, func(m *telego.Message) { m.Voice = &telego.Voice{MimeType: "audio/ogg", Duration: 3} }},
		{"video note", func() (*telego.Message, error) {
			return b.SendVideoNote(ctx, tu.VideoNote(toAnn, up("video_note.mp4")).WithDuration(3).WithLength(96).WithReplyParameters(reply))
		}, func(m *telego.Message) { m.VideoNote = &telego.VideoNote{Duration: 3, Length: 96} }},
		{"animation", func() (*telego.Message, error) {
			return b.SendAnimation(ctx, tu.Animation(toAnn, up("animation.mp4")).WithReplyParameters(reply))
		}, func(m *telego.Message) {
			m.Animation = &telego.Animation{FileName: "animation.mp4", MimeType: "video/mp4"}
			m.Document = &telego.Document{FileName: "animation.mp4", MimeType: "video/mp4"}
		}},
		{"sticker", func() (*telego.Message, error) {
			return b.SendSticker(ctx, tu.Sticker(toAnn, up("sticker.webp")).WithEmoji("👍").WithReplyParameters(reply))
		}, func(m *telego.Message) {
			m.Sticker = &telego.Sticker{Type: "regular", Width: 512, Height: 512, Emoji: "👍"}
		}},
		{"location", func() (*telego.Message, error) {
			return b.SendLocation(ctx, tu.Location(toAnn, 52.1, 4.3).WithReplyParameters(reply))
		}, func(m *telego.Message) { l := place; m.Location = &l }},
		{"venue", func() (*telego.Message, error) {
			return b.SendVenue(ctx, tu.Venue(toAnn, 52.1, 4.3, "Shop", "Main Street 1").WithReplyParameters(reply))
		}, func(m *telego.Message) {
			l := place
			m.Location, m.Venue = &l, &telego.Venue{Location: place, Title: "Shop", Address: "Main Street 1"}
		}},
		{"contact", func() (*telego.Message, error) {
			return b.SendContact(ctx, tu.Contact(toAnn, "+123", "Ann").WithLastName("Lee").WithReplyParameters(reply))
		}, func(m *telego.Message) {
			m.Contact = &telego.Contact{PhoneNumber: "+123", FirstName: "Ann", LastName: "Lee"}
		}},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { // one after the other: the numbers count
			got := must(tt.send())(t)
			same(t, outgoing(c, i+3, tt.want), got)
			if (got.ReplyMarkup != nil) != (i == 0) {
				t.Errorf("keyboard %+v", got.ReplyMarkup)
			}
		})
	}
	d := must(b.SendDice(ctx, tu.Dice(toAnn, "🎰")))(t)
	if d.Dice == nil || d.Dice.Emoji != "🎰" || d.Dice.Value < 1 || d.Dice.Value > 64 {
		t.Errorf("dice %+v", d.Dice)
	}
}

func TestCrosscheckMediaGroup(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{})
	b, ctx := client(t, s, token), t.Context()
	photo := tu.MediaPhoto(tu.FileFromBytes(sample(t, "photo.jpg"), "a.jpg")).WithCaption("both")
	video := tu.MediaVideo(tu.FileFromBytes(sample(t, "video.mp4"), "a.mp4")).WithDuration(7)
	list := must(b.SendMediaGroup(ctx, tu.MediaGroup(toAnn, photo, video)))(t)
	if len(list) != 2 || list[0].Caption != "both" || list[0].MediaGroupID == "" || list[1].MediaGroupID != list[0].MediaGroupID {
		t.Fatalf("album %+v", list)
	}
	if len(list[0].Photo) != 3 || list[1].Video == nil || list[1].Video.Duration != 7 {
		t.Errorf("album %+v", list)
	}
	again := must(b.SendVideo(ctx, tu.Video(toAnn, tu.FileFromID(list[1].Video.FileID))))(t)
	same(t, list[1].Video, again.Video)
	must(0, s.Publish("https://files.example.com/a.pdf", "application/pdf", sample(t, "document.pdf")))(t)
	doc := must(b.SendDocument(ctx, tu.Document(toAnn, tu.FileFromURL("https://files.example.com/a.pdf"))))(t)
	file := must(b.GetFile(ctx, &telego.GetFileParams{FileID: doc.Document.FileID}))(t)
	data := must(tu.DownloadFile(b.FileDownloadURL(file.FilePath)))(t)
	if !bytes.Equal(data, sample(t, "document.pdf")) || file.FileSize != int64(len(data)) || file.FileUniqueID != doc.Document.FileUniqueID {
		t.Errorf("file %+v, %d bytes", file, len(data))
	}
}

func TestCrosscheckEdits(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := peopled(t, telegramsim.Options{Now: c.now})
	say(t, s, "Bob", "hi")
	b, ctx := client(t, s, token), t.Context()
	c.add(time.Minute)
	edited := must(b.EditMessageText(ctx, tu.EditMessageText(toAnn, 2, "changed")))(t)
	if edited.Text != "changed" || edited.EditDate != c.now().Unix() || edited.MessageID != 2 {
		t.Errorf("edited %+v", edited)
	}
	media := tu.MediaDocument(tu.FileFromBytes(sample(t, "document.pdf"), "a.pdf")).WithCaption("doc")
	edited = must(b.EditMessageMedia(ctx, tu.EditMessageMedia(toAnn, 2, media)))(t)
	if edited.Document == nil || edited.Document.FileName != "a.pdf" || edited.Caption != "doc" || edited.Text != "" {
		t.Errorf("edited %+v", edited)
	}
	edited = must(b.EditMessageCaption(ctx, tu.EditMessageCaption(toAnn, 2, "new")))(t)
	if edited.Caption != "new" || edited.Document == nil {
		t.Errorf("edited %+v", edited)
	}
	id := must(b.CopyMessage(ctx, tu.CopyMessage(toBob, toAnn, 2).WithCaption("copy")))(t)
	if id.MessageID != 2 {
		t.Errorf("copied as %d", id.MessageID)
	}
	fwd := must(b.ForwardMessage(ctx, &telego.ForwardMessageParams{ChatID: toBob, FromChatID: toAnn, MessageID: 1}))(t)
	who, ok := fwd.ForwardOrigin.(*telego.MessageOriginUser)
	if !ok || who.SenderUser.ID != ann || fwd.Text != "hello" {
		t.Errorf("forwarded %+v", fwd)
	}
	must(0, b.DeleteMessage(ctx, tu.Delete(toAnn, 2)))(t)
	must(0, b.DeleteMessages(ctx, &telego.DeleteMessagesParams{ChatID: toBob, MessageIDs: []int{2, 3, 99}}))(t)
	must(0, b.SendChatAction(ctx, tu.ChatAction(toAnn, telego.ChatActionTyping)))(t)
}

func TestCrosscheckQueries(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{LookupIP: lookup, HTTP: (&receiver{}).client()})
	b, ctx := client(t, s, token), t.Context()
	me := botUser
	me.CanJoinGroups = true
	same(t, &me, must(b.GetMe(ctx))(t))
	full := must(b.GetChat(ctx, &telego.GetChatParams{ChatID: toAnn}))(t)
	if full.ID != ann || full.Type != "private" || full.FirstName != "Ann" || full.Photo != nil {
		t.Errorf("chat %+v", full)
	}
	must(0, s.SetPhoto("Ann", sample(t, "photo.jpg")))(t)
	if full = must(b.GetChat(ctx, &telego.GetChatParams{ChatID: toAnn}))(t); full.Photo == nil || full.Photo.BigFileID == "" {
		t.Errorf("chat %+v", full)
	}
	photos := must(b.GetUserProfilePhotos(ctx, &telego.GetUserProfilePhotosParams{UserID: ann, Limit: 1}))(t)
	if photos.TotalCount != 1 || len(photos.Photos) != 1 || photos.Photos[0][0].Width != 100 {
		t.Errorf("photos %+v", photos)
	}
	same(t, &telego.WebhookInfo{PendingUpdateCount: s.Accounts()[0].Pending}, must(b.GetWebhookInfo(ctx))(t))
	must(0, b.SetWebhook(ctx, &telego.SetWebhookParams{URL: "https://gateway.test/x", SecretToken: "s", DropPendingUpdates: true,
		AllowedUpdates: []string{"message"}}))(t)
	same(t, &telego.WebhookInfo{URL: "https://gateway.test/x", IPAddress: "93.184.216.34", MaxConnections: 40, AllowedUpdates: []string{"message"}},
		must(b.GetWebhookInfo(ctx))(t))
	must(0, b.DeleteWebhook(ctx, &telego.DeleteWebhookParams{}))(t)
}

func TestCrosscheckLeaving(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := peopled(t, telegramsim.Options{Now: c.now})
	b, ctx := client(t, s, token), t.Context()
	c.add(10 * time.Minute)
	must(0, b.Close(ctx))(t)
	must(0, b.LogOut(ctx))(t)
	wantRefusal(t, b.Close(ctx), 400, "Logged out")
}
