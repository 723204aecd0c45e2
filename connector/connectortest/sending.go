package connectortest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/simulator"
)

// A Sending says how files are sent.
type Sending struct {
	// Carries are the kinds of file with how they have to be sent; the first is
	// what the other cases use.
	Carries []Carry
	// Refused is a picture that is none, and how it has to be sent in the end. Nil
	// if the network takes it as it is, or not at all.
	Refused *Carry
	// TooLarge is the size of a file in bytes that the provider refuses; 0 if that
	// is more than a test can send.
	TooLarge int64
}

// A Carry is how one kind of file has to be sent.
type Carry struct {
	Kind   string // of the file that the suite makes: photo, document, …
	Type   string // MIME type of the attachment; empty is that of the file
	Voice  bool   // it is sent as a voice message
	Method string // under which the simulator lists it
}

func (s Suite) fileCases() []check {
	if s.Files == nil {
		return []check{{"none", true, sendNoFiles}}
	}
	cases := []check{
		{"long caption", true, sendLongCaption},
		{"several", true, sendSeveral},
		{"resumed", true, sendResumed},
		{"reply", s.Can.Replies, sendFileReply},
		{"refused picture", s.Files.Refused != nil, sendRefusedPicture},
		{"too large", s.Files.TooLarge > 0, sendTooLarge},
		{"unreadable", true, sendUnreadable},
		{"upload cut", true, sendCut},
		{"names", true, sendNames},
	}
	for _, c := range s.Files.Carries {
		cases = append(cases, check{"as " + strings.Trim(c.Method+" "+c.Type, " "), true, sendCarry(c)})
	}
	for _, f := range s.callFaults() {
		f.part = (*world).filePart
		cases = append(cases, check{f.name, true, f.run})
	}
	return append(cases,
		check{"cancelled while slow", true, stopsFile(simulator.FaultSlow, context.Canceled)},
		check{"cancelled while late", true, stopsFile(simulator.FaultLate, context.Canceled)},
		check{"deadline while late", true, stopsFile(simulator.FaultLate, context.DeadlineExceeded)})
}

func stopsFile(kind simulator.FaultKind, why error) func(*world) {
	return stops(kind, why, (*world).filePart)
}

// attach puts a file on the shelf and makes the attachment of it.
func (w *world) attach(c Carry, s sample) parley.Attachment {
	a := parley.Attachment{ID: w.shelf.put(whole(s.data)), Company: 1, Channel: 1, Name: s.name, Type: s.mime,
		Size: int64(len(s.data)), State: parley.AttachmentReady}
	if c.Type != "" {
		a.Type = c.Type
	}
	if a.Kind = parley.KindOfType(a.Type); c.Voice {
		a.Kind = parley.FileVoice
	}
	return a
}

// attached plans a message with files.
func (w *world) attached(chat, text string, files ...parley.Attachment) []connector.Part {
	w.Helper()
	m := w.message(text)
	m.Files = files
	return w.plan(chat, m)
}

// filePart is the one part of a file with a short text.
func (w *world) filePart(chat, text string) connector.Part {
	w.Helper()
	c := w.suite.Files.Carries[0]
	parts := w.attached(chat, text, w.attach(c, newSample(c.Kind, len(text))))
	if len(parts) != 1 || parts[0].File == nil {
		w.Fatalf("Plan of a file with a short text: got %d parts, want 1 with the file", len(parts))
	}
	return parts[0]
}

// carried checks what the provider has of a file.
func (w *world) carried(got simulator.Sent, chat, caption, id string, want sample) {
	w.Helper()
	if got.Chat != chat || got.Text != caption || got.MessageID != id {
		w.Errorf("the provider accepted %q in chat %s as %s, want %q in %s as %s", got.Text, got.Chat, got.MessageID, caption, chat, id)
	}
	if got.Detail["sha256"] != want.sum() {
		w.Errorf("the provider has other bytes than were sent: SHA-256 %v, want %s", got.Detail["sha256"], want.sum())
	}
}

// sendNoFiles: a connector that cannot send files says so beforehand.
func sendNoFiles(w *world) {
	m := w.message("look")
	m.Files = []parley.Attachment{w.attach(Carry{}, newSample("document", 1))}
	_, err := w.client.Plan(m)
	w.has("Plan of a file", err, parley.KindUnsupported)
}

// sendCarry: every byte arrives, with every caption, in the way that fits the file.
func sendCarry(c Carry) func(*world) {
	return func(w *world) {
		chat := w.say("Ann", "hello").chat
		for i, caption := range []string{"", plain[1], plain[4]} {
			s := newSample(c.Kind, i)
			parts := w.attached(chat, caption, w.attach(c, s))
			if len(parts) != 1 {
				w.Fatalf("Plan: got %d parts, want 1", len(parts))
			}
			sent := w.delivered(parts[0])
			list := w.sent()
			if len(list) != i+1 {
				w.Fatalf("the provider accepted %d messages, want %d", len(list), i+1)
			}
			w.carried(list[i], chat, caption, sent.ProviderID, s)
			if list[i].Method != c.Method {
				w.Errorf("sent by %s, want %s", list[i].Method, c.Method)
			}
		}
	}
}

// sendLongCaption: what no caption can hold goes before the file, in order.
func sendLongCaption(w *world) {
	chat, c := w.say("Ann", "hello").chat, w.suite.Files.Carries[0]
	for _, text := range []string{numbered(parley.MaxText), strings.Repeat("👋", 3000)} {
		before, s := len(w.sent()), newSample(c.Kind, len(text))
		parts := w.attached(chat, text, w.attach(c, s))
		var last string
		for i, p := range parts {
			if final := i == len(parts)-1; final != (p.File != nil) || final && p.Text != "" || p.Index != i || p.Count != len(parts) {
				w.Errorf("part %d of %d: file %t, text of %d bytes, numbered %d of %d; want texts and then the file alone",
					i, len(parts), p.File != nil, len(p.Text), p.Index, p.Count)
			}
			last = w.delivered(p).ProviderID
		}
		got := w.sent()[before:]
		if len(got) != len(parts) || len(got) < 2 || bare(strings.Join(texts(got), "")) != bare(text) {
			w.Fatalf("the provider accepted %d messages of %d parts, and together they do not say the text", len(got), len(parts))
		}
		w.carried(got[len(got)-1], chat, "", last, s)
	}
}

// sendSeveral: as many files as may be, or two, each once and in order; a plan is
// the same each time.
func sendSeveral(w *world) {
	chat, c := w.say("Ann", "hello").chat, w.suite.Files.Carries[0]
	var files []parley.Attachment
	var samples []sample
	for n := range max(2, w.suite.Provider.Spec().MaxFiles) {
		samples = append(samples, newSample(c.Kind, n))
		files = append(files, w.attach(c, samples[n]))
	}
	m := w.message("all of these")
	m.Files = files
	parts, calls := w.plan(chat, m), w.calls.Total()
	if diff := cmp.Diff(parts, w.plan(chat, m)); diff != "" || w.calls.Total() != calls {
		w.Errorf("Plan is not the same each time, or makes requests:\n%s", diff)
	}
	keys := map[string]bool{}
	for _, p := range parts {
		keys[p.Key] = true
		w.delivered(p)
	}
	var got []string
	for _, s := range w.sent() {
		if sum, is := s.Detail["sha256"].(string); is {
			got = append(got, sum)
		}
	}
	var want []string
	for _, s := range samples {
		want = append(want, s.sum())
	}
	if diff := cmp.Diff(want, got); diff != "" || len(keys) != len(parts) {
		w.Errorf("files at the provider, with %d keys for %d parts (-want +got):\n%s", len(keys), len(parts), diff)
	}
	if all := strings.Join(texts(w.sent()), ""); all != "all of these" {
		w.Errorf("the provider accepted the texts %q, want the one", all)
	}
}

// sendResumed: a message of several parts goes on at the part that failed, with
// a plan made anew, and says everything once.
func sendResumed(w *world) {
	chat, c, s := w.say("Ann", "hello").chat, w.suite.Files.Carries[0], newSample(w.suite.Files.Carries[0].Kind, 1)
	m := w.message(numbered(parley.MaxText / 2))
	m.Files = []parley.Attachment{w.attach(c, s)}
	n := len(w.plan(chat, m))
	for i := range n {
		w.fault(simulator.FaultThrottle)
		_, err := w.send(w.ctx, w.plan(chat, m)[i])
		w.has(fmt.Sprintf("Send of part %d", i), err, parley.KindThrottled)
		w.delivered(w.plan(chat, m)[i])
	}
	got := w.sent()
	if len(got) != n || bare(strings.Join(texts(got), "")) != bare(m.Text) {
		w.Fatalf("the provider accepted %d messages, want %d that say the text", len(got), n)
	}
	w.carried(got[n-1], chat, "", got[n-1].MessageID, s)
}

func sendFileReply(w *world) {
	first := w.say("Ann", "a question")
	p := w.filePart(first.chat, "an answer")
	p.Message.ReplyToID = first.message
	w.delivered(p)
	gone := w.filePart(first.chat, "late answer")
	gone.Message.ReplyToID = "999999"
	w.delivered(gone)
	list := w.sent()
	if len(list) != 2 || list[0].ReplyTo != first.message || list[1].Text != "late answer" {
		w.Errorf("the provider accepted %+v, want a reply to %s and one to a message that is gone", list, first.message)
	}
}

// sendRefusedPicture: what the network will not show as a picture arrives all the
// same, once.
func sendRefusedPicture(w *world) {
	chat, c := w.say("Ann", "hello").chat, *w.suite.Files.Refused
	s := newSample("document", 1)
	sent := w.delivered(w.attached(chat, "my picture", w.attach(c, s))[0])
	list := w.sent()
	if len(list) != 1 || list[0].Method != c.Method {
		w.Fatalf("the provider accepted %+v, want one message by %s", list, c.Method)
	}
	w.carried(list[0], chat, "my picture", sent.ProviderID, s)
}

// sendTooLarge: it is refused for good, before it is sent or by the provider.
func sendTooLarge(w *world) {
	chat, size := w.say("Ann", "hello").chat, w.suite.Files.TooLarge
	a := parley.Attachment{Company: 1, Channel: 1, Kind: parley.FileDocument, Name: "large.bin", Type: "application/octet-stream", Size: size}
	a.ID = w.shelf.put(func() (io.Reader, int64, error) { return &zeros{size}, size, nil })
	m := w.message("large")
	m.Files = []parley.Attachment{a}
	parts, err := w.client.Plan(m)
	if err == nil {
		parts[0].Chat = chat
		_, err = w.send(w.ctx, parts[0])
	}
	w.has("a file that is too large", err, final...)
	w.delivered(w.filePart(chat, "small"))
	if got := len(w.sent()); got != 1 {
		w.Errorf("the provider accepted %d messages, want the small one", got)
	}
}

// sendUnreadable: when the file is not there, breaks off or has another length
// than was said, surely nothing is sent.
func sendUnreadable(w *world) {
	chat := w.say("Ann", "hello").chat
	data := newSample("document", 1).data
	size := int64(len(data))
	cut := func() (io.Reader, int64, error) {
		return io.MultiReader(bytes.NewReader(data[:size/2]), broken{errors.New("the disk broke")}), size, nil
	}
	for what, open := range map[string]func() (io.Reader, int64, error){
		"gone":        func() (io.Reader, int64, error) { return nil, 0, parley.Errorf(parley.KindNotFound, "gone") },
		"not now":     func() (io.Reader, int64, error) { return nil, 0, parley.Errorf(parley.KindUnavailable, "not now") },
		"breaks off":  cut,
		"too short":   func() (io.Reader, int64, error) { return bytes.NewReader(data[:size/2]), size, nil },
		"too long":    func() (io.Reader, int64, error) { return bytes.NewReader(data), size / 2, nil },
		"says no end": func() (io.Reader, int64, error) { return &zeros{1 << 40}, size, nil },
	} {
		p := w.filePart(chat, what)
		p.File.ID = w.shelf.put(open)
		_, err := w.send(w.ctx, p)
		want := []parley.Kind{parley.KindUnavailable}
		if what == "gone" {
			want = final
		}
		w.has("Send of a file that "+what, err, want...)
	}
	if list := w.sent(); len(list) != 0 {
		w.Errorf("the provider accepted %q, want nothing", texts(list))
	}
	w.delivered(w.filePart(chat, "whole"))
}

// A broken reader fails.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// uploadSize is more than the buffers between two processes hold.
const uploadSize = 24 << 20

// sendCut: a connection that breaks in the middle of an upload leaves nothing at
// the provider, and an error that does not claim the opposite.
func sendCut(w *world) {
	chat := w.say("Ann", "hello").chat
	w.delivered(w.part(chat, "before"))
	p := w.filePart(chat, "meanwhile")
	p.File.Size = uploadSize
	p.File.ID = w.shelf.put(func() (io.Reader, int64, error) { return &zeros{uploadSize}, uploadSize, nil })
	w.cut.Store(100_000)
	_, err := w.send(w.ctx, p)
	w.cut.Store(0)
	w.has("Send of a file that was cut", err, parley.KindUnavailable, parley.KindUncertain)
	w.delivered(w.filePart(chat, "after"))
	w.once(0)
}

// sendNames: whatever a file is called, it arrives, and its name cannot become
// another parameter or another directory.
func sendNames(w *world) {
	chat, c := w.say("Ann", "hello").chat, w.suite.Files.Carries[0]
	for i, name := range []string{"", `a"; filename="b`, "a\r\nX: y\r\n\r\nz", "../../etc/passwd", `C:\x\y.txt`, "заказ №1 👍.pdf", "\xff\x00.pdf",
		strings.Repeat("long", 500) + ".pdf", "."} {
		s := newSample(c.Kind, i)
		a := w.attach(c, s)
		a.Name = name
		sent := w.delivered(w.attached(chat, "a name", a)[0])
		got := w.sent()[i]
		w.carried(got, chat, "a name", sent.ProviderID, s)
		if at, _ := got.Detail["file_name"].(string); strings.ContainsAny(at, "\r\n\x00\"") || strings.Contains(at, "/") && !strings.HasPrefix(name, "..") {
			w.Errorf("a file called %q arrived as %q", name, at)
		}
	}
}
