package telegramsim_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

// pass lets fake time go by; to be called in a bubble.
func pass(d time.Duration) { <-time.After(d) }

// hooked is a local server whose callbacks go to r; to be called in a bubble.
func hooked(t *testing.T, r *receiver, p params) *telegramsim.Server {
	t.Helper()
	s := newServer(t, telegramsim.Options{Local: true, HTTP: r.client()})
	if p == nil {
		p = params{}
	}
	p["url"] = "http://gateway.test/callbacks/x"
	if got := call(s, "setWebhook", p); !got.OK {
		t.Fatalf("setWebhook: %+v", got)
	}
	return s
}

func TestCallback(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		s := hooked(t, r, params{"secret_token": "s3cret"})
		said := say(t, s, "Ann", "hello")
		synctest.Wait()
		got := r.seen()
		if len(got) != 1 {
			t.Fatalf("%d callbacks, want 1", len(got))
		}
		if c := got[0]; c.ID != said.UpdateID || c.text() != "hello" || c.secret != "s3cret" ||
			c.kind != "application/json" || c.url != "http://gateway.test/callbacks/x" {
			t.Errorf("callback %+v", c)
		}
		if n := hookInfo(t, s)["pending_update_count"]; n != 0.0 {
			t.Errorf("%v updates pending", n)
		}
	})
}

func TestPendingUpdatesMoveToTheWebhookAndBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{status: func(int, callback) int { return 503 }}
		s := newServer(t, telegramsim.Options{Local: true, HTTP: r.client()})
		say(t, s, "Ann", "1")
		call(s, "setWebhook", params{"url": "http://gateway.test/x"})
		synctest.Wait()
		if got := r.texts(); len(got) == 0 || got[0] != "1" {
			t.Errorf("callbacks %v, want what was pending", got)
		}
		call(s, "deleteWebhook", nil)
		tried := len(r.texts())
		if got := texts(fetch(t, s, nil)); !cmp.Equal(got, []string{"1"}) {
			t.Errorf("polling gets %v, want 1", got)
		}
		pass(time.Hour)
		if got := len(r.texts()); got != tried {
			t.Errorf("%d callbacks after deleteWebhook", got-tried)
		}
	})
}

func TestRetrySchedule(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		status int
		header string // Retry-After
		want   []time.Duration
		text   string
	}{
		{"server error", 500, "", []time.Duration{0, 2, 4, 8, 16, 32}, "Wrong response from the webhook: 500 Internal Server Error"},
		{"redirect", 302, "", []time.Duration{0, 2, 4, 8, 16, 32}, "Wrong response from the webhook: 302 Found"},
		{"broken connection", 0, "", []time.Duration{0, 2, 4}, "Connection closed"},
		{"Retry-After", 503, "7", []time.Duration{7, 7, 7}, "Wrong response from the webhook: 503 Service Unavailable"},
		{"Retry-After of an hour", 503, "3600", []time.Duration{3600, 3600}, "Wrong response from the webhook: 503 Service Unavailable"},
		{"Retry-After beyond", 503, "3601", []time.Duration{0, 2, 4}, "Wrong response from the webhook: 503 Service Unavailable"},
		{"Retry-After garbage", 503, "soon", []time.Duration{0, 2, 4}, "Wrong response from the webhook: 503 Service Unavailable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{header: map[string][]string{"Retry-After": {tt.header}, "Location": {"/elsewhere"}},
					status: func(n int, _ callback) int {
						if n < len(tt.want) {
							return tt.status
						}
						return 200
					}}
				s := hooked(t, r, nil)
				say(t, s, "Ann", "hello")
				pass(20 * time.Hour)
				got := []time.Duration{}
				seen := r.seen()
				for i := range seen[1:] {
					got = append(got, seen[i+1].at.Sub(seen[i].at)/time.Second)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("seconds between attempts (-want +got):\n%s", diff)
				}
				info := hookInfo(t, s)
				if info["last_error_message"] != tt.text || info["last_error_date"] == nil || info["pending_update_count"] != 0.0 {
					t.Errorf("info %v, want %q", info, tt.text)
				}
			})
		})
	}
}

func TestRetriesAreCappedAndEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{status: func(int, callback) int { return 500 }}
		s := hooked(t, r, nil)
		say(t, s, "Ann", "hello")
		pass(25 * time.Hour)
		seen := r.seen()
		for i := 7; i < len(seen); i++ {
			if d := seen[i].at.Sub(seen[i-1].at); d < time.Minute || d > 2*time.Minute {
				t.Fatalf("attempt %d after %v, want 60 to 120 s", i, d)
			}
		}
		if life := seen[len(seen)-1].at.Sub(seen[0].at); life > 24*time.Hour || life < 23*time.Hour {
			t.Errorf("the last attempt was after %v, want the end at 24 h", life)
		}
		if n := hookInfo(t, s)["pending_update_count"]; n != 0.0 {
			t.Errorf("%v updates pending after a day", n)
		}
	})
}

func TestRetriesStartAfreshWithEachUpdate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		failing := map[string]int{"1": 4, "2": 2}
		r := &receiver{status: func(_ int, c callback) int {
			if failing[c.text()]--; failing[c.text()] >= 0 {
				return 500
			}
			return 200
		}}
		s := hooked(t, r, params{"max_connections": "1"})
		say(t, s, "Ann", "1")
		say(t, s, "Ann", "2")
		pass(time.Hour)
		seen := r.seen()
		if got := r.texts(); len(got) != 8 {
			t.Fatalf("attempts %v, want five of 1 and three of 2", got)
		}
		if d1, d2 := seen[6].at.Sub(seen[5].at), seen[7].at.Sub(seen[6].at); d1 != 0 || d2 != 2*time.Second {
			t.Errorf("2 was repeated after %v and %v, want at once and after 2 s", d1, d2)
		}
	})
}

func TestGoneRemovesTheWebhook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := hooked(t, &receiver{status: func(int, callback) int { return 410 }}, nil)
		say(t, s, "Ann", "hello")
		pass(23*time.Hour - time.Minute)
		if hookInfo(t, s)["url"] == "" {
			t.Error("the webhook is gone too early")
		}
		pass(10 * time.Minute)
		if url := hookInfo(t, s)["url"]; url != "" {
			t.Errorf("after 23 h of 410 the webhook is still %v", url)
		}
	})
}

func TestGoneIsForgivenByAnyOtherAnswer(t *testing.T) {
	t.Parallel()
	for _, other := range []int{200, 500} {
		t.Run(itoa(int64(other)), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				s := hooked(t, &receiver{status: func(_ int, c callback) int {
					if h := c.at.Sub(start); h > 12*time.Hour && h < 13*time.Hour {
						return other
					}
					return 410
				}}, nil)
				say(t, s, "Ann", "1")
				pass(14 * time.Hour)
				say(t, s, "Ann", "2")
				pass(20 * time.Hour)
				if hookInfo(t, s)["url"] == "" {
					t.Error("the webhook is gone, 410 was not without a break")
				}
				pass(4 * time.Hour)
				if url := hookInfo(t, s)["url"]; url != "" {
					t.Errorf("after 23 h of 410 the webhook is still %v", url)
				}
			})
		})
	}
}

func TestDeleteWebhookGivesUpAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gaveUp := make(chan struct{})
		s := hooked(t, &receiver{block: func(c callback) { <-c.ended; close(gaveUp) }, status: func(int, callback) int { return 0 }}, nil)
		say(t, s, "Ann", "hello")
		synctest.Wait()
		call(s, "deleteWebhook", nil)
		<-gaveUp
		if got := texts(fetch(t, s, nil)); !cmp.Equal(got, []string{"hello"}) {
			t.Errorf("polling gets %v, want what was under way", got)
		}
	})
}

func TestOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s *telegramsim.Server
		r := &receiver{status: func(n int, c callback) int {
			if c.text() == "a1" && n < 5 {
				return 500
			}
			return 200
		}}
		s = hooked(t, r, nil)
		say(t, s, "Ann", "a1")
		synctest.Wait() // failed twice, now waits two seconds
		must(s.Edit("", "Ann", 1, "a2"))(t)
		say(t, s, "Ann", "a3")
		say(t, s, "Bob", "b1")
		must(s.Block("", "Ann"))(t)
		synctest.Wait()
		now := r.texts()
		if len(now) != 4 || now[0] != "a1" || now[1] != "a1" {
			t.Errorf("first %v, want a1 twice, then b1 and the member update while a1 waits", now)
		}
		pass(time.Minute)
		if diff := cmp.Diff([]string{"a1", "a1", "edited a2", "a3"}, r.texts()[4:]); diff != "" {
			t.Errorf("after the pause (-want +got):\n%s", diff)
		}
	})
}

func TestMaxConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		r := &receiver{block: func(callback) { <-goOn }}
		s := hooked(t, r, params{"max_connections": "3"})
		for i := range 10 {
			say(t, s, itoa(ann+int64(i)), "x")
			say(t, s, itoa(ann+int64(i)), "y")
		}
		synctest.Wait()
		if n := len(r.seen()); n != 3 {
			t.Errorf("%d callbacks at once, want 3", n)
		}
		close(goOn)
		synctest.Wait()
		if n := len(r.seen()); n != 20 {
			t.Errorf("%d callbacks, want 20", n)
		}
	})
}

func TestCallbackFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault string
		want  []string
	}{
		{"none", "", []string{"1", "2", "3"}},
		{"twice", "kind=twice", []string{"1", "1", "2", "3"}},
		{"twice, all", "kind=twice&times=-1", []string{"1", "1", "2", "2", "3", "3"}},
		{"reorder", "kind=reorder", []string{"2", "1", "3"}},
		{"reorder twice", "kind=reorder&times=2", []string{"2", "1"}}, // 3 waits for the next one
		{"another event", "kind=twice&method=my_chat_member", []string{"1", "2", "3"}},
		{"this event", "kind=twice&method=message", []string{"1", "1", "2", "3"}},
		{"this chat", "kind=twice&chat=5550001", []string{"1", "1", "2", "3"}},
		{"another chat", "kind=twice&chat=42", []string{"1", "2", "3"}},
		{"wrong secret", "kind=wrong_secret", []string{"1 wrong", "1", "2", "3"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{status: func(_ int, c callback) int {
					if c.secret != "right" {
						return 401
					}
					return 200
				}}
				s := hooked(t, r, params{"secret_token": "right"})
				if tt.fault != "" {
					control(s, "POST", "/faults", tt.fault)
				}
				for _, text := range []string{"1", "2", "3"} {
					say(t, s, "5550001", text)
				}
				synctest.Wait()
				got := []string{}
				for _, c := range r.seen() {
					if c.secret != "right" {
						c.New.Text += " wrong"
					}
					got = append(got, c.text())
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestInjectOldIDWithWebhook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		s := hooked(t, r, nil)
		said := say(t, s, "Ann", "1")
		again := `{"update_id":` + itoa(said.UpdateID) + `,"message":{"message_id":1,"chat":{"id":5550001},"text":"1"}}`
		must(s.Inject("", []byte(again)))(t)
		synctest.Wait()
		got := r.seen()
		if len(got) != 2 || got[0].ID != got[1].ID {
			t.Errorf("got %v, want the same update twice", r.texts())
		}
		if next := say(t, s, "Ann", "2").UpdateID; next != said.UpdateID+1 {
			t.Errorf("the next id is %d, want %d", next, said.UpdateID+1)
		}
	})
}

func TestDroppedUpdatesAreNotCalledBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{status: func(n int, _ callback) int { return []int{500, 500, 200}[min(n, 2)] }}
		s := hooked(t, r, nil)
		say(t, s, "Ann", "1")
		say(t, s, "Ann", "2")
		synctest.Wait()
		call(s, "setWebhook", params{"url": "http://gateway.test/callbacks/x", "drop_pending_updates": "1"})
		say(t, s, "Ann", "3")
		pass(time.Minute)
		if diff := cmp.Diff([]string{"1", "1", "3"}, r.texts()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// Close must end workers that wait for a receiver and timers that wait for a
// retry; synctest fails the test if a goroutine is left.
func TestCloseEndsCallbacks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		r := &receiver{status: func(int, callback) int { return 500 }, block: func(c callback) {
			if c.text() == "hang" {
				<-goOn
			}
		}}
		s := hooked(t, r, nil)
		say(t, s, "Ann", "hang")
		say(t, s, "Bob", "fail")
		synctest.Wait()
		closed := make(chan struct{})
		go func() { _ = s.Close(); close(closed) }()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close returned before a callback did")
		default:
		}
		close(goOn)
		<-closed
		before := len(r.seen())
		pass(time.Hour)
		if after := len(r.seen()); after != before {
			t.Errorf("%d callbacks after Close", after-before)
		}
		if err := s.Close(); err != nil {
			t.Errorf("the second Close: %v", err)
		}
		call(s, "setWebhook", params{"url": "http://gateway.test/y"}).refused(t, 500, "Internal Server Error: restart")
		call(s, "getUpdates", params{"timeout": "30"}).refused(t, 500, "Internal Server Error: restart")
	})
}
