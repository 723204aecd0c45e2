package blob_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/blob"
)

var sampleKeys = blob.Options{AccessKey: "sample-access", SecretKey: "sample-secret"}

func TestBucketLocation(t *testing.T) {
	t.Parallel()
	const end = "?endpoint=https://host:9000"
	for _, tt := range []struct{ location, want string }{ // want "" if refused
		{"s3://files" + end, "s3://files/ at https://host:9000"},
		{"s3://files/" + end, "s3://files/ at https://host:9000"},
		{"s3://files/a/b" + end + "&region=eu-central-1&style=path", "s3://files/a/b/ at https://host:9000"},
		{"s3://files/a/" + end + "&style=host", "s3://files/a/ at https://host:9000"},
		{"s3://files?endpoint=http://127.0.0.1:9000/", "s3://files/ at http://127.0.0.1:9000"},
		{"s3://files?endpoint=https%3A%2F%2F[::1]:9000", "s3://files/ at https://[::1]:9000"},
		{"s3://files?endpoint=https://s3.eu-central-1.amazonaws.com&region=eu-central-1", "s3://files/ at https://s3.eu-central-1.amazonaws.com"},
		{"s3://", ""},
		{"s3:///prefix" + end, ""},
		{"s3://files", ""},
		{"s3://files?endpoint=", ""},
		{"s3://files?endpoint=host:9000", ""},
		{"s3://files?endpoint=ftp://host", ""},
		{"s3://files?endpoint=https://", ""},
		{"s3://files?endpoint=https://host/path", ""},
		{"s3://files?endpoint=https://sample-access:sample-secret@host", ""},
		{"s3://sample-access:sample-secret@files" + end, ""},
		{"s3://sample-access:sample-%secret@files" + end, ""},
		{"s3://files" + end + "#sample-secret", ""},
		{"s3://files" + end + "&secret=sample-secret", ""},
		{"s3://files" + end + "&endpoint=https://other", ""},
		{"s3://files" + end + "&style=odd", ""},
		{"s3://files" + end + "&region=%zz", ""},
		{"s3://files:80" + end, ""},
		{"s3://F" + end, ""},
		{"s3://files/a//b" + end, ""},
		{"s3://files/a/../b" + end, ""},
		{"s3://files/a%20b" + end, ""},
	} {
		s, err := blob.Open(tt.location, sampleKeys)
		if tt.want == "" {
			if s != nil || parley.KindOf(err) != parley.KindInvalid || strings.Contains(err.Error(), "sample") {
				t.Errorf("%s: got %v, %v; want kind invalid and no secret", tt.location, s, err)
			}
			continue
		}
		if err != nil || s.String() != tt.want {
			t.Errorf("%s: got %v, %v; want %s", tt.location, s, err, tt.want)
		}
	}
}

func TestBucketNeedsKeys(t *testing.T) {
	t.Parallel()
	for _, o := range []blob.Options{{}, {AccessKey: "a"}, {SecretKey: "s"}} {
		s, err := blob.Open("s3://files?endpoint=https://host", o)
		if s != nil || parley.KindOf(err) != parley.KindInvalid {
			t.Errorf("got %v, %v; want kind invalid", s, err)
		}
	}
}

func FuzzBucketLocation(f *testing.F) {
	f.Add("files/a?endpoint=https://host:9000&region=r&style=path")
	f.Add("k:s@files?endpoint=http://[::1]")
	f.Add("files?endpoint=%")
	f.Fuzz(func(t *testing.T, rest string) {
		s, err := blob.Open("s3://"+rest, sampleKeys)
		if (s == nil) == (err == nil) || (err != nil && parley.KindOf(err) != parley.KindInvalid) {
			t.Fatalf("got %v, %v", s, err)
		}
		if s != nil && (strings.Contains(s.String(), "sample-") || !strings.HasPrefix(s.String(), "s3://")) && !strings.Contains(rest, "sample-") {
			t.Errorf("called %s", s)
		}
	})
}

// A canned server gives every request the same answer.
type canned struct {
	status int
	body   string
	calls  atomic.Int64
}

func (c *canned) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	c.calls.Add(1)
	w.WriteHeader(c.status)
	_, _ = io.WriteString(w, c.body)
}

func errorXML(code string) string {
	return "<?xml version=\"1.0\"?>\n<Error><Code>" + code + "</Code><Message>words of the server</Message></Error>"
}

func openAt(t *testing.T, endpoint string, o blob.Options) blob.Store {
	t.Helper()
	return place{location: "s3://files?endpoint=" + endpoint, options: o}.open(t)
}

// serverErrors are answers and what becomes of them.
var serverErrors = []struct {
	status int
	code   string // "": the body is a web page
	kind   parley.Kind
	own    string // our code
	says   string
	calls  int64
}{
	{404, "NoSuchKey", parley.KindNotFound, "", "no such file", 1},
	{404, "NoSuchBucket", parley.KindInvalid, "", "create it", 1},
	{404, "", parley.KindUnavailable, "", "does not speak S3", 1},
	{403, "InvalidAccessKeyId", parley.KindInvalid, "", "secret key", 1},
	{403, "SignatureDoesNotMatch", parley.KindInvalid, "", "secret key", 1},
	{403, "AccessDenied", parley.KindInvalid, "", "ListBucket", 1},
	{403, "RequestTimeTooSkewed", parley.KindInvalid, "", "clock", 1},
	{403, "", parley.KindInvalid, "", "s3:GetObject", 1},
	{400, "AuthorizationHeaderMalformed", parley.KindInvalid, "", "region", 1},
	{301, "PermanentRedirect", parley.KindInvalid, "", "region", 1},
	{403, "SomethingNew", parley.KindInvalid, "", "access key", 1},
	{401, "SomethingNew", parley.KindInvalid, "", "access key", 1},
	{400, "SomethingNew", parley.KindInvalid, "", "see the cause", 1},
	{400, "RequestTimeout", parley.KindUnavailable, "", "later", 3},
	{412, "PreconditionFailed", parley.KindUnavailable, "", "replaced", 1},
	{429, "", parley.KindUnavailable, "", "later", 3},
	{500, "InternalError", parley.KindUnavailable, "", "later", 3},
	{503, "SlowDown", parley.KindUnavailable, "", "later", 3},
	{502, "", parley.KindUnavailable, "", "later", 3},
	{507, "XMinioStorageFull", parley.KindUnavailable, blob.CodeDiskFull, "space", 1},
	{507, "Whatever", parley.KindUnavailable, blob.CodeDiskFull, "space", 1},
	{403, "QuotaExceeded", parley.KindUnavailable, blob.CodeDiskFull, "space", 1},
}

func TestBucketErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range serverErrors {
		t.Run(fmt.Sprint(tt.status, tt.code), func(t *testing.T) {
			t.Parallel()
			answer := &canned{status: tt.status, body: "<html>words</html>"}
			if tt.code != "" {
				answer.body = errorXML(tt.code)
			}
			server := httptest.NewServer(answer)
			defer server.Close()
			s := openAt(t, server.URL, sampleKeys)
			_, err := s.Open(t.Context(), "k")
			wantKind(t, "open", err, tt.kind, tt.own)
			if !strings.Contains(parley.Reason(err), tt.says) || strings.Contains(err.Error(), "sample-") {
				t.Errorf("got %v, want a sentence with %q", err, tt.says)
			}
			if got := answer.calls.Load(); got != tt.calls {
				t.Errorf("%d requests, want %d", got, tt.calls)
			}
		})
	}
}

// TestBucketNoLength: a file of unknown length must not be taken for an empty one.
func TestBucketNoLength(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "text")
	}))
	defer server.Close()
	_, err := openAt(t, server.URL, sampleKeys).Open(t.Context(), "k")
	wantKind(t, "open", err, parley.KindUnavailable, "")
}

// TestBucketDelete: some servers say that there was nothing to delete.
func TestBucketDelete(t *testing.T) {
	t.Parallel()
	for body, kind := range map[string]parley.Kind{
		errorXML("NoSuchKey"): "", errorXML("NoSuchBucket"): parley.KindInvalid, "<html>404</html>": parley.KindUnavailable,
	} {
		server := httptest.NewServer(&canned{status: http.StatusNotFound, body: body})
		defer server.Close()
		wantKind(t, body, openAt(t, server.URL, sampleKeys).Delete(t.Context(), "k"), kind, "")
	}
}

// TestBucketUnreachable: nobody there, the wrong scheme, the wrong certificate.
func TestBucketUnreachable(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(&canned{status: 404, body: errorXML("NoSuchKey")})
	defer plain.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	_, err := openAt(t, closed.URL, sampleKeys).Open(t.Context(), "k")
	wantKind(t, "nobody", err, parley.KindUnavailable, "")
	_, err = openAt(t, "https"+strings.TrimPrefix(plain.URL, "http"), sampleKeys).Open(t.Context(), "k")
	wantKind(t, "scheme", err, parley.KindInvalid, "")
	if !strings.Contains(parley.Reason(err), "http") {
		t.Errorf("got %v", err)
	}
}

func TestBucketCertificate(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(&canned{status: 404, body: errorXML("NoSuchKey")})
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of the handshakes that are to fail
	server.StartTLS()
	defer server.Close()
	o := sampleKeys
	_, err := openAt(t, server.URL, o).Open(t.Context(), "k")
	wantKind(t, "unknown authority", err, parley.KindInvalid, "")
	if !strings.Contains(parley.Reason(err), "certificate") {
		t.Errorf("got %v", err)
	}
	o.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	write(t, o.CAFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	_, err = openAt(t, server.URL, o).Open(t.Context(), "k")
	wantKind(t, "known authority", err, parley.KindNotFound, "")
	write(t, o.CAFile, "no certificate")
	for _, file := range []string{o.CAFile, o.CAFile + ".none"} {
		o.CAFile = file
		if s, err := blob.Open("s3://files?endpoint=https://host", o); s != nil || parley.KindOf(err) != parley.KindInvalid {
			t.Errorf("%s: got %v, %v; want kind invalid", file, s, err)
		}
	}
}

// TestNoLookUps: the first request is the one that was asked for, signed for the
// region that was given, and nothing else is asked of anybody.
func TestNoLookUps(t *testing.T) {
	t.Parallel()
	seen := make(chan *http.Request, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Clone(context.Background())
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, errorXML("NoSuchKey"))
	}))
	defer server.Close()
	for query, region := range map[string]string{"": "us-east-1", "&region=elsewhere": "elsewhere"} {
		s := place{location: "s3://files/a/b?endpoint=" + server.URL + query, options: sampleKeys}.open(t)
		wantNone(t, s, "k")
		r := <-seen
		if r.Method != http.MethodGet || r.URL.String() != "/files/a/b/k" || !strings.Contains(r.Header.Get("Authorization"), "/"+region+"/s3/") {
			t.Errorf("%s %s signed %s; want GET /files/a/b/k for %s", r.Method, r.URL, r.Header.Get("Authorization"), region)
		}
	}
	if len(seen) != 0 {
		t.Errorf("%d requests more than needed", len(seen))
	}
}

// A one keeps a single object and treats conditions in its own way.
type one struct {
	text      string
	condition func(o *one) int // the answer to a conditional PUT; 0: as to any
}

func (o *one) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status := 0
	switch {
	case r.Method == http.MethodPut && r.Header.Get("If-None-Match") == "*":
		status = o.condition(o)
	case r.Method == http.MethodGet && o.text == "":
		status = http.StatusNotFound
	}
	switch {
	case status != 0:
		w.WriteHeader(status)
		_, _ = io.WriteString(w, errorXML(map[int]string{404: "NoSuchKey", 412: "PreconditionFailed", 501: "NotImplemented", 409: "ConditionalRequestConflict"}[status]))
	case r.Method == http.MethodPut:
		text, _ := io.ReadAll(r.Body)
		o.text = string(text)
	default:
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		_, _ = io.WriteString(w, o.text)
	}
}

// TestBucketID: servers differ in what they make of conditions.
func TestBucketID(t *testing.T) {
	t.Parallel()
	theirs := strings.Repeat("5", 32)
	for name, tt := range map[string]struct {
		condition func(o *one) int
		theirs    bool
	}{
		"ignored":     {func(*one) int { return 0 }, false},
		"refused":     {func(*one) int { return http.StatusNotImplemented }, false},
		"overtaken":   {func(o *one) int { o.text = theirs; return http.StatusPreconditionFailed }, true},
		"in conflict": {func(o *one) int { o.text = theirs; return http.StatusConflict }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &one{condition: tt.condition}
			server := httptest.NewServer(o)
			defer server.Close()
			s := openAt(t, server.URL, sampleKeys)
			id, err := s.ID(t.Context())
			if err != nil || len(id) != 32 || (id == theirs) != tt.theirs || strings.TrimSpace(o.text) != id {
				t.Errorf("got %q, %v; the bucket has %q", id, err, o.text)
			}
			o.text = "damaged"
			_, err = s.ID(t.Context())
			wantKind(t, "damaged", err, parley.KindInvalid, "")
		})
	}
}

// TestSilence: a connection on which nothing moves fails, and one on which
// something does lasts.
func TestSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		dial := blob.Guard(func(context.Context, string, string) (net.Conn, error) { return near, nil }, blob.Silence)
		conn, err := dial(t.Context(), "tcp", "host:1")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		start := time.Now()
		read := make(chan error, 1)
		go func() {
			_, err := conn.Read(make([]byte, 1))
			read <- err
		}()
		go func() { _, _ = io.Copy(io.Discard, far) }()
		for range 5 { // while it writes, the answer may take its time
			<-time.After(blob.Silence - time.Second)
			if _, err := conn.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want a deadline exceeded", err)
		}
		if took, want := time.Since(start), 5*(blob.Silence-time.Second)+blob.Silence; took != want {
			t.Errorf("gave up after %v, want %v", took, want)
		}
		failing := errors.New("no route")
		dial = blob.Guard(func(context.Context, string, string) (net.Conn, error) { return nil, failing }, blob.Silence)
		if conn, err := dial(t.Context(), "tcp", "host:1"); conn != nil || err != failing {
			t.Errorf("got %v, %v; want the dialer's error", conn, err)
		}
	})
}
