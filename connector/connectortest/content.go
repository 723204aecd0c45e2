package connectortest

import (
	"io"
	"slices"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

func (s Suite) contentCases() []check {
	cases := []check{
		{"album", s.Album != nil, receiveAlbum},
		{"same file", s.features()["document"], receiveSameFile},
		{"reply with a file", s.Can.Replies && s.features()["document"], receiveFileReply},
		{"forward", s.Forward != nil, receiveForward},
		{"edited caption", s.EditCaption != nil, receiveCaptionEdit},
		{"edited file", s.EditFile != nil, receiveFileEdit},
		{"edited location", s.EditLocation != nil, receiveLocationEdit},
		{"button", s.Buttons != nil, receiveButton},
		{"button confirmed", s.Buttons != nil && s.Buttons.Answer != "", confirmButton},
	}
	for _, one := range s.Says {
		cases = append(cases, check{one.Kind, true, receiveSaying(one)})
	}
	for _, one := range s.Strange {
		cases = append(cases, check{"unsupported " + one.Name, true, receiveStrange(one)})
	}
	return cases
}

// listen hears what comes, by callbacks if the connector takes any. Whoever
// listens twice hears the same.
func (w *world) listen() *store {
	w.Helper()
	switch {
	case w.heard != nil:
	case w.suite.Can.Callback:
		w.heard = w.subscribed().store
	default:
		w.heard = newStore()
		w.listening = w.run(w.client, w.heard)
	}
	return w.heard
}

// hush ends a listening that makes requests of its own, among which those of a case
// could not be told.
func (w *world) hush() {
	w.Helper()
	if w.listening != nil {
		w.listening.halt()
		w.listening, w.heard = nil, nil
	}
}

// first waits for an event that fits.
func (w *world) first(s *store, what string, fits func(connector.Event) bool) connector.Event {
	w.Helper()
	for {
		total, list := s.Total(), s.all()
		if i := slices.IndexFunc(list, fits); i >= 0 {
			return list[i]
		}
		await(w, "event, looking for "+what+",", s.Ring, total)
	}
}

// about waits for the event of a kind about something said.
func (w *world) about(s *store, d said, kind string) connector.Event {
	w.Helper()
	return w.first(s, kind+" "+d.message, func(e connector.Event) bool {
		return e.ID == d.message && e.Chat.ID == d.chat && e.What.Kind() == kind
	})
}

// plainFiles takes out what only the connector reads, which must be there.
func (w *world) plainFiles(files []connector.File) []connector.File {
	w.Helper()
	out := slices.Clone(files)
	for i := range out {
		if f := &out[i]; f.ID == "" || f.Source == "" {
			w.Errorf("a file has id %q and source %q, want both", f.ID, f.Source)
		} else {
			f.ID, f.Source = "", ""
		}
	}
	return out
}

// plainWhat is what happened, without what plainFiles takes out.
func (w *world) plainWhat(what connector.What) connector.What {
	w.Helper()
	switch v := what.(type) {
	case connector.Message:
		v.Files = w.plainFiles(v.Files)
		return v
	case connector.Edit:
		v.Files = w.plainFiles(v.Files)
		return v
	}
	return what
}

// fileOf returns the one file of an event; the case ends if there is none.
func (w *world) fileOf(e connector.Event) connector.File {
	w.Helper()
	var files []connector.File
	switch what := e.What.(type) {
	case connector.Message:
		files = what.Files
	case connector.Edit:
		files = what.Files
	}
	if len(files) != 1 {
		w.Fatalf("the event has %d files, want 1", len(files))
	}
	return files[0]
}

// receiveSaying: each kind becomes what it has to, with every caption and every
// byte.
func receiveSaying(s Saying) func(*world) {
	return func(w *world) {
		heard, captions := w.listen(), []string{""}
		if s.Caption {
			captions = append(captions, plain[1], plain[4])
		}
		for i, caption := range captions {
			d, file := w.says(s, "Ann", i, "caption", caption)
			e := w.about(heard, d, "message")
			w.wants(e, d, s.want(caption, file))
			if e.From.ID == "" || e.From.Name != "Ann" {
				w.Errorf("from %+v, want Ann with an id", e.From)
			}
			if len(s.Want.Files) == 1 && w.suite.Fetch != nil {
				w.fetches(w.fileOf(e), file)
			}
		}
		if got := len(w.unique(heard.all())); got != len(captions) {
			w.Errorf("got %d events of %d messages", got, len(captions))
		}
	}
}

// receiveStrange: what cannot be carried is named, and its words are not lost.
func receiveStrange(s Strange) func(*world) {
	return func(w *world) {
		heard := w.listen()
		chat := w.say("Ann", "hello").chat
		event, id := s.Event(chat)
		w.raw(event)
		d := said{chat: chat, message: id}
		w.wants(w.about(heard, d, "message"), d, s.Want)
		after := w.say("Ann", "and on")
		w.wants(w.about(heard, after, "message"), after, connector.Message{Text: "and on"})
	}
}

// receiveAlbum: every item is a message of its own, in order, and the caption is
// on one of them.
func receiveAlbum(w *world) {
	heard, photo := w.listen(), w.saying("photo")
	files := map[string]sample{"file1": newSample("photo", 1), "file2": newSample("photo", 2), "file3": newSample("photo", 3)}
	a := w.play(*w.suite.Album, files, "person", "Ann", "caption", "three of them")
	ids, captions := w.list(a, "message_ids"), []string{}
	got := w.distinct(heard, len(files))
	if len(ids) != len(files) {
		w.Fatalf("the simulator said %d messages, want %d", len(ids), len(files))
	}
	for i, name := range []string{"file1", "file2", "file3"} {
		m, _ := got[i].What.(connector.Message)
		if m.Text != "" {
			captions = append(captions, m.Text)
		}
		w.wants(got[i], said{chat: a["chat"], message: ids[i]}, photo.want(m.Text, files[name]))
		if w.suite.Fetch != nil {
			w.fetches(w.fileOf(got[i]), files[name])
		}
	}
	if !slices.Equal(captions, []string{"three of them"}) {
		w.Errorf("the captions of the items are %q, want the one", captions)
	}
}

// receiveSameFile: the id tells files apart and not the messages that they are on.
func receiveSameFile(w *world) {
	heard, s := w.listen(), w.saying("document")
	var ids []string
	for _, n := range []int{1, 1, 2} {
		d, _ := w.says(s, "Ann", n)
		ids = append(ids, w.fileOf(w.about(heard, d, "message")).ID)
	}
	if ids[0] != ids[1] || ids[0] == ids[2] {
		w.Errorf("the files have ids %q, want the first two alike and the third not", ids)
	}
}

func receiveFileReply(w *world) {
	heard, s := w.listen(), w.saying("document")
	first, _ := w.says(s, "Ann", 1)
	w.about(heard, first, "message")
	d, file := w.says(s, "Ann", 2, "reply_to", first.message)
	want := s.want("", file)
	want.ReplyTo = first.message
	w.wants(w.about(heard, d, "message"), d, want)
	sent := w.delivered(w.part(first.chat, "an answer"))
	d, file = w.says(s, "Ann", 3, "reply_to", sent.ProviderID)
	want = s.want("", file)
	want.ReplyTo = sent.ProviderID
	w.wants(w.about(heard, d, "message"), d, want)
}

// receiveForward: words and files of others are marked as such, own ones are not.
func receiveForward(w *world) {
	heard, s := w.listen(), w.saying("document")
	d := w.did(Play{"say", w.suite.Forward}, "Ann", nil, "text", "as Bob said")
	w.wants(w.about(heard, d, "message"), d, connector.Message{Text: "as Bob said", Forwarded: true})
	d, file := w.says(Saying{Kind: s.Kind, Play: Play{s.Play.with(s.Kind).Verb, merged(s.Play.Params, w.suite.Forward)}, Want: s.Want}, "Ann", 1)
	want := s.want("", file)
	want.Forwarded = true
	w.wants(w.about(heard, d, "message"), d, want)
}

func merged(a, b map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range []map[string]string{a, b} {
		for name, value := range m {
			out[name] = value
		}
	}
	return out
}

// edited waits for the next edit of a message, after n of it.
func (w *world) edited(s *store, d said, n int) connector.Event {
	w.Helper()
	var found []connector.Event
	w.first(s, fmtNumber("edit", n+1), func(connector.Event) bool {
		found = slices.DeleteFunc(w.unique(s.all()), func(e connector.Event) bool {
			return e.ID != d.message || e.Chat.ID != d.chat || e.What.Kind() != "edit"
		})
		return len(found) > n
	})
	return found[n]
}

// receiveCaptionEdit: a caption can change and go, and the file stays.
func receiveCaptionEdit(w *world) {
	heard := w.listen()
	d, file := w.says(w.saying("photo"), "Ann", 1, "caption", "one")
	original := w.fileOf(w.about(heard, d, "message"))
	for i, caption := range []string{"two", plain[4], ""} {
		w.did(*w.suite.EditCaption, "Ann", nil, "message_id", d.message, "caption", caption)
		e := w.edited(heard, d, i)
		edit, _ := e.What.(connector.Edit)
		if edit.Text != caption || edit.Location != nil {
			w.Errorf("edit number %d: got %+v, want the text %q", i+1, edit, caption)
		}
		if len(edit.Files) > 0 && (w.fileOf(e).ID != original.ID || w.fileOf(e).Size != int64(len(file.data))) {
			w.Errorf("edit number %d: the file is %+v, want still %+v", i+1, w.fileOf(e), original)
		}
	}
}

// receiveFileEdit: the message has another file afterwards.
func receiveFileEdit(w *world) {
	heard, s := w.listen(), w.saying("document")
	d, _ := w.says(s, "Ann", 1, "caption", "the first")
	original := w.fileOf(w.about(heard, d, "message"))
	second := newSample("document", 2)
	w.did(*w.suite.EditFile, "Ann", one(second), "message_id", d.message, "caption", "the second")
	e := w.edited(heard, d, 0)
	want := s.want("the second", second)
	if diff := cmp.Diff(connector.What(connector.Edit{Text: want.Text, Files: want.Files}), w.plainWhat(e.What)); diff != "" {
		w.Errorf("edit (-want +got):\n%s", diff)
	}
	if w.fileOf(e).ID == original.ID {
		w.Error("another file has the id of the first")
	}
	if w.suite.Fetch != nil {
		w.fetches(w.fileOf(e), second)
	}
}

// receiveLocationEdit: each move of a live location is an edit.
func receiveLocationEdit(w *world) {
	heard := w.listen()
	d, _ := w.says(w.saying("live_location"), "Ann", 0)
	w.about(heard, d, "message")
	for i, at := range []parley.Location{{Latitude: 10.5, Longitude: -20.25}, {Latitude: -33.5, Longitude: 151.125}} {
		w.did(*w.suite.EditLocation, "Ann", nil, "message_id", d.message, "latitude", decimal(at.Latitude), "longitude", decimal(at.Longitude))
		if diff := cmp.Diff(connector.What(connector.Edit{Location: &at}), w.edited(heard, d, i).What); diff != "" {
			w.Errorf("move number %d (-want +got):\n%s", i+1, diff)
		}
	}
}

// fetches checks that a file has the very bytes, each time, and that closing the
// body early harms nobody.
func (w *world) fetches(f connector.File, want sample) {
	w.Helper()
	for range 2 {
		got := w.fetched(f)
		data, err := io.ReadAll(got.Body)
		w.ok("read the file", err)
		w.ok("close the file", got.Body.Close())
		if string(data) != string(want.data) || got.Size != 0 && got.Size != int64(len(want.data)) {
			w.Errorf("fetched %d bytes, %d announced, want the %d that were sent", len(data), got.Size, len(want.data))
		}
	}
	w.ok("close a file that was not read", w.fetched(f).Body.Close())
}
