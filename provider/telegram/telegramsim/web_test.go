package telegramsim_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

func TestSendByFileID(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{})
	to := func(field, id string) params { return params{"chat_id": "5550001", "duration": "9", field: id} }
	var video, photo, again shown
	post(t, s, "sendVideo", params{"chat_id": "5550001", "duration": "7"}, upload{"video", "a.mp4", sample(t, "video.mp4")}).into(t, &video)
	post(t, s, "sendPhoto", params{"chat_id": "5550001"}, upload{"photo", "a.jpg", sample(t, "photo.jpg")}).into(t, &photo)
	call(s, "sendDocument", to("document", video.Video.ID)).into(t, &again)
	if diff := cmp.Diff(video.Video, again.Video); diff != "" || again.Document != nil {
		t.Errorf("a video sent as a document must stay a video (-want +got):\n%s", diff)
	}
	call(s, "sendPhoto", to("photo", photo.file().ID)).into(t, &again)
	if diff := cmp.Diff(photo.Photo, again.Photo); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if d := s.Sent().Last(1)[0].Detail; d["sha256"] == "" || d["file_id"] != photo.file().ID {
		t.Errorf("sent detail %v", d)
	}
	call(s, "sendPhoto", to("photo", video.Video.ID)).refused(t, 400, "Bad Request: can't use file of type Video as Photo")
	call(s, "sendVoice", to("voice", photo.file().ID)).refused(t, 400, "Bad Request: can't use file of type Photo as VoiceNote")
	must(s.AddBot("77:AAabcdefghijklmnopqrstuvwxyz0123456", "", ""))(t)
	r := httptest.NewRequest("GET", "/bot77:AAabcdefghijklmnopqrstuvwxyz0123456/sendVideo?chat_id=5550001&video="+video.Video.ID, nil)
	serve(s, r).refused(t, 400, "Bad Request: wrong file identifier/HTTP URL specified")
}

func TestSendByURL(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{})
	const at = "https://files.example.com/a/"
	big := make([]byte, 20<<20+1)
	for name, p := range map[string]struct {
		mime string
		data []byte
	}{
		"ok.jpg": {"", sample(t, "photo.jpg")}, "page.html": {"", []byte("<html></html>")}, "ok.pdf": {"application/pdf", sample(t, "document.pdf")},
		"big.pdf": {"application/pdf", big}, "big.jpg": {"image/jpeg", append(sample(t, "photo.jpg"), big[:5<<20]...)},
		"full.pdf": {"application/pdf", big[:20<<20]}, "a.txt": {"text/plain", []byte("x")}, "ok.mp3": {"audio/mpeg", sample(t, "audio.mp3")},
		"ok.oga": {"audio/ogg", sample(t, "voice.oga")}, "long.oga": {"audio/ogg", append(sample(t, "voice.oga"), big[:1<<20]...)},
		"ok.mp4": {"video/mp4", sample(t, "video.mp4")}, "ok.webp": {"image/webp", sample(t, "sticker.webp")}, "fake.jpg": {"image/jpeg", []byte("x")},
	} {
		must(0, s.Publish(at+name, p.mime, p.data))(t)
	}
	tests := []struct{ method, field, url, want string }{ // want: kinds, or a refusal
		{"sendPhoto", "photo", at + "ok.jpg", "photo"},
		{"sendDocument", "document", at + "ok.pdf", "document"},
		{"sendDocument", "document", at + "full.pdf", "document"},
		{"sendAudio", "audio", at + "ok.mp3", "audio"},
		{"sendVoice", "voice", at + "ok.oga", "voice"},
		{"sendVoice", "voice", at + "long.oga", "document"},
		{"sendVideo", "video", at + "ok.mp4", "video"},
		{"sendAnimation", "animation", at + "ok.mp4", "animation document"},
		{"sendSticker", "sticker", at + "ok.webp", "sticker"},
		{"sendPhoto", "photo", at + "nothing.jpg", "Bad Request: failed to get HTTP URL content"},
		{"sendPhoto", "photo", at + "big.jpg", "Bad Request: failed to get HTTP URL content"},
		{"sendDocument", "document", at + "big.pdf", "Bad Request: failed to get HTTP URL content"},
		{"sendPhoto", "photo", at + "page.html", "Bad Request: wrong type of the web page content"},
		{"sendDocument", "document", at + "a.txt", "Bad Request: wrong type of the web page content"},
		{"sendAudio", "audio", at + "ok.oga", "Bad Request: wrong type of the web page content"},
		{"sendPhoto", "photo", at + "fake.jpg", "Bad Request: IMAGE_PROCESS_FAILED"},
		{"sendVideoNote", "video_note", at + "ok.mp4", "Bad Request: wrong file identifier/HTTP URL specified"},
		{"sendPhoto", "photo", "ftp://files.example.com/a.jpg", "Bad Request: invalid file HTTP URL specified: Unsupported URL protocol"},
		{"sendPhoto", "photo", "http://localhost/a.jpg", "Bad Request: wrong HTTP URL specified"},
		{"sendPhoto", "photo", "http://127.0.0.1:80/a.jpg", "Bad Request: wrong HTTP URL specified"},
		{"sendPhoto", "photo", "http://10.0.0.1/a.jpg", "Bad Request: wrong HTTP URL specified"},
		{"sendPhoto", "photo", "a.jpg", "Bad Request: wrong HTTP URL specified"},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.url, func(t *testing.T) {
			t.Parallel()
			got := call(s, tt.method, params{"chat_id": "5550001", tt.field: tt.url})
			if strings.HasPrefix(tt.want, "Bad Request") {
				got.refused(t, 400, tt.want)
				return
			}
			var m shown
			if got.into(t, &m); m.kinds() != tt.want {
				t.Errorf("arrived as %q, want %q", m.kinds(), tt.want)
			}
			if _, name, _ := strings.Cut(tt.url, at); m.Document != nil && m.Document.Name != name {
				t.Errorf("name %q, want %q", m.Document.Name, name)
			}
		})
	}
	if s.Publish("http://localhost/x", "", nil) == nil {
		t.Error("an address that Telegram does not visit was published")
	}
}

// Any upload can be named, and a JSON body carries parameters as plain values.
func TestWaysToGiveAFile(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{})
	var m shown
	post(t, s, "sendPhoto", params{"chat_id": "5550001", "photo": "attach://any"}, upload{"any", "a.jpg", sample(t, "photo.jpg")}).into(t, &m)
	if m.kinds() != "photo" {
		t.Errorf("attached: %+v", m)
	}
	id := m.file().ID
	body := `{"chat_id":5550001,"media":[{"type":"photo","media":"` + id + `","caption":"a","caption_entities":[{"type":"bold","offset":0,"length":1}]},
		{"type":"photo","media":"` + id + `"}],"reply_parameters":{"message_id":1}}`
	r := httptest.NewRequest("POST", "/bot"+token+"/sendMediaGroup", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	var list []shown
	if serve(s, r).into(t, &list); len(list) != 2 || list[0].Caption != "a" || len(list[0].CapEnts) != 1 || list[1].ReplyTo == nil {
		t.Errorf("album by JSON: %+v", list)
	}
	r = httptest.NewRequest("GET", "/bot"+token+"/sendPhoto?chat_id=5550001&photo="+id, nil)
	if serve(s, r).into(t, &m); m.file().ID != id {
		t.Errorf("by query: %+v", m)
	}
}
