package telegramsim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
	"github.com/parley-im/parley/simulator"
)

type object = map[string]any

// does makes a control request that must succeed.
func does(t *testing.T, s *telegramsim.Server, verb, body string) controlReply {
	t.Helper()
	got := control(s, "POST", "/"+verb, body)
	if got.status != 200 {
		t.Fatalf("%s %s = %d %v", verb, body, got.status, got.out)
	}
	return got
}

// uploads makes a control request as curl -F does.
func uploads(t *testing.T, s *telegramsim.Server, verb string, fields params, files map[string]string) controlReply {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, v := range fields {
		_ = form.WriteField(name, v)
	}
	for name, data := range files {
		w, _ := form.CreateFormFile(name, "given.bin")
		_, _ = w.Write([]byte(data))
	}
	_ = form.Close()
	r := httptest.NewRequest(http.MethodPost, "/sim/telegram/"+verb, &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	w := httptest.NewRecorder()
	simulator.Handler(s).ServeHTTP(w, r)
	got := controlReply{status: w.Code}
	decode(w.Body, &got.out)
	return got
}

// asks calls a method of the bot with another token.
func asks(h http.Handler, token, method, query string) reply {
	return serve(h, httptest.NewRequest(http.MethodGet, "/bot"+token+"/"+method+"?"+query, nil))
}

// news are all updates a bot has not fetched yet; they are confirmed.
func newsOf(t *testing.T, s *telegramsim.Server, token string) []object {
	t.Helper()
	var us []object
	asks(s, token, "getUpdates", "").into(t, &us)
	if len(us) > 0 {
		last, _ := us[len(us)-1]["update_id"].(float64)
		asks(s, token, "getUpdates", fmt.Sprintf("offset=%d", int64(last)+1))
	}
	return us
}

func news(t *testing.T, s *telegramsim.Server) []object { t.Helper(); return newsOf(t, s, token) }

// one is the only update, which must be of this kind.
func one(t *testing.T, s *telegramsim.Server, kind string) object {
	t.Helper()
	us := news(t, s)
	if len(us) != 1 || us[0][kind] == nil {
		t.Fatalf("got %v, want one %s", us, kind)
	}
	return us[0][kind].(object)
}

// kinds names updates; messages are named by what is in them.
func kinds(us []object) []string {
	out := []string{}
	for _, u := range us {
		for kind := range u {
			if kind != "update_id" {
				out = append(out, kind)
			}
		}
	}
	return out
}

// without removes keys, so that the rest can be compared.
func without(o object, keys ...string) object {
	out := object{}
	for k, v := range o {
		if !slices.Contains(keys, k) {
			out[k] = v
		}
	}
	return out
}

func jsonObject(t *testing.T, text string) object {
	t.Helper()
	var o object
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return o
}

// scrub empties what differs from run to run, at any depth.
func scrub(v any) any {
	switch v := v.(type) {
	case object:
		if size, _ := v["file_size"].(float64); size > 0 && (v["width"] == 100.0 || v["width"] == 320.0) {
			v["file_size"] = 0.0 // how well the encoder does is not our business
		}
		for k := range v {
			switch k {
			case "file_id", "file_unique_id", "date", "forward_date", "media_group_id", "edit_date":
				v[k] = "?"
			default:
				v[k] = scrub(v[k])
			}
		}
	case []any:
		for i := range v {
			v[i] = scrub(v[i])
		}
	}
	return v
}

const annJSON = `{"id":5550001,"is_bot":false,"first_name":"Ann","language_code":"en"}`

// newStage has the bot and Ann, who has never written.
func newStage(t *testing.T, opts telegramsim.Options) *telegramsim.Server {
	t.Helper()
	s := newServer(t, opts)
	must(s.AddPerson(telegramsim.Person{ID: ann, FirstName: "Ann"}))(t)
	return s
}

const thumb = `{"file_id":"?","file_unique_id":"?","file_size":0,"width":100,"height":75}`

func TestEveryKindOfContent(t *testing.T) {
	t.Parallel()
	tests := []struct {
		verb, body string
		sample     string // the file behind it, "" if there is none
		want       string // the message beside its envelope; T stands for a thumbnail
	}{
		{"photo", "caption=/hi+there", "photo.jpg", `{"caption":"/hi there","caption_entities":[{"type":"bot_command","offset":0,"length":3}],
			"photo":[{"file_id":"?","file_unique_id":"?","file_size":0,"width":100,"height":75},
			{"file_id":"?","file_unique_id":"?","file_size":0,"width":320,"height":240},
			{"file_id":"?","file_unique_id":"?","file_size":13339,"width":640,"height":480}]}`},
		{"document", "caption=see", "document.pdf", `{"caption":"see","document":{"file_id":"?","file_unique_id":"?",
			"file_name":"document.pdf","mime_type":"application/pdf","file_size":592}}`},
		{"voice", "duration=7", "voice.oga", `{"voice":{"file_id":"?","file_unique_id":"?","duration":7,"mime_type":"audio/ogg","file_size":2404}}`},
		{"audio", "title=Song", "audio.mp3", `{"audio":{"file_id":"?","file_unique_id":"?","duration":1,"performer":"Ann","title":"Song",
			"file_name":"audio.mp3","mime_type":"audio/mpeg","file_size":4382}}`},
		{"video", "", "video.mp4", `{"video":{"file_id":"?","file_unique_id":"?","width":128,"height":96,"duration":1,
			"file_name":"video.mp4","mime_type":"video/mp4","file_size":5588,"thumbnail":T,"thumb":T}}`},
		{"video_note", "", "video_note.mp4", `{"video_note":{"file_id":"?","file_unique_id":"?","length":96,"duration":1,"file_size":5473,"thumbnail":T,"thumb":T}}`},
		{"animation", "", "animation.mp4", `{"animation":{"file_id":"?","file_unique_id":"?","width":128,"height":96,"duration":1,
			"file_name":"animation.mp4","mime_type":"video/mp4","file_size":2553,"thumbnail":T,"thumb":T},
			"document":{"file_id":"?","file_unique_id":"?","file_name":"animation.mp4","mime_type":"video/mp4","file_size":2553,"thumbnail":T,"thumb":T}}`},
		{"sticker", "set_name=dots", "sticker.webp", `{"sticker":{"file_id":"?","file_unique_id":"?","type":"regular","width":512,"height":512,
			"is_animated":false,"is_video":false,"emoji":"👍","set_name":"dots","file_size":4272,"thumbnail":T,"thumb":T}}`},
		{"sticker", "format=animated&emoji=🔥", "sticker.tgs", `{"sticker":{"file_id":"?","file_unique_id":"?","type":"regular","width":512,"height":512,
			"is_animated":true,"is_video":false,"emoji":"🔥","file_size":286,"thumbnail":T,"thumb":T}}`},
		{"sticker", "format=video", "sticker.webm", `{"sticker":{"file_id":"?","file_unique_id":"?","type":"regular","width":512,"height":512,
			"is_animated":false,"is_video":true,"emoji":"👍","file_size":3553,"thumbnail":T,"thumb":T}}`},
		{"location", "latitude=1.5&longitude=-2&accuracy=20", "", `{"location":{"latitude":1.5,"longitude":-2,"horizontal_accuracy":20}}`},
		{"location", "live_period=60&heading=90", "", `{"location":{"latitude":52.1,"longitude":4.3,"live_period":60,"heading":90}}`},
		{"venue", "title=Cafe&address=Street", "", `{"location":{"latitude":52.1,"longitude":4.3},
			"venue":{"location":{"latitude":52.1,"longitude":4.3},"title":"Cafe","address":"Street"}}`},
		{"contact", "phone_number=123&first_name=Bob&vcard=V", "", `{"contact":{"phone_number":"123","first_name":"Bob","vcard":"V"}}`},
		{"contact", "own=true", "", `{"contact":{"phone_number":"+12025550100","first_name":"Ann","user_id":5550001}}`},
		{"dice", "emoji=🎯&value=6", "", `{"dice":{"emoji":"🎯","value":6}}`},
		{"web_app_data", "data=x&button_text=Go", "", `{"web_app_data":{"data":"x","button_text":"Go"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.verb+" "+tt.body, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, telegramsim.Options{})
			said := does(t, s, tt.verb, tt.body)
			m := one(t, s, "message")
			if m["message_id"] != 1.0 || said.num("message_id") != 1 || said.num("update_id") == 0 {
				t.Errorf("said %v about message %v", said.out, m["message_id"])
			}
			if tt.sample != "" {
				sameFile(t, s, m, tt.verb, "samples/"+tt.sample)
			}
			got := scrub(without(m, "message_id", "from", "chat", "date"))
			want := jsonObject(t, strings.NewReplacer(":T,", ":"+thumb+",", ":T}", ":"+thumb+"}").Replace(tt.want))
			if diff := cmp.Diff(any(want), got); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

// fileID finds the file in a message; of a photo the largest.
func fileID(m object, kind string) string {
	v := m[kind]
	if list, ok := v.([]any); ok && len(list) > 0 {
		v = list[len(list)-1]
	}
	o, _ := v.(object)
	id, _ := o["file_id"].(string)
	return id
}

// fetchFile is getFile and the download after it.
func fetchFile(t *testing.T, s *telegramsim.Server, id string) (path string, body []byte) {
	t.Helper()
	var f struct {
		Path string `json:"file_path"`
		Size int    `json:"file_size"`
	}
	asks(s, token, "getFile", "file_id="+id).into(t, &f)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/file/bot"+token+"/"+f.Path, nil))
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/octet-stream" || w.Body.Len() != f.Size {
		t.Errorf("download of %s = %d %v, %d of %d bytes", f.Path, w.Code, w.Header(), w.Body.Len(), f.Size)
	}
	return f.Path, w.Body.Bytes()
}

func sameFile(t *testing.T, s *telegramsim.Server, m object, kind, sample string) {
	t.Helper()
	want, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	if _, got := fetchFile(t, s, fileID(m, kind)); !bytes.Equal(got, want) {
		t.Errorf("downloaded %d bytes, want the %d of %s", len(got), len(want), sample)
	}
}
