package telegramsim_test

import (
	"bytes"
	"errors"
	"image"
	_ "image/jpeg"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
	"github.com/parley-im/parley/simulator"
)

const otherToken = "987654321:AAabcdefghijklmnopqrstuvwxyz0123456"

// aFile lets Ann send a document and returns its file_id.
func aFile(t *testing.T, s *telegramsim.Server, body string) string {
	t.Helper()
	does(t, s, "document", "person=Ann&account=shop_bot&"+body)
	us := news(t, s)
	return fileID(us[len(us)-1]["message"].(object), "document")
}

func downloads(s http.Handler, method, path string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Header = header
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestGetFileRefuses(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{})
	must(s.AddBot(otherToken, "Other", "other_bot"))(t)
	id := aFile(t, s, "")
	limit := aFile(t, s, "file_size=20971520")
	big := aFile(t, s, "file_size=20971521")
	asks(s, token, "getFile", "").refused(t, 400, "Bad Request: file_id not specified")
	for _, bad := range []string{"x", "AgAC%20with%20spaces%20in%20the%20middle", "AgAC!!!!!!!!!!!!!!!!!!!!!!!!", strings.Repeat("A", 201)} {
		asks(s, token, "getFile", "file_id="+bad).refused(t, 400, "Bad Request: invalid file_id")
	}
	const away = "Bad Request: wrong file_id or the file is temporarily unavailable"
	asks(s, token, "getFile", "file_id=BQAC"+strings.Repeat("A", 43)).refused(t, 400, away)
	asks(s, otherToken, "getFile", "file_id="+id).refused(t, 400, away)
	asks(s, token, "getFile", "file_id="+big).refused(t, 400, "Bad Request: file is too big")
	if r := asks(s, token, "getFile", "file_id="+limit); !r.OK {
		t.Errorf("a file of exactly 20 MB is refused: %s", r.Description)
	}
	does(t, s, "unavailable", "times=2")
	for range 2 {
		asks(s, token, "getFile", "file_id="+id).refused(t, 400, away)
	}
	if r := asks(s, token, "getFile", "file_id="+id); !r.OK {
		t.Errorf("still unavailable: %s", r.Description)
	}
	does(t, s, "unavailable", "times=-1")
	for range 3 {
		asks(s, token, "getFile", "file_id="+id).refused(t, 400, away)
	}
	does(t, s, "unavailable", "times=0")
	if r := asks(s, token, "getFile", "file_id="+id); !r.OK {
		t.Errorf("unavailable for ever: %s", r.Description)
	}
}

func TestDownload(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{})
	must(s.AddBot(otherToken, "Other", "other_bot"))(t)
	path, whole := fetchFile(t, s, aFile(t, s, ""))
	at := "/file/bot" + token + "/" + path
	part := downloads(s, "GET", at, http.Header{"Range": {"bytes=5-8"}})
	if part.Code != 206 || part.Body.String() != string(whole[5:9]) || part.Header().Get("Content-Range") != "bytes 5-8/"+strconv.Itoa(len(whole)) {
		t.Errorf("a range is %d %q %v", part.Code, part.Body, part.Header())
	}
	if w := downloads(s, "GET", at, http.Header{"Range": {"bytes=9999-"}}); w.Code != 416 {
		t.Errorf("a range behind the end is %d", w.Code)
	}
	head := downloads(s, "HEAD", at, nil)
	if head.Code != 200 || head.Body.Len() != 0 || head.Header().Get("Content-Length") != strconv.Itoa(len(whole)) {
		t.Errorf("HEAD is %d %v", head.Code, head.Header())
	}
	const notFound = `{"ok":false,"error_code":404,"description":"Not Found"}`
	tests := []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/file/bot" + token + "/documents/file_999.pdf", 404, notFound},
		{"GET", "/file/bot" + token + "/", 404, notFound}, {"GET", "/file/bot" + token, 404, notFound},
		{"GET", "/file/" + path, 404, notFound}, {"GET", "/file/bot12/" + path, 404, notFound}, {"POST", at, 404, notFound},
		{"GET", "/file/bot" + otherToken + "/" + path, 404, notFound},
		{"GET", "/file/bot123456789:wrong/" + path, 401, `{"ok":false,"error_code":401,"description":"Unauthorized"}`},
	}
	for _, tt := range tests {
		if w := downloads(s, tt.method, tt.path, nil); w.Code != tt.status || w.Body.String() != tt.body {
			t.Errorf("%s %s = %d %s, want %d %s", tt.method, tt.path, w.Code, w.Body, tt.status, tt.body)
		}
	}
	lines := s.Log().Last(1)
	if lines[0].Method != "download" || lines[0].Status != 401 || lines[0].Account != "" {
		t.Errorf("logged %+v", lines[0])
	}
	must(s.Revoke("shop_bot"))(t)
	if w := downloads(s, "GET", at, nil); w.Code != 401 {
		t.Errorf("a revoked token downloads: %d", w.Code)
	}
}

// An insecure server has the limits of the cloud server and serves downloads.
func TestTooBigIsNotServed(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{Insecure: true})
	aFile(t, s, "file_size=20971521")
	aFile(t, s, "file_size=7")
	for path, want := range map[string]int{"documents/file_1.pdf": 404, "documents/file_2.pdf": 200} {
		if w := downloads(s, "GET", "/file/bot"+token+"/"+path, nil); w.Code != want {
			t.Errorf("%s = %d, want %d", path, w.Code, want)
		}
	}
}

func TestLocalModeNamesPaths(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{Local: true})
	id := aFile(t, s, "file_size=2000000000")
	var f struct {
		Path string `json:"file_path"`
		Size int64  `json:"file_size"`
	}
	asks(s, token, "getFile", "file_id="+id).into(t, &f)
	if f.Path != "/var/lib/telegram-bot-api/"+token+"/documents/file_1.pdf" || f.Size != 2000000000 {
		t.Errorf("getFile = %+v", f)
	}
	aFile(t, s, "") // one that a cloud server would serve
	if w := downloads(s, "GET", "/file/bot"+token+"/documents/file_2.pdf", nil); w.Code != 404 {
		t.Errorf("a local server serves files: %d", w.Code)
	}
}

// refs are the two ids of the document that a bot was just sent.
func refs(t *testing.T, s *telegramsim.Server, account, body string) (id, unique string) {
	t.Helper()
	does(t, s, "document", "person=Ann&account="+account+"&"+body)
	tok := token
	if account == "other_bot" {
		tok = otherToken
	}
	d := newsOf(t, s, tok)[0]["message"].(object)["document"].(object)
	id, _ = d["file_id"].(string)
	unique, _ = d["file_unique_id"].(string)
	return id, unique
}

func TestFileIdentity(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{})
	must(s.AddBot(otherToken, "Other", "other_bot"))(t)
	id, unique := refs(t, s, "shop_bot", "")
	if again, same := refs(t, s, "shop_bot", ""); again != id || same != unique {
		t.Errorf("the same file again is %s %s, want %s %s", again, same, id, unique)
	}
	if named, same := refs(t, s, "shop_bot", "file_name=b.pdf"); named == id || same != unique {
		t.Errorf("equal bytes of another name are %s %s, were %s %s", named, same, id, unique)
	}
	if foreign, same := refs(t, s, "other_bot", ""); foreign == id || same != unique {
		t.Errorf("another bot sees %s %s, want another id and the same unique id than %s %s", foreign, same, id, unique)
	}
	uploads(t, s, "document", params{"account": "shop_bot", "person": "Ann"}, map[string]string{"file": "other bytes"})
	d := news(t, s)[0]["message"].(object)["document"].(object)
	if d["file_unique_id"] == unique {
		t.Error("other bytes have the same unique id")
	}
}

func TestFilesAreForgotten(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{FileSize: 100_000})
	send := func(n int) string {
		uploads(t, s, "document", nil, map[string]string{"file": strings.Repeat(strconv.Itoa(n), 30_000)})
		return fileID(one(t, s, "message"), "document")
	}
	first := send(1)
	second := send(2)
	fetchFile(t, s, first) // used last
	for range 50 {
		aFile(t, s, "") // equal files are kept once
	}
	send(3)
	send(4)
	if r := asks(s, token, "getFile", "file_id="+first); !r.OK {
		t.Errorf("a file in use is gone: %s", r.Description)
	}
	asks(s, token, "getFile", "file_id="+second).refused(t, 400, "Bad Request: wrong file_id or the file is temporarily unavailable")
	uploads(t, s, "document", nil, map[string]string{"file": strings.Repeat("5", 200_000)})
	if _, data := fetchFile(t, s, fileID(one(t, s, "message"), "document")); len(data) != 200_000 {
		t.Errorf("the newest file has %d bytes", len(data))
	}
	asks(s, token, "getFile", "file_id="+first).refused(t, 400, "Bad Request: wrong file_id or the file is temporarily unavailable")
}

// encoded is a grey picture.
func encoded(t *testing.T, w, h int, encode func(io.Writer, image.Image) error) string {
	t.Helper()
	var out bytes.Buffer
	if err := encode(&out, image.NewGray(image.Rect(0, 0, w, h))); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestSizesOfPhotosSaid(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{})
	tests := []struct {
		w, h int
		want [][2]float64
	}{
		{1, 1, [][2]float64{{1, 1}}},
		{100, 100, [][2]float64{{100, 100}}},
		{2000, 1000, [][2]float64{{100, 50}, {320, 160}, {800, 400}, {1280, 640}, {2000, 1000}}},
		{10, 1000, [][2]float64{{1, 100}, {3, 320}, {8, 800}, {10, 1000}}},
	}
	for _, tt := range tests {
		given := encoded(t, tt.w, tt.h, png.Encode)
		uploads(t, s, "photo", nil, map[string]string{"file": given})
		m := one(t, s, "message")
		sizes := m["photo"].([]any)
		if len(sizes) != len(tt.want) {
			t.Fatalf("%d×%d has %d sizes, want %d", tt.w, tt.h, len(sizes), len(tt.want))
		}
		for i, size := range sizes {
			o := size.(object)
			_, data := fetchFile(t, s, o["file_id"].(string))
			c, _, err := image.DecodeConfig(bytes.NewReader(data))
			if err != nil || o["width"] != tt.want[i][0] || o["height"] != tt.want[i][1] || float64(c.Width) != tt.want[i][0] || float64(c.Height) != tt.want[i][1] {
				t.Errorf("%d×%d: size %d is %v, and the file %d×%d %v, want %v", tt.w, tt.h, i, o, c.Width, c.Height, err, tt.want[i])
			}
		}
		if _, data := fetchFile(t, s, fileID(m, "photo")); string(data) != given {
			t.Errorf("the largest size is not what was sent")
		}
	}
}

func TestDownloadFaults(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{})
	path, whole := fetchFile(t, s, aFile(t, s, ""))
	server := httptest.NewServer(s)
	defer server.Close()
	get := func(kind simulator.FaultKind) (int, int64, []byte, error) {
		must(s.Faults().Add(simulator.Fault{Kind: kind, Method: "download", Account: "123456789", Status: 503, DelayMS: 10}))(t)
		res, err := server.Client().Get(server.URL + "/file/bot" + token + "/" + path)
		if err != nil {
			return 0, 0, nil, err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
		return res.StatusCode, res.ContentLength, body, err
	}
	half := whole[:len(whole)/2]
	tests := []struct {
		kind   simulator.FaultKind
		status int
		body   []byte // nil: another
		length int
		err    error
	}{
		{"status", 503, nil, -2, nil}, {"html", 502, nil, -2, nil}, {"late", 200, whole, len(whole), nil},
		{"cut_body", 200, half, len(whole), io.ErrUnexpectedEOF}, {"short", 200, half, len(half), nil},
		{"long", 200, append(bytes.Clone(whole), whole...), 2 * len(whole), nil}, {"trickle", 200, whole, len(whole), nil},
		{"endless", 200, bytes.Repeat(whole, 1<<20/len(whole)+1)[:1<<20], -1, nil}, {"cut_before", 0, nil, -2, io.EOF},
	}
	for _, tt := range tests {
		status, length, body, err := get(tt.kind)
		if status != tt.status || !errors.Is(err, tt.err) || tt.err == nil && err != nil {
			t.Errorf("%s: %d %v, want %d %v", tt.kind, status, err, tt.status, tt.err)
		}
		if tt.body != nil && !bytes.Equal(body, tt.body) || tt.length != -2 && length != int64(tt.length) {
			t.Errorf("%s: %d bytes of %d, want %d of %d", tt.kind, len(body), length, len(tt.body), tt.length)
		}
		if log := s.Log().Last(1)[0]; log.Fault != tt.kind || log.Method != "download" || log.Account != "123456789" || log.Status != tt.status {
			t.Errorf("%s logged as %+v", tt.kind, log)
		}
	}
}

func TestSamplesAreWhatTheySay(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{
		"photo.jpg": "\xff\xd8\xff", "document.pdf": "%PDF-", "voice.oga": "OggS", "audio.mp3": "ID3", "video.mp4": "\x00\x00\x00\x20ftyp",
		"video_note.mp4": "\x00\x00\x00\x20ftyp", "animation.mp4": "\x00\x00\x00\x20ftyp", "sticker.webp": "RIFF", "sticker.tgs": "\x1f\x8b", "sticker.webm": "\x1aE\xdf\xa3",
	} {
		data, err := os.ReadFile("samples/" + name)
		if err != nil || !strings.HasPrefix(string(data), head) {
			t.Errorf("%s begins with %q (%v), want %q", name, data[:min(len(data), 12)], err, head)
		}
	}
}
