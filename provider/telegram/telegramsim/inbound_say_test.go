package telegramsim_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

func TestPoll(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{})
	does(t, s, "poll", `question=Now?&options=["Yes","No"]`)
	poll := one(t, s, "message")["poll"].(object)
	if id, _ := poll["id"].(string); id == "" {
		t.Errorf("poll %v has no id", poll)
	}
	want := jsonObject(t, `{"question":"Now?","options":[{"text":"Yes","voter_count":0},{"text":"No","voter_count":0}],"total_voter_count":0,
		"is_closed":false,"is_anonymous":true,"type":"regular","allows_multiple_answers":false}`)
	if diff := cmp.Diff(want, without(poll, "id")); diff != "" {
		t.Errorf("poll (-want +got):\n%s", diff)
	}
	does(t, s, "dice", "")
	if v, _ := one(t, s, "message")["dice"].(object)["value"].(float64); v < 1 || v > 6 {
		t.Errorf("a die shows %v", v)
	}
}

func TestUploadsPassAsTheyAre(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{})
	hostile := "../../etc/passwd\x00\n\"<b>.exe"
	uploads(t, s, "document", params{"file_name": hostile, "mime_type": "image/jpeg"}, map[string]string{"file": "MZ not a picture"})
	m := one(t, s, "message")
	d := m["document"].(object)
	if d["file_name"] != hostile || d["mime_type"] != "image/jpeg" || d["file_size"] != 16.0 {
		t.Errorf("document %v", d)
	}
	path, data := fetchFile(t, s, fileID(m, "document"))
	if string(data) != "MZ not a picture" || strings.Contains(path, "..") || !strings.HasPrefix(path, "documents/file_") {
		t.Errorf("%s holds %q", path, data)
	}
	uploads(t, s, "voice", nil, map[string]string{"file": "anything"})
	v := one(t, s, "message")["voice"].(object)
	if v["mime_type"] != "application/octet-stream" || v["file_size"] != 8.0 {
		t.Errorf("voice %v", v)
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	tests := []struct{ verb, body, prefix, suffix string }{
		{"photo", "", "photos/file_", ".jpg"}, {"voice", "", "voice/file_", ".oga"}, {"audio", "", "music/file_", ".mp3"},
		{"video", "", "videos/file_", ".mp4"}, {"video_note", "", "video_notes/file_", ".mp4"},
		{"animation", "", "animations/file_", ".mp4"}, {"sticker", "", "stickers/file_", ".webp"},
		{"sticker", "format=animated", "stickers/file_", ".tgs"}, {"document", "file_name=A.TXT", "documents/file_", ".txt"},
		{"document", "file_name=noend&mime_type=application/zip", "documents/file_", ".zip"},
		{"document", "file_name=a.b/c&mime_type=x/unknown", "documents/file_", ""},
	}
	for _, tt := range tests {
		s := newStage(t, telegramsim.Options{})
		does(t, s, tt.verb, tt.body)
		path, _ := fetchFile(t, s, fileID(one(t, s, "message"), tt.verb))
		if !strings.HasPrefix(path, tt.prefix) || !strings.HasSuffix(path, tt.suffix) || tt.suffix == "" && strings.Contains(path, ".") {
			t.Errorf("%s %s: path %s, want %s…%s", tt.verb, tt.body, path, tt.prefix, tt.suffix)
		}
	}
}

func TestAlbum(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{})
	for _, tt := range []struct {
		body string
		want []string
	}{
		{"caption=trip&reply_to=1", []string{"photo", "photo", "video"}},
		{"items=document,document", []string{"document", "document"}},
		{"items=audio,audio", []string{"audio", "audio"}},
	} {
		say(t, s, "Ann", "before")
		news(t, s)
		said := does(t, s, "album", tt.body)
		us := news(t, s)
		if len(us) != len(tt.want) {
			t.Fatalf("%s: %d updates, want %d", tt.body, len(us), len(tt.want))
		}
		group, _ := us[0]["message"].(object)["media_group_id"].(string)
		for i, u := range us {
			m := u["message"].(object)
			id, _ := m["message_id"].(float64)
			if m["media_group_id"] != group || group == "" || m[tt.want[i]] == nil || int64(id) != said.num("message_id")+int64(i) {
				t.Errorf("%s: item %d is %v of group %s", tt.body, i, m, group)
			}
			if (m["caption"] != nil) != (i == 0 && strings.Contains(tt.body, "caption")) {
				t.Errorf("%s: item %d has caption %v", tt.body, i, m["caption"])
			}
		}
		if ids, _ := said.out["message_ids"].([]any); len(ids) != len(tt.want) {
			t.Errorf("said %v", said.out)
		}
	}
	does(t, s, "album", "")
	first := news(t, s)[0]["message"].(object)["media_group_id"]
	does(t, s, "album", "")
	if again := news(t, s)[0]["message"].(object)["media_group_id"]; again == first {
		t.Errorf("two albums have the id %v", again)
	}
}

func TestForwardedInBothForms(t *testing.T) {
	t.Parallel()
	const bob = `{"id":5550002,"is_bot":false,"first_name":"Bob","language_code":"en"}`
	const news = `{"id":-1002100000000,"title":"News","type":"channel"}`
	const team = `{"id":-4100000000,"title":"Team","type":"group","all_members_are_administrators":false}`
	tests := []struct{ body, want string }{
		{"forward=Bob", `{"forward_origin":{"type":"user","date":"?","sender_user":` + bob + `},"forward_from":` + bob + `,"forward_date":"?"}`},
		{"forward=Zoe&forward_hidden=true", `{"forward_origin":{"type":"hidden_user","date":"?","sender_user_name":"Zoe"},"forward_sender_name":"Zoe","forward_date":"?"}`},
		{"forward_chat=News&forward_message_id=8&forward_signature=Ed", `{"forward_origin":{"type":"channel","date":"?","chat":` + news +
			`,"message_id":8,"author_signature":"Ed"},"forward_from_chat":` + news + `,"forward_from_message_id":8,"forward_signature":"Ed","forward_date":"?"}`},
		{"forward_chat=Team", `{"forward_origin":{"type":"chat","date":"?","sender_chat":` + team + `},"forward_from_chat":` + team + `,"forward_date":"?"}`},
	}
	for _, tt := range tests {
		t.Run(tt.body, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, telegramsim.Options{})
			must(s.AddPerson(telegramsim.Person{ID: 5550002, FirstName: "Bob"}))(t)
			does(t, s, "groups", "type=channel&title=News&bot=false")
			does(t, s, "groups", "title=Team&bot=false")
			does(t, s, "say", "person=Ann&text=x&"+tt.body)
			got := scrub(without(one(t, s, "message"), "message_id", "from", "chat", "date", "text"))
			if diff := cmp.Diff(any(jsonObject(t, tt.want)), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestForwardDate(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := newStage(t, telegramsim.Options{Now: c.now})
	does(t, s, "say", "text=x&forward=Bob&forward_date=77&person=Ann")
	does(t, s, "say", "text=x&forward=Bob&person=Ann")
	us := news(t, s)
	for i, want := range []float64{77, float64(c.now().Add(-time.Hour).Unix())} {
		if got := us[i]["message"].(object)["forward_date"]; got != want {
			t.Errorf("forward_date %v, want %v", got, want)
		}
	}
}

func TestReplyAndQuote(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{})
	does(t, s, "photo", "caption=a+🙂+picture")
	does(t, s, "say", "text=which?&reply_to=1&quote=picture")
	m := news(t, s)[1]["message"].(object)
	if diff := cmp.Diff(jsonObject(t, `{"text":"picture","position":5,"is_manual":true}`), m["quote"]); diff != "" {
		t.Errorf("quote (-want +got):\n%s", diff)
	}
	if r, _ := m["reply_to_message"].(object); r["photo"] == nil || r["caption"] != "a 🙂 picture" {
		t.Errorf("reply to %v", r)
	}
}

func TestEditsOfContent(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := newStage(t, telegramsim.Options{Now: c.now})
	does(t, s, "photo", "caption=old")
	before := one(t, s, "message")
	c.add(time.Minute)
	does(t, s, "edit", "message_id=1&caption=new")
	m := one(t, s, "edited_message")
	if m["caption"] != "new" || m["message_id"] != 1.0 || m["date"] != before["date"] || m["edit_date"] != before["date"].(float64)+60 ||
		!cmp.Equal(m["photo"], before["photo"]) {
		t.Errorf("edited caption %v", m)
	}
	does(t, s, "edit", "message_id=1&kind=video&caption=film")
	if m = one(t, s, "edited_message"); m["caption"] != "film" || m["video"] == nil || m["photo"] != nil {
		t.Errorf("edited media %v", m)
	}
	sameFile(t, s, m, "video", "samples/video.mp4")
	does(t, s, "edit", "message_id=1&caption=+")
	if m = one(t, s, "edited_message"); m["caption"] != nil || m["video"] == nil {
		t.Errorf("the caption was taken away: %v", m)
	}
	does(t, s, "say", "text=words")
	if got := control(s, "POST", "/edit", "message_id=2&text=+"); got.status != 400 || !strings.Contains(got.out["error"].(string), "empty") {
		t.Errorf("a text was taken away: %v", got.out)
	}
}

func TestLiveLocation(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := newStage(t, telegramsim.Options{Now: c.now})
	does(t, s, "location", "live_period=900")
	one(t, s, "message")
	does(t, s, "move", "message_id=1&latitude=1&longitude=2&heading=45")
	want := jsonObject(t, `{"latitude":1,"longitude":2,"live_period":900,"heading":45}`)
	if m := one(t, s, "edited_message"); !cmp.Equal(want, m["location"]) || m["edit_date"] == nil {
		t.Errorf("moved to %v", m)
	}
	does(t, s, "move", "message_id=1&stop=true")
	if m := one(t, s, "edited_message"); !cmp.Equal(jsonObject(t, `{"latitude":1,"longitude":2}`), m["location"]) {
		t.Errorf("stopped at %v", m["location"])
	}
	if got := control(s, "POST", "/move", "message_id=1"); got.status != 400 {
		t.Errorf("a stopped location moved: %v", got.out)
	}
	does(t, s, "location", "live_period=60")
	does(t, s, "location", "live_period=2147483647")
	c.add(61 * time.Second)
	if got := control(s, "POST", "/move", "message_id=2"); got.status != 400 {
		t.Errorf("an old live location moved: %v", got.out)
	}
	does(t, s, "move", "message_id=3")
}

func TestContentRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		verb, body string
		status     int
		want       string
	}{
		{"photo", "caption=" + strings.Repeat("x", 1025), 400, "1024"}, {"photo", "width=x", 400, "width"},
		{"photo", "topic=x", 400, "topic"}, {"photo", "forward=Bob&forward_date=x", 400, "forward_date"},
		{"photo", "chat=Nowhere", 404, "POST groups"}, {"photo", "width=-1", 400, "negative"}, {"document", "file_size=-1", 400, "negative"},
		{"sticker", "format=square", 400, "format"}, {"sticker", "caption=x", 400, "no caption"}, {"video_note", "caption=x", 400, "no caption"},
		{"location", "latitude=91", 400, "latitude"}, {"location", "latitude=NaN", 400, "latitude"}, {"location", "longitude=-181", 400, "longitude"},
		{"location", "latitude=x", 400, "latitude must be a number"}, {"location", "accuracy=1501", 400, "accuracy"},
		{"location", "live_period=59", 400, "live_period"}, {"location", "live_period=86401", 400, "live_period"},
		{"location", "heading=90", 400, "heading"}, {"location", "live_period=60&heading=361", 400, "heading"},
		{"location", "caption=x", 400, "no caption"}, {"venue", "live_period=60", 400, "does not move"}, {"venue", "latitude=99", 400, "latitude"},
		{"contact", "", 400, "phone"}, {"contact", "phone=1", 400, "first_name"}, {"dice", "emoji=x", 400, "emoji"}, {"dice", "value=7", 400, "faces"},
		{"poll", "options=one", 400, "2 to 12"}, {"poll", "options=a,,b", 400, "between 1"}, {"poll", "options=[1]", 400, "options"},
		{"poll", "question=" + strings.Repeat("x", 301), 400, "300"}, {"web_app_data", "data=" + strings.Repeat("x", 4097), 400, "4096"},
		{"album", "items=photo", 400, "2 to 10"}, {"album", "items=photo,document", 400, "album holds"}, {"album", "items=photo,voice", 400, "album holds"},
		{"album", "items=" + strings.Repeat("photo,", 10) + "photo", 400, "2 to 10"}, {"album", "items=photo,nonsense", 400, "kind"},
		{"album", "items=thumbnail,thumbnail", 400, "kind"},
		{"say", "text=x&topic=1", 400, "private chat"}, {"say", "text=x&anonymous=true", 400, "private chat"}, {"say", "text=x&signature=x", 400, "private chat"},
		{"say", "text=x&quote=y", 400, "needs reply_to"}, {"say", "text=x&quote=y&reply_to=1", 400, "quote must be"}, {"say", "text=x&forward_chat=Nowhere", 404, "no such chat"},
		{"edit", "message_id=1&kind=photo", 400, "cannot become"}, {"edit", "message_id=2&kind=sticker", 400, "exchange only"},
		{"edit", "message_id=2&text=x", 400, "neither text nor caption"}, {"edit", "message_id=4&caption=" + strings.Repeat("x", 1025), 400, "1024"},
		{"edit", "message_id=3&text=x", 404, "no message"}, {"edit", "message_id=4&kind=photo&width=x", 400, "width"},
		{"move", "message_id=1", 400, "no live location"}, {"move", "message_id=9", 404, "no message"}, {"move", "message_id=2&latitude=99", 400, "latitude"},
		{"move", "message_id=x", 400, "message_id"}, {"move", "message_id=1&heading=x", 400, "heading"},
		{"unavailable", "times=-2", 400, "times"}, {"unavailable", "times=x", 400, "times"},
		{"expire", "account=9", 404, "account"}, {"privacy", "account=9", 404, "account"}, {"avatar", "person=Nobody", 404, "person"},
		{"avatar", "person=Nobody&remove=true", 404, "person"},
	}
	s := newStage(t, telegramsim.Options{})
	does(t, s, "say", "text=hello")
	does(t, s, "sticker", "")
	does(t, s, "say", "text=hello&forward=Ann")
	does(t, s, "photo", "")
	for _, tt := range tests {
		t.Run(tt.verb+" "+tt.body[:min(len(tt.body), 40)], func(t *testing.T) {
			t.Parallel()
			got := control(s, "POST", "/"+tt.verb, "person=Ann&"+tt.body)
			if strings.Contains(tt.body, "person=") {
				got = control(s, "POST", "/"+tt.verb, tt.body)
			}
			if text, _ := got.out["error"].(string); got.status != tt.status || !strings.Contains(text, tt.want) {
				t.Errorf("%d %v, want %d with %q", got.status, got.out, tt.status, tt.want)
			}
		})
	}
}

func TestPicturesAreLookedInto(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{})
	for name, data := range map[string]string{"text": "no picture", "empty": "", "broken": "\xff\xd8\xff\xe0 and so on"} {
		if got := uploads(t, s, "photo", nil, map[string]string{"file": data}); got.status != 400 {
			t.Errorf("%s was sent as a photo: %v", name, got.out)
		}
		if got := uploads(t, s, "avatar", nil, map[string]string{"file": data}); got.status != 400 {
			t.Errorf("%s became a profile photo: %v", name, got.out)
		}
	}
	if got := uploads(t, s, "document", nil, map[string]string{"file": ""}); got.status != 400 {
		t.Errorf("an empty file was sent: %v", got.out)
	}
}

func TestSayRefusesWhatGoCannot(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{})
	for _, c := range []telegramsim.Content{{}, {Kind: "story"}, {Kind: "location", Accuracy: math.NaN()}} {
		_, err := s.Say(telegramsim.Line{Content: []telegramsim.Content{c}})
		if parley.KindOf(err) != parley.KindInvalid {
			t.Errorf("content %+v: %v, want kind invalid", c, err)
		}
	}
	if _, err := s.Say(telegramsim.Line{Text: "x", Forward: &telegramsim.Forward{}}); parley.KindOf(err) != parley.KindInvalid {
		t.Errorf("a forward of nobody: %v", err)
	}
}

// FuzzContent checks that whatever is asked for is refused or becomes an update
// that is valid JSON.
func FuzzContent(f *testing.F) {
	for _, verb := range []string{"photo", "document", "location", "venue", "contact", "poll", "album", "say"} {
		f.Add(verb, "caption=x&latitude=1&options=a,b&items=photo,video")
	}
	s := telegramsim.New(telegramsim.Options{QueueSize: 1 << 30})
	f.Cleanup(func() { _ = s.Close() })
	if _, err := s.AddBot(token, "", ""); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, verb, body string) {
		if strings.ContainsAny(verb, "?/#% ") || verb == "revoke" || verb == "reset" {
			return
		}
		got := control(s, "POST", "/"+strings.ToValidUTF8(strings.Map(letters, verb), ""), body)
		if got.status != 200 && got.status != 400 && got.status != 404 {
			t.Errorf("%s %q = %d %v", verb, body, got.status, got.out)
		}
		if r := asks(s, token, "getUpdates", "offset=-1"); r.OK && !json.Valid(r.Result) {
			t.Errorf("%s %q made an update that is no JSON: %s", verb, body, r.Result)
		}
	})
}

func letters(r rune) rune {
	if r == '_' || r >= 'a' && r <= 'z' {
		return r
	}
	return -1
}
