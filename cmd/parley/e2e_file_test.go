package main

import (
	"bytes"
	"context"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
	"github.com/parley-im/parley/simulator"
)

// A gate holds back requests of the gateway until it is opened.
type gate struct {
	came chan struct{} // closed when the first is held
	open func()
}

// hold has the messenger keep downloads waiting.
func (s *stage) hold() gate {
	s.t.Helper()
	came, opened := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s.tg.intercept(func(method string) {
		if strings.HasPrefix(method, "file_") { // as the simulator calls what is downloaded
			once.Do(func() { close(came) })
			<-opened
		}
	})
	g := gate{came, sync.OnceFunc(func() { close(opened) })}
	s.t.Cleanup(g.open)
	return g
}

// TestFileReceived: the message is told at once, with an address that says "not
// yet" until the bytes are there.
func TestFileReceived(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s := newCloudStage(t, database, false, nil)
		s.meet("ann", "hello")
		download := s.hold()
		picture := jpeg(t, 9)
		s.tell(telegramsim.Line{Person: "ann", Text: "look", Content: []telegramsim.Content{{Kind: "photo", Data: picture}}})
		a := attachments(t, s.crm.data(s.crm.next("message/new")), 1)[0]
		address := a["attachment_url"].(string)
		signalled(t, "the download", download.came)
		early := s.download(address)
		wait, err := strconv.Atoi(early.header.Get("Retry-After"))
		if early.status != http.StatusServiceUnavailable || err != nil || wait < 1 {
			t.Errorf("before the bytes are there: %d, Retry-After %q, %s", early.status, early.header.Get("Retry-After"), early.body)
		}
		download.open()
		ready := s.fileEvent("ready", id(a["external_id"]))
		if got := ready["attachment"].(object); got["attachment_url"] != address || got["size"] != int64text(int64(len(picture))) || got["state"] != nil {
			t.Errorf("ready: %v", got)
		}
		got := s.download(address)
		if got.status != http.StatusOK || sum(got.body) != sum(picture) || got.header.Get("Content-Type") != "image/jpeg" {
			t.Errorf("%d %s: %d bytes, want %d", got.status, got.header.Get("Content-Type"), len(got.body), len(picture))
		}
		if other := s.download(guessed(address)); other.status != http.StatusNotFound {
			t.Errorf("an address that nobody was told: %d", other.status)
		}
	})
}

// guessed is an address with another last character of what nobody can guess.
func guessed(address string) string {
	at := strings.LastIndexByte(address, '.') - 1
	other := byte('a')
	if address[at] == other {
		other = 'b'
	}
	return address[:at] + string(other) + address[at+1:]
}

// TestFileFails: a download that breaks off is tried again, one that is refused
// ends with a reason, and neither delays anything.
func TestFileFails(t *testing.T) {
	t.Parallel()
	s := newCloudStage(t, "", false, nil)
	s.meet("ann", "hello")
	for _, c := range []struct {
		name   string
		fault  simulator.Fault
		size   int64 // that the sender claims
		event  string
		reason string
	}{
		{"broken off", simulator.Fault{Kind: simulator.FaultCutBody, Method: "download"}, 0, "ready", ""},
		{"half a file", simulator.Fault{Kind: simulator.FaultHTML, Method: "download"}, 0, "ready", ""},
		{"nonsense", simulator.Fault{Kind: simulator.FaultGarbage, Method: "getFile"}, 0, "ready", ""},
		{"refused", simulator.Fault{Kind: simulator.FaultStatus, Status: 400, Method: "getFile"}, 0, "failed", ""},
		{"more than the messenger gives out", simulator.Fault{}, 30 << 20, "failed", "20 MB"},
		{"two gigabytes", simulator.Fault{}, 2 << 30, "failed", "64 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.fault.Kind != "" {
				s.fault(c.fault)
			}
			data := []byte("bytes of " + c.name)
			s.tell(content(telegramsim.Content{Kind: "document", Data: data, Size: c.size}))
			message := s.heard("message/new")
			a := attachments(t, s.crm.data(message), 1)[0]
			told := s.fileEvent(c.event, id(a["external_id"]))
			got := s.download(a["attachment_url"].(string))
			if c.event == "ready" {
				if got.status != http.StatusOK || !bytes.Equal(got.body, data) {
					t.Errorf("file: %d %s", got.status, got.body)
				}
				return
			}
			reason, _ := told["reason"].(string)
			if got.status != http.StatusGone || reason == "" || !strings.Contains(reason, c.reason) || !strings.Contains(string(got.body), reason) {
				t.Errorf("failed for %q; file: %d %s", reason, got.status, got.body)
			}
			if state := attachments(t, s.listed(message.Data.ConversationID, message.Data.ExternalID), 1)[0]["state"]; state != "failed" {
				t.Errorf("listed as %v", state)
			}
		})
	}
}

// TestFileHostile: neither names nor types that strangers choose reach a browser
// as they are.
func TestFileHostile(t *testing.T) {
	t.Parallel()
	s := newCloudStage(t, "", false, nil)
	s.meet("ann", "hello")
	page := []byte("<!DOCTYPE html><html><script>alert(document.cookie)</script></html>")
	for _, c := range []struct {
		name, file, mime string
		data             []byte
		want             string // the name in Content-Disposition
	}{
		{"path", "../../../etc/passwd", "text/plain", []byte("root"), "passwd"},
		{"windows path", `C:\boot\..\autoexec.bat`, "", []byte("x"), "autoexec.bat"},
		{"header", "a\"b\r\nSet-Cookie: x=1\r\n\r\n<p>.txt", "text/plain", []byte("x"), ""},
		{"turned writing", "photo\u202egpj.exe", "image/jpeg", []byte("MZ\x90\x00\x03"), "photogpj.exe"},
		{"long", strings.Repeat("я", 400) + ".pdf", "application/pdf", []byte("%PDF-1.7\n"), strings.Repeat("я", 125) + ".pdf"},
		{"nothing but dots", "..", "", []byte("x"), ""},
		{"page as a picture", "cat.jpg", "image/jpeg", page, "cat.jpg"},
		{"page", "page.html", "text/html", page, "page.html"},
		{"drawing", "a.svg", "image/svg+xml", []byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`), "a.svg"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.tell(content(telegramsim.Content{Kind: "document", Name: c.file, Mime: c.mime, Data: c.data}))
			a := attachments(t, s.crm.data(s.heard("message/new")), 1)[0]
			s.fileEvent("ready", id(a["external_id"]))
			got := s.download(a["attachment_url"].(string))
			if !bytes.Equal(got.body, c.data) {
				t.Errorf("bytes: %q", got.body)
			}
			harmlessHeader(t, got.header, c.want)
		})
	}
}

// harmlessHeader wants that no browser shows a file as a page, and that the header
// names it so.
func harmlessHeader(t *testing.T, h http.Header, name string) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(h.Get("Content-Disposition"))
	if err != nil || name != "" && params["filename"] != name || strings.ContainsAny(params["filename"], "/\\\r\n\u202e") {
		t.Errorf("Content-Disposition %q (%v), want the name %q", h.Get("Content-Disposition"), err, name)
	}
	shown, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || kind == "inline" && !slices.Contains([]string{"text/plain", "image/jpeg", "application/pdf"}, shown) || shown == "text/html" || shown == "image/svg+xml" {
		t.Errorf("%s of %q", kind, h.Get("Content-Type"))
	}
	if h.Get("Set-Cookie") != "" || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("header: %v", h)
	}
}

// TestFileRestart: what a gateway was fetching when it stopped, the next one
// fetches.
func TestFileRestart(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s := newCloudStage(t, database, false, nil)
		s.meet("ann", "hello")
		download := s.hold()
		data := bytes.Repeat([]byte("half of it, then a restart "), 10_000)
		s.tell(content(telegramsim.Content{Kind: "document", Data: data}))
		a := attachments(t, s.crm.data(s.heard("message/new")), 1)[0]
		signalled(t, "the download", download.came)
		s.stop()
		download.open()
		s.start()
		s.fileEvent("ready", id(a["external_id"]))
		if got := s.download(a["attachment_url"].(string)); got.status != http.StatusOK || sum(got.body) != sum(data) {
			t.Errorf("file: %d, %d bytes", got.status, len(got.body))
		}
		if blobs := s.blobCount(); blobs != 1 {
			t.Errorf("%d blobs, want one", blobs)
		}
	})
}

// blobCount counts what the store of files has, of which nothing is half there.
func (s *stage) blobCount() int {
	s.t.Helper()
	files := s.files()
	for name := range files {
		if strings.HasPrefix(name, "tmp/") {
			s.t.Errorf("left behind: %s", name)
		}
	}
	return len(files)
}

// TestPicture: a conversation gets the picture of its person, and keeps up with
// their name.
func TestPicture(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s := bareCloudStage(t, database, false, nil)
		picture := jpeg(t, 11)
		if err := s.tg.SetPhoto("ann", picture); err != nil {
			t.Fatal(err)
		}
		s.open()
		s.connect()
		s.say("ann", "hello")
		conversation := s.crm.next("conversation/new")
		if got := s.crm.data(conversation); got["avatar_url"] != nil || got["name"] != "Ann" {
			t.Errorf("new: %v", got)
		}
		s.crm.next("message/new")
		update := s.crm.data(s.crm.next("conversation/update"))
		address, _ := update["avatar_url"].(string)
		if update["external_id"] != int64text(conversation.Data.ExternalID) || address == "" {
			t.Fatalf("update: %v", update)
		}
		if got := s.download(address); got.status != http.StatusOK || sum(got.body) != sum(picture) {
			t.Errorf("picture: %d, %d bytes, want %d", got.status, len(got.body), len(picture))
		}
		if _, err := s.tg.Rename("ann", "Annika", "Berg", "ann"); err != nil {
			t.Fatal(err)
		}
		s.say("ann", "I have married")
		renamed := s.crm.data(s.crm.next("conversation/update"))
		if renamed["name"] != "Annika Berg" || renamed["avatar_url"] != address {
			t.Errorf("renamed: %v", renamed)
		}
		s.crm.next("message/new")
		shown := s.get(s.path("/conversations/%d", conversation.Data.ExternalID))["conversation"].(object)
		if shown["name"] != "Annika Berg" || shown["avatar"] != address {
			t.Errorf("shown: %v", shown)
		}
	})
}

// TestPictureTrouble: whatever the messenger answers to side calls, messages go on.
func TestPictureTrouble(t *testing.T) {
	t.Parallel()
	s := bareCloudStage(t, "", false, nil)
	for _, method := range []string{"getChat", "getUserProfilePhotos"} {
		s.fault(simulator.Fault{Kind: simulator.FaultGarbage, Method: method, Times: -1})
	}
	s.open()
	s.connect()
	conversation := s.meet("ann", "hello")
	s.delivered(s.post(conversation, "hello yourself"), "hello yourself")
	if got := s.channelState(); got.State != "enabled" {
		t.Errorf("channel: %+v", got)
	}
	if _, err := s.gateway.blobs.ID(context.Background()); err != nil {
		t.Error(err)
	}
}
