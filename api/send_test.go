package api

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// photos uploads three pictures under the names F1 to F3.
func (n *tenant) photos(t *testing.T) {
	t.Helper()
	for i := range 3 {
		n.ids[fmt.Sprint("F", i+1)] = n.photo(t)
	}
}

// sentFiles returns the files of a channel's only open job.
func (n *tenant) sentFiles(t *testing.T, channel string) []int64 {
	t.Helper()
	work := n.open(t, channel)
	if len(work) != 1 {
		t.Fatalf("got jobs %+v", work)
	}
	var ids []int64
	for _, a := range work[0].Files {
		ids = append(ids, int64(a.ID))
	}
	return ids
}

// TestSendOrder: files are sent in the order in which the request names them, to
// the providers that take several.
func TestSendOrder(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		n := newGateway(t, db).full(t)
		n.ids["CV"] = int64(n.hear(t, n.whole(t, "VK"), "5", "1", "Hello"))
		want := make([]int64, 10)
		for i := range want {
			want[(i*7)%len(want)] = n.photo(t)
		}
		n.post(t, messagesPath, idList(want)).expect(t, "ok")
		if diff := cmp.Diff(want, n.sentFiles(t, "VK")); diff != "" {
			t.Error(diff)
		}
	})
}

// TestSendLimits: how many files a message takes is said by the provider's Spec,
// and where it says nothing, by the original API.
func TestSendLimits(t *testing.T) {
	t.Parallel()
	g := newGateway(t, openSQLite(t), func(c *Config) {
		spec := c.Providers["telegram"]
		spec.MaxFiles = 2
		c.Providers["telegram"] = spec
	})
	n := g.full(t)
	n.photos(t)
	for name, most := range map[string]int{"WA": 1, "TG": 2, "VK": 10} {
		n.ids["CV"] = int64(n.hear(t, n.whole(t, name), "5", "1", "Hello"))
		ids := []int64{}
		for range most {
			ids = append(ids, n.photo(t))
		}
		n.post(t, messagesPath, idList(ids)).expect(t, "ok")
		n.post(t, messagesPath, idList(append(ids, n.photo(t)))).expect(t, "400 attachments_ids")
		if work := n.open(t, name); len(work) != 1 {
			t.Errorf("%s: got jobs %+v", name, work)
		}
	}
}

// idList is a JSON body that names files.
func idList(ids []int64) string {
	text, _ := json.Marshal(map[string]any{"attachments_ids": ids}) // plain data
	return string(text)
}

// TestSendForeignFiles: only uploads of the company can be sent.
func TestSendForeignFiles(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		g := newGateway(t, db)
		n, other := g.full(t), g.full(t)
		n.photos(t)
		other.photos(t)
		n.hearFile(t, "2", "")
		received := n.get(t, messagesPath+"?sort=desc&per=1").rows(t, "messages", "attachments")[0].([]any)[0].(map[string]any)["id"]
		for name, id := range map[string]any{
			"another's": other.ids["F1"], "received": received, "no file": n.ids["CV"], "unknown": int64(1) << 60, "text": "x", "zero": 0, "negative": -n.ids["F1"],
			"beyond int64": json.Number("9223372036854775808"), "fraction": 1.5, "nested": []any{n.ids["F1"]}, "null": nil,
		} {
			text, _ := json.Marshal(map[string]any{"message": "x", "attachments_ids": []any{id}})
			t.Log(name)
			n.post(t, messagesPath, string(text)).expect(t, "400 attachments_ids")
		}
		if work := n.open(t, "WA"); len(work) != 0 {
			t.Errorf("got jobs %+v", work)
		}
	})
}

// hearFile lets the contact of the tenant's conversation send a picture.
func (n *tenant) hearFile(t *testing.T, id, text string) {
	t.Helper()
	_, errs := n.db.Receive(context.Background(), &store.Receive{Channel: n.whole(t, "WA"), Event: connector.Event{
		ID: id, Chat: connector.Chat{ID: "79250000001"}, From: connector.Person{ID: "79250000001", Name: "Ann"},
		What: connector.Message{Text: text, Files: []connector.File{{Kind: parley.FilePhoto, ID: "u" + id, Source: "s", Type: "image/jpeg", Width: 4, Height: 3}}},
	}})
	if errs[0] != nil {
		t.Fatal(errs[0])
	}
}

// TestSendIdempotency: a message with files is sent once, and its key is good for
// the same files only.
func TestSendIdempotency(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		n := newGateway(t, db).full(t)
		n.photos(t)
		first := n.keyed(t, messagesPath, "attachments_ids[]={F1}", "k").expect(t, "ok")
		if got := n.keyed(t, messagesPath, "attachments_ids[]={F1}", "k").expect(t, "ok"); got.text != first.text || !replayed(got) {
			t.Errorf("got %s, want %s", got.text, first.text)
		}
		n.keyed(t, messagesPath, "attachments_ids[]={F2}", "k").expect(t, "400 Idempotency-Key")
		n.keyed(t, messagesPath, "attachments_ids[]={F1}&message=x", "k").expect(t, "400 Idempotency-Key")
		if diff := cmp.Diff([]int64{n.ids["F1"]}, n.sentFiles(t, "WA")); diff != "" {
			t.Error(diff)
		}
	})
}

// TestShownFiles: attachments of received messages and of own ones, once they are
// delivered.
func TestShownFiles(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		db.SetBase("https://gateway.example")
		n := newGateway(t, db).full(t)
		n.hearFile(t, "2", "look")
		n.ids["F"] = n.photo(t)
		n.post(t, messagesPath, "attachments_ids={F}").expect(t, "ok")
		n.end(t, store.Delivered)
		got := n.get(t, messagesPath).expect(t, "ok")
		if diff := cmp.Diff([]any{"Hello", "look", ""}, got.rows(t, "messages", "message")); diff != "" {
			t.Fatal(diff)
		}
		shown := got.rows(t, "messages", "attachments")
		if len(shown[0].([]any)) != 0 {
			t.Errorf("a text has attachments: %v", shown[0])
		}
		for i, want := range []map[string]any{
			{"file_name": "photo.jpg", "mime_type": "image/jpeg", "size": nil, "aspect_ratio": 1.333, "push_to_talk": false, "state": "pending"},
			{"id": float64(n.ids["F"]), "file_name": "image.png", "mime_type": "image/png", "size": 3.0, "aspect_ratio": nil, "push_to_talk": false},
		} {
			a := shown[i+1].([]any)[0].(map[string]any)
			if want["id"] == nil {
				want["id"] = a["id"]
			}
			file, err := db.File(context.Background(), parley.AttachmentID(a["id"].(float64)))
			if err != nil {
				t.Fatal(err)
			}
			want["external_id"] = want["id"]
			want["attachment_url"] = "https://gateway.example" + file.Path()
			want["preview_url"] = want["attachment_url"]
			if diff := cmp.Diff(want, a); diff != "" {
				t.Error(diff)
			}
		}
	})
}
