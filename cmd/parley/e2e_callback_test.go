package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/parley-im/parley"
)

const telegramSecret = "X-Telegram-Bot-Api-Secret-Token"

// A forger makes callbacks by hand.
type forger struct {
	*stage
	address, secret string
}

func newForger(s *stage) forger {
	s.t.Helper()
	f := forger{s, s.tg.Accounts()[0].Webhook, s.secrets()[parley.SecretCallbackToken].Reveal()}
	if !strings.HasPrefix(f.address, "http://"+s.listen+"/callbacks/telegram/") || f.secret == "" {
		s.t.Fatalf("callback address %q", f.address)
	}
	return f
}

func (f forger) call(address, secret string, body []byte) apiReply {
	f.t.Helper()
	req, err := http.NewRequest(http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	if secret != "" {
		req.Header.Set(telegramSecret, secret)
	}
	return (&apiClient{t: f.t}).send(req)
}

// wants makes a callback and checks the answer.
func (f forger) wants(status int, address, secret string, body []byte) {
	f.t.Helper()
	if got := f.call(address, secret, body); got.status != status {
		f.t.Errorf("%.60q: answered %d %s, want %d", body, got.status, got.body, status)
	}
}

func update(id int, text string) []byte {
	return fmt.Appendf(nil, `{"update_id":%d,"message":{"message_id":%d,"date":1790000000,"text":%q,
		"from":{"id":77,"is_bot":false,"first_name":"Bo"},"chat":{"id":77,"type":"private","first_name":"Bo"}}}`, id, id, text)
}

func (f forger) quarantined() []string {
	f.t.Helper()
	var all []string
	for _, q := range f.api.must("GET", f.path("/quarantine?per=100")).Quarantine {
		if q.Source != "callback" || q.Reason == "" {
			f.t.Errorf("quarantined: %+v", q)
		}
		all = append(all, string(q.Body))
	}
	return all
}

// TestCallbackAnswers is what providers, and others who guess, are answered.
func TestCallbackAnswers(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		f := newForger(newStage(t, database, nil))
		callbackForged(f)
		callbackGarbage(f)
		callbackTooLarge(f)
		callbackTwice(f)
	})
}

func callbackForged(f forger) {
	path := strings.TrimSuffix(f.address, "/")
	for name, c := range map[string]struct{ address, secret string }{
		"wrong secret": {f.address, "wrong"}, "no secret": {f.address, ""}, "wrong path": {path[:len(path)-1] + "_", f.secret},
		"longer path": {f.address + "x", f.secret}, "no path": {path[:strings.LastIndexByte(path, '/')+1], f.secret},
		"other provider": {strings.Replace(f.address, "/telegram/", "/viber/", 1), f.secret},
	} {
		if got := f.call(c.address, c.secret, update(1, "forged")); got.status != http.StatusUnauthorized {
			f.t.Errorf("%s: answered %d, want 401", name, got.status)
		}
	}
	f.wants(http.StatusUnauthorized, f.address, "wrong", bytes.Repeat([]byte("large "), 400_000))
	if got := f.api.must("GET", f.path("/conversations")).Conversations; len(got) != 0 {
		f.t.Errorf("stored: %+v", got)
	}
	if got := f.quarantined(); len(got) != 0 {
		f.t.Errorf("quarantined: %q", got)
	}
}

func callbackGarbage(f forger) {
	garbage := []string{"", "not json", `{"update_id":5}`, `{"update_id":6,"channel_post":{"message_id":1}}`, `[1,2]`, "\x00\xff\xfe", `{"update_id":"x","message":7}`}
	for _, body := range garbage {
		f.wants(http.StatusOK, f.address, f.secret, []byte(body))
	}
	got := f.quarantined()
	if len(got) != len(garbage) {
		f.t.Fatalf("quarantined %d: %q, want %d", len(got), got, len(garbage))
	}
	for i, body := range garbage {
		if got[i] != body {
			f.t.Errorf("quarantined %q, want %q", got[i], body)
		}
	}
	if list := f.cli("quarantine", "list"); strings.Count(list, "telegram") != len(garbage) {
		f.t.Errorf("parley quarantine list:\n%s", list)
	}
}

func callbackTooLarge(f forger) {
	body := bytes.Repeat([]byte("large "), 400_000)
	f.wants(http.StatusRequestEntityTooLarge, f.address, f.secret, body)
	list := f.api.must("GET", f.path("/quarantine?per=100&sort_direction=desc")).Quarantine
	sum := sha256.Sum256(body)
	if q := list[0]; q.SHA256 != hex.EncodeToString(sum[:]) || q.Size != int64(len(body)) || !q.Truncated || len(q.Body) == 0 || !bytes.HasPrefix(body, q.Body) {
		f.t.Errorf("quarantined: size %d, hash %s, %d bytes kept, truncated %v", q.Size, q.SHA256, len(q.Body), q.Truncated)
	}
}

func callbackTwice(f forger) {
	f.wants(http.StatusOK, f.address, f.secret, update(1001, "once"))
	f.wants(http.StatusOK, f.address, f.secret, update(1001, "once"))
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() { f.wants(http.StatusOK, f.address, f.secret, update(1002, "at the same time")) })
	}
	calls.Wait()
	f.wants(http.StatusOK, f.address, f.secret, update(1003, "last"))
	conversation := f.crm.next("conversation/new").Data.ExternalID
	for _, want := range []string{"once", "at the same time", "last"} {
		if got := f.crm.next("message/new").Data.Message; got != want {
			f.t.Errorf("message %q, want %q", got, want)
		}
	}
	if got := f.api.must("GET", f.path("/conversations/%d/messages", conversation)).Messages; len(got) != 3 {
		f.t.Errorf("stored: %+v", got)
	}
}

// TestCallbackWithoutDatabase: what cannot be stored is not acknowledged.
func TestCallbackWithoutDatabase(t *testing.T) {
	t.Parallel()
	unavailable := func(f forger, r apiReply) {
		f.t.Helper()
		if r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" {
			f.t.Errorf("answered %d, Retry-After %q", r.status, r.header.Get("Retry-After"))
		}
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "", nil)
		f := newForger(s)
		f.wants(http.StatusOK, f.address, f.secret, update(1, "before"))
		if err := s.gateway.db.Close(); err != nil {
			t.Fatal(err)
		}
		unavailable(f, f.call(f.address, f.secret, update(2, "lost")))
		unavailable(f, f.api.do("GET", "/readyz", nil))
		if got := f.api.do("GET", "/healthz", nil); got.status != http.StatusOK {
			t.Errorf("healthz: %d", got.status)
		}
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		s := bareStage(t, "", nil)
		wire := newWire(t, s)
		s.open()
		s.connect()
		f := newForger(s)
		f.wants(http.StatusOK, f.address, f.secret, update(1, "before"))
		wire.cut()
		unavailable(f, f.call(f.address, f.secret, update(2, "told again")))
		unavailable(f, f.api.do("GET", "/p1/companies", nil))
		unavailable(f, f.api.do("POST", "/p1/"+f.path("/channels"), url.Values{"provider": {"telegram"}, "token": {"1:x"}}))
		unavailable(f, f.api.do("GET", "/readyz", nil))
		wire.mend()
		poll(t, "the database is used again", func() bool {
			return f.call(f.address, f.secret, update(2, "told again")).status == http.StatusOK
		})
		c := s.crm.next("conversation/new").Data.ExternalID
		s.crm.awaitSaid(c, "before", "told again")
	})
}

// A wire is the way to PostgreSQL, which can be cut.
type wire struct {
	t      *testing.T
	target string
	mu     sync.Mutex
	broken bool
	open   map[net.Conn]bool
}

// newWire puts the stage on a fresh PostgreSQL database behind a wire.
func newWire(t *testing.T, s *stage) *wire {
	t.Helper()
	u, err := url.Parse(postgresOf(t))
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, target: u.Host, open: map[net.Conn]bool{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var carrying sync.WaitGroup
	carrying.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			carrying.Go(func() { w.carry(c) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); w.cut(); carrying.Wait() })
	u.Host = l.Addr().String()
	s.place.Database = u.String()
	return w
}

// carry joins a connection to the database, unless the wire is cut.
func (w *wire) carry(from net.Conn) {
	to, err := net.Dial("tcp", w.target)
	if err != nil || !w.keep(from, to) {
		_ = from.Close()
		return
	}
	var both sync.WaitGroup
	pump := func(a, b net.Conn) {
		_, _ = io.Copy(a, b) // ends when either side does
		_, _ = a.Close(), b.Close()
	}
	both.Go(func() { pump(from, to) })
	both.Go(func() { pump(to, from) })
	both.Wait()
}

func (w *wire) keep(list ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range list {
		if w.broken {
			_ = c.Close()
		} else {
			w.open[c] = true
		}
	}
	return !w.broken
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = true
	for c := range w.open {
		_ = c.Close()
	}
	clear(w.open)
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = false
}
