package sink

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-im/parley/bench/load"
)

// text is a message of a chat with a number.
func text(chat, seq int64) string {
	return string(load.Token{Run: "r", Key: chat, Seq: seq, Sent: time.Now()}.Append([]byte("chat_id=1&text=Hi+")))
}

func post(ctx context.Context, s *Sink, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader(body)))
	return w
}

// accept posts the message of chat 1 with this number, which must be accepted.
func accept(t *testing.T, s *Sink, path string, seq int64) {
	t.Helper()
	if w := post(t.Context(), s, path, text(1, seq)); w.Code != 200 || !strings.Contains(w.Body.String(), `"ok":true`) {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
}

func TestSinkCountsDuplicatesAndOrder(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	for _, seq := range []int64{0, 2, 1, 2, 700} {
		accept(t, s, "/botX/sendMessage", seq)
	}
	accept(t, s, "/customer", 3)
	accept(t, s, "/botX/getMe", 4)
	got := s.Stats()
	if k := got.Send; k.Count != 5 || k.Distinct != 4 || k.Duplicates != 1 || k.OutOfOrder != 1 {
		t.Errorf("send: got %+v", k)
	}
	if got.Webhook.Count != 1 || got.Other != 1 {
		t.Errorf("got %+v", got)
	}
	s.Reset()
	if got := s.Stats(); got.Send.Count+got.Webhook.Count+got.Other != 0 || len(got.Paths) != 0 {
		t.Errorf("after the reset: got %+v", got)
	}
	accept(t, s, "/botX/sendMessage", 2)
	if got := s.Stats().Send; got.Distinct != 1 || got.Duplicates != 0 {
		t.Errorf("after the reset: got %+v", got)
	}
}

// TestReceiversAreApart: a message may come to every receiver once, and each has
// its own counters and delay.
func TestReceiversAreApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Latency: time.Second, Slow: map[string]time.Duration{"/r1": 3 * time.Second, "/bot": 0}})
		took := func(path string, seq int64) time.Duration {
			start := time.Now()
			accept(t, s, path, seq)
			return time.Since(start)
		}
		for seq := range int64(4) {
			for path, want := range map[string]time.Duration{"/r1/hook": 3 * time.Second, "/r10/hook": time.Second, "/r1": 3 * time.Second, "/bot1:a/sendMessage": 0} {
				if got := took(path, seq); got != want {
					t.Errorf("%s took %s, want %s", path, got, want)
				}
			}
		}
		got := s.Stats()
		if p := got.Paths["/r1"]; p.Count != 8 || p.Distinct != 4 || p.Duplicates != 4 {
			t.Errorf("/r1: got %+v", p)
		}
		if p := got.Paths["/r10"]; p.Distinct != 4 || p.Duplicates != 0 || p.RPS <= 0 {
			t.Errorf("/r10: got %+v", p)
		}
		if w := got.Webhook; len(got.Paths) != 2 || w.Count != 12 || w.Distinct != 8 || w.Duplicates != 4 || w.OutOfOrder != 0 {
			t.Errorf("got %+v", got)
		}
	})
}

// TestHold: what is held counts when it is let go, and the drain is measured from
// then on.
func TestHold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		accept(t, s, "/r", 0)
		s.Hold()
		var held sync.WaitGroup
		for seq := range int64(10) {
			held.Go(func() { accept(t, s, "/r", 1+seq) })
		}
		impatient, leave := context.WithCancel(t.Context())
		held.Go(func() { post(impatient, s, "/r", text(1, 99)) })
		synctest.Wait()
		s.Hold() // it is held already
		if got := s.Stats(); !got.Holding || got.Held != 11 || got.Webhook.Distinct != 1 || got.Drain != nil {
			t.Errorf("held: got %+v", got)
		}
		accept(t, s, "/botX/sendMessage", 0) // the messenger is not held
		leave()
		synctest.Wait()
		if got := s.Stats(); got.Held != 10 || got.Webhook.Distinct != 1 {
			t.Errorf("one has left: got %+v", got)
		}
		s.Reset()
		accept(t, s, "/botX/sendMessage", 1)
		if got := s.Stats(); !got.Holding || got.Held != 10 {
			t.Errorf("after the reset: got %+v", got)
		}

		released := time.Now()
		s.Release()
		held.Wait()
		time.Sleep(2 * time.Second)
		accept(t, s, "/r", 50)
		got := s.Stats()
		if got.Holding || got.Held != 0 || got.Webhook.Distinct != 11 {
			t.Errorf("released: got %+v", got)
		}
		if d := got.Drain; d == nil || !d.Released.Equal(released) || d.Distinct != 11 || d.RPS != 5.5 {
			t.Errorf("drain: got %+v", d)
		}
		s.Release() // nothing is held: the drain stays
		if d := s.Stats().Drain; d == nil || d.Distinct != 11 {
			t.Errorf("drain: got %+v", d)
		}

		s.Hold()
		held.Go(func() { accept(t, s, "/r", 60) })
		synctest.Wait()
		s.Release()
		held.Wait()
		if d := s.Stats().Drain; d == nil || d.Distinct != 1 {
			t.Errorf("the second drain: got %+v", d)
		}
	})
}

// TestClient: a sink in another process is held, released and asked.
func TestClient(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(New(Options{}))
	defer srv.Close()
	c, ctx := Client(srv.URL), t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.Hold(ctx))
	done := make(chan error, 1)
	go func() {
		resp, err := http.Post(srv.URL+"/r7/hook", "text/plain", strings.NewReader(text(1, 0)))
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		done <- err
	}()
	_, err := c.Await(ctx, func(s *Stats) bool { return s.Held == 1 })
	must(err)
	must(c.Release(ctx))
	must(<-done)
	s, err := c.Stats(ctx)
	must(err)
	if s.Drain == nil || s.Drain.Distinct != 1 || s.Paths["/r7"].Distinct != 1 {
		t.Errorf("got %+v", s)
	}
	must(c.Reset(ctx))
	if s, err := c.Stats(ctx); err != nil || s.Webhook.Count != 0 {
		t.Errorf("got %+v %v", s, err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.Await(ended, func(*Stats) bool { return false }); err == nil {
		t.Error("an await that was cancelled is no error")
	}
	notFound := httptest.NewServer(http.NotFoundHandler())
	defer notFound.Close()
	if _, err := Client(notFound.URL).Stats(ctx); err == nil {
		t.Error("what is no sink is no error")
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := New(Options{ErrorRate: 1, ErrorStatus: 502})
	if w := post(t.Context(), s, "/r", text(1, 0)); w.Code != 502 {
		t.Errorf("got %d", w.Code)
	}
	if k := s.Stats().Webhook; k.Refused != 1 || k.Distinct != 0 {
		t.Errorf("got %+v", k)
	}
}

// TestManyReceivers: receivers beyond the limit are counted together.
func TestManyReceivers(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	for seq := range int64(maxReceivers + 5) {
		accept(t, s, "/r"+strings.Repeat("x", int(seq)), seq)
	}
	if got := s.Stats(); len(got.Paths) != maxReceivers+1 || got.Paths["others"].Distinct != 5 || got.Webhook.Distinct != maxReceivers+5 {
		t.Errorf("got %d paths, others %+v, all %+v", len(got.Paths), got.Paths["others"], got.Webhook)
	}
}

// TestBotAPI: parameters are found in every encoding.
func TestBotAPI(t *testing.T) {
	t.Parallel()
	for kind, body := range map[string]string{
		"application/json":                  `{"chat_id":77,"text":"a \"b\"","url":"http://x/"}`,
		"application/x-www-form-urlencoded": `chat_id=77&text=a+%22b%22&url=http://x/`,
		"multipart/form-data; boundary=B":   "--B\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n77\r\n--B\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\na \"b\"\r\n--B\r\nContent-Disposition: form-data; name=\"url\"\r\n\r\nhttp://x/\r\n--B--\r\n",
	} {
		s := New(Options{})
		call := func(method string) string {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodPost, "/bot1:a/"+method, strings.NewReader(body))
			r.Header.Set("Content-Type", kind)
			s.ServeHTTP(w, r)
			return w.Body.String()
		}
		if got := call("SendMessage"); !strings.Contains(got, `"chat":{"id":77,`) || !strings.Contains(got, `"text":"a \"b\""`) {
			t.Errorf("%s: got %s", kind, got)
		}
		call("setWebhook")
		if got := call("getWebhookInfo"); !strings.Contains(got, `"url":"http://x/"`) {
			t.Errorf("%s: got %s", kind, got)
		}
		if got := s.Stats().Callbacks; len(got) != 1 || got[1].URL != "http://x/" {
			t.Errorf("%s: got %+v", kind, got)
		}
		call("deleteWebhook")
		if got := s.Stats(); got.Callbacks[1].URL != "" || got.Other != 3 {
			t.Errorf("%s: got %+v", kind, got)
		}
	}
}

// TestBotsAreToldApart: each has an id and a callback of its own. A gateway that
// found another bot's would register its own again and again.
func TestBotsAreToldApart(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	call := func(bot, method, body string) string {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/bot"+bot+"/"+method, strings.NewReader(body)))
		return w.Body.String()
	}
	for _, bot := range []string{"7:a", "8:b"} {
		if got, id := call(bot, "getMe", ""), bot[:1]; !strings.Contains(got, `"id":`+id+`,`) {
			t.Errorf("bot %s: got %s", bot, got)
		}
		call(bot, "setWebhook", "url=http://x/"+bot[2:])
	}
	for _, bot := range []string{"7:a", "8:b"} {
		if got := call(bot, "getWebhookInfo", ""); !strings.Contains(got, `"url":"http://x/`+bot[2:]+`"`) {
			t.Errorf("bot %s: got %s", bot, got)
		}
	}
	if got := s.Stats().Callbacks; len(got) != 2 || got[7].URL != "http://x/a" {
		t.Errorf("got %v", got)
	}
}
