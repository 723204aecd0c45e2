package telegramsim_test

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

// Many people write, the gateway answers, a receiver fails now and then: every
// update arrives, in order within its chat.
func TestOrderUnderLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const chats, each = 20, 30
		r := &receiver{status: func(n int, _ callback) int {
			if n%7 == 0 {
				return 500
			}
			return 200
		}}
		s := hooked(t, r, nil)
		var wg sync.WaitGroup
		for i := range chats {
			wg.Go(func() {
				for n := range each {
					said, err := s.Say(telegramsim.Line{Person: itoa(ann + int64(i)), Text: itoa(int64(n))})
					answer := call(s, "sendMessage", params{"chat_id": itoa(said.Chat), "text": "ok"})
					if err != nil || !answer.OK {
						t.Errorf("say: %v, answer: %+v", err, answer)
					}
				}
			})
		}
		wg.Wait()
		pass(time.Hour)
		got := map[any][]string{}
		for _, c := range r.seen() {
			list, chat := got[c.New.Chat["id"]], c.New.Chat["id"]
			if len(list) == 0 || list[len(list)-1] != c.New.Text { // a repeated attempt is no disorder
				got[chat] = append(list, c.New.Text)
			}
		}
		want := []string{}
		for n := range each {
			want = append(want, itoa(int64(n)))
		}
		for chat, list := range got {
			if diff := cmp.Diff(want, list); diff != "" {
				t.Errorf("chat %v: %s", chat, strings.Join(list, " "))
			}
		}
		if n := hookInfo(t, s)["pending_update_count"]; len(got) != chats || n != 0.0 || s.Sent().Total() != chats*each {
			t.Errorf("%d chats, %v pending, %d sent", len(got), n, s.Sent().Total())
		}
	})
}
