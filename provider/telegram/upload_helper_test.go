package telegram

import (
	"context"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// kept opens files for sending.
type kept func() (io.ReadCloser, int64, error)

func (k kept) Open(context.Context, *parley.Attachment) (io.ReadCloser, int64, error) { return k() }

// A blob counts how often it is opened and closed.
type blob struct {
	text           string
	mu             sync.Mutex
	opened, closed int
}

func (b *blob) Open(context.Context, *parley.Attachment) (io.ReadCloser, int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.opened++
	return &blobReader{strings.NewReader(b.text), b}, int64(len(b.text)), nil
}

// closedAll checks that what was opened was closed, and once.
func (b *blob) closedAll(t *testing.T, opened int) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.opened != opened || b.closed != opened {
		t.Errorf("the file was opened %d times and closed %d times, want %d", b.opened, b.closed, opened)
	}
}

type blobReader struct {
	io.Reader
	blob *blob
}

func (r *blobReader) Close() error {
	r.blob.mu.Lock()
	defer r.blob.mu.Unlock()
	r.blob.closed++
	return nil
}

// uploaded is a multipart request as the server sees it.
type uploaded struct {
	Method string
	Fields map[string]string
	Field  string // of the file
	Name   string
	Type   string
	Bytes  string
}

// A taker reads uploads and answers with one status and body after another; the
// last is repeated.
type taker struct {
	t       *testing.T
	answers []step
	mu      sync.Mutex
	got     []uploaded
	broken  int // requests that did not come to their end
}

func (s *taker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	up, err := parseUpload(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.broken++
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	st := s.answers[min(len(s.got), len(s.answers)-1)]
	s.got = append(s.got, up)
	w.WriteHeader(st.status)
	_, _ = io.WriteString(w, st.body)
}

func parseUpload(r *http.Request) (up uploaded, err error) {
	var good bool
	if up.Method, good = strings.CutPrefix(r.URL.Path, "/bot"+testToken+"/"); !good || r.Method != http.MethodPost {
		return up, fmt.Errorf("request %s", r.Method)
	}
	if r.ContentLength <= 0 || len(r.TransferEncoding) > 0 {
		return up, fmt.Errorf("length %d, encoding %v", r.ContentLength, r.TransferEncoding)
	}
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return up, err
	}
	return up, up.read(multipart.NewReader(r.Body, params["boundary"]))
}

func (up *uploaded) read(form *multipart.Reader) error {
	up.Fields = map[string]string{}
	for {
		p, err := form.NextPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		data, err := io.ReadAll(p)
		switch {
		case err != nil:
			return err
		case p.FileName() == "":
			up.Fields[p.FormName()] = string(data)
		default:
			up.Field, up.Name, up.Type, up.Bytes = p.FormName(), p.FileName(), p.Header.Get("Content-Type"), string(data)
		}
	}
}

// takes starts a server for uploads and returns a client for it.
func takes(t *testing.T, files connector.Files, answers ...step) (*client, *taker) {
	t.Helper()
	s := &taker{t: t, answers: answers}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return open(t, connector.Env{HTTP: server.Client(), Base: server.URL, Files: files}), s
}

func refusal400(description string) step {
	return step{status: 400, body: `{"ok":false,"error_code":400,"description":"Bad Request: ` + description + `"}`}
}

func filePart(a parley.Attachment, caption string) connector.Part {
	p := part(caption)
	p.File = &a
	return p
}
