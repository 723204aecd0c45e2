package telegramsim_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

func TestServiceMessages(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{})
	g := group(t, s, telegramsim.Group{Type: "supergroup"})
	said := must(s.SetTitle(telegramsim.GroupAct{Chat: itoa(g)}, "New"))(t)
	from := params{"chat_id": "5550001", "from_chat_id": itoa(g), "message_id": itoa(said.MessageID)}
	call(s, "copyMessage", from).refused(t, 400, "Bad Request: message can't be copied")
	call(s, "forwardMessage", from).refused(t, 400, "Bad Request: message can't be forwarded")
}

// group makes a group with Ann and the bot in it.
func group(t *testing.T, s *telegramsim.Server, d telegramsim.Group) int64 {
	t.Helper()
	d.Members = []string{"Ann"}
	made := must(s.AddGroup(d))(t)
	must(s.AddToGroup(telegramsim.GroupAct{Chat: itoa(made.ID)}, ""))(t)
	return made.ID
}

func sendTo(h http.Handler, chat string) reply {
	return call(h, "sendMessage", params{"chat_id": chat, "text": "x"})
}

func TestSendToGroups(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{})
	basic, super := group(t, s, telegramsim.Group{}), group(t, s, telegramsim.Group{Type: "supergroup", Username: "shopchat", Forum: true})
	heard := must(s.Say(telegramsim.Line{Person: "Ann", Chat: itoa(super), Text: "/hi"}))(t)
	var m shown
	call(s, "sendMessage", params{"chat_id": "@ShopChat", "text": "x", "reply_parameters": `{"message_id":` + itoa(heard.MessageID) + `}`}).into(t, &m)
	if m.ID != heard.MessageID+1 || m.Chat["id"] != float64(super) || m.Chat["type"] != "supergroup" || m.From["id"] != 123456789.0 || m.ReplyTo == nil {
		t.Errorf("message %+v", m)
	}
	topic := must(s.CreateTopic(telegramsim.GroupAct{Chat: itoa(super)}, "Orders"))(t)
	call(s, "sendMessage", params{"chat_id": itoa(super), "text": "x", "message_thread_id": itoa(topic.MessageID)}).into(t, &m)
	if m.Thread != topic.MessageID || !m.Topic {
		t.Errorf("message in a topic %+v", m)
	}
	call(s, "sendMessage", params{"chat_id": itoa(super), "text": "x", "message_thread_id": "9999"}).refused(t, 400, "Bad Request: message thread not found")
	post(t, s, "sendPhoto", params{"chat_id": itoa(basic)}, upload{"photo", "a.jpg", sample(t, "photo.jpg")}).into(t, &m)
	if m.Chat["type"] != "group" || m.kinds() != "photo" {
		t.Errorf("photo in a group %+v", m)
	}
	if got := call(s, "sendChatAction", params{"chat_id": itoa(basic), "action": "typing"}); !got.OK {
		t.Errorf("sendChatAction: %s", got.Description)
	}
	before := s.Accounts()[0].Pending
	if got := sendTo(s, itoa(basic)); !got.OK || s.Accounts()[0].Pending != before {
		t.Error("the bot got an update about its own message")
	}
}

func TestChannelPosts(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{})
	id := itoa(group(t, s, telegramsim.Group{Type: "channel", Username: "news"}))
	type posted struct {
		New    *shown `json:"channel_post"`
		Edited *shown `json:"edited_channel_post"`
	}
	last := func() posted {
		t.Helper()
		var us []posted
		call(s, "getUpdates", params{"offset": "-1"}).into(t, &us)
		return us[0]
	}
	var m shown
	call(s, "sendMessage", params{"chat_id": "@news", "text": "one"}).into(t, &m)
	if m.From != nil || m.Sender["type"] != "channel" {
		t.Errorf("post %+v", m)
	}
	if got := last(); got.New == nil || got.New.Text != "one" || got.New.ID != m.ID {
		t.Errorf("update %+v", got)
	}
	call(s, "editMessageText", params{"chat_id": id, "message_id": itoa(m.ID), "text": "two"}).into(t, &m)
	if got := last(); got.Edited == nil || got.Edited.Text != "two" {
		t.Errorf("update %+v", got)
	}
	call(s, "forwardMessage", params{"chat_id": "5550001", "from_chat_id": "@news", "message_id": itoa(m.ID)}).into(t, &m)
	if m.Origin["type"] != "channel" || m.FromChat["username"] != "news" || m.FromID == 0 || m.FromWho != nil {
		t.Errorf("forwarded post %+v", m)
	}
}

func TestGroupRefusals(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{})
	far := must(s.AddGroup(telegramsim.Group{Members: []string{"Ann"}}))(t)
	sendTo(s, itoa(far.ID)).refused(t, 400, "Bad Request: chat not found")
	must(s.AddGroup(telegramsim.Group{Type: "channel", Username: "elsewhere", Members: []string{"Ann"}}))(t)
	sendTo(s, "@elsewhere").refused(t, 403, "Forbidden: bot is not a member of the channel chat")
	for _, kind := range []string{"group", "supergroup", "channel"} {
		id := itoa(group(t, s, telegramsim.Group{Type: kind}))
		left, kicked := telegramsim.GroupAct{Chat: id}, telegramsim.GroupAct{Chat: itoa(group(t, s, telegramsim.Group{Type: kind}))}
		must(s.Kick(left, false))(t)
		sendTo(s, id).refused(t, 403, "Forbidden: bot is not a member of the "+kind+" chat")
		must(s.Kick(kicked, true))(t)
		sendTo(s, kicked.Chat).refused(t, 403, "Forbidden: bot was kicked from the "+kind+" chat")
		for method, p := range map[string]params{
			"sendChatAction":  {"chat_id": kicked.Chat, "action": "typing"},
			"editMessageText": {"chat_id": kicked.Chat, "message_id": "1", "text": "x"},
			"deleteMessage":   {"chat_id": kicked.Chat, "message_id": "1"},
			"deleteMessages":  {"chat_id": kicked.Chat, "message_ids": "[1]"},
			"copyMessage":     {"chat_id": "5550001", "from_chat_id": kicked.Chat, "message_id": "1"},
			"forwardMessage":  {"chat_id": "5550001", "from_chat_id": kicked.Chat, "message_id": "1"},
		} {
			call(s, method, p).refused(t, 403, "Forbidden: bot was kicked from the "+kind+" chat")
		}
	}
	old := itoa(group(t, s, telegramsim.Group{}))
	to := must(s.Migrate(telegramsim.GroupAct{Chat: old}))(t)
	got := sendTo(s, old)
	got.refused(t, 400, "Bad Request: group chat was upgraded to a supergroup chat")
	if got.Parameters.MigrateTo != to.ID || got.Parameters.RetryAfter != 0 || got.Header.Get("Retry-After") != "" {
		t.Errorf("parameters %+v, want the chat %d", got.Parameters, to.ID)
	}
	if got := sendTo(s, itoa(to.ID)); !got.OK {
		t.Errorf("after the move: %s", got.Description)
	}
}

func TestRights(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{})
	id := itoa(group(t, s, telegramsim.Group{Type: "supergroup"}))
	all := []string{"text messages", "photos", "videos", "video notes", "voice notes", "audios", "documents", "animations",
		"stickers", "locations", "venues", "contacts", "dice"}
	sends := []func() reply{
		func() reply { return sendTo(s, id) }, file1(t, s, id, "photo", "photo.jpg"), file1(t, s, id, "video", "video.mp4"),
		file1(t, s, id, "video_note", "video_note.mp4"), file1(t, s, id, "voice", "voice.oga"), file1(t, s, id, "audio", "audio.mp3"),
		file1(t, s, id, "document", "document.pdf"), file1(t, s, id, "animation", "animation.mp4"), file1(t, s, id, "sticker", "sticker.webp"),
		func() reply {
			return call(s, "sendLocation", params{"chat_id": id, "latitude": "1", "longitude": "1"})
		},
		func() reply {
			return call(s, "sendVenue", params{"chat_id": id, "latitude": "1", "longitude": "1", "title": "x", "address": "y"})
		},
		func() reply {
			return call(s, "sendContact", params{"chat_id": id, "phone_number": "+1", "first_name": "Ann"})
		},
		func() reply { return call(s, "sendDice", params{"chat_id": id}) },
	}
	for i, send := range sends {
		must(0, s.Restrict("", id, all[i]))(t)
		send().refused(t, 400, "Bad Request: not enough rights to send "+all[i]+" to the chat")
		must(0, s.Restrict("", id, append(all[:i:i], all[i+1:]...)...))(t)
		if got := send(); !got.OK {
			t.Errorf("%s allowed and all else denied: %s", all[i], got.Description)
		}
	}
	must(0, s.Restrict("", id, "videos"))(t)
	media := `[{"type":"photo","media":"attach://p"},{"type":"video","media":"attach://v"}]`
	post(t, s, "sendMediaGroup", params{"chat_id": id, "media": media}, upload{"p", "a.jpg", sample(t, "photo.jpg")},
		upload{"v", "a.mp4", sample(t, "video.mp4")}).refused(t, 400, "Bad Request: not enough rights to send videos to the chat")
	must(0, s.Restrict("", itoa(group(t, s, telegramsim.Group{Type: "channel", Username: "news"})), "text messages"))(t)
	sendTo(s, "@news").refused(t, 400, "Bad Request: need administrator rights in the channel chat")
	for _, bad := range [][]string{{id, "hopes"}, {"Ann", "photos"}, {"Bob", "voice notes"}, {"Nobody"}, {""}} {
		if s.Restrict("", bad[0], bad[1:]...) == nil {
			t.Errorf("the restriction %q was accepted", bad)
		}
	}
	must(0, s.Restrict("", "Ann", "voice notes"))(t)
	file1(t, s, "5550001", "voice", "voice.oga")().refused(t, 400, "Bad Request: VOICE_MESSAGES_FORBIDDEN")
	if got := sendTo(s, "5550001"); !got.OK {
		t.Errorf("text to who refuses voice notes: %s", got.Description)
	}
}

// file1 sends a sample as the kind that its field names.
func file1(t *testing.T, s *telegramsim.Server, chat, kind, name string) func() reply {
	method := "send" + strings.ReplaceAll(kind, "_", "")
	return func() reply { return post(t, s, method, params{"chat_id": chat}, upload{kind, name, sample(t, name)}) }
}

func TestDeleteInGroups(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{})
	id := itoa(group(t, s, telegramsim.Group{Type: "supergroup"}))
	hers := must(s.Say(telegramsim.Line{Person: "Ann", Chat: id, Text: "/hi"}))(t)
	var own message
	sendTo(s, id).into(t, &own)
	at := func(n int64) reply { return call(s, "deleteMessage", params{"chat_id": id, "message_id": itoa(n)}) }
	at(hers.MessageID).refused(t, 400, "Bad Request: message can't be deleted")
	call(s, "editMessageText", params{"chat_id": id, "message_id": itoa(hers.MessageID), "text": "x"}).refused(t, 400, "Bad Request: message can't be edited")
	if got := at(own.ID); !got.OK {
		t.Errorf("its own message: %s", got.Description)
	}
	must(s.Promote(telegramsim.GroupAct{Chat: id}, "administrator"))(t)
	if got := at(hers.MessageID); !got.OK {
		t.Errorf("hers, as administrator: %s", got.Description)
	}
}

func TestGroupLimits(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := newServer(t, telegramsim.Options{Limits: true, Now: c.now})
	say(t, s, "Ann", "hello")
	id := itoa(group(t, s, telegramsim.Group{Type: "supergroup"}))
	for i := range 20 {
		if got := sendTo(s, id); !got.OK {
			t.Fatalf("message %d: %s", i, got.Description)
		}
		c.add(time.Second)
	}
	accepted := 0
	for range 40 {
		if sendTo(s, id).OK {
			accepted++
		}
		c.add(time.Second)
	}
	if accepted < 18 || accepted > 21 {
		t.Errorf("%d messages in the 40 s after the burst, want about one every 3 s and what was left", accepted)
	}
	c.add(time.Minute)
	media := `[{"type":"photo","media":"attach://p"},{"type":"photo","media":"attach://p"},{"type":"photo","media":"attach://p"}]`
	album := func() reply {
		return post(t, s, "sendMediaGroup", params{"chat_id": "5550001", "media": media}, upload{"p", "a.jpg", sample(t, "photo.jpg")})
	}
	if got := album(); !got.OK {
		t.Fatalf("album: %s", got.Description)
	}
	album().refused(t, 429, "Too Many Requests: retry after 3")
}

func TestSendingVerbs(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{})
	id := itoa(group(t, s, telegramsim.Group{Type: "supergroup", Title: "Team"}))
	if got := control(s, "POST", "/restrict", "chat=Team&deny=photos,+voice+notes"); got.status != 200 || !strings.Contains(fmt.Sprint(got.out), "voice notes") {
		t.Errorf("POST restrict: %+v, want both bans", got)
	}
	file1(t, s, id, "voice", "voice.oga")().refused(t, 400, "Bad Request: not enough rights to send voice notes to the chat")
	control(s, "POST", "/restrict", "chat=Team")
	if got := file1(t, s, id, "voice", "voice.oga")(); !got.OK {
		t.Errorf("with the bans lifted: %s", got.Description)
	}
	for _, body := range []string{"chat=Team&deny=hopes", "chat=Nowhere", "deny=photos", "account=nobody&chat=Team"} {
		if got := control(s, "POST", "/restrict", body); got.status/100 != 4 {
			t.Errorf("POST restrict %s: %+v", body, got)
		}
	}
	const url = "https://files.example.com/a.pdf"
	if got := control(s, "POST", "/web", "url="+url+"&mime_type=application/pdf&text=hello"); got.status != 200 {
		t.Errorf("POST web: %+v", got)
	}
	var m shown
	call(s, "sendDocument", params{"chat_id": id, "document": url}).into(t, &m)
	if got := download(t, s, m.file().ID); string(got) != "hello" {
		t.Errorf("the page became %q", got)
	}
	if got := control(s, "POST", "/web", "url=nowhere&text=x"); got.status != 400 {
		t.Errorf("POST web of a bad address: %+v", got)
	}
	s.Reset()
	must(s.AddBot(token, "", ""))(t)
	say(t, s, "5550001", "hello")
	call(s, "sendDocument", params{"chat_id": "5550001", "document": url}).refused(t, 400, "Bad Request: failed to get HTTP URL content")
}
