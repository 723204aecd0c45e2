package main_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
	"github.com/parley-im/parley/simulator"
)

// In a case with files, everything that people and clients say is the caption of
// a file, whose bytes can be told from the caption.

// A crashFile is an attachment as the API lists it.
type crashFile struct {
	ID    int64  `json:"external_id"`
	URL   string `json:"attachment_url"`
	State string `json:"state"`
}

// crashBytes is the file that goes with a text; some 20 KB.
func crashBytes(text string) []byte { return bytes.Repeat([]byte(text+"\n"), 1000) }

// method is what the messenger is asked to send with.
func (c *crashCase) method() string {
	if c.files {
		return "sendDocument"
	}
	return "sendMessage"
}

// content is what a person sends with a text.
func (c *crashCase) content(text string) []telegramsim.Content {
	if !c.files {
		return nil
	}
	return []telegramsim.Content{{Kind: "document", Name: "a.txt", Mime: "text/plain", Data: crashBytes(text)}}
}

// upload brings the file for a text to the gateway. One that was uploaded before a
// kill whose answer was lost is uploaded again; the first is then nobody's.
func (w *crashWorld) upload(c *crashChat, text string) (int64, error) {
	call := crashCall{method: http.MethodPost, path: w.path("/conversations/%d/messages/attachments", c.id), file: crashBytes(text)}
	for {
		a, err := w.api.call(w.ctx, call, &w.flight)
		if err == nil {
			w.instant.pass(crashUploadAnswered)
			return a.Data.ID, nil
		}
		if !errors.Is(err, errCrashLost) {
			return 0, err
		}
		if !crashPause(w.ctx, nil, 5*time.Millisecond) {
			return 0, w.ctx.Err()
		}
	}
}

// crashMultipart is the body of an upload.
func crashMultipart(file []byte) (kind string, data io.Reader) {
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	part, _ := form.CreateFormFile("file", "answer.txt") // memory does not fail
	_, _ = part.Write(file)
	_ = form.Close()
	return form.FormDataContentType(), &b
}

// read reads a request; of one with a file, a process may die when half of it is
// there.
func (d *crashDoor) read(r *http.Request) ([]byte, error) {
	if !d.world.rules.files {
		return io.ReadAll(r.Body)
	}
	half := make([]byte, r.ContentLength/2)
	if _, err := io.ReadFull(r.Body, half); err != nil {
		return nil, err
	}
	d.world.instant.pass(crashSendHalf)
	rest, err := io.ReadAll(r.Body)
	return append(half, rest...), err
}

// crashCaption reads what a request with a file is to send.
func crashCaption(r *http.Request, body []byte) (text string, chat int64, err error) {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return "", 0, err
	}
	form, err := multipart.NewReader(bytes.NewReader(body), params["boundary"]).ReadForm(1 << 20)
	if err != nil {
		return "", 0, err
	}
	chat, err = strconv.ParseInt(strings.Join(form.Value["chat_id"], ""), 10, 64)
	return strings.Join(form.Value["caption"], ""), chat, err
}

// download answers with a file, and may see the process die in the middle.
func (d *crashDoor) download(w http.ResponseWriter, r *http.Request) {
	defer under(&d.world.flight.downloads)()
	answer := httptest.NewRecorder()
	d.world.sim.ServeHTTP(answer, r)
	file := answer.Body.Bytes()
	w.Header().Set("Content-Length", strconv.Itoa(len(file)))
	w.WriteHeader(answer.Code)
	_, _ = w.Write(file[:len(file)/2])
	_ = http.NewResponseController(w).Flush()
	d.world.instant.pass(crashDownloadHalf)
	_, _ = w.Write(file[len(file)/2:])
}

// readFiles wants the file of every message to be there, byte by byte.
func (w *crashWorld) readFiles() {
	if !w.rules.files {
		return
	}
	for _, c := range w.chats {
		for _, m := range c.messages {
			if len(m.Files) != 1 || m.Files[0].State != "" && !m.Income {
				w.t.Errorf("%q has the files %+v", m.Text, m.Files)
				continue
			}
			w.readFile(m.Text, m.Files[0].URL)
		}
	}
}

func (w *crashWorld) readFile(text, address string) {
	resp, err := w.api.http.Get(address)
	if err != nil {
		w.t.Error(err)
		return
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || !bytes.Equal(b, crashBytes(text)) {
		w.t.Errorf("file of %q: %d, %d bytes, %v", text, resp.StatusCode, len(b), err)
	}
}

// checkFilesSent wants what arrived at the messenger to be whole.
func (w *crashWorld) checkFilesSent() {
	if !w.rules.files {
		return
	}
	for _, s := range w.sim.Sent().After(0, 1_000_000, func(s simulator.Sent) bool { return s.Method == w.rules.method() }) {
		if want := sha256.Sum256(crashBytes(s.Text)); s.Detail["sha256"] != hex.EncodeToString(want[:]) {
			w.t.Errorf("%q was sent with %v", s.Text, s.Detail)
		}
	}
}
