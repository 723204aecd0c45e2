package telegramsim_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

func TestMediaGroup(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{})
	var photo shown
	post(t, s, "sendPhoto", params{"chat_id": "5550001"}, upload{"photo", "a.jpg", sample(t, "photo.jpg")}).into(t, &photo)
	media := `[{"type":"photo","media":"attach://p","caption":"<i>both</i>","parse_mode":"HTML"},
		{"type":"video","media":"attach://v","duration":7},{"type":"photo","media":"` + photo.file().ID + `"}]`
	var list []shown
	post(t, s, "sendMediaGroup", params{"chat_id": "5550001", "media": media, "reply_parameters": `{"message_id":1}`, "reply_markup": yes},
		upload{"p", "p.png", pngOf(t, 50, 40)}, upload{"v", "v.mp4", sample(t, "video.mp4")}).into(t, &list)
	got := []string{}
	for _, m := range list {
		got = append(got, fmt.Sprint(m.ID, m.kinds(), m.Caption, len(m.CapEnts), m.ReplyTo != nil, m.Markup == nil, m.Album == list[0].Album && m.Album != ""))
	}
	want := []string{"4photoboth1 true true true", "5video0 true true true", "6photo0 true true true"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if list[1].Video.Duration != 7 || !bytes.Equal(download(t, s, list[1].Video.ID), sample(t, "video.mp4")) {
		t.Errorf("video %+v", list[1].Video)
	}
	sent := s.Sent().Last(3)
	for i, v := range sent {
		if v.Method != "sendMediaGroup" || v.MessageID != itoa(list[i].ID) || v.Detail["media_group_id"] != list[0].Album {
			t.Errorf("sent %+v", v)
		}
	}
	if sent[0].Text != "both" || sent[1].Detail["file_name"] != "v.mp4" {
		t.Errorf("sent %+v", sent)
	}
}

func TestMixedAlbums(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{})
	files := []upload{{"document", "a.pdf", sample(t, "document.pdf")}, {"audio", "a.mp3", sample(t, "audio.mp3")},
		{"photo", "a.jpg", sample(t, "photo.jpg")}, {"video", "a.mp4", sample(t, "video.mp4")}}
	tests := map[[2]string]string{
		{"document", "document"}: "", {"audio", "audio"}: "", {"photo", "video"}: "",
		{"photo", "document"}: "Bad Request: Document can't be mixed with other media types",
		{"document", "audio"}: "Bad Request: Document can't be mixed with other media types",
		{"audio", "video"}:    "Bad Request: Audio can't be mixed with other media types",
	}
	for kinds, want := range tests {
		media := fmt.Sprintf(`[{"type":%q,"media":"attach://%s"},{"type":%q,"media":"attach://%s"}]`, kinds[0], kinds[0], kinds[1], kinds[1])
		got := post(t, s, "sendMediaGroup", params{"chat_id": "5550001", "media": media}, files...)
		if want == "" && !got.OK {
			t.Errorf("%v: %s", kinds, got.Description)
		} else if want != "" {
			got.refused(t, 400, want)
		}
	}
	// one bad item, and nothing is sent
	before := s.Sent().Total()
	bad := `[{"type":"photo","media":"attach://photo"},{"type":"photo","media":"attach://photo","caption":"` + strings.Repeat("x", 1025) + `"}]`
	post(t, s, "sendMediaGroup", params{"chat_id": "5550001", "media": bad}, files...).refused(t, 400, "Bad Request: message caption is too long")
	if s.Sent().Total() != before {
		t.Error("half an album was sent")
	}
}

func TestPlacesAndCards(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{})
	send := func(method string, p params) shown {
		t.Helper()
		p["chat_id"] = "5550001"
		var m shown
		call(s, method, p).into(t, &m)
		return m
	}
	place := map[string]any{"latitude": 52.1, "longitude": 4.3}
	at := func() params { return params{"latitude": "52.1", "longitude": "4.3"} }
	if diff := cmp.Diff(place, send("sendLocation", at()).Location); diff != "" {
		t.Errorf("location (-want +got):\n%s", diff)
	}
	live := at()
	live["live_period"], live["heading"], live["horizontal_accuracy"] = "86400", "360", "1500"
	want := map[string]any{"latitude": 52.1, "longitude": 4.3, "live_period": 86400.0, "heading": 360.0, "horizontal_accuracy": 1500.0}
	if diff := cmp.Diff(want, send("sendLocation", live).Location); diff != "" {
		t.Errorf("live location (-want +got):\n%s", diff)
	}
	v := at()
	v["title"], v["address"] = "Shop", "Main Street 1"
	m := send("sendVenue", v)
	if diff := cmp.Diff(map[string]any{"location": place, "title": "Shop", "address": "Main Street 1"}, m.Venue); diff != "" {
		t.Errorf("venue (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(place, m.Location); diff != "" {
		t.Errorf("location of the venue (-want +got):\n%s", diff)
	}
	m = send("sendContact", params{"phone_number": "+123", "first_name": "Ann", "last_name": "Lee", "vcard": "x"})
	if diff := cmp.Diff(map[string]any{"phone_number": "+123", "first_name": "Ann", "last_name": "Lee", "vcard": "x"}, m.Contact); diff != "" {
		t.Errorf("contact (-want +got):\n%s", diff)
	}
	if d := send("sendDice", params{"emoji": "🏀"}).Dice; d["emoji"] != "🏀" || d["value"].(float64) < 1 || d["value"].(float64) > 5 {
		t.Errorf("dice %v", d)
	}
	if d := send("sendDice", params{}).Dice; d["emoji"] != "🎲" {
		t.Errorf("dice %v", d)
	}
	want = map[string]any{"latitude": 52.1, "longitude": 4.3, "title": "Shop", "address": "Main Street 1"}
	for _, line := range s.Sent().Last(9) {
		if line.Method == "sendVenue" {
			if diff := cmp.Diff(want, line.Detail); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
		}
	}
}

func TestCopyAndForward(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := peopled(t, telegramsim.Options{Now: c.now})
	say(t, s, "Bob", "hi")
	from := func(id int64) params {
		return params{"chat_id": "5550002", "from_chat_id": "5550001", "message_id": itoa(id)}
	}
	var original, m shown
	post(t, s, "sendPhoto", params{"chat_id": "5550001", "caption": "old"}, upload{"photo", "a.jpg", sample(t, "photo.jpg")}).into(t, &original)
	c.add(time.Hour)
	var id map[string]int64
	call(s, "copyMessage", from(original.ID)).into(t, &id)
	if diff := cmp.Diff(map[string]int64{"message_id": 2}, id); diff != "" {
		t.Errorf("copyMessage (-want +got):\n%s", diff)
	}
	if v := s.Sent().Last(1)[0]; v.Text != "old" || v.Detail["file_id"] != original.file().ID || v.Chat != "5550002" {
		t.Errorf("sent %+v", v)
	}
	other := from(original.ID)
	other["caption"] = "new"
	call(s, "copyMessage", other).into(t, &id)
	call(s, "forwardMessage", params{"chat_id": "5550001", "from_chat_id": "5550002", "message_id": itoa(id["message_id"])}).into(t, &m)
	if m.Caption != "new" || m.kinds() != "photo" || m.Origin["type"] != "user" || m.FromDate != c.now().Unix() || m.FromWho["id"] != 123456789.0 {
		t.Errorf("forwarded copy %+v", m)
	}
	call(s, "forwardMessage", from(1)).into(t, &m)
	if m.Text != "hello" || m.From["id"] != 123456789.0 || m.FromWho["id"] != float64(ann) || m.FromDate != c.now().Unix()-3600 {
		t.Errorf("forwarded %+v", m)
	}
	call(s, "forwardMessage", params{"chat_id": "5550001", "from_chat_id": "5550002", "message_id": itoa(m.ID)}).into(t, &m)
	if m.FromWho["id"] != float64(ann) {
		t.Errorf("a forward that is forwarded comes from %v", m.FromWho)
	}
	long := from(original.ID)
	long["caption"] = strings.Repeat("x", 1025)
	call(s, "copyMessage", long).refused(t, 400, "Bad Request: message caption is too long")
}

func TestEditMedia(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{})
	var m shown
	post(t, s, "sendPhoto", params{"chat_id": "5550001", "caption": "old"}, upload{"photo", "a.jpg", sample(t, "photo.jpg")}).into(t, &m)
	at := func(id int64, key, value string) params {
		return params{"chat_id": "5550001", "message_id": itoa(id), key: value}
	}
	photo := m.ID
	call(s, "editMessageCaption", at(photo, "caption", "new")).into(t, &m)
	if m.Caption != "new" || m.kinds() != "photo" || m.EditDate == 0 {
		t.Errorf("edited caption: %+v", m)
	}
	call(s, "editMessageCaption", at(photo, "caption", "new")).refused(t, 400, modified)
	call(s, "editMessageText", at(photo, "text", "x")).refused(t, 400, "Bad Request: there is no text in the message to edit")
	same := `{"type":"photo","media":"` + m.file().ID + `","caption":"new"}`
	call(s, "editMessageMedia", at(photo, "media", same)).refused(t, 400, modified)
	doc := at(photo, "media", `{"type":"document","media":"attach://d","caption":"doc"}`)
	post(t, s, "editMessageMedia", doc, upload{"d", "a.pdf", sample(t, "document.pdf")}).into(t, &m)
	if m.ID != photo || m.Caption != "doc" || m.Document == nil || m.Document.Name != "a.pdf" || m.Photo != nil {
		t.Errorf("edited media: %+v", m)
	}
	if v := s.Sent().Last(1)[0]; v.Method != "editMessageMedia" || v.Detail["file_name"] != "a.pdf" || v.Text != "doc" {
		t.Errorf("sent %+v", v)
	}
	doc["message_id"] = "2" // a text becomes a file
	post(t, s, "editMessageMedia", doc, upload{"d", "a.pdf", sample(t, "document.pdf")}).into(t, &m)
	if m.ID != 2 || m.Text != "" || m.Document == nil {
		t.Errorf("text to media: %+v", m)
	}
	post(t, s, "sendVoice", params{"chat_id": "5550001"}, upload{"voice", "a.oga", sample(t, "voice.oga")}).into(t, &m)
	call(s, "editMessageMedia", at(m.ID, "media", same)).refused(t, 400, "Bad Request: there is no media in the message to edit")
}

func TestEditAlbum(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{})
	files := []upload{{"d", "a.pdf", sample(t, "document.pdf")}, {"p", "a.jpg", sample(t, "photo.jpg")}, {"v", "a.mp4", sample(t, "video.mp4")}}
	item := func(kind, name string) string { return `{"type":"` + kind + `","media":"attach://` + name + `"}` }
	var docs, photos []shown
	pair := func(one string) params { return params{"chat_id": "5550001", "media": "[" + one + "," + one + "]"} }
	post(t, s, "sendMediaGroup", pair(item("document", "d")), files...).into(t, &docs)
	post(t, s, "sendMediaGroup", pair(item("photo", "p")), files...).into(t, &photos)
	edit := func(id int64, media string) reply {
		return post(t, s, "editMessageMedia", params{"chat_id": "5550001", "message_id": itoa(id), "media": media}, files...)
	}
	edit(docs[0].ID, item("photo", "p")).refused(t, 400, "Bad Request: can't change media type in the album")
	edit(photos[0].ID, item("document", "d")).refused(t, 400, "Bad Request: can't change media type in the album")
	if got := edit(photos[0].ID, item("video", "v")); !got.OK {
		t.Errorf("photo to video in an album: %s", got.Description)
	}
}

func TestDeleteMessages(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{})
	if got := call(s, "deleteMessages", params{"chat_id": "5550001", "message_ids": "[2,99,1,1.5]"}); string(got.Result) != "true" {
		t.Errorf("deleteMessages = %+v", got)
	}
	for _, id := range []string{"1", "2"} {
		call(s, "deleteMessage", params{"chat_id": "5550001", "message_id": id}).refused(t, 400, "Bad Request: message to delete not found")
	}
	if sent := s.Sent().After(1, 9, nil); len(sent) != 2 || sent[0].Method != "deleteMessages" || sent[0].MessageID != "2" {
		t.Errorf("sent %+v", sent)
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{})
	said := say(t, s, "Ann", "😀 one two")
	var m shown
	call(s, "sendMessage", params{"chat_id": "5550001", "text": "x",
		"reply_parameters": `{"message_id":` + itoa(said.MessageID) + `,"quote":"two"}`}).into(t, &m)
	if diff := cmp.Diff(map[string]any{"text": "two", "position": 7.0, "is_manual": true}, m.Quote); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A file that came in can be sent on, in all its ways.
func TestSendOn(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{})
	must(s.Say(telegramsim.Line{Person: "Ann", Content: []telegramsim.Content{{Kind: "video", Duration: 5}}}))(t)
	us := fetch(t, s, params{"offset": "-1"})
	if len(us) != 1 || us[0].New == nil {
		t.Fatalf("updates %+v", us)
	}
	var m shown
	call(s, "forwardMessage", params{"chat_id": "5550001", "from_chat_id": "5550001", "message_id": itoa(us[0].New.ID)}).into(t, &m)
	id := m.Video.ID
	call(s, "sendVideo", params{"chat_id": "5550001", "video": id}).into(t, &m)
	if m.Video == nil || m.Video.ID != id || m.Video.Duration != 5 {
		t.Errorf("sent by file_id: %+v", m.Video)
	}
}
