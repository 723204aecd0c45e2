package attachment

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/blob"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// TestOnRealStores: from a message with a file to its bytes at its address, with
// a real database and directory, and an upload to the bytes that are sent.
func TestOnRealStores(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		_, company := storetest.Company(t, db, "ann", "")
		channel := storetest.Channel(t, db, company, "bot")
		dir, err := blob.Open(t.TempDir(), blob.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r := newRig(func(c *Config) { c.Store, c.Blobs, c.Grants = db, dir, storetest.Own(t, db, "node") })
		r.watcher.signal = make(chan string, 10)
		files := receive(t, db, channel, "good", "bad", "later")
		tries := map[string]int{}
		r.client.fetch = func(ctx context.Context, a *parley.Attachment) (connector.Fetched, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			tries[a.Source]++
			switch {
			case a.Source == "bad":
				return connector.Fetched{}, parley.Errorf(parley.KindRejected, "no such file")
			case a.Source == "later" && tries[a.Source] == 1:
				return connector.Fetched{}, unavailable()
			}
			return gives("bytes of "+a.Source)(ctx, a)
		}
		r.client.profile = func(context.Context, connector.Chat) (connector.Profile, error) {
			return connector.Profile{Name: "Ann", Picture: &connector.File{ID: "p", Source: "face", Type: "image/jpeg"}}, nil
		}
		for _, a := range files {
			if resp := r.get("GET", a.Path()); resp.StatusCode != 503 {
				t.Errorf("before the fetch: %d", resp.StatusCode)
			}
		}
		r.until(t, "fetched", "failed", "retry", "fetched", "fetched")
		for n, want := range []string{"200 bytes of good", "410 ", "200 bytes of later"} {
			resp := r.get("GET", files[n].Path())
			got := resp.Status[:4]
			if resp.StatusCode == 200 {
				got += body(t, resp)
			}
			if got != want {
				t.Errorf("file %d: got %q, want %q", n, got, want)
			}
		}
		kinds := eventKinds(t, db, company)
		if kinds[parley.EventAttachmentReady] != 2 || kinds[parley.EventAttachmentFailed] != 1 {
			t.Errorf("events %v", kinds)
		}
		due, err := db.DueProfiles(t.Context(), time.Now().Add(time.Hour), store.ProfileCursor{}, 10)
		if err != nil || len(due) != 0 {
			t.Errorf("profiles still due: %+v, %v", due, err)
		}
		uploads(t, r, NewFiles(db, dir), channel, files[0].Conversation)
	})
}

// receive has a message with a file for each source, and returns the files.
func receive(t *testing.T, db *store.DB, ch *parley.Channel, sources ...string) []parley.Attachment {
	t.Helper()
	for n, source := range sources {
		_, errs := db.Receive(t.Context(), &store.Receive{Channel: ch, Event: connector.Event{
			ID: source, At: time.Now(), Chat: connector.Chat{ID: "5"}, From: connector.Person{ID: "5"},
			What: connector.Message{Files: []connector.File{{Kind: parley.FileDocument, ID: source, Source: source, Name: source + ".txt"}}},
		}})
		if errs[0] != nil {
			t.Fatal(n, errs[0])
		}
	}
	files, err := db.DueFiles(t.Context(), time.Now().Add(time.Minute), store.FileCursor{}, 10)
	if err != nil || len(files) != len(sources) {
		t.Fatalf("due: %+v, %v", files, err)
	}
	return files
}

// until runs the service until fetches have had all of the results, in any order.
func (r *rig) until(t *testing.T, results ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	left := map[string]int{}
	for _, result := range results {
		left[result]++
	}
	for range results {
		select {
		case got := <-r.watcher.signal:
			left[got]--
		case <-ctx.Done():
			t.Error("not all fetched in time")
		}
	}
	cancel()
	wg.Wait()
	for result, n := range left {
		if n != 0 {
			t.Errorf("%d of %q are missing", n, result)
		}
	}
}

func eventKinds(t *testing.T, db *store.DB, company parley.CompanyID) map[parley.EventKind]int {
	t.Helper()
	events, err := db.EventsAfter(t.Context(), company, 0, 1000, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[parley.EventKind]int{}
	for _, e := range events {
		kinds[e.Kind]++
	}
	return kinds
}

func uploads(t *testing.T, r *rig, files *Files, ch *parley.Channel, conversation parley.ConversationID) {
	t.Helper()
	a, err := r.Upload(t.Context(), UploadRequest{Company: ch.Company, Channel: ch.ID, Conversation: conversation, Name: "a.txt"}, strings.NewReader("to send"))
	if err != nil {
		t.Fatal(err)
	}
	b, size, err := files.Open(t.Context(), &parley.Attachment{ID: a.ID})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if text, err := io.ReadAll(b); string(text) != "to send" || size != 7 || err != nil {
		t.Errorf("got %q of %d, %v", text, size, err)
	}
	if _, err := r.Upload(t.Context(), UploadRequest{Company: ch.Company}, strings.NewReader("")); parley.KindOf(err) != parley.KindInvalid {
		t.Errorf("empty upload: %v", err)
	}
}
