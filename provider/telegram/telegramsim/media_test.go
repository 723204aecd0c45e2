package telegramsim_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

// An upload is one file of a multipart request, in the field that it is named for.
type upload struct {
	field, name string
	data        []byte
}

// post sends a multipart form.
func post(t *testing.T, h http.Handler, method string, p params, files ...upload) reply {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for k, v := range p {
		must(0, w.WriteField(k, v))(t)
	}
	for _, f := range files {
		part := must(w.CreateFormFile(f.field, f.name))(t)
		must(part.Write(f.data))(t)
	}
	must(0, w.Close())(t)
	r := httptest.NewRequest(http.MethodPost, "/bot"+token+"/"+method, &body)
	r.Header.Set("Content-Type", w.FormDataContentType())
	return serve(h, r)
}

// A file as messages show it, of any kind.
type file struct {
	ID       string `json:"file_id"`
	Unique   string `json:"file_unique_id"`
	Name     string `json:"file_name"`
	Mime     string `json:"mime_type"`
	Size     int64  `json:"file_size"`
	Width    int
	Height   int
	Length   int
	Duration int
	Title    string
	By       string `json:"performer"`
	Emoji    string
	Animated bool  `json:"is_animated"`
	Video    bool  `json:"is_video"`
	Thumb    *file `json:"thumbnail"`
}

// A shown message is what a bot sees of a message with content.
type shown struct {
	message
	Photo     []file
	Document  *file
	Voice     *file
	Audio     *file
	Video     *file
	VideoNote *file `json:"video_note"`
	Animation *file
	Sticker   *file
	Caption   string
	CapEnts   []map[string]any `json:"caption_entities"`
	Album     string           `json:"media_group_id"`
	Thread    int64            `json:"message_thread_id"`
	Topic     bool             `json:"is_topic_message"`
	Sender    map[string]any   `json:"sender_chat"`
	Origin    map[string]any   `json:"forward_origin"`
	FromWho   map[string]any   `json:"forward_from"`
	FromChat  map[string]any   `json:"forward_from_chat"`
	FromID    int64            `json:"forward_from_message_id"`
	FromDate  int64            `json:"forward_date"`
	Quote     map[string]any
	Location  map[string]any
	Venue     map[string]any
	Contact   map[string]any
	Dice      map[string]any
}

// kinds lists the kinds of content of a message, in a fixed order.
func (m shown) kinds() string {
	var out []string
	for _, k := range []struct {
		name string
		file *file
	}{{"animation", m.Animation}, {"document", m.Document}, {"voice", m.Voice}, {"audio", m.Audio},
		{"video", m.Video}, {"video_note", m.VideoNote}, {"sticker", m.Sticker}} {
		if k.file != nil {
			out = append(out, k.name)
		}
	}
	if m.Photo != nil {
		out = append(out, "photo")
	}
	return strings.Join(out, " ")
}

// file is the one file in a message, the largest size of a photo.
func (m shown) file() file {
	for _, f := range []*file{m.Animation, m.Document, m.Voice, m.Audio, m.Video, m.VideoNote, m.Sticker} {
		if f != nil {
			return *f
		}
	}
	if len(m.Photo) > 0 {
		return m.Photo[len(m.Photo)-1]
	}
	return file{}
}

// download is what a bot gets for a file_id.
func download(t *testing.T, h http.Handler, id string) []byte {
	t.Helper()
	var info struct {
		Path string `json:"file_path"`
	}
	call(h, "getFile", params{"file_id": id}).into(t, &info)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/file/bot"+token+"/"+info.Path, nil))
	if w.Code != http.StatusOK {
		t.Fatalf("download of %q: %d", info.Path, w.Code)
	}
	return w.Body.Bytes()
}

func sample(t *testing.T, name string) []byte {
	t.Helper()
	return must(os.ReadFile("samples/" + name))(t)
}

func picture(w, h int) image.Image { return image.NewGray(image.Rect(0, 0, w, h)) }

func pngOf(t *testing.T, w, h int) []byte {
	t.Helper()
	var out bytes.Buffer
	must(0, png.Encode(&out, picture(w, h)))(t)
	return out.Bytes()
}

func gifOf(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	must(0, gif.Encode(&out, picture(8, 8), nil))(t)
	return out.Bytes()
}

func TestSendFiles(t *testing.T) {
	t.Parallel()
	tests := []struct {
		method, field, sample, name string
		more                        params
		kinds                       string
		want                        file // without ids, size and thumbnail
	}{
		{"sendPhoto", "photo", "photo.jpg", "a.jpg", nil, "photo", file{Width: 640, Height: 480}},
		{"sendDocument", "document", "document.pdf", "прайс 1.pdf", nil, "document", file{Name: "прайс 1.pdf", Mime: "application/pdf"}},
		{"sendAudio", "audio", "audio.mp3", "a.mp3", params{"duration": "7", "title": "Tone", "performer": "Ann"}, "audio",
			file{Name: "a.mp3", Mime: "audio/mpeg", Duration: 7, Title: "Tone", By: "Ann"}},
		{"sendVideo", "video", "video.mp4", "a.mp4", params{"duration": "7", "width": "64", "height": "48"}, "video",
			file{Name: "a.mp4", Mime: "video/mp4", Duration: 7, Width: 64, Height: 48}},
		{"sendVoice", "voice", "voice.oga", "a.ogg", params{"duration": "3"}, "voice", file{Mime: "audio/ogg", Duration: 3}},
		{"sendVideoNote", "video_note", "video_note.mp4", "a.mp4", params{"duration": "3", "length": "96"}, "video_note", file{Duration: 3, Length: 96}},
		{"sendVideoNote", "video_note", "video_note.mp4", "a.mp4", nil, "video_note", file{Length: 240}},
		{"sendAnimation", "animation", "animation.mp4", "a.mp4", nil, "animation document", file{Name: "a.mp4", Mime: "video/mp4"}},
		{"sendSticker", "sticker", "sticker.webp", "a.webp", params{"emoji": "👍"}, "sticker", file{Width: 512, Height: 512, Emoji: "👍"}},
		{"sendSticker", "sticker", "sticker.tgs", "a.tgs", nil, "sticker", file{Width: 512, Height: 512, Animated: true}},
		{"sendSticker", "sticker", "sticker.webm", "a.webm", nil, "sticker", file{Width: 512, Height: 512, Video: true}},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.sample+" "+tt.more["duration"], func(t *testing.T) {
			t.Parallel()
			s, data := peopled(t, telegramsim.Options{}), sample(t, tt.sample)
			p := params{"chat_id": "5550001", "caption": " <b>see</b> ", "parse_mode": "HTML", "reply_markup": yes,
				"reply_parameters": `{"message_id":1}`}
			for k, v := range tt.more {
				p[k] = v
			}
			var m shown
			post(t, s, tt.method, p, upload{tt.field, tt.name, data}).into(t, &m)
			if m.ID != 3 || m.kinds() != tt.kinds || m.ReplyTo == nil || m.Markup == nil || m.Text != "" {
				t.Errorf("kinds %q, message %+v", m.kinds(), m)
			}
			if words := tt.kinds != "sticker" && tt.kinds != "video_note"; (m.Caption == "see") != words || (len(m.CapEnts) == 1) != words {
				t.Errorf("caption %q with %v", m.Caption, m.CapEnts)
			}
			got := m.file()
			if m.Animation != nil && (m.Document.ID != got.ID || m.Document.Name != got.Name) {
				t.Errorf("animation %+v, document %+v", got, m.Document)
			}
			if back := download(t, s, got.ID); !bytes.Equal(back, data) || got.Size != int64(len(data)) || got.Unique == "" {
				t.Errorf("%d bytes came back of %d, file %+v", len(back), len(data), got)
			}
			wantSent(t, s, tt.method, tt.name, data)
			got.ID, got.Unique, got.Size = "", "", 0
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// wantSent checks the newest line of the list of what was sent.
func wantSent(t *testing.T, s *telegramsim.Server, method, name string, data []byte) {
	t.Helper()
	sum, v := sha256.Sum256(data), s.Sent().Last(1)[0]
	if v.Method != method || v.Chat != "5550001" || v.MessageID != "3" || v.ReplyTo != "1" {
		t.Errorf("sent %+v", v)
	}
	d := v.Detail
	if d["file_name"] != name || d["file_size"] != int64(len(data)) || d["sha256"] != hex.EncodeToString(sum[:]) || d["mime_type"] == "" {
		t.Errorf("sent detail %v", d)
	}
}

func TestPhotoSizes(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{})
	var m shown
	post(t, s, "sendPhoto", params{"chat_id": "5550001"}, upload{"photo", "a.png", pngOf(t, 1000, 500)}).into(t, &m)
	var got [][2]int
	for _, f := range m.Photo {
		got = append(got, [2]int{f.Width, f.Height})
		if w, err := jpeg.DecodeConfig(bytes.NewReader(download(t, s, f.ID))); f.Width < 1000 && (err != nil || w.Width != f.Width) {
			t.Errorf("size %d: %d wide, %v", f.Width, w.Width, err)
		}
	}
	if diff := cmp.Diff([][2]int{{100, 50}, {320, 160}, {800, 400}, {1000, 500}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestThumbnail(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{})
	small := pngOf(t, 30, 20)
	send := func(method, field string, p params, files ...upload) *file {
		t.Helper()
		p["chat_id"] = "5550001"
		var m shown
		post(t, s, method, p, append(files, upload{field, "a.mp4", sample(t, "video.mp4")})...).into(t, &m)
		return m.file().Thumb
	}
	if got := send("sendVideo", "video", params{"thumbnail": "attach://x"}, upload{"x", "t.png", small}); got == nil || got.Width != 30 || got.Height != 20 {
		t.Errorf("thumbnail %+v", got)
	}
	if got := send("sendVideo", "video", params{}, upload{"thumbnail", "t.png", small}); got == nil {
		t.Error("a thumbnail in its own field is ignored")
	}
	if got := send("sendVideo", "video", params{}, upload{"thumbnail", "t.png", []byte("no picture")}); got != nil {
		t.Errorf("thumbnail of no picture: %+v", got)
	}
}

func TestArrivesAs(t *testing.T) {
	t.Parallel()
	media := map[string][]byte{
		"mp3": sample(t, "audio.mp3"), "opus": sample(t, "voice.oga"), "mp4": sample(t, "video.mp4"),
		"webp": sample(t, "sticker.webp"), "tgs": sample(t, "sticker.tgs"), "webm": sample(t, "sticker.webm"),
		"pdf": sample(t, "document.pdf"), "jpeg": sample(t, "photo.jpg"), "gif": gifOf(t),
		"wav": []byte("RIFF\x00\x00\x00\x00WAVEfmt "), "m4a": []byte("\x00\x00\x00\x20ftypM4A \x00"),
		"vorbis": []byte("OggS\x00\x02vorbis"), "mpeg frames": {0xff, 0xfb, 0x90, 0x64}, "text": []byte("hello"),
	}
	tests := []struct{ method, field, format, want, mime string }{
		{"sendVoice", "voice", "opus", "voice", "audio/ogg"},
		{"sendVoice", "voice", "mp3", "voice", "audio/mpeg"},
		{"sendVoice", "voice", "mpeg frames", "voice", "audio/mpeg"},
		{"sendVoice", "voice", "m4a", "voice", "audio/mp4"},
		{"sendVoice", "voice", "wav", "audio", "application/octet-stream"},
		{"sendVoice", "voice", "vorbis", "audio", "application/octet-stream"},
		{"sendVoice", "voice", "mp4", "video", "video/mp4"},
		{"sendVoice", "voice", "pdf", "document", "application/octet-stream"},
		{"sendAudio", "audio", "m4a", "audio", "audio/mp4"},
		{"sendAudio", "audio", "text", "document", "application/octet-stream"},
		{"sendVideo", "video", "gif", "animation document", "image/gif"},
		{"sendVideo", "video", "webm", "document", "video/webm"},
		{"sendVideoNote", "video_note", "pdf", "document", "application/octet-stream"},
		{"sendAnimation", "animation", "gif", "animation document", "image/gif"},
		{"sendAnimation", "animation", "jpeg", "document", "application/octet-stream"},
		{"sendSticker", "sticker", "jpeg", "document", "application/octet-stream"},
		{"sendDocument", "document", "mp3", "audio", "audio/mpeg"},
		{"sendDocument", "document", "mp4", "video", "video/mp4"},
		{"sendDocument", "document", "gif", "animation document", "image/gif"},
		{"sendDocument", "document", "webp", "sticker", ""},
		{"sendDocument", "document", "tgs", "sticker", ""},
		{"sendDocument", "document", "webm", "document", "video/webm"},
		{"sendDocument", "document", "jpeg", "document", "application/octet-stream"},
	}
	s := peopled(t, telegramsim.Options{})
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.format, func(t *testing.T) {
			t.Parallel()
			var m shown
			post(t, s, tt.method, params{"chat_id": "5550001"}, upload{tt.field, "file", media[tt.format]}).into(t, &m)
			if m.kinds() != tt.want || m.file().Mime != tt.mime {
				t.Errorf("arrived as %q of type %q, want %q %q", m.kinds(), m.file().Mime, tt.want, tt.mime)
			}
		})
	}
	var m shown
	as := params{"chat_id": "5550001", "disable_content_type_detection": "true"}
	if post(t, s, "sendDocument", as, upload{"document", "a.gif", media["gif"]}).into(t, &m); m.kinds() != "document" {
		t.Errorf("with detection disabled it arrived as %q", m.kinds())
	}
}

// The type comes from the name where the bytes say nothing, and never from the sender.
func TestTypeByName(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{})
	for name, want := range map[string]string{"a.PDF": "application/pdf", "a.txt": "text/plain", "a": "application/octet-stream"} {
		var m shown
		post(t, s, "sendDocument", params{"chat_id": "5550001"}, upload{"document", name, []byte("x")}).into(t, &m)
		if m.file().Mime != want {
			t.Errorf("%s: %q, want %q", name, m.file().Mime, want)
		}
	}
}

func TestFileRefusals(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{})
	jpg := sample(t, "photo.jpg")
	padded := append(append([]byte{}, jpg...), make([]byte, 10<<20)...)
	tests := []struct {
		name, method string
		p            params
		file         upload
		code         int
		text         string
	}{
		{"no photo", "sendPhoto", nil, upload{}, 400, "Bad Request: there is no photo in the request"},
		{"no document", "sendDocument", nil, upload{}, 400, "Bad Request: there is no document in the request"},
		{"no audio", "sendAudio", nil, upload{}, 400, "Bad Request: there is no audio in the request"},
		{"no video", "sendVideo", nil, upload{}, 400, "Bad Request: there is no video in the request"},
		{"no voice", "sendVoice", nil, upload{}, 400, "Bad Request: there is no voice in the request"},
		{"no video note", "sendVideoNote", nil, upload{}, 400, "Bad Request: there is no video note in the request"},
		{"no animation", "sendAnimation", nil, upload{}, 400, "Bad Request: there is no animation in the request"},
		{"no sticker", "sendSticker", nil, upload{}, 400, "Bad Request: there is no sticker in the request"},
		{"another field", "sendPhoto", nil, upload{"picture", "a.jpg", jpg}, 400, "Bad Request: there is no photo in the request"},
		{"attached nowhere", "sendPhoto", params{"photo": "attach://x"}, upload{"photo", "a.jpg", jpg}, 400, "Bad Request: there is no photo in the request"},
		{"empty", "sendDocument", nil, upload{"document", "a.txt", nil}, 400, "Bad Request: file must be non-empty"},
		{"no image", "sendPhoto", nil, upload{"photo", "a.jpg", []byte("hello")}, 400, "Bad Request: IMAGE_PROCESS_FAILED"},
		{"half an image", "sendPhoto", nil, upload{"photo", "a.jpg", jpg[:len(jpg)/2]}, 400, "Bad Request: IMAGE_PROCESS_FAILED"},
		{"too wide and high", "sendPhoto", nil, upload{"photo", "a.png", pngOf(t, 9000, 1001)}, 400, "Bad Request: PHOTO_INVALID_DIMENSIONS"},
		{"too wide", "sendPhoto", nil, upload{"photo", "a.png", pngOf(t, 2001, 100)}, 400, "Bad Request: PHOTO_INVALID_DIMENSIONS"},
		{"too high", "sendPhoto", nil, upload{"photo", "a.png", pngOf(t, 100, 2001)}, 400, "Bad Request: PHOTO_INVALID_DIMENSIONS"},
		{"photo too big", "sendPhoto", nil, upload{"photo", "a.jpg", padded}, 400,
			"Bad Request: file of size " + itoa(int64(len(padded))) + " bytes is too big for a photo; the maximum size is 10485760 bytes"},
		{"caption too long", "sendPhoto", params{"caption": strings.Repeat("😀", 512) + "x"}, upload{"photo", "a.jpg", jpg}, 400, "Bad Request: message caption is too long"},
		{"caption tag", "sendPhoto", params{"caption": "<x>", "parse_mode": "HTML"}, upload{"photo", "a.jpg", jpg}, 400, `Bad Request: can't parse entities: Unsupported start tag "x" at byte offset 0`},
		{"caption entities", "sendPhoto", params{"caption": "x", "caption_entities": "{"}, upload{"photo", "a.jpg", jpg}, 400, "Bad Request: can't parse entities: entities must be a JSON array"},
		{"unknown id", "sendPhoto", params{"photo": "AgACAgIAAxkBAAIB"}, upload{}, 400, "Bad Request: wrong file identifier/HTTP URL specified"},
		{"no id", "sendPhoto", params{"photo": "not an id"}, upload{}, 400, "Bad Request: wrong remote file identifier specified: Wrong character in the string"},
		{"never started", "sendPhoto", params{"chat_id": "5550002"}, upload{"photo", "a.jpg", jpg}, 403, "Forbidden: bot can't initiate conversation with a user"},
		{"blocked", "sendDocument", params{"chat_id": "5550003"}, upload{"document", "a.jpg", jpg}, 403, "Forbidden: bot was blocked by the user"},
		{"keyboard", "sendPhoto", params{"reply_markup": "x"}, upload{"photo", "a.jpg", jpg}, 400, "Bad Request: can't parse reply keyboard markup JSON object"},
		{"reply gone", "sendPhoto", params{"reply_parameters": `{"message_id":99}`}, upload{"photo", "a.jpg", jpg}, 400, "Bad Request: message to be replied not found"},
	}
	before := s.Sent().Total()
	t.Run("all", func(t *testing.T) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				p := params{"chat_id": "5550001"}
				for k, v := range tt.p {
					p[k] = v
				}
				files := []upload{}
				if tt.file.field != "" {
					files = append(files, tt.file)
				}
				post(t, s, tt.method, p, files...).refused(t, tt.code, tt.text)
			})
		}
	})
	if got := s.Sent().Total(); got != before {
		t.Errorf("%d refused calls count as accepted", got-before)
	}
}

// What is just within the limits is accepted.
func TestFileLimits(t *testing.T) {
	t.Parallel()
	s := peopled(t, telegramsim.Options{})
	to := params{"chat_id": "5550001", "caption": strings.Repeat("😀", 512)}
	jpg := sample(t, "photo.jpg")
	full := append(append([]byte{}, jpg...), make([]byte, 10<<20-len(jpg))...)
	for name, data := range map[string][]byte{"10 MB": full, "ratio 20": pngOf(t, 2000, 100), "10000 pixels": pngOf(t, 9000, 1000)} {
		if got := post(t, s, "sendPhoto", to, upload{"photo", "a", data}); !got.OK {
			t.Errorf("%s: %d %s", name, got.Status, got.Description)
		}
	}
	file := make([]byte, 50<<20+1)
	post(t, s, "sendDocument", to, upload{"document", "a", file}).refused(t, 413, "Request Entity Too Large")
	if got := post(t, s, "sendDocument", to, upload{"document", "a", file[:50<<20]}); !got.OK {
		t.Errorf("50 MB: %d %s", got.Status, got.Description)
	}
	local := peopled(t, telegramsim.Options{Local: true})
	if got := post(t, local, "sendDocument", to, upload{"document", "a", file}); !got.OK {
		t.Errorf("more than 50 MB to a self-hosted server: %d %s", got.Status, got.Description)
	}
}
