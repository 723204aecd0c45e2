package api

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/params"
	"github.com/parley-im/parley/seal"
)

const (
	uploadPath = onCV + "/messages/attachments"
	postUpload = "POST " + uploadPath
)

// upload posts parts to the tenant's conversation.
func (n *tenant) upload(tb testing.TB, parts ...part) reply {
	tb.Helper()
	return n.do(tb, request{line: postUpload, body: string(multipartOf(parts...)), header: multipartHeader})
}

// photo uploads a small picture and returns its id.
func (n *tenant) photo(tb testing.TB) int64 {
	tb.Helper()
	return n.upload(tb, part{"file", "image.png", "image/png", "PNG"}).expect(tb, "ok").id(tb)
}

// kept returns what was stored for the tenant's conversation.
func (n *tenant) kept() []keptFile { return n.files.of(n.ids["CV"]) }

// serve lets the server answer an upload without a network between.
func (n *tenant) serve(path string, body io.Reader, w http.ResponseWriter) {
	r := httptest.NewRequest(http.MethodPost, n.fill(path), body)
	r.Header.Set("Content-Type", strings.TrimPrefix(multipartHeader, "Content-Type: "))
	r.Header.Set("X-Private-Api-Token", n.token)
	n.server.ServeHTTP(w, r)
}

// TestUpload: what reaches the service of an upload that is in order.
func TestUpload(t *testing.T) {
	t.Parallel()
	type seen struct {
		Name, Type string
		Size       int64
		Voice      bool
	}
	file := part{"file", "a.ogg", "audio/ogg", "OggS"}
	yes := part{field: "push_to_talk", content: "true"}
	g := newGateway(t, openSQLite(t))
	for _, tt := range []struct {
		name  string
		query string
		parts []part
		want  seen
	}{
		{"plain", "", []part{file}, seen{"a.ogg", "audio/ogg", 4, false}},
		{"push_to_talk before", "", []part{yes, file}, seen{"a.ogg", "audio/ogg", 4, true}},
		{"push_to_talk after", "", []part{file, yes}, seen{"a.ogg", "audio/ogg", 4, true}},
		{"push_to_talk in the query", "?push_to_talk=1", []part{file}, seen{"a.ogg", "audio/ogg", 4, true}},
		{"push_to_talk refused", "", []part{file, {field: "push_to_talk", content: "0"}}, seen{"a.ogg", "audio/ogg", 4, false}},
		{"file_url left empty", "", []part{{field: "file_url"}, file, {field: "file_url"}}, seen{"a.ogg", "audio/ogg", 4, false}},
		{"neither type nor unknown fields matter", "", []part{{field: "x", content: "1"}, {"file", "a", "", "x"}}, seen{"a", "", 1, false}},
		{"a path of Unix", "", []part{{"file", "../../etc/passwd", "", "x"}}, seen{"passwd", "", 1, false}},
		{"a path of Windows", "", []part{{"file", `C:\\dir\\..\\evil.exe`, "", "x"}}, seen{"evil.exe", "", 1, false}},
		{"nothing but a path", "", []part{{"file", "../..", "", "x"}}, seen{"file", "", 1, false}},
		{"Cyrillic and quotes", "", []part{{"file", `счёт \"1\".pdf`, "", "x"}}, seen{`счёт "1".pdf`, "", 1, false}},
		{"a boundary within the file", "", []part{{"file", "a", "", "x\r\n--parley tes\r\ny"}}, seen{"a", "", 18, false}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := g.full(t)
			got := n.do(t, request{line: postUpload + tt.query, body: string(multipartOf(tt.parts...)), header: multipartHeader}).expect(t, "ok")
			want := fmt.Sprintf(`{"status":"ok","data":{"external_id":%d}}`, got.id(t))
			if got.text != want {
				t.Errorf("got %s, want %s", got.text, want)
			}
			kept := n.kept()
			if len(kept) != 1 || int64(kept[0].id) != got.id(t) || kept[0].Company != n.company || int64(kept[0].Channel) != n.ids["WA"] {
				t.Fatalf("got %+v", kept)
			}
			k := kept[0]
			if diff := cmp.Diff(tt.want, seen{k.Name, k.Type, k.size, k.voice}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestUploadRefused: what is not in order is a 400 that says why, and stores
// nothing.
func TestUploadRefused(t *testing.T) {
	t.Parallel()
	file := part{"file", "a", "", "x"}
	g := newGateway(t, openSQLite(t), func(c *Config) { c.MaxBody = 4 << 10 })
	g.files.limit = 1 << 20
	large := strings.Repeat("x", 32<<10)
	for _, tt := range []struct {
		name  string
		parts []part
		want  string
	}{
		{"neither", []part{{field: "push_to_talk", content: "1"}}, "400 file file_url required"},
		{"nothing at all", nil, "400 file file_url required"},
		{"both", []part{file, {field: "file_url", content: "http://example.org/a"}}, "400 file_url given"},
		{"both, the other way round", []part{{field: "file_url", content: "http://example.org/a"}, file}, "400 file_url given"},
		{"two files", []part{file, file}, "400 file one"},
		{"a second file in another field", []part{file, {"picture", "b", "", "x"}}, "400 file one"},
		{"another field", []part{{"picture", "a", "", "x"}}, "400 file name"},
		{"another field first", []part{{"picture", "a", "", "x"}, file}, "400 file name"},
		{"nested field", []part{{"file[]", "a", "", "x"}}, "400 file name"},
		{"a file as file_url", []part{{"file_url", "a", "", "http://example.org/"}}, "400 file name"},
		{"no file name", []part{{field: "file", content: "bytes"}}, "400 file name"},
		{"push_to_talk is neither", []part{file, {field: "push_to_talk", content: "maybe"}}, "400 push_to_talk"},
		{"several faults", []part{file, {field: "push_to_talk", content: "maybe"}, {field: "file_url", content: "http://example.org/a"}}, "400 push_to_talk file_url"},
		{"empty", []part{{"file", "a", "", ""}}, "400 file empty"},
		{"too large", []part{{"file", "a", "", strings.Repeat("x", 1<<20+1)}}, "400 file large"},
		{"a field before is too large", []part{{field: "x", content: large}, file}, "400 large 4096"},
		{"a field after is too large", []part{file, {field: "x", content: large}}, "400 large 4096"},
		{"NUL in the name", []part{{"file", "a\x00.png", "", "x"}}, "400 multipart"},
		{"file name of invalid UTF-8", []part{{"file", "\xff", "", "x"}}, "400 UTF-8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := g.full(t)
			w := httptest.NewRecorder()
			n.serve(uploadPath, bytes.NewReader(multipartOf(tt.parts...)), w)
			read(w).expect(t, tt.want)
			if kept := n.kept(); len(kept) != 0 {
				t.Errorf("stored %+v", kept)
			}
		})
	}
}

// read makes a reply of what was recorded.
func read(w *httptest.ResponseRecorder) reply {
	got := reply{code: w.Code, header: w.Header(), text: w.Body.String()}
	_ = json.Unmarshal(w.Body.Bytes(), &got.body) // checked where it matters
	return got
}

// TestUploadBrokenOff cuts an upload at every byte: only the whole is stored.
func TestUploadBrokenOff(t *testing.T) {
	t.Parallel()
	n := newGateway(t, openSQLite(t)).full(t)
	body := multipartOf(part{"file", "a", "text/plain", "content"}, part{field: "push_to_talk", content: "1"})
	whole := len(body) - len("\r\n")
	for cut := 1; cut < whole; cut++ {
		w := httptest.NewRecorder()
		n.serve(uploadPath, bytes.NewReader(body[:cut]), w)
		if w.Code != http.StatusBadRequest {
			t.Errorf("%d of %d bytes: got %d %s", cut, whole, w.Code, w.Body)
		}
	}
	if kept := n.kept(); len(kept) != 0 {
		t.Fatalf("stored %+v", kept)
	}
	w := httptest.NewRecorder()
	n.serve(uploadPath, bytes.NewReader(body[:whole]), w)
	if read(w).expect(t, "ok"); len(n.kept()) != 1 {
		t.Errorf("stored %+v", n.kept())
	}
}

// TestUploadHangUp lets a client go away in the middle of its file.
func TestUploadHangUp(t *testing.T) {
	t.Parallel()
	n := newGateway(t, openSQLite(t)).full(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(n.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	body := multipartOf(part{"file", "a", "", strings.Repeat("x", 1<<20)})
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: gateway\r\nX-Private-Api-Token: %s\r\n%s\r\nContent-Length: %d\r\n\r\n%s",
		n.fill(uploadPath), n.token, multipartHeader, len(body), body[:len(body)/2])
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-n.files.done; !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the service was told %v", err)
	}
	if kept := n.kept(); len(kept) != 0 {
		t.Errorf("stored %+v", kept)
	}
}

// TestUploadExpect sends 1.5 MB to a server that has to say 100 Continue first.
func TestUploadExpect(t *testing.T) {
	t.Parallel()
	n := newGateway(t, openSQLite(t)).full(t)
	content := strings.Repeat("0123456789abcdef", 3<<15)
	body := multipartOf(part{"file", "a.bin", "", content})
	conn, err := net.Dial("tcp", strings.TrimPrefix(n.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: gateway\r\nX-Private-Api-Token: %s\r\nExpect: 100-continue\r\n%s\r\nContent-Length: %d\r\n\r\n",
		n.fill(uploadPath), n.token, multipartHeader, len(body))
	answers := bufio.NewReader(conn)
	if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("before the body: %q, %v", line, err)
	}
	_, _ = answers.ReadString('\n')
	if _, err := conn.Write(body); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	want := sha256.Sum256([]byte(content))
	if kept := n.kept(); resp.StatusCode != http.StatusOK || len(kept) != 1 || !bytes.Equal(kept[0].sum, want[:]) {
		t.Errorf("got %d, stored %+v", resp.StatusCode, kept)
	}
}

// A source is a large file that is made while it is read.
type source struct{ left, given int64 }

func (s *source) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), s.left)
	clear(p[:n])
	s.left -= n
	s.given += n
	return int(n), nil
}

// TestUploadStreams: of 64 MiB never more than a buffer is ahead of the service,
// and memory is not taken for them. It runs alone, because it measures memory.
func TestUploadStreams(t *testing.T) {
	const size, ahead, memory = 64 << 20, 64 << 10, 8 << 20
	n := newGateway(t, openSQLite(t)).full(t)
	body := multipartOf(part{"file", "a.bin", "", "SPLIT"}, part{field: "push_to_talk", content: "1"})
	head, tail, _ := bytes.Cut(body, []byte("SPLIT"))
	src := &source{left: size}
	var most int64
	n.files.taken = func(total int64) { most = max(most, src.given-total) }
	w := httptest.NewRecorder()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n.serve(uploadPath, io.MultiReader(bytes.NewReader(head), src, bytes.NewReader(tail)), w)
	runtime.ReadMemStats(&after)
	read(w).expect(t, "ok")
	if kept := n.kept(); len(kept) != 1 || kept[0].size != size || !kept[0].voice {
		t.Errorf("stored %+v", kept)
	}
	if most > ahead {
		t.Errorf("%d bytes were read ahead, want at most %d", most, ahead)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > memory {
		t.Errorf("%d bytes of memory were taken, want at most %d", took, memory)
	}
}

// unread is a body that nobody may read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.ErrUnexpectedEOF
}

// TestUploadChecks: whatever can be refused without the body is refused without
// it.
func TestUploadChecks(t *testing.T) {
	t.Parallel()
	g := newGateway(t, openSQLite(t))
	n, other, gone, mute := g.full(t), g.full(t), g.full(t), newGateway(t, g.db, func(c *Config) { c.Files = nil }).full(t)
	gone.do(t, request{line: "DELETE " + channelsPath + "/{WA}"}).expect(t, "deleted")
	stranger := *n
	stranger.token = seal.NewToken()
	nobody := *n
	nobody.token = ""
	for _, tt := range []struct {
		name, path string
		by         *tenant
		want       string
	}{
		{"no token", uploadPath, &nobody, "401 token"},
		{"unknown token", uploadPath, &stranger, "401 token"},
		{"another's company", other.fill(uploadPath), n, "404 Company"},
		{"another's conversation", strings.ReplaceAll(uploadPath, "{CV}", fmt.Sprint(other.ids["CV"])), n, "404 Conversation"},
		{"deleted channel", uploadPath, gone, "400 channel deleted"},
		{"no files here", uploadPath, mute, "400 files"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			tt.by.serve(tt.path, unread{t}, w)
			read(w).expect(t, tt.want)
		})
	}
	w := httptest.NewRecorder()
	nobody.serve(uploadPath, bytes.NewReader(multipartOf(part{field: params.TokenParameter, content: n.token}, part{"file", "a", "", "x"})), w)
	read(w).expect(t, "401 No token")
	n.do(t, request{line: "GET " + uploadPath}).expect(t, "405")
}

// TestUploadFails: a failure of the service is its own, and one of the client is
// the client's, whatever the service makes of it.
func TestUploadFails(t *testing.T) {
	t.Parallel()
	g := newGateway(t, openSQLite(t))
	n := g.full(t)
	for want, err := range map[string]error{
		"503 Unavailable": parley.Errorf(parley.KindUnavailable, "disk is full"),
		"500 Internal":    errors.New("/var/secret: no such file"),
		"400 refused":     parley.Errorf(parley.KindInvalid, "it is refused"),
	} {
		g.files.fail = err
		n.upload(t, part{"file", "a", "", "x"}).expect(t, want)
		n.post(t, uploadPath, "file_url=http://example.org/").expect(t, want)
		if want[0] == '5' {
			n.upload(t, part{"file", "a", "", "x"}, part{field: "push_to_talk", content: "maybe"}).expect(t, "400 push_to_talk")
		}
	}
	if kept := n.kept(); len(kept) != 0 {
		t.Errorf("stored %+v", kept)
	}
}

// A clocked writer notes the time limits that it is given.
type clocked struct {
	*httptest.ResponseRecorder
	limits []time.Time
}

func (c *clocked) SetReadDeadline(at time.Time) error {
	c.limits = append(c.limits, at)
	return nil
}

// TestUploadPatience: an upload may take its time as long as it comes, and has no
// time limit once all of it is here.
func TestUploadPatience(t *testing.T) {
	t.Parallel()
	w := &clocked{ResponseRecorder: httptest.NewRecorder()}
	n := newGateway(t, openSQLite(t)).full(t)
	begun := time.Now()
	n.serve(uploadPath, bytes.NewReader(multipartOf(part{"file", "a", "", "x"})), w)
	read(w.ResponseRecorder).expect(t, "ok")
	if len(w.limits) != 2 || w.limits[0].Before(begun.Add(uploadStall)) || !w.limits[1].IsZero() {
		t.Errorf("got %v, begun %v", w.limits, begun)
	}

	c := &clocked{ResponseRecorder: httptest.NewRecorder()}
	p := newPatience(c)
	p.last = begun.Add(uploadStall + 8*time.Second)
	for _, after := range []time.Duration{0, 1, 6, 10, 12} {
		p.extend(begun.Add(after * time.Second))
	}
	want := []time.Time{begun.Add(uploadStall), begun.Add(uploadStall + 6*time.Second), p.last}
	if diff := cmp.Diff(want, c.limits); diff != "" {
		t.Error(diff)
	}
}
