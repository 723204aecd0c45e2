package telegramsim_test

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

const keyboard = `{"inline_keyboard":[[{"text":"Yes","callback_data":"y"}]]}`

func TestPressOfWhatIsNoLongerThere(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{})
	say(t, s, "Ann", "hello")
	call(s, "sendMessage", params{"chat_id": itoa(ann), "text": "sure?", "reply_markup": keyboard})
	news(t, s)
	does(t, s, "press", "message_id=2&data=y&inaccessible=true")
	q := one(t, s, "callback_query")
	want := jsonObject(t, `{"chat":{"id":5550001,"first_name":"Ann","type":"private"},"message_id":2,"date":0}`)
	if diff := cmp.Diff(want, q["message"]); diff != "" || q["data"] != "y" {
		t.Errorf("query %v, message (-want +got):\n%s", q, diff)
	}
	does(t, s, "press", "data=anything&inline=true")
	q = one(t, s, "callback_query")
	if id, _ := q["inline_message_id"].(string); id == "" || q["message"] != nil || q["data"] != "anything" {
		t.Errorf("query %v", q)
	}
	for _, data := range []string{"", strings.Repeat("x", 65)} {
		if got := control(s, "POST", "/press", "inline=true&data="+data); got.status != 400 {
			t.Errorf("data of %d bytes: %v", len(data), got.out)
		}
	}
}

func TestPressInAGroup(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{})
	does(t, s, "groups", "title=Team&members=Ann,Bob")
	call(s, "sendMessage", params{"chat_id": teamID, "text": "sure?", "reply_markup": keyboard})
	news(t, s)
	said := does(t, s, "press", "chat=Team&person=Bob&message_id=2&data=y")
	q := one(t, s, "callback_query")
	m, _ := q["message"].(object)
	if q["from"].(object)["first_name"] != "Bob" || m["text"] != "sure?" || !cmp.Equal(m["chat"], any(jsonObject(t, team))) || said.num("chat") != -4100000000 {
		t.Errorf("query %v, said %v", q, said.out)
	}
}

func TestExpiredPress(t *testing.T) {
	t.Parallel()
	s := newStage(t, telegramsim.Options{})
	press := func() string {
		t.Helper()
		id, _ := does(t, s, "press", "inline=true&data=y").out["callback_query_id"].(string)
		return id
	}
	before := press()
	does(t, s, "expire", "")
	call(s, "answerCallbackQuery", params{"callback_query_id": before}).refused(t, 400,
		"Bad Request: query is too old and response timeout expired or query ID is invalid")
	if r := call(s, "answerCallbackQuery", params{"callback_query_id": press()}); !r.OK {
		t.Errorf("a new press cannot be answered: %s", r.Description)
	}
}

func TestAllowedUpdatesOfNewKinds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		allowed string
		want    []string
	}{
		{`[]`, []string{"my_chat_member", "channel_post", "edited_channel_post", "message", "edited_message"}},
		{`["message"]`, []string{"message"}}, {`["channel_post"]`, []string{"channel_post"}},
		{`["edited_channel_post","edited_message"]`, []string{"edited_channel_post", "edited_message"}},
	}
	for _, tt := range tests {
		s := newStage(t, telegramsim.Options{Local: true})
		call(s, "getUpdates", params{"allowed_updates": tt.allowed})
		does(t, s, "groups", "title=News&type=channel")
		does(t, s, "say", "chat=News&text=x")
		does(t, s, "edit", "chat=News&message_id=1&text=y")
		does(t, s, "location", "live_period=60&person=Ann")
		does(t, s, "move", "message_id=1&person=Ann")
		if diff := cmp.Diff(tt.want, kinds(news(t, s))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.allowed, diff)
		}
	}
}

func TestCallbacksOfChannelsKeepOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var post atomic.Int64 // 0: nothing fails
		r := &receiver{}
		r.status = func(_ int, c callback) int {
			if c.ID == post.Load() {
				return 500
			}
			return 200
		}
		s := hooked(t, r, nil)
		does(t, s, "groups", "title=News&type=channel")
		does(t, s, "groups", "title=Team&role=administrator")
		synctest.Wait()
		last := does(t, s, "title", "chat=Team&title=Team").num("update_id")
		synctest.Wait()
		post.Store(last + 1)
		before := len(r.seen())
		does(t, s, "say", "chat=News&text=x")
		edit := does(t, s, "edit", "chat=News&message_id=1&text=y").num("update_id")
		team := does(t, s, "say", "chat=Team&text=hello").num("update_id")
		synctest.Wait()
		if got := ids(r.seen()[before:]); slices.Contains(got, edit) || !slices.Contains(got, team) {
			t.Errorf("delivered %v: want %d, which is of another chat, and not %d, which follows the failing one", got, team, edit)
		}
		post.Store(0)
		pass(time.Hour)
		if got := ids(r.seen()[before:]); got[len(got)-1] != edit || got[len(got)-2] != last+1 {
			t.Errorf("delivered %v, want at last %d and %d", got, last+1, edit)
		}
	})
}

func ids(cs []callback) []int64 {
	out := []int64{}
	for _, c := range cs {
		out = append(out, c.ID)
	}
	return out
}
