package attachment

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
)

// ready puts a file with bytes into the rig.
func (r *rig) ready(a parley.Attachment, bytes string) parley.Attachment {
	a.ID, a.State, a.Token, a.Blob, a.Size = 17, parley.AttachmentReady, "the-token_of-it", "17-key", int64(len(bytes))
	r.rows.files[17] = a
	r.blobs.bytes[a.Blob] = []byte(bytes)
	return a
}

func (r *rig) get(method, target string, header ...string) *http.Response {
	q := httptest.NewRequest(method, target, nil)
	for n := 0; n < len(header); n += 2 {
		q.Header.Set(header[n], header[n+1])
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, q)
	return w.Result()
}

// shape writes an answer's status and header, one line each, sorted.
func shape(resp *http.Response) string {
	lines := []string{strconv.Itoa(resp.StatusCode)}
	for key, values := range resp.Header {
		for _, value := range values {
			lines = append(lines, key+": "+value)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n"
}

func body(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const safety = `Content-Security-Policy: sandbox; default-src 'none'
`

// TestServe: the whole of what is answered, header by header.
func TestServe(t *testing.T) {
	t.Parallel()
	photo := parley.Attachment{Kind: parley.FilePhoto, Name: "a.jpg", Type: "image/jpeg"}
	const path = "/files/17-the-token_of-it.jpg"
	const etag = `"2203cade598d0b5036a744d4"`
	common := "Accept-Ranges: bytes\nCache-Control: private, max-age=31536000, immutable\n"
	named := "Content-Disposition: inline; filename=\"a.jpg\"\n"
	for _, tt := range []struct {
		name, method, path string
		header             []string
		want, body         string
	}{
		{"whole", "GET", path, nil, "200\n" + common + named + "Content-Length: 10\n" + safety + "Content-Type: image/jpeg\nEtag: " + etag + "\nX-Content-Type-Options: nosniff\n", "0123456789"},
		{"without extension", "GET", "/files/17-the-token_of-it", nil, "200\n" + common + named + "Content-Length: 10\n" + safety + "Content-Type: image/jpeg\nEtag: " + etag + "\nX-Content-Type-Options: nosniff\n", "0123456789"},
		{"head", "HEAD", path, nil, "200\n" + common + named + "Content-Length: 10\n" + safety + "Content-Type: image/jpeg\nEtag: " + etag + "\nX-Content-Type-Options: nosniff\n", ""},
		{"part", "GET", path, []string{"Range", "bytes=2-4"}, "206\n" + common + named + "Content-Length: 3\nContent-Range: bytes 2-4/10\n" + safety + "Content-Type: image/jpeg\nEtag: " + etag + "\nX-Content-Type-Options: nosniff\n", "234"},
		{"end", "GET", path, []string{"Range", "bytes=-2", "If-Range", etag}, "206\n" + common + named + "Content-Length: 2\nContent-Range: bytes 8-9/10\n" + safety + "Content-Type: image/jpeg\nEtag: " + etag + "\nX-Content-Type-Options: nosniff\n", "89"},
		{"part of another", "GET", path, []string{"Range", "bytes=2-4", "If-Range", `"x"`}, "200\n" + common + named + "Content-Length: 10\n" + safety + "Content-Type: image/jpeg\nEtag: " + etag + "\nX-Content-Type-Options: nosniff\n", "0123456789"},
		{"known", "GET", path, []string{"If-None-Match", etag}, "304\nCache-Control: private, max-age=31536000, immutable\n" + named + safety + "Etag: " + etag + "\nX-Content-Type-Options: nosniff\n", ""},
		{"no such part", "GET", path, []string{"Range", "bytes=10-"}, "416\nCache-Control: no-store\nContent-Length: 99\nContent-Range: bytes */10\n" + safety + "Content-Type: application/json; charset=utf-8\nX-Content-Type-Options: nosniff\n",
			`{"status":"errored","errors":["There is no such part of the file"],"code":"range_not_satisfiable"}` + "\n"},
		{"post", "POST", path, nil, "405\nAllow: GET, HEAD\nCache-Control: no-store\nContent-Length: 81\n" + safety + "Content-Type: application/json; charset=utf-8\nX-Content-Type-Options: nosniff\n",
			`{"status":"errored","errors":["Method not allowed"],"code":"method_not_allowed"}` + "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig()
			r.ready(photo, "0123456789")
			resp := r.get(tt.method, tt.path, tt.header...)
			lines := strings.Split(strings.TrimSuffix(tt.want, "\n"), "\n")
			slices.Sort(lines)
			got := body(t, resp)
			if d := cmp.Diff(strings.Join(lines, "\n")+"\n", shape(resp)); d != "" {
				t.Error(d)
			}
			if got != tt.body || r.watcher.served[resp.StatusCode] != 1 {
				t.Errorf("body %q, want %q; observed %v", got, tt.body, r.watcher.served)
			}
		})
	}
}

// TestServeTypes: nothing that a browser runs is ever shown in place.
func TestServeTypes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ told, want, kind string }{
		{"image/jpeg", "image/jpeg", "inline"}, {"image/png", "image/png", "inline"}, {"image/webp", "image/webp", "inline"},
		{"audio/ogg", "audio/ogg", "inline"}, {"audio/ogg; codecs=opus", "audio/ogg", "inline"}, {"video/mp4", "video/mp4", "inline"},
		{"application/pdf", "application/pdf", "inline"}, {"text/plain", "text/plain; charset=utf-8", "inline"}, {"TEXT/PLAIN; charset=x", "text/plain; charset=utf-8", "inline"},
		{"image/svg+xml", "application/octet-stream", "attachment"}, {"text/html", "application/octet-stream", "attachment"},
		{"application/xhtml+xml", "application/octet-stream", "attachment"}, {"text/xml", "application/octet-stream", "attachment"},
		{"application/javascript", "application/octet-stream", "attachment"}, {"text/css", "application/octet-stream", "attachment"},
		{"multipart/x-mixed-replace", "application/octet-stream", "attachment"}, {"image/jpeg\r\nX: y", "application/octet-stream", "attachment"},
		{"", "application/octet-stream", "attachment"}, {"nonsense", "application/octet-stream", "attachment"},
	} {
		r := newRig()
		r.ready(parley.Attachment{Type: tt.told, Name: "n"}, "x")
		h := r.get("GET", "/files/17-the-token_of-it").Header
		if h.Get("Content-Type") != tt.want || h.Get("Content-Disposition") != tt.kind+`; filename="n"` || len(h["X"]) != 0 {
			t.Errorf("%q: got %q", tt.told, h)
		}
	}
}

// TestServeRefused: what is answered instead of a file.
func TestServeRefused(t *testing.T) {
	t.Parallel()
	state := func(s parley.AttachmentState, next time.Duration) func(*rig) {
		return func(r *rig) {
			a := r.rows.files[17]
			a.State, a.Reason, a.NextAt = s, "larger than the limit of 64 MiB", r.cfg.Now().Add(next)
			r.rows.files[17] = a
		}
	}
	nothing := func(*rig) {}
	const path = "/files/17-the-token_of-it.jpg"
	for _, tt := range []struct {
		name, path string
		with       func(*rig)
		status     int
		code, text string
		retry      string
		logged     bool
	}{
		{"unknown", "/files/18-the-token_of-it", nothing, 404, "not_found", "File not found", "", false},
		{"wrong token", "/files/17-the-token_of-ix", nothing, 404, "not_found", "File not found", "", false},
		{"part of the token", "/files/17-the-token_of-i", nothing, 404, "not_found", "File not found", "", false},
		{"more than the token", "/files/17-the-token_of-itt", nothing, 404, "not_found", "File not found", "", false},
		{"no token", "/files/17-", nothing, 404, "not_found", "File not found", "", false},
		{"row without token", "/files/17-x", func(r *rig) { r.rows.files[17] = parley.Attachment{State: parley.AttachmentReady} }, 404, "not_found", "File not found", "", false},
		{"no number", "/files/x", nothing, 404, "not_found", "File not found", "", false},
		{"nothing", "/files/", nothing, 404, "not_found", "File not found", "", false},
		{"deeper", "/files/17-the-token_of-it/x", nothing, 404, "not_found", "File not found", "", false},
		{"pending now", path, state(parley.AttachmentPending, -time.Hour), 503, "unavailable", "The file has not been fetched yet", "1", false},
		{"pending soon", path, state(parley.AttachmentPending, 2500*time.Millisecond), 503, "unavailable", "The file has not been fetched yet", "3", false},
		{"pending later", path, state(parley.AttachmentPending, time.Hour), 503, "unavailable", "The file has not been fetched yet", "30", false},
		{"pending, wrong token", "/files/17-x", state(parley.AttachmentPending, 0), 404, "not_found", "File not found", "", false},
		{"failed", path, state(parley.AttachmentFailed, 0), 410, "gone", "The file could not be fetched: larger than the limit of 64 MiB", "", false},
		{"failed, wrong token", "/files/17-x", state(parley.AttachmentFailed, 0), 404, "not_found", "File not found", "", false},
		{"blob missing", path, func(r *rig) { r.blobs.bytes = nil }, 500, "internal_error", "Internal Server Error", "", true},
		{"blob damaged", path, func(r *rig) { r.blobs.bytes["17-key"] = []byte("less") }, 500, "internal_error", "Internal Server Error", "", true},
		{"blob store broken", path, func(r *rig) { r.blobs.down = errPlain }, 500, "internal_error", "Internal Server Error", "", true},
		{"blob store down", path, func(r *rig) { r.blobs.down = unavailable() }, 503, "unavailable", "Service Unavailable", "1", true},
		{"database down", path, func(r *rig) { r.rows.down = unavailable() }, 503, "unavailable", "Service Unavailable", "1", true},
		{"database broken", path, func(r *rig) { r.rows.down = errPlain }, 500, "internal_error", "Internal Server Error", "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			now := time.Unix(1_800_000_000, 0)
			r := newRig(func(c *Config) { c.Now = func() time.Time { return now } })
			r.ready(parley.Attachment{Name: "a.jpg", Type: "image/jpeg"}, "0123456789")
			tt.with(r)
			resp := r.get("GET", tt.path)
			var got struct {
				Status string
				Errors []string
				Code   string
			}
			text := body(t, resp)
			if err := json.Unmarshal([]byte(text), &got); err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tt.status || got.Status != "errored" || len(got.Errors) != 1 || got.Errors[0] != tt.text || got.Code != tt.code {
				t.Errorf("got %d %s", resp.StatusCode, text)
			}
			h := resp.Header
			if h.Get("Retry-After") != tt.retry || h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" ||
				h.Get("Content-Length") != fmt.Sprint(len(text)) || h.Get("Etag") != "" || h.Get("Content-Disposition") != "" || h.Get("Content-Type") != "application/json; charset=utf-8" {
				t.Errorf("header %v", h)
			}
			if logged := strings.Contains(r.log.String(), "file not served"); logged != tt.logged || strings.Contains(r.log.String(), "the-token") {
				t.Errorf("log: %s", r.log)
			}
			if r.watcher.served[tt.status] != 1 {
				t.Errorf("observed %v", r.watcher.served)
			}
			if head := r.get("HEAD", tt.path); head.StatusCode != tt.status || body(t, head) != "" {
				t.Errorf("HEAD is answered %d", head.StatusCode)
			}
		})
	}
}

// TestServeReal: over a real connection, also a large file and several parts.
func TestServeReal(t *testing.T) {
	t.Parallel()
	r := newRig()
	a := r.ready(parley.Attachment{Kind: parley.FileVideo, Type: "video/mp4"}, strings.Repeat("0123456789", 100_000))
	s := httptest.NewServer(r)
	defer s.Close()
	for _, tt := range []struct {
		parts  string
		status int
		length int
	}{{"", 200, 1_000_000}, {"bytes=999990-", 206, 10}, {"bytes=0-0,5-5", 206, 0}} {
		q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+a.Path(), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if tt.parts != "" {
			q.Header.Set("Range", tt.parts)
		}
		resp, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		got := body(t, resp)
		if resp.StatusCode != tt.status || tt.length > 0 && len(got) != tt.length || got == "" {
			t.Errorf("%q: got %d and %d bytes", tt.parts, resp.StatusCode, len(got))
		}
	}
}

// TestServeToNobody: a client that stops reading is cut off.
func TestServeToNobody(t *testing.T) {
	t.Parallel()
	r := newRig(func(c *Config) { c.Stall = 50 * time.Millisecond })
	a := r.ready(parley.Attachment{Kind: parley.FileVideo, Type: "video/mp4"}, strings.Repeat("0123456789", 3_000_000))
	served := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		defer close(served)
		r.ServeHTTP(w, q)
	}))
	defer s.Close()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET "+a.Path()+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-served // only because the writing was given up: nobody reads
}

// A clocked writer notes the deadlines it is given.
type clocked struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
}

func (c *clocked) SetWriteDeadline(at time.Time) error {
	c.deadlines = append(c.deadlines, at)
	return nil
}

// TestServeLeavesNoDeadline: the connection serves other requests afterwards.
func TestServeLeavesNoDeadline(t *testing.T) {
	t.Parallel()
	r := newRig()
	a := r.ready(parley.Attachment{Kind: parley.FilePhoto, Type: "image/png"}, "bytes")
	w := &clocked{ResponseRecorder: httptest.NewRecorder()}
	r.ServeHTTP(w, httptest.NewRequest(http.MethodGet, a.Path(), http.NoBody))
	if n := len(w.deadlines); n != 2 || w.deadlines[0].IsZero() || !w.deadlines[1].IsZero() {
		t.Errorf("deadlines %v, want one and its end", w.deadlines)
	}
}
