package main

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

// A contentCase is one thing that Ann says and how it looks outside.
type contentCase struct {
	name    string
	line    telegramsim.Line
	message string
	keys    object // beside those that every message has
	file    object // keys of the one attachment; nil if there is none
	raw     string // an update in place of line; %d is its number
	odd     string // the kind of what is in the quarantine besides
}

func photo(caption string) telegramsim.Line {
	return telegramsim.Line{Text: caption, Content: []telegramsim.Content{{Kind: "photo"}}}
}

func content(c telegramsim.Content) telegramsim.Line {
	return telegramsim.Line{Content: []telegramsim.Content{c}}
}

func spot(latitude, longitude string) object {
	return object{"latitude": number(latitude), "longitude": number(longitude)}
}

// annWrites is an update with a message that the simulator's people cannot write.
func annWrites(id int, rest string) string {
	return fmt.Sprintf(`{"message":{"message_id":%d,"date":1790000000,"from":{"id":%d,"is_bot":false,"first_name":"Ann"},
		"chat":{"id":%[2]d,"type":"private","first_name":"Ann"},%s}}`, id, annID, rest)
}

var contentCases = []contentCase{
	{name: "text", line: telegramsim.Line{Text: "plain <b>words</b> & more 🎈"}, message: "plain <b>words</b> & more 🎈"},
	{name: "command", line: telegramsim.Line{Text: "/help me"}, message: "/help me"},
	{name: "start link", line: telegramsim.Line{Text: "/start abc_1"}, message: "/start abc_1", keys: object{"payload": "abc_1"}},
	{name: "photo", line: photo("look"), message: "look",
		file: object{"mime_type": "image/jpeg", "push_to_talk": false}},
	{name: "photo alone", line: photo(""), file: object{"mime_type": "image/jpeg"}},
	{name: "video", line: telegramsim.Line{Text: "film", Content: []telegramsim.Content{{Kind: "video"}}}, message: "film", file: object{"mime_type": "video/mp4", "preview_url": nil}},
	{name: "video note", line: content(telegramsim.Content{Kind: "video_note"}), file: object{"mime_type": "video/mp4"}},
	{name: "animation", line: content(telegramsim.Content{Kind: "animation"}), file: object{"mime_type": "video/mp4"}},
	{name: "document", line: content(telegramsim.Content{Kind: "document", Name: "bill.pdf", Mime: "application/pdf", Data: []byte("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")}),
		file: object{"mime_type": "application/pdf", "file_name": "bill.pdf", "size": number("15"), "aspect_ratio": nil, "preview_url": nil}},
	{name: "audio", line: content(telegramsim.Content{Kind: "audio"}), file: object{"mime_type": "audio/mpeg", "push_to_talk": false}},
	{name: "voice", line: telegramsim.Line{Text: "listen", Content: []telegramsim.Content{{Kind: "voice"}}}, message: "listen",
		file: object{"mime_type": "audio/ogg", "push_to_talk": true}},
	{name: "sticker", line: content(telegramsim.Content{Kind: "sticker", Emoji: "😀"}), message: "😀", file: object{"mime_type": "image/webp"}},
	{name: "location", line: content(telegramsim.Content{Kind: "location", Latitude: 52.5, Longitude: 13.25}), keys: object{"location": spot("52.5", "13.25")}},
	{name: "venue", line: content(telegramsim.Content{Kind: "venue", Latitude: 52.5, Longitude: 13.25, Title: "Cafe", Address: "Main St 1"}),
		keys: object{"location": object{"latitude": number("52.5"), "longitude": number("13.25"), "name": "Cafe", "address": "Main St 1"}}},
	{name: "contact", line: content(telegramsim.Content{Kind: "contact", FirstName: "Bo", LastName: "Lund", Phone: "4520123456"}), message: "Bo Lund, +4520123456"},
	{name: "dice", line: content(telegramsim.Content{Kind: "dice", Emoji: "🎲", Value: 4}), message: "🎲 4"},
	{name: "poll", line: content(telegramsim.Content{Kind: "poll", Question: "Tea?", Options: []string{"Yes", "No"}}), message: "Tea?\nYes\nNo"},
	{name: "web app", line: content(telegramsim.Content{Kind: "web_app_data", Payload: `{"size":2}`, Button: "Order"}), message: "Order", keys: object{"payload": `{"size":2}`}},
	{name: "forwarded", line: telegramsim.Line{Text: "not mine", Forward: &telegramsim.Forward{From: "carl"}}, message: "not mine", keys: object{"forwarded": true}},
	{name: "button", raw: fmt.Sprintf(`{"callback_query":{"id":"77","from":{"id":%d,"is_bot":false,"first_name":"Ann"},"chat_instance":"1","data":"buy:7",
		"message":{"message_id":1,"date":1790000000,"chat":{"id":%[1]d,"type":"private","first_name":"Ann"},"text":"Which?",
		"reply_markup":{"inline_keyboard":[[{"text":"Buy","callback_data":"buy:7"}]]}}}}`, annID), message: "Buy", keys: object{"payload": "buy:7"}},
	{name: "button without a title", raw: fmt.Sprintf(`{"callback_query":{"id":"78","from":{"id":%d,"is_bot":false,"first_name":"Ann"},"chat_instance":"1","data":"buy:8",
		"message":{"message_id":1,"date":0,"chat":{"id":%[1]d,"type":"private","first_name":"Ann"}}}}`, annID), message: "buy:8", keys: object{"payload": "buy:8"}},
	{name: "game", raw: annWrites(9001, `"game":{"title":"Chess","description":"d","photo":[]}`), message: "[unsupported message: game]", odd: "game"},
	{name: "story", raw: annWrites(9002, `"story":{"chat":{"id":1,"type":"private"},"id":3}`), message: "[unsupported message: story]", odd: "story"},
	{name: "something new", raw: annWrites(9003, `"hologram":{"depth":3}`), message: "[unsupported message: hologram]", odd: "hologram"},
}

// TestContent says one of everything: how each looks in its webhook and in the
// list of messages, by callbacks and by polling.
func TestContent(t *testing.T) {
	t.Parallel()
	for _, way := range []struct {
		name   string
		polled bool
	}{{"callbacks", false}, {"polling", true}} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			s := newCloudStage(t, "", way.polled, nil)
			conversation := s.meet("ann", "hello")
			for _, c := range contentCases {
				if !t.Run(c.name, func(t *testing.T) { s.content(t, conversation, &c) }) {
					return // what comes next would be taken for what has not come
				}
			}
			s.contentAlbum(conversation)
			s.contentReply(conversation)
			s.contentEdits(conversation)
		})
	}
}

// content says one thing and looks at it.
func (s *stage) content(t *testing.T, conversation int64, c *contentCase) {
	if c.raw != "" {
		s.inject(c.raw)
	} else {
		c.line.Person = "ann"
		s.tell(c.line)
	}
	got := s.looksAlike(t, conversation, s.heard("message/new"))
	want := object{"message": c.message, "location": object{}, "income": true, "ack": number("1"), "conversation_id": int64text(conversation),
		"external_public_id": strconv.Itoa(annID), "channel_type": "telegram", "channel_id": int64text(s.channel),
		"channel": object{"id": int64text(s.channel), "type": "telegram"}}
	for k, v := range c.keys {
		want[k] = v
	}
	files := got["attachments"].([]any)
	delete(got, "attachments")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
	s.contentFile(t, c, files)
	s.noted(t, c.odd)
}

// heard waits for the next event of a kind, and passes over what tells of files.
func (s *stage) heard(kind string) hook {
	s.t.Helper()
	h := await(s.t, kind, s.crm.taken, s.crm.talked, func(h hook) bool { return h.Type != "system" && h.Type != "attachment" })
	s.crm.talked = h.n
	if h.kind != kind {
		s.t.Fatalf("got %s %+v, want %s", h.kind, h.Data, kind)
	}
	return h
}

// looksAlike returns what a webhook said without the keys that are never the
// same, and wants the API to list the message just so.
func (s *stage) looksAlike(t *testing.T, conversation int64, h hook) object {
	t.Helper()
	said := s.crm.data(h)
	list := s.listed(conversation, h.Data.ExternalID)
	for _, key := range []string{"external_id", "message", "income", "created_at_timestamp", "channel_id", "reply_to_id", "forwarded", "payload", "edited_at_timestamp"} {
		if diff := cmp.Diff(said[key], list[key]); diff != "" {
			t.Errorf("%s: in the webhook (-), in the list (+):\n%s", key, diff)
		}
	}
	if where, _ := said["location"].(object); len(where) > 0 || list["location"] != nil {
		if diff := cmp.Diff(where, list["location"]); diff != "" {
			t.Errorf("location: in the webhook (-), in the list (+):\n%s", diff)
		}
	}
	files := said["attachments"].([]any)
	for i, a := range attachments(t, list, len(files)) {
		if b := files[i].(object); a["external_id"] != b["external_id"] || a["attachment_url"] != b["attachment_url"] {
			t.Errorf("attachment: in the webhook %v, in the list %v", b, a)
		}
	}
	for _, key := range []string{"external_id", "created_at", "created_at_timestamp"} {
		if said[key] == nil {
			t.Errorf("%s is missing", key)
		}
		delete(said, key)
	}
	return said
}

// contentFile looks at a message's one file, and waits for its bytes.
func (s *stage) contentFile(t *testing.T, c *contentCase, files []any) {
	t.Helper()
	if c.file == nil {
		if len(files) > 0 {
			t.Errorf("attachments: %v", files)
		}
		return
	}
	if len(files) != 1 {
		t.Fatalf("attachments: %v", files)
	}
	a := files[0].(object)
	for k, want := range c.file {
		if got, ok := a[k]; !ok || got != want {
			t.Errorf("attachment: %s is %v, want %v", k, got, want)
		}
	}
	if a["id"] != a["external_id"] || a["state"] != "pending" {
		t.Errorf("attachment: %v", a)
	}
	ready := s.fileEvent("ready", id(a["external_id"]))
	if got := s.download(a["attachment_url"].(string)); got.status != 200 || len(got.body) == 0 {
		t.Errorf("file: %d %s", got.status, got.body)
	}
	if _, still := ready["attachment"].(object)["state"]; still {
		t.Errorf("ready: %v", ready)
	}
}

// fileEvent waits for what became of a file.
func (s *stage) fileEvent(event string, file int64) object {
	s.t.Helper()
	h := await(s.t, "attachment/"+event, s.crm.taken, 0, func(h hook) bool { return h.Type == "attachment" && h.Data.ExternalID == file })
	if h.Event != event {
		s.t.Fatalf("attachment/%s %v, want %s", h.Event, s.crm.data(h), event)
	}
	return s.crm.data(h)
}

// noted waits for the newest row of the quarantine to hold what was sent.
func (s *stage) noted(t *testing.T, kind string) {
	t.Helper()
	if kind == "" {
		return
	}
	poll(t, "the quarantine's row of "+kind, func() bool { // it is stored behind the message
		list := s.api.must("GET", s.path("/quarantine?per=100&sort_direction=desc")).Quarantine
		return len(list) > 0 && containsAll(list[0].Reason, []string{kind}) && containsAll(string(list[0].Body), []string{`"` + kind + `"`})
	})
}

// contentAlbum: each item is a message of its own, in order, the caption on the first.
func (s *stage) contentAlbum(conversation int64) {
	s.t.Helper()
	said := s.tell(telegramsim.Line{Person: "ann", Text: "three", Content: []telegramsim.Content{{Kind: "photo"}, {Kind: "video"}, {Kind: "photo", Data: jpeg(s.t, 3)}}})
	if len(said.MessageIDs) != 3 {
		s.t.Fatalf("said: %+v", said)
	}
	var items []int64
	for i, want := range []struct{ text, mime string }{{"three", "image/jpeg"}, {"", "video/mp4"}, {"", "image/jpeg"}} {
		h := s.heard("message/new")
		if a := attachments(s.t, s.crm.data(h), 1)[0]; h.Data.Message != want.text || a["mime_type"] != want.mime {
			s.t.Errorf("item %d: %q %v", i, h.Data.Message, a)
		}
		items = append(items, h.Data.ExternalID)
	}
	list := s.api.must("GET", s.path("/conversations/%d/messages?per=3&sort_direction=desc", conversation)).Messages
	for i, m := range list {
		if m.ExternalID != items[2-i] {
			s.t.Errorf("listed backwards: %+v, want %v", list, items)
			break
		}
	}
}

func (s *stage) listedTexts(conversation int64) []string {
	s.t.Helper()
	var all []string
	for _, m := range s.api.must("GET", s.path("/conversations/%d/messages?per=100", conversation)).Messages {
		all = append(all, m.Message)
	}
	return all
}

// contentReply: an answer names what it answers, ours and their own; what nobody
// here knows is not named.
func (s *stage) contentReply(conversation int64) {
	s.t.Helper()
	job := s.post(conversation, "a question")
	ours := s.heard("message/new").Data.ExternalID
	if j := s.heard("job/executed").Data; j.ID != job || j.MessageID != ours {
		s.t.Fatalf("executed: %+v", j)
	}
	sent := s.tg.Sent().After(0, 1000, nil)
	number64, err := strconv.ParseInt(sent[len(sent)-1].MessageID, 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	said := s.tell(telegramsim.Line{Person: "ann", Text: "an answer", ReplyTo: number64})
	answer := s.heard("message/new")
	s.repliesTo(conversation, answer, ours)
	s.tell(telegramsim.Line{Person: "ann", Text: "and to myself", ReplyTo: said.MessageID})
	s.repliesTo(conversation, s.heard("message/new"), answer.Data.ExternalID)
	s.inject(annWrites(9050, `"text":"to what?","reply_to_message":{"message_id":9049,"date":1790000000,"chat":{"id":5550001,"type":"private","first_name":"Ann"},"text":"lost"}`))
	s.repliesTo(conversation, s.heard("message/new"), 0)
}

func (s *stage) repliesTo(conversation int64, h hook, want int64) {
	s.t.Helper()
	if got, ok := s.looksAlike(s.t, conversation, h)["reply_to_id"]; id(got) != want || ok != (want != 0) {
		s.t.Errorf("%q replies to %v, want %d", h.Data.Message, got, want)
	}
}

// contentEdits: texts, captions, files and places change the message that they
// were.
func (s *stage) contentEdits(conversation int64) {
	s.t.Helper()
	said := s.tell(telegramsim.Line{Person: "ann", Text: "helo"})
	text := s.heard("message/new")
	s.amend(said.MessageID, telegramsim.Line{Person: "ann", Text: "hello!"})
	s.updated(conversation, text, "hello!")

	said = s.tell(telegramsim.Line{Person: "ann", Text: "one", Content: []telegramsim.Content{{Kind: "photo", Data: jpeg(s.t, 5)}}})
	picture := s.heard("message/new")
	first := attachments(s.t, s.crm.data(picture), 1)[0]
	s.amend(said.MessageID, telegramsim.Line{Person: "ann", Text: "two"})
	if got := attachments(s.t, s.updated(conversation, picture, "two"), 1)[0]; got["attachment_url"] != first["attachment_url"] {
		s.t.Errorf("a new caption made %v of %v", got, first)
	}
	bytes := jpeg(s.t, 6)
	s.amend(said.MessageID, telegramsim.Line{Person: "ann", Text: "two", Content: []telegramsim.Content{{Kind: "photo", Data: bytes}}})
	second := attachments(s.t, s.updated(conversation, picture, "two"), 1)[0]
	s.fileEvent("ready", id(second["external_id"]))
	if got := s.download(second["attachment_url"].(string)); second["attachment_url"] == first["attachment_url"] || sum(got.body) != sum(bytes) {
		s.t.Errorf("another file: %v, %d bytes", second, len(got.body))
	}
	s.contentMoves(conversation)
	s.contentBlocks(conversation)
}

func (s *stage) contentMoves(conversation int64) {
	s.t.Helper()
	said := s.tell(telegramsim.Line{Person: "ann", Content: []telegramsim.Content{{Kind: "location", Latitude: 1.5, Longitude: 2.5, LivePeriod: 600}}})
	live := s.heard("message/new")
	for _, to := range []telegramsim.Moves{{Latitude: 3.5, Longitude: 4.5}, {Latitude: 5.5, Longitude: 6.5, Heading: 90}, {Stop: true}} {
		if _, err := s.tg.Move(said.MessageID, telegramsim.Line{Person: "ann"}, to); err != nil {
			s.t.Fatal(err)
		}
		want := spot(fmt.Sprint(to.Latitude), fmt.Sprint(to.Longitude))
		if to.Stop {
			want = spot("5.5", "6.5")
		}
		got := s.updated(conversation, live, "")
		if diff := cmp.Diff(want, got["location"]); diff != "" {
			s.t.Errorf("moved (-want +got):\n%s", diff)
		}
	}
}

// contentBlocks: who no longer wants to hear from the bot, and who does again.
func (s *stage) contentBlocks(conversation int64) {
	s.t.Helper()
	for _, c := range []struct {
		event string
		do    func(account, person string) (telegramsim.Said, error)
	}{{"blocked", s.tg.Block}, {"unblocked", s.tg.Unblock}} {
		if _, err := c.do("", "ann"); err != nil {
			s.t.Fatal(err)
		}
		if got := s.heard("conversation/" + c.event).Data; got.ExternalID != conversation {
			s.t.Errorf("%s: %+v", c.event, got)
		}
	}
}

func (s *stage) amend(message int64, l telegramsim.Line) {
	s.t.Helper()
	if _, err := s.tg.Amend(message, l); err != nil {
		s.t.Fatal(err)
	}
}

// updated waits for the edit of a message, and returns what it says now.
func (s *stage) updated(conversation int64, of hook, text string) object {
	s.t.Helper()
	h := s.heard("message/update")
	got := s.crm.data(h)
	if h.Data.ExternalID != of.Data.ExternalID || h.Data.ConversationID != conversation || got["message"] != text || h.Data.Edited == 0 {
		s.t.Errorf("update: %v, want %d to say %q", got, of.Data.ExternalID, text)
	}
	listed := s.listed(conversation, of.Data.ExternalID)
	if listed["message"] != text || listed["edited_at_timestamp"] == nil {
		s.t.Errorf("listed: %v, want %q", listed, text)
	}
	return got
}

// TestContentPlain: who has not asked for events beyond the original API gets none.
func TestContentPlain(t *testing.T) {
	t.Parallel()
	s := newCloudStage(t, "", false, nil)
	s.meet("ann", "hello")
	s.api.must("PUT", s.path(""), "extended_events", "false")
	said := s.tell(telegramsim.Line{Person: "ann", Text: "helo"})
	s.crm.next("message/new")
	s.amend(said.MessageID, telegramsim.Line{Person: "ann", Text: "hello"})
	s.tell(telegramsim.Line{Person: "ann", Content: []telegramsim.Content{{Kind: "photo"}}})
	a := attachments(t, s.crm.data(s.crm.next("message/new")), 1)[0]
	poll(t, "the file", func() bool { return s.download(a["attachment_url"].(string)).status == 200 })
	for _, do := range []func(string, string) (telegramsim.Said, error){s.tg.Block, s.tg.Unblock} {
		if _, err := do("", "ann"); err != nil {
			t.Fatal(err)
		}
	}
	s.say("ann", "the last")
	if got := s.crm.next("message/new").Data.Message; got != "the last" {
		t.Errorf("message %q", got)
	}
}
