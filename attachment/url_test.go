package attachment

import (
	"context"
	"errors"
	"image/png"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/fetch"
)

// site is a web server of a customer.
func site(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	say := func(pattern string, f func(w http.ResponseWriter, r *http.Request)) { mux.HandleFunc(pattern, f) }
	file := func(w http.ResponseWriter, header ...string) {
		for n := 0; n < len(header); n += 2 {
			w.Header().Set(header[n], header[n+1])
		}
		_, _ = w.Write([]byte("hello"))
	}
	pixels := picture(t, png.Encode)
	say("/plain/{name}", func(w http.ResponseWriter, _ *http.Request) { file(w, "Content-Type", "text/csv; charset=utf-8") })
	say("/named", func(w http.ResponseWriter, _ *http.Request) {
		file(w, "Content-Disposition", `attachment; filename="x.txt"; filename*=UTF-8''%D0%B0%2F..%2F%D0%B1.txt`)
	})
	say("/word", func(w http.ResponseWriter, _ *http.Request) {
		file(w, "Content-Disposition", `attachment; filename="=?UTF-8?B?0LAucGRm?="`)
	})
	say("/lies", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(pixels))
	})
	for n, to := range map[string]string{"/hop1": "/plain/end.txt", "/hop2": "/hop1", "/hop3": "/hop2", "/hop4": "/hop3", "/away": "http://10.1.2.3/a", "/file": "file:///etc/passwd"} {
		say(n, http.RedirectHandler(to, http.StatusFound).ServeHTTP)
	}
	say("/created", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated); file(w) })
	say("/empty", func(http.ResponseWriter, *http.Request) {})
	say("/large", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "1000"); file(w) })
	say("/endless", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write(make([]byte, 100))
		}
	})
	say("/short", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "9"); file(w) })
	say("/silent", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	say("/stalls", func(w http.ResponseWriter, r *http.Request) {
		file(w)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func urlRig(t *testing.T, o fetch.Options) *rig {
	t.Helper()
	o.Name, o.Redirects = "file_url", 3
	targets, err := fetch.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(targets.Close)
	return newRig(func(c *Config) { c.Targets, c.MaxSize, c.URLTimeout = targets, 500, 30*time.Second })
}

func TestUploadURL(t *testing.T) {
	t.Parallel()
	s := site(t)
	for _, tt := range []struct {
		path string
		q    UploadRequest
		want parley.Attachment
	}{
		{"/plain/a%20b.csv?sig=%2Fx.txt", UploadRequest{}, parley.Attachment{Kind: parley.FileDocument, Name: "a b.csv", Type: "text/csv", Size: 5}},
		{"/plain/..%2F..%2Fpasswd", UploadRequest{}, parley.Attachment{Kind: parley.FileDocument, Name: "passwd", Type: "text/csv", Size: 5}},
		{"/plain/a", UploadRequest{Name: "mine.txt", Type: "text/plain", Voice: yes}, parley.Attachment{Kind: parley.FileVoice, Name: "mine.txt", Type: "text/plain", Size: 5}},
		{"/named", UploadRequest{}, parley.Attachment{Kind: parley.FileDocument, Name: "б.txt", Type: "text/plain", Size: 5}},
		{"/word", UploadRequest{}, parley.Attachment{Kind: parley.FileDocument, Name: "а.pdf", Type: "text/plain", Size: 5}},
		{"/lies", UploadRequest{}, parley.Attachment{Kind: parley.FilePhoto, Name: "lies", Type: "image/png", Width: 40, Height: 30}},
		{"/hop3", UploadRequest{}, parley.Attachment{Kind: parley.FileDocument, Name: "hop3", Type: "text/csv", Size: 5}},
	} {
		t.Run(tt.path, func(t *testing.T) {
			t.Parallel()
			r := urlRig(t, fetch.Options{AllowLoopback: true})
			got, err := r.UploadURL(t.Context(), tt.q, s.URL+tt.path)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want.Size == 0 {
				got.Size = 0
			}
			tt.want.ID, tt.want.State, tt.want.SHA256 = 1000, parley.AttachmentReady, sumOf(string(r.blobs.bytes[got.Blob]))
			if d := cmp.Diff(tt.want, got, untimed); d != "" {
				t.Error(d)
			}
			if len(r.blobs.bytes[got.Blob]) == 0 || r.watcher.uploads["stored"] != 1 {
				t.Errorf("observed %v", r.watcher.uploads)
			}
			if strings.Contains(r.log.String(), "plain/") {
				t.Errorf("log: %s", r.log)
			}
		})
	}
}

// TestUploadURLRefused: whatever is wrong with an address is the customer's to
// know, and names no more of it than the host.
func TestUploadURLRefused(t *testing.T) {
	t.Parallel()
	s := site(t)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	private := "file_url points to a private address; the operator allows it with --allow-private-targets"
	for _, tt := range []struct {
		name, address string
		guarded       bool
		message       string
	}{
		{"not there", s.URL + "/nothing", false, "file_url answered 404"},
		{"not quite there", s.URL + "/created", false, "file_url answered 201"},
		{"no redirects left", s.URL + "/hop4", false, "more than 3 redirects"},
		{"redirect to a private address", s.URL + "/away", false, private},
		{"redirect to a file", s.URL + "/file", false, "the URL needs http or https and a host"},
		{"private address", s.URL + "/plain/a", true, private},
		{"private name", strings.Replace(s.URL, "127.0.0.1", "localhost", 1) + "/plain/a", true, private},
		{"empty", s.URL + "/empty", false, "file is empty"},
		{"says too much", s.URL + "/large", false, "file is larger than 500 bytes"},
		{"sends too much", s.URL + "/endless", false, "file is larger than 500 bytes"},
		{"short", s.URL + "/short", false, "file_url could not be fetched: the file broke off"},
		{"nobody there", gone.URL + "/a", false, "file_url could not be fetched: no connection to 127.0.0.1"},
		{"ftp", "ftp://example.com/a", false, "file_url needs http or https and a host"},
		{"file", "file:///etc/passwd", false, "file_url needs http or https and a host"},
		{"nonsense", "http://[::1", false, "file_url needs http or https and a host"},
		{"nothing", "", false, "file_url needs http or https and a host"},
		{"no host", "http:///a", false, "file_url needs http or https and a host"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := urlRig(t, fetch.Options{AllowLoopback: !tt.guarded})
			_, err := r.UploadURL(t.Context(), UploadRequest{}, tt.address)
			if parley.KindOf(err) != parley.KindInvalid || parley.Reason(err) != tt.message {
				t.Errorf("got %v, want %q", err, tt.message)
			}
			if len(r.blobs.bytes) != 0 || len(r.rows.files) != 0 || r.watcher.uploads["invalid"] != 1 {
				t.Errorf("%d blobs, %d rows, observed %v", len(r.blobs.bytes), len(r.rows.files), r.watcher.uploads)
			}
		})
	}
}

// TestUploadURLSlow: the exchange has its time, whatever it does with it.
func TestUploadURLSlow(t *testing.T) {
	t.Parallel()
	s := site(t)
	for _, path := range []string{"/silent", "/stalls"} {
		r := urlRig(t, fetch.Options{AllowLoopback: true})
		r.cfg.URLTimeout = 100 * time.Millisecond
		_, err := r.UploadURL(t.Context(), UploadRequest{}, s.URL+path)
		if parley.KindOf(err) != parley.KindInvalid || parley.Reason(err) != "file_url took longer than 0.1 s" || len(r.blobs.bytes) != 0 {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

// TestUploadURLOurFault: our own store being down is not the customer's mistake,
// and a caller that went away is no failure.
func TestUploadURLOurFault(t *testing.T) {
	t.Parallel()
	s := site(t)
	r := urlRig(t, fetch.Options{AllowLoopback: true})
	r.blobs.down = errPlain
	if _, err := r.UploadURL(t.Context(), UploadRequest{}, s.URL+"/plain/a"); parley.KindOf(err) != parley.KindUnavailable {
		t.Errorf("no blob store: got %v", err)
	}
	r.blobs.down, r.rows.down = nil, unavailable()
	if _, err := r.UploadURL(t.Context(), UploadRequest{}, s.URL+"/plain/a"); parley.KindOf(err) != parley.KindUnavailable || len(r.blobs.bytes) != 0 {
		t.Errorf("no database: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.UploadURL(ctx, UploadRequest{}, s.URL+"/silent"); !errors.Is(err, context.Canceled) || parley.KindOf(err) != parley.KindInvalid {
		t.Errorf("caller gone: got %v", err)
	}
}
