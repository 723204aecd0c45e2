package telegram

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

func checkError(t *testing.T, err error, kind parley.Kind, code string) {
	t.Helper()
	e, is := errors.AsType[*parley.Error](err)
	if !is {
		t.Fatalf("got error %v, want a *parley.Error", err)
	}
	if e.Kind != kind || e.Code != code {
		t.Errorf("got %s %s (%v), want %s %s", e.Kind, e.Code, err, kind, code)
	}
}

// refusing reads every request to its end and refuses it.
func refusing(status int, description string) doer {
	body, _ := json.Marshal(map[string]any{"ok": false, "error_code": status, "description": description})
	answer := answering(status, string(body))
	return func(r *http.Request) (*http.Response, error) {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
		return answer(r)
	}
}

func TestUploadOpen(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		kind parley.Kind
		code string
	}{
		{"gone", parley.Errorf(parley.KindNotFound, "no such blob"), parley.KindRejected, "file_gone"},
		{"not now", parley.Errorf(parley.KindUnavailable, "no disk"), parley.KindUnavailable, "file_unreadable"},
		{"plain", errors.New("at https://blobs.test/secret"), parley.KindUnavailable, "file_unreadable"},
		{"shutdown", context.Canceled, parley.KindUnavailable, "file_unreadable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, _ := serve(t)
			c.env.Files = kept(func() (io.ReadCloser, int64, error) { return nil, 0, tt.err })
			_, err := c.Send(context.Background(), filePart(parley.Attachment{}, ""))
			checkError(t, err, tt.kind, tt.code)
			if parley.Interrupted(err) != parley.Interrupted(tt.err) || strings.Contains(fmt.Sprint(err), "blobs.test") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// The size may be known only once the file is opened.
func TestUploadTooLarge(t *testing.T) {
	t.Parallel()
	closed := &blob{}
	files := kept(func() (io.ReadCloser, int64, error) {
		r, _, _ := closed.Open(context.Background(), nil)
		return r, 52428801, nil
	})
	c := open(t, connector.Env{Base: "https://api.telegram.org", Files: files, HTTP: refusing(500, "not expected")})
	_, err := c.Send(context.Background(), filePart(parley.Attachment{}, ""))
	checkError(t, err, parley.KindUnsupported, "file_too_large")
	closed.closedAll(t, 1)
}

var errDisk = errors.New("disk on fire")

// A file that is not what it was said to be is never sent as if it were whole, and
// as the form has no end, the server cannot have taken it.
func TestUploadBrokenFile(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 100_000)
	tests := []struct {
		name string
		file io.Reader
		size int64
	}{
		{"read error at once", failing(""), 5},
		{"read error later", failing(big), 200_000},
		{"read error at the end", failing(big), 100_000},
		{"shorter", strings.NewReader(big), 100_001},
		{"empty", strings.NewReader(""), 1},
		{"longer", strings.NewReader(big), 99_999},
		{"longer than nothing", strings.NewReader("x"), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files := kept(func() (io.ReadCloser, int64, error) { return io.NopCloser(tt.file), tt.size, nil })
			c, s := takes(t, files, taken)
			_, err := c.Send(context.Background(), filePart(parley.Attachment{}, ""))
			checkError(t, err, parley.KindUnavailable, "file_cut")
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.got) > 0 {
				t.Errorf("the server got a whole form")
			}
		})
	}
}

// A shutdown that takes the file's source along stays recognisable.
func TestUploadBrokenByShutdown(t *testing.T) {
	t.Parallel()
	d := doer(func(r *http.Request) (*http.Response, error) {
		_, _ = io.Copy(io.Discard, r.Body)
		return nil, context.Canceled
	})
	files := kept(func() (io.ReadCloser, int64, error) { return io.NopCloser(failing("x")), 5, nil })
	c := open(t, connector.Env{Files: files, HTTP: d})
	_, err := c.Send(context.Background(), filePart(parley.Attachment{}, ""))
	checkError(t, err, parley.KindUnavailable, "file_cut")
	if !parley.Interrupted(err) {
		t.Errorf("got %v, want the shutdown in it", err)
	}
}

func failing(first string) io.Reader {
	return io.MultiReader(strings.NewReader(first), readerFunc(func([]byte) (int, error) { return 0, errDisk }))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// An upload is uncertain only if the server can have had all of it.
func TestUploadCut(t *testing.T) {
	t.Parallel()
	uncertain := func(err error) error { return &parley.Error{Kind: parley.KindUncertain, Code: "no_answer", Err: err} }
	reset := errors.New("reset for /bot" + testToken)
	tests := []struct {
		name string
		cut  int64 // bytes that are not read
		err  error
		kind parley.Kind
		code string
	}{
		{"never left", 1 << 20, &parley.Error{Kind: parley.KindUnavailable, Code: "dial_failed"}, parley.KindUnavailable, "dial_failed"},
		{"nothing read", 1 << 20, uncertain(reset), parley.KindUnavailable, "upload_cut"},
		{"last byte missing", 1, uncertain(reset), parley.KindUnavailable, "upload_cut"},
		{"last byte missing, plain error", 1, reset, parley.KindUnavailable, "upload_cut"},
		{"last byte missing, shutdown", 1, uncertain(context.Canceled), parley.KindUnavailable, "upload_cut"},
		{"last byte missing, deadline", 1, uncertain(context.DeadlineExceeded), parley.KindUnavailable, "upload_cut"},
		{"whole", 0, uncertain(reset), parley.KindUncertain, "no_answer"},
		{"whole, plain error", 0, reset, parley.KindUncertain, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := doer(func(r *http.Request) (*http.Response, error) {
				_, _ = io.CopyN(io.Discard, r.Body, max(0, r.ContentLength-tt.cut))
				_ = r.Body.Close()
				return nil, tt.err
			})
			file := &blob{text: "bytes"}
			c := open(t, connector.Env{Files: file, HTTP: d})
			_, err := c.Send(context.Background(), filePart(parley.Attachment{}, ""))
			checkError(t, err, tt.kind, tt.code)
			if parley.Interrupted(err) != parley.Interrupted(tt.err) || strings.Contains(fmt.Sprintf("%+v", err), testSecret) {
				t.Errorf("got %+v", err)
			}
			file.closedAll(t, 1)
		})
	}
}

// A transport may still read when it has already failed.
func TestUploadIsSealed(t *testing.T) {
	t.Parallel()
	var late io.Reader
	d := doer(func(r *http.Request) (*http.Response, error) {
		late = r.Body
		return nil, errors.New("reset")
	})
	c := open(t, connector.Env{Files: &blob{text: "bytes"}, HTTP: d})
	_, err := c.Send(context.Background(), filePart(parley.Attachment{}, ""))
	checkError(t, err, parley.KindUnavailable, "upload_cut")
	if data, err := io.ReadAll(late); err == nil || len(data) > 0 {
		t.Errorf("the body went on to give %d bytes and %v", len(data), err)
	}
}

// Early and unreadable answers: what was not whole was not taken.
func TestUploadAnswers(t *testing.T) {
	t.Parallel()
	const html = "<html>"
	tests := []struct {
		name  string
		whole bool
		step  step
		kind  parley.Kind
		code  string
	}{
		{"early 413", false, step{status: 413, body: html}, parley.KindRejected, "too_large"},
		{"early 429", false, step{status: 429, body: html}, parley.KindThrottled, "throttled"},
		{"early html", false, step{status: 200, body: html}, parley.KindUnavailable, "upload_cut"},
		{"late 413", true, step{status: 413, body: html}, parley.KindRejected, "too_large"},
		{"late html", true, step{status: 200, body: html}, parley.KindUncertain, "unreadable"},
		{"no id", true, step{status: 200, body: `{"ok":true,"result":{}}`}, parley.KindUncertain, "unreadable"},
		{"gateway", true, step{status: 502, body: html}, parley.KindUnavailable, "server_error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			answer := answering(tt.step.status, tt.step.body)
			d := doer(func(r *http.Request) (*http.Response, error) {
				if tt.whole {
					_, _ = io.Copy(io.Discard, r.Body)
				}
				return answer(r)
			})
			file := &blob{text: "bytes"}
			c := open(t, connector.Env{Files: file, HTTP: d})
			_, err := c.Send(context.Background(), filePart(parley.Attachment{}, ""))
			checkError(t, err, tt.kind, tt.code)
			file.closedAll(t, 1)
		})
	}
}

// The bytes are read as they are sent, and only the caller bounds how long that takes.
func TestUploadStreams(t *testing.T) {
	t.Parallel()
	const size = 1 << 30
	var given int64
	file := readerFunc(func(p []byte) (int, error) {
		given += int64(len(p))
		return len(p), nil
	})
	d := doer(func(r *http.Request) (*http.Response, error) {
		if _, limited := r.Context().Deadline(); limited || r.ContentLength <= size {
			t.Errorf("the request has length %d and a limit of its own %t", r.ContentLength, limited)
		}
		_, err := io.ReadFull(r.Body, make([]byte, 4096))
		if err != nil || given > 8192 {
			t.Errorf("of the file %d bytes were read for 4096 that were sent, error %v", given, err)
		}
		return nil, errors.New("enough")
	})
	files := kept(func() (io.ReadCloser, int64, error) { return io.NopCloser(file), size, nil })
	c := open(t, connector.Env{Files: files, HTTP: d})
	_, err := c.Send(context.Background(), filePart(parley.Attachment{}, ""))
	checkError(t, err, parley.KindUnavailable, "upload_cut")
}

func FuzzSendAnswer(f *testing.F) {
	f.Add(200, `{"ok":true,"result":{"message_id":91,"date":1718000300}}`)
	f.Add(400, migrated)
	f.Add(429, `{"ok":false,"error_code":429,"parameters":{"retry_after":1e9}}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		answer := answering(status, body)
		calls := 0
		d := doer(func(r *http.Request) (*http.Response, error) {
			calls++
			_, _ = io.Copy(io.Discard, r.Body)
			return answer(r)
		})
		c := open(t, connector.Env{Files: &blob{text: "bytes"}, HTTP: d})
		sent, err := c.Send(context.Background(), filePart(parley.Attachment{Type: "image/png"}, "look"))
		if calls > 5 || (err == nil) == (sent.ProviderID == "") || parley.KindOf(err) == parley.KindInternal {
			t.Errorf("%d calls gave %+v and %v", calls, sent, err)
		}
		if !bytes.Contains([]byte(body), []byte("true")) && err == nil {
			t.Error("a message was sent though nobody said so")
		}
	})
}
