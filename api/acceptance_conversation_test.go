package api

import (
	"context"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

const (
	conversationsPath = "/p1/companies/{C}/conversations"
	postConversation  = "POST " + conversationsPath
	onCV              = conversationsPath + "/{CV}"
)

func conversationScenes() []scene {
	return []scene{
		{number: "112", play: func(t *testing.T, n *tenant) {
			n.ids["X"] = n.full(t).ids["CV"]
			n.get(t, conversationsPath+"/999999999").expect(t, "404 Conversation")
			n.get(t, conversationsPath+"/{X}").expect(t, "404 Conversation")
			n.get(t, conversationsPath+"/{X}/messages").expect(t, "404 Conversation")
			n.post(t, conversationsPath+"/{X}/messages", "message=hi").expect(t, "404 Conversation")
			n.put(t, conversationsPath+"/{X}/note", "note=hi").expect(t, "404 Conversation")
			n.get(t, onCV).expect(t, "ok")
		}},
		{number: "113", play: noted},
		{number: "114", play: assigned},
		{number: "115", play: toggled},
	}
}

// open returns the open jobs of a channel.
func (n *tenant) open(t *testing.T, channel string) []store.Work {
	t.Helper()
	work, err := n.db.OpenWork(context.Background(), parley.ChannelID(n.ids[channel]), 100)
	if err != nil {
		t.Fatal(err)
	}
	return work
}

var (
	isoTime   = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`)
	unixStamp = regexp.MustCompile(`(_timestamp|_at)":1\d{9}`)
)

// still hides the times of an answer.
func still(text string) string {
	return unixStamp.ReplaceAllString(isoTime.ReplaceAllString(text, `"ISO"`), `$1":UNIX`)
}

const shape = `{"external_id":%v,"name":"%s","channel_id":{WA},"channel_type":"whatsapp","created_at":"ISO","created_at_timestamp":UNIX,` +
	`"avatar":"/avatars/original/missing.png","sender_external_id":"%s","meta":{},"last_message_at":%s,"last_income_message_at":%s,` +
	`"bitrix_block_openlines":false}`

// TestStart checks conversations that begin without a message: nothing is sent,
// they are listed at once, and asking again finds the same one.
func TestStart(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		n := newGateway(t, db).full(t)
		const ask = "provider=whatsapp&phone=%2B7 (925) 000-00-77"
		first := n.post(t, conversationsPath, ask).expect(t, "ok")
		if again := n.post(t, conversationsPath, ask).expect(t, "ok"); again.text != first.text {
			t.Errorf("got %s, and then %s", first.text, again.text)
		}
		if first.at("data", "conversation", "name") != "79250000077" || len(n.open(t, "WA")) != 0 {
			t.Errorf("got %s and jobs %+v", first.text, n.open(t, "WA"))
		}
		n.ids["S"] = int64(first.at("data", "conversation", "external_id").(float64))
		if got := n.get(t, conversationsPath).rows(t, "conversations", "external_id"); !cmp.Equal(got, []any{float64(n.ids["CV"]), float64(n.ids["S"])}) {
			t.Errorf("listed: %v", got)
		}
		n.post(t, conversationsPath+"/{S}/messages", "message=a").expect(t, "ok")
		if work := n.open(t, "WA"); len(work) != 1 || work[0].Job.Lane != parley.LaneFirst || work[0].Chat != "79250000077" {
			t.Errorf("got jobs %+v", work)
		}
	})
}

func (n *tenant) stored(t *testing.T) parley.Conversation {
	t.Helper()
	v, err := n.db.Conversation(context.Background(), n.company, parley.ConversationID(n.ids["CV"]))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func noted(t *testing.T, n *tenant) {
	got := n.put(t, onCV+"/note", "note=hi").expect(t, "updated")
	if note := n.stored(t).Note; got.text != `{"status":"updated"}` || note != "hi" {
		t.Errorf("got %s and note %q", got.text, note)
	}
	n.put(t, onCV+"/note", "").expect(t, "400 note")
	n.put(t, onCV+"/note", `{"note":["x"]}`).expect(t, "400 note")
	if note := n.stored(t).Note; note != "hi" {
		t.Errorf("after a refusal: note %q", note)
	}
	n.put(t, onCV+"/note", "note=").expect(t, "updated")
	if note := n.stored(t).Note; note != "" {
		t.Errorf("after clearing: note %q", note)
	}
}

func assigned(t *testing.T, n *tenant) {
	for _, step := range []struct {
		body, want string
		assignee   int64
	}{{"assignee_id=42", "ok", 42}, {"assignee_id=0", "400 assignee_id", 42}, {"assignee_id=x", "400 assignee_id", 42}, {"", "ok", 0}} {
		got := n.put(t, onCV+"/assign", step.body).expect(t, step.want)
		if step.want == "ok" && got.at("data", "conversation", "external_id") != float64(n.ids["CV"]) {
			t.Errorf("got %s", got.text)
		}
		if a := n.stored(t).Assignee; a != step.assignee {
			t.Errorf("after %q: assignee %d, want %d", step.body, a, step.assignee)
		}
	}
}

func toggled(t *testing.T, n *tenant) {
	for _, step := range []struct {
		body, want string
		blocked    bool
	}{{"enabled=true", "ok", true}, {"enabled=true", "ok", true}, {"", "ok", false}, {"", "ok", true}, {"enabled=maybe", "400 enabled", true}, {`{"enabled":0}`, "ok", false}} {
		got := n.put(t, onCV+"/toggle_bitrix_block_openlines", step.body).expect(t, step.want)
		if step.want == "ok" && got.at("data", "conversation", "bitrix_block_openlines") != step.blocked {
			t.Errorf("got %s", got.text)
		}
		if b := n.stored(t).BitrixBlock; b != step.blocked {
			t.Errorf("after %q: %v, want %v", step.body, b, step.blocked)
		}
	}
}
