package store_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

const base = "https://files.example"

func photo(id string) connector.File {
	return connector.File{Kind: parley.FilePhoto, ID: id, Source: "source-" + id, Type: "image/jpeg", Size: 10, Width: 4, Height: 3}
}

// shows is a person's message with files.
func shows(ch *parley.Channel, person, id string, files ...connector.File) *store.Receive {
	return does(ch, person, id, "", connector.Message{Text: "look", Files: files})
}

func (w *world) messages(v parley.ConversationID) []parley.Message {
	w.t.Helper()
	list, err := w.db.Messages(w.t.Context(), v, store.Page{Limit: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func (w *world) dueFiles() []parley.Attachment {
	w.t.Helper()
	list, err := w.db.DueFiles(w.t.Context(), time.Now().Add(time.Minute), store.FileCursor{}, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// bodies returns the events of one kind.
func (w *world) bodies(kind parley.EventKind) []string {
	w.t.Helper()
	var list []string
	for _, e := range events(w.t, w.db, w.company) {
		if e.Kind == kind {
			list = append(list, string(e.Body))
		}
	}
	return list
}

// wantKinds checks the kinds of all events but those of the first contact.
func (w *world) wantKinds(want string) {
	w.t.Helper()
	if got := kinds(w.t, w.db, w.company); got != want {
		w.t.Errorf("events\n got %s\nwant %s", got, want)
	}
}

func contains(t *testing.T, body string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(body, word) {
			t.Errorf("body %s lacks %s", body, word)
		}
	}
}

func TestReceiveFiles(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.db.SetBase(base)
		refused := connector.File{Kind: parley.FileVideo, ID: "v", Size: 1 << 40, Refused: "too large for bots"}
		out := receive(t, w.db, shows(w.ch, "1", "10", photo("p"), refused), says(w.ch, "1", "11", "and a text"))[0]
		receive(t, w.db, shows(w.ch, "1", "10", photo("p"), refused)) // a duplicate brings nothing

		list := w.messages(out.Conversation)
		if len(list) != 2 || len(list[0].Files) != 2 || len(list[1].Files) != 0 {
			t.Fatalf("messages %+v, want one with two files and one without", list)
		}
		first, second := list[0].Files[0], list[0].Files[1]
		if first.State != parley.AttachmentPending || first.Message != list[0].ID || first.Width != 4 || first.Source != "source-p" {
			t.Errorf("first file %+v", first)
		}
		if second.State != parley.AttachmentFailed || second.Reason != "too large for bots" {
			t.Errorf("refused file %+v", second)
		}
		body := w.bodies(parley.EventMessageNew)[0]
		contains(t, body, `"attachment_url":"`+base+first.Path()+`"`, `"mime_type":"image/jpeg"`, `"state":"pending"`, `"state":"failed"`)
		if due := w.dueFiles(); len(due) != 1 || due[0].ID != first.ID {
			t.Errorf("due files %+v, want the first alone", due)
		}
		if got, err := w.db.File(t.Context(), first.ID); err != nil || cmp.Diff(got, first) != "" {
			t.Errorf("File: %+v, %v", got, err)
		}
		if _, err := w.db.File(t.Context(), 1<<40); parley.KindOf(err) != parley.KindNotFound {
			t.Errorf("file that is not there: %v", err)
		}
	})
}

// TestFinishFile walks through what can become of a file.
func TestFinishFile(t *testing.T) {
	t.Parallel()
	later := time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
	tests := []struct {
		name  string
		o     store.FileOutcome
		state parley.AttachmentState
		event parley.EventKind
		words []string
	}{
		{"fetched", store.FileOutcome{Result: store.FileFetched, Blob: "b", Size: 99, SHA256: "ab12", Type: "text/html"}, parley.AttachmentReady,
			parley.EventAttachmentReady, []string{`"size":99`, `"mime_type":"text/html"`, `"message_id":`}},
		{"failed", store.FileOutcome{Result: store.FileFailed, Reason: "gone"}, parley.AttachmentFailed,
			parley.EventAttachmentFailed, []string{`"reason":"gone"`, `"state":"failed"`}},
		{"again", store.FileOutcome{Result: store.FileRetry, At: later, Spent: true}, parley.AttachmentPending, "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			eachWorld(t, func(t *testing.T, w *world) {
				out := receive(t, w.db, shows(w.ch, "1", "10", photo("p")))[0]
				file := w.dueFiles()[0]
				o := tt.o
				o.File, o.Grant = &file, w.grant
				if err := w.db.FinishFile(t.Context(), &o); err != nil {
					t.Fatal(err)
				}
				got := w.messages(out.Conversation)[0].Files[0]
				if got.State != tt.state || got.Blob != tt.o.Blob || got.SHA256 != tt.o.SHA256 {
					t.Errorf("file %+v, want state %s", got, tt.state)
				}
				if tt.event == "" {
					if got.Attempt != 1 || !got.NextAt.Equal(later) {
						t.Errorf("attempt %d next at %v, want 1 at %v", got.Attempt, got.NextAt, later)
					}
				} else if b := w.bodies(tt.event); len(b) != 1 {
					t.Errorf("%d events of kind %s, want 1", len(b), tt.event)
				} else {
					contains(t, b[0], tt.words...)
				}
				if err := w.db.FinishFile(t.Context(), &o); parley.KindOf(err) != parley.KindConflict {
					t.Errorf("the same outcome again: %v, want a conflict", err)
				}
			})
		})
	}
}

func TestFinishFileFenced(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		receive(t, w.db, shows(w.ch, "1", "10", photo("p")))
		file, old := w.dueFiles()[0], w.grant
		w.own("node-2")
		err := w.db.FinishFile(t.Context(), &store.FileOutcome{File: &file, Grant: old, Result: store.FileFailed})
		if parley.KindOf(err) != parley.KindConflict || len(w.dueFiles()) != 1 {
			t.Errorf("outcome of a former owner: %v, want a conflict and the file still due", err)
		}
	})
}

// TestDueFilesPages walks through files that are due, a few at a time.
func TestDueFilesPages(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		for n := range 5 {
			receive(t, w.db, shows(w.ch, "1", fmt.Sprint(n), photo(fmt.Sprint("p", n))))
		}
		var seen []string
		for at := (store.FileCursor{}); ; {
			list, err := w.db.DueFiles(t.Context(), time.Now().Add(time.Minute), at, 2)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) == 0 {
				break
			}
			for _, a := range list {
				seen = append(seen, a.External)
			}
			last := list[len(list)-1]
			at = store.FileCursor{At: last.NextAt, ID: last.ID}
		}
		if got := strings.Join(seen, " "); got != "p0 p1 p2 p3 p4" {
			t.Errorf("seen %s", got)
		}
		if list, err := w.db.DueFiles(t.Context(), time.Now().Add(-time.Hour), store.FileCursor{}, 10); err != nil || len(list) > 0 {
			t.Errorf("due an hour ago: %v, %v", list, err)
		}
	})
}

// TestEditFiles changes text, place and files of a message.
func TestEditFiles(t *testing.T) {
	t.Parallel()
	here := &parley.Location{Latitude: 1, Longitude: 2}
	tests := []struct {
		name  string
		edit  connector.Edit
		files string
		words []string
	}{
		{"the caption alone", connector.Edit{Text: "new"}, "p", []string{`"message":"new"`, `"attachments":[{`}},
		{"the same file", connector.Edit{Text: "new", Files: []connector.File{photo("p")}}, "p", nil},
		{"another file", connector.Edit{Text: "new", Files: []connector.File{photo("q")}}, "q", []string{`"state":"pending"`}},
		{"a place", connector.Edit{Location: here}, "p", []string{`"latitude":1`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			eachWorld(t, func(t *testing.T, w *world) {
				out := receive(t, w.db, shows(w.ch, "1", "10", photo("p")))[0]
				receive(t, w.db, does(w.ch, "1", "10", "2", tt.edit))
				m := w.messages(out.Conversation)[0]
				if len(m.Files) != 1 || m.Files[0].External != tt.files || m.Text != tt.edit.Text {
					t.Errorf("message %+v, want file %s", m, tt.files)
				}
				if tt.edit.Location != nil && cmp.Diff(m.Location, here) != "" {
					t.Errorf("location %v", m.Location)
				}
				contains(t, w.bodies(parley.EventMessageUpdate)[0], tt.words...)
			})
		})
	}
}

// TestEditFilesOfUnknown: an edit of what we never saw brings its files too.
func TestEditFilesOfUnknown(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		out := receive(t, w.db, does(w.ch, "1", "10", "2", connector.Edit{Text: "new", Files: []connector.File{photo("p"), photo("q")}}))[0]
		if m := w.messages(out.Conversation)[0]; len(m.Files) != 2 || m.Text != "new" {
			t.Errorf("message %+v", m)
		}
	})
}

func (w *world) upload(name string) parley.Attachment {
	w.t.Helper()
	id, err := w.db.AddFile(w.t.Context(), &parley.Attachment{Company: w.company, Channel: w.ch.ID, Kind: parley.FileDocument, Name: name, Size: 3, SHA256: "cd34", Blob: name})
	if err != nil {
		w.t.Fatal(err)
	}
	list, err := w.db.Files(w.t.Context(), w.company, []parley.AttachmentID{id})
	if err != nil || len(list) != 1 {
		w.t.Fatal(list, err)
	}
	return list[0]
}

// TestFilesOfCompany: only uploads of the company itself can be sent.
func TestFilesOfCompany(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		a := w.upload("a.txt")
		receive(t, w.db, shows(w.ch, "1", "10", photo("p")))
		received := w.dueFiles()[0].ID
		list, err := w.db.Files(t.Context(), w.company, []parley.AttachmentID{a.ID, received, 1 << 40})
		if err != nil || len(list) != 1 || list[0].ID != a.ID || list[0].State != parley.AttachmentReady || list[0].SHA256 != "cd34" || list[0].Token == "" {
			t.Errorf("files %+v, %v, want the upload alone", list, err)
		}
		if list, err := w.db.Files(t.Context(), w.company+1000, []parley.AttachmentID{a.ID}); err != nil || len(list) > 0 {
			t.Errorf("files of another company %+v, %v", list, err)
		}
	})
}

// TestSendFiles sends a text and a file as two parts of one job.
func TestSendFiles(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		v, a := w.talk("1"), w.upload("a.txt")
		job := w.accept(store.Accept{Conversation: v, Text: "one", Files: []parley.Attachment{a}}).Job
		work := w.work(job.ID)
		if len(work.Message.Files) != 1 || work.Message.Files[0].Blob != "a.txt" || work.File(a.ID) == nil {
			t.Fatalf("work %+v has no file", work)
		}
		claim := &store.Claim{Job: job.ID, Company: w.company, Grant: w.grant, Deadline: when.Add(time.Hour),
			Plan: []store.Planned{{Text: "one"}, {File: a.ID}}}
		if err := w.db.Claim(t.Context(), claim); err != nil {
			t.Fatal(err)
		}
		work.Claimed(claim)
		w.finish(work, store.Finish{Result: store.Delivered, Sent: connector.Sent{ProviderID: "m1"}})

		// What is left is read from the rows, as after a restart.
		rest := w.work(job.ID)
		if rest.Job.Part != 1 || rest.PartText() != "" || len(rest.PartFiles()) != 1 || rest.PartFiles()[0].ID != a.ID {
			t.Fatalf("second part %+v", rest)
		}
		c := &store.Claim{Job: job.ID, Company: w.company, Grant: w.grant, Part: 1, Deadline: when.Add(time.Hour)}
		if err := w.db.Claim(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		rest.Claimed(c)
		w.finish(rest, store.Finish{Result: store.Delivered, Sent: connector.Sent{ProviderID: "m2"}})

		list := w.messages(v)[1:]
		if len(list) != 2 || list[0].Text != "one" || len(list[0].Files) != 0 || list[1].Text != "" || len(list[1].Files) != 1 {
			t.Errorf("messages %+v, want the text, then the file", list)
		}
		w.wantKinds("conversation/new message/new message/new message/new job/executed")
		contains(t, w.bodies(parley.EventMessageNew)[2], `"file_name":"a.txt"`)
	})
}

// TestPlanOfTexts reads a plan as it was written before there were files.
func TestPlanOfTexts(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		job := w.say(w.talk("1"), "one two")
		err := w.db.Tx(t.Context(), w.company, func(tx *store.Tx) error {
			_, err := tx.Exec(`UPDATE job SET plan = '["one","two"]' WHERE id = $1`, int64(job.ID))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := w.work(job.ID).Plan; cmp.Diff(got, texts("one", "two")) != "" {
			t.Errorf("plan %v", got)
		}
	})
}

// TestEchoWithFiles holds an own message with a file until the outcome.
func TestEchoWithFiles(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		v := w.talk("1")
		work := w.claim(w.say(v, "ours").ID)
		receive(t, w.db, does(w.ch, "1", "77", "", connector.Message{Own: true, Text: "theirs", Files: []connector.File{photo("p")}}))
		if sent, found, err := w.db.EchoOf(t.Context(), work); err != nil || found {
			t.Errorf("echo %v of another message taken for ours: %v", sent, err)
		}
		w.finish(work, delivered("76"))
		list := w.messages(v)
		last := list[len(list)-1]
		if last.Text != "theirs" || len(last.Files) != 1 || last.Files[0].Message != last.ID || len(w.dueFiles()) != 1 {
			t.Errorf("last message %+v, want the echo with its file", last)
		}
	})
}

// TestFinishFilesTogether ends many files at once, each twice: one of the two
// outcomes is stored, and a file of a former owner fails alone.
func TestFinishFilesTogether(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		const n = 40
		in := make([]*store.Receive, n)
		for k := range in {
			in[k] = shows(w.ch, fmt.Sprint(k%3), fmt.Sprint(k), photo(fmt.Sprint("p", k)))
		}
		receive(t, w.db, in...)
		due := w.dueFiles()
		var conflicts atomic.Int64
		var wg sync.WaitGroup
		for k := range 2 * n {
			wg.Go(func() {
				o := &store.FileOutcome{File: &due[k%n], Grant: w.grant, Result: store.FileFetched, Blob: fmt.Sprint("blob", k), Size: 5}
				switch err := w.db.FinishFile(t.Context(), o); {
				case parley.KindOf(err) == parley.KindConflict:
					conflicts.Add(1)
				case err != nil:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := conflicts.Load(); got != n {
			t.Errorf("%d conflicts, want one for each file", got)
		}
		if got := len(w.bodies(parley.EventAttachmentReady)); got != n || len(w.dueFiles()) > 0 {
			t.Errorf("%d events and %d files still due, want %d and none", got, len(w.dueFiles()), n)
		}
	})
}
