package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/parley-im/parley/simulator"
)

// files returns the names and sizes of everything in the directory of files.
func (s *stage) files() map[string]int64 {
	s.t.Helper()
	root, found := filepath.Join(s.place.Data, "blobs"), map[string]int64{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if strings.Contains(name, string(filepath.Separator)) { // the store's own id lies at the top
			found[filepath.ToSlash(name)] = info.Size()
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return found
}

// A sending is a file as a customer's program uploads it.
type sending struct {
	name, mime string
	body       io.Reader
	size       int64 // of the whole request as announced; 0 is not at all
}

// upload makes the request and returns the answer.
func (s *stage) upload(conversation int64, f sending) apiReply {
	s.t.Helper()
	r, w := io.Pipe()
	form := multipart.NewWriter(w)
	ended := make(chan struct{})
	go func() { // ends with the request, which closes r
		defer close(ended)
		part, err := form.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {multipart.FileContentDisposition("file", f.name)}, "Content-Type": {f.mime}})
		if err == nil {
			_, err = io.Copy(part, f.body)
		}
		if err == nil {
			err = form.Close()
		}
		_ = w.CloseWithError(err)
	}()
	req, err := http.NewRequest(http.MethodPost, s.api.base+"/p1/"+s.path("/conversations/%d/messages/attachments", conversation), r)
	if err != nil {
		s.t.Fatal(err)
	}
	req.ContentLength = f.size
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("X-Private-Api-Token", s.api.token)
	reply := s.api.send(req)
	_ = r.Close()
	<-ended
	return reply
}

// uploaded is upload that succeeds; it returns the file's id.
func (s *stage) uploaded(conversation int64, f sending) int64 {
	s.t.Helper()
	r := s.upload(conversation, f)
	if r.status != http.StatusOK {
		s.t.Fatalf("upload: %d %s", r.status, r.body)
	}
	return id(parsed(s.t, r.body)["data"].(object)["external_id"])
}

// send has the company send a text and a file, and returns the job.
func (s *stage) send(conversation int64, text string, file int64) int64 {
	s.t.Helper()
	return s.api.must("POST", s.path("/conversations/%d/messages", conversation), "message", text, "attachments_ids[]", fmt.Sprint(file)).ID
}

// TestFileSent: a file that was uploaded, or that an address has, arrives byte by
// byte with its text.
func TestFileSent(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s := newCloudStage(t, database, false, nil)
		conversation := s.meet("ann", "hello")
		picture, report := jpeg(t, 13), bytes.Repeat([]byte("%PDF-1.7 report\n"), 50_000)
		web := newHost(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Disposition", `attachment; filename="../report.pdf"`)
			w.Header().Set("Content-Type", "application/pdf")
			_, _ = w.Write(report)
		}))
		ways := []struct {
			file   int64
			method string
			bytes  []byte
			name   string
			mime   string
		}{
			{s.uploaded(conversation, sending{name: "cat.jpg", mime: "image/jpeg", body: bytes.NewReader(picture)}), "sendPhoto", picture, "cat.jpg", "image/jpeg"},
			{s.api.must("POST", s.path("/conversations/%d/messages/attachments", conversation), "file_url", web.url()+"/r?x=1").ExternalID, "sendDocument", report, "report.pdf", "application/pdf"},
		}
		for _, w := range ways {
			before := s.tg.Sent().Total()
			job := s.send(conversation, "see "+w.name, w.file)
			sent := s.awaitSent(before, w.method)
			if sent.Text != "see "+w.name || sent.Detail["sha256"] != sum(w.bytes) || sent.Detail["file_name"] != w.name {
				t.Errorf("sent %q: %v", sent.Text, sent.Detail)
			}
			h := s.crm.next("message/new")
			a := attachments(t, s.crm.data(h), 1)[0]
			if h.Data.Message != "see "+w.name || h.Data.JobID != job || a["mime_type"] != w.mime || a["file_name"] != w.name || id(a["external_id"]) != w.file || a["state"] != nil {
				t.Errorf("message: %+v with %v", h.Data, a)
			}
			if got := s.download(a["attachment_url"].(string)); got.status != http.StatusOK || sum(got.body) != sum(w.bytes) {
				t.Errorf("own file: %d, %d bytes", got.status, len(got.body))
			}
			if j := s.crm.next("job/executed").Data; j.ID != job || j.Result != "DELIVERED" || j.MessageID != h.Data.ExternalID {
				t.Errorf("executed: %+v", j)
			}
		}
		if n := s.blobCount(); n != 2 {
			t.Errorf("%d blobs, want 2", n)
		}
	})
}

// TestFileHostileSent: the messenger is told neither paths nor line breaks, and a
// page is not a picture.
func TestFileHostileSent(t *testing.T) {
	t.Parallel()
	s := newCloudStage(t, "", false, nil)
	conversation := s.meet("ann", "hello")
	page := []byte("<!DOCTYPE html><html><script>alert(1)</script></html>")
	for _, c := range []struct{ name, want string }{
		{"../../up.jpg", "up.jpg"}, {"a\"b\r\nX-Evil: 1.jpg", ""}, {"gpj\u202e.exe", "gpj.exe"},
	} {
		before := s.tg.Sent().Total()
		s.send(conversation, "", s.uploaded(conversation, sending{name: c.name, mime: "image/jpeg", body: bytes.NewReader(page)}))
		sent := s.awaitSent(before, "sendPhoto", "sendDocument")
		name, _ := sent.Detail["file_name"].(string)
		if sent.Method != "sendDocument" || c.want != "" && name != c.want || strings.ContainsAny(name, "/\\\r\n\u202e") || sent.Detail["sha256"] != sum(page) {
			t.Errorf("%q: %s %v", c.name, sent.Method, sent.Detail)
		}
		own := s.crm.next("message/new")
		got := s.download(attachments(t, s.crm.data(own), 1)[0]["attachment_url"].(string))
		harmlessHeader(t, got.header, c.want)
		s.crm.next("job/executed")
	}
}

// TestFileParts: a text too long for a caption goes first, in pieces; when one is
// refused, what was sent stays sent, and the rest does not follow.
func TestFileParts(t *testing.T) {
	t.Parallel()
	s := newCloudStage(t, "", false, nil)
	conversation := s.meet("ann", "hello")
	long := strings.Repeat("word ", 1000)
	want := []string{"sendMessage", "sendMessage", "sendDocument"}
	file := func() int64 {
		return s.uploaded(conversation, sending{name: "a.txt", mime: "text/plain", body: strings.NewReader("a file")})
	}
	job := s.send(conversation, long, file())
	for range want {
		s.crm.next("message/new")
	}
	if j := s.crm.next("job/executed").Data; j.ID != job || j.Result != "DELIVERED" {
		t.Fatalf("executed: %+v", j)
	}
	if got := s.methods(0); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("sent by %v, want %v", got, want)
	}
	before, calls := s.tg.Sent().Total(), atomic.Int32{}
	s.tg.intercept(func(method string) {
		if method == "sendMessage" && calls.Add(1) == 2 {
			if _, err := s.tg.Faults().Add(simulator.Fault{Kind: simulator.FaultStatus, Status: 400, Method: method}); err != nil {
				t.Error(err)
			}
		}
	})
	job = s.send(conversation, long, file())
	if first := s.crm.next("message/new").Data; !strings.HasPrefix(long, first.Message) || first.JobID != job {
		t.Errorf("what was sent: %+v", first)
	}
	if reason := s.failed(job); !strings.HasPrefix(reason, "part 2 of 3: ") {
		t.Errorf("reason %q", reason)
	}
	s.delivered(s.post(conversation, "goes on"), "goes on")
	if got := s.methods(before); strings.Join(got, " ") != "sendMessage sendMessage" {
		t.Errorf("sent by %v", got)
	}
}

// methods returns how the bot sent what it sent behind a number.
func (s *stage) methods(after uint64) []string {
	var all []string
	for _, m := range s.tg.Sent().After(after, 1000, nil) {
		all = append(all, m.Method)
	}
	return all
}

// TestUploadRefused: what is announced as too large is refused unread, and what
// the store of files cannot take leaves nothing half there.
func TestUploadRefused(t *testing.T) {
	t.Parallel()
	s := newCloudStage(t, "", false, nil)
	conversation := s.meet("ann", "hello")
	t.Run("two gigabytes", func(t *testing.T) {
		endless := &counted{}
		if r := s.upload(conversation, sending{name: "a.bin", body: endless, size: 2 << 30}); r.status < 400 || r.status >= 500 {
			t.Errorf("answered %d %s", r.status, r.body)
		}
		if n := endless.n.Load(); n > 8<<20 {
			t.Errorf("%d bytes were taken", n)
		}
	})
	t.Run("an address that promises two gigabytes", func(t *testing.T) {
		web := newHost(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "2147483648")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done() // nothing follows
		}))
		r := s.api.do("POST", "/p1/"+s.path("/conversations/%d/messages/attachments", conversation), map[string][]string{"file_url": {web.url()}})
		if r.status != http.StatusBadRequest || !strings.Contains(string(r.body), "64 MiB") {
			t.Errorf("answered %d %s", r.status, r.body)
		}
	})
	t.Run("no place for files", func(t *testing.T) { s.uploadWithoutStore(t, conversation) })
	if left := s.files(); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// uploadWithoutStore takes the directory of files away, and brings it back.
func (s *stage) uploadWithoutStore(t *testing.T, conversation int64) {
	root := filepath.Join(s.place.Data, "blobs")
	if err := os.Rename(root, root+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	small := func() sending { return sending{name: "a.txt", mime: "text/plain", body: strings.NewReader("a file")} }
	if r := s.upload(conversation, small()); r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" {
		t.Errorf("answered %d, Retry-After %q: %s", r.status, r.header.Get("Retry-After"), r.body)
	}
	if err := os.Remove(root); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(root+".away", root); err != nil {
		t.Fatal(err)
	}
	s.uploaded(conversation, small())
}

// A counted reader never ends.
type counted struct{ n atomic.Int64 }

// Read gives zeros.
func (c *counted) Read(p []byte) (int, error) {
	clear(p)
	c.n.Add(int64(len(p)))
	return len(p), nil
}

// maxHeld is what a file of 60 MiB may take in memory on its way through. It is
// generous: a gateway that held the file would take more than the file.
const maxHeld = 24 << 20

// TestUploadMemory streams a large file through the gateway and on to the
// messenger. It does not run beside other tests, whose memory it would count.
func TestUploadMemory(t *testing.T) {
	const size = 45 << 20 // the messenger takes 50 MB
	s := newCloudStage(t, "", false, nil)
	conversation := s.meet("ann", "hello")
	before := heap()
	w := &watched{left: 60 << 20}
	s.uploaded(conversation, sending{name: "large.bin", mime: "application/octet-stream", body: w})
	if grown := int64(w.most) - int64(before); grown > maxHeld || w.looks < 100 {
		t.Errorf("taking 60 MiB took %d MiB of memory in %d looks", grown>>20, w.looks)
	}
	file := s.uploaded(conversation, sending{name: "large.bin", mime: "application/octet-stream", body: &watched{left: size}})
	sink := newSink(t)
	s.tg.host.handler.(*switchable).to.Store(&sink.handler)
	before = heap()
	job := s.send(conversation, "", file)
	h := s.crm.next("message/new")
	if j := s.crm.next("job/executed").Data; j.ID != job || j.Result != "DELIVERED" || h.Data.JobID != job {
		t.Fatalf("executed: %+v", j)
	}
	if grown := int64(sink.most) - int64(before); grown > maxHeld || sink.taken < size {
		t.Errorf("sending %d bytes took %d MiB of memory", sink.taken, grown>>20)
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// A watched reader looks at the memory as it is read.
type watched struct {
	left  int
	since int
	looks int
	most  uint64
}

// Read gives zeros, and looks every half a MiB.
func (w *watched) Read(p []byte) (int, error) {
	n := min(len(p), w.left)
	if n == 0 {
		return 0, io.EOF
	}
	clear(p[:n])
	w.left, w.since = w.left-n, w.since+n
	if w.since >= 512<<10 {
		w.since, w.looks, w.most = 0, w.looks+1, max(w.most, heap())
	}
	return n, nil
}

// A sink is a messenger that takes files and forgets them at once.
type sink struct {
	handler http.Handler
	taken   int64
	most    uint64
}

func newSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{}
	s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		piece := make([]byte, 512<<10)
		for {
			n, err := io.ReadFull(r.Body, piece)
			s.taken += int64(n)
			if s.most = max(s.most, heap()); err != nil {
				break
			}
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"ok":true,"result":{"message_id":77,"date":1790000000,"chat":{"id":%d,"type":"private"}}}`, annID)
	})
	return s
}
