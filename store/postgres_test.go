package store_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// A cutter is a proxy before PostgreSQL that can cut a connection at its COMMIT.
type cutter struct {
	t        *testing.T
	server   string
	listener net.Listener
	wg       sync.WaitGroup
	arm      atomic.Int32 // of cutNone, cutBefore, cutAfter; one cut disarms it
	cuts     atomic.Int32
}

const (
	cutNone   = iota
	cutBefore // the server never hears of the COMMIT
	cutAfter  // the server has committed; its answer is lost
)

// newCutter returns a proxy and the place of the database behind it.
func newCutter(t *testing.T) (*cutter, store.Options) {
	t.Helper()
	o := storetest.Postgres(t)
	u, err := url.Parse(o.URL)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{t: t, server: u.Host, listener: l}
	c.wg.Go(c.serve)
	t.Cleanup(func() { l.Close(); c.wg.Wait() })
	q := u.Query()
	q.Set("sslmode", "disable")
	u.Host, u.RawQuery = l.Addr().String(), q.Encode()
	o.URL = u.String()
	return c, o
}

func (c *cutter) serve() {
	for {
		client, err := c.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", c.server)
		if err != nil {
			client.Close()
			continue
		}
		p := &pipe{c: c, client: client, server: server, answered: make(chan struct{}, 1)}
		c.wg.Go(p.down)
		c.wg.Go(p.up)
	}
}

// A pipe is one connection through a cutter.
type pipe struct {
	c              *cutter
	client, server net.Conn
	mute           atomic.Bool // the server's answers are swallowed
	answered       chan struct{}
}

// down carries what the server says.
func (p *pipe) down() {
	defer p.client.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := p.server.Read(buf)
		if err != nil {
			return
		}
		if p.mute.Load() {
			p.answered <- struct{}{}
			return
		}
		if _, err := p.client.Write(buf[:n]); err != nil {
			return
		}
	}
}

// up carries what the client says, message by message.
func (p *pipe) up() {
	defer p.server.Close()
	defer p.client.Close()
	head := make([]byte, 0, 5)
	for first := true; ; first = false {
		if head = head[:5]; first {
			head = head[:4] // the first message has no type
		}
		if _, err := io.ReadFull(p.client, head); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[len(head)-4:])-4)
		if _, err := io.ReadFull(p.client, body); err != nil {
			return
		}
		if !p.pass(append(bytes.Clone(head), body...)) {
			return
		}
	}
}

// pass forwards a message; it reports false if the connection is to be cut.
func (p *pipe) pass(message []byte) bool {
	cut := int32(cutNone)
	if bytes.Contains(bytes.ToLower(message), []byte("commit\x00")) {
		cut = p.c.arm.Swap(cutNone)
	}
	if cut != cutNone {
		p.c.cuts.Add(1)
	}
	if cut == cutBefore {
		return false
	}
	p.mute.Store(cut == cutAfter)
	if _, err := p.server.Write(message); err != nil {
		return false
	}
	if cut == cutAfter {
		<-p.answered // so it has happened
		return false
	}
	return true
}

// TestConnectionLostAtCommit cuts the connection right before and right after the
// server gets the COMMIT: the writer says what became of it.
func TestConnectionLostAtCommit(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]int32{"before": cutBefore, "after": cutAfter} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, o := newCutter(t)
			w := newWorld(t, storetest.Open(t, o))
			conv := w.talk("1")
			want := map[int32]parley.Kind{cutBefore: parley.KindUnavailable, cutAfter: ""}[cut]

			c.arm.Store(cut)
			_, errs := w.db.Receive(t.Context(), says(w.ch, "1", "20", "a"), says(w.ch, "1", "21", "b"))
			wantKind(t, "receive", errs[0], want)
			wantKind(t, "receive", errs[1], want)
			for _, out := range receive(t, w.db, says(w.ch, "1", "20", "a"), says(w.ch, "1", "21", "b")) {
				if out.Duplicate != (cut == cutAfter) {
					t.Errorf("again: %+v", out)
				}
			}
			c.arm.Store(cut)
			_, err := w.db.Accept(t.Context(), &store.Accept{Company: w.company, Channel: w.ch, Conversation: conv, Text: "c"})
			wantKind(t, "accept", err, want)
			open, err := w.db.OpenWork(t.Context(), w.ch.ID, 9)
			if err != nil || len(open) != map[bool]int{true: 1}[cut == cutAfter] {
				t.Errorf("%d open jobs, %v", len(open), err)
			}
			c.arm.Store(cut)
			_, err = w.db.CreateCompany(t.Context(), w.user, parley.CompanyChange{Name: &name})
			wantKind(t, "transaction", err, want)
			if got := c.cuts.Load(); got != 3 {
				t.Errorf("%d connections were cut, want 3", got)
			}
			w.wantLog(heard + " message/new message/new")
			if got := w.texts(conv); got != "hello:1 a:1 b:1" {
				t.Errorf("listed %q", got)
			}
		})
	}
}

// TestBackendsTerminated ends all connections of the database while a batch is
// under way and others are idle.
func TestBackendsTerminated(t *testing.T) {
	t.Parallel()
	o := storetest.Postgres(t)
	w := newWorld(t, storetest.Open(t, o))
	conv := w.talk("1")
	held, free, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- w.db.Tx(t.Context(), w.company, func(tx *store.Tx) error {
			if _, err := tx.Exec("UPDATE company SET name = 'half' WHERE id = $1", int64(w.company)); err != nil {
				return err
			}
			close(held)
			<-free
			_, err := tx.Exec("UPDATE company SET name = 'whole' WHERE id = $1", int64(w.company))
			return err
		})
	}()
	<-held
	err := w.db.Tx(t.Context(), w.onAnotherLane(), func(*store.Tx) error { return nil }) // its connection is idle afterwards
	if err != nil {
		t.Fatal(err)
	}
	if n := terminate(t, o.URL); n < 2 {
		t.Errorf("%d connections ended, want the writer's and an idle one at least", n)
	}
	close(free)
	wantKind(t, "the transaction under way", <-done, parley.KindUnavailable)
	receive(t, w.db, says(w.ch, "1", "20", "a"), says(w.ch, "1", "21", "b")) // idle connections broke; that shows nowhere
	terminate(t, o.URL)
	w.say(conv, "c")
	if c, err := w.db.Company(t.Context(), w.company); err != nil || c.Name != "acme" {
		t.Errorf("company %q, %v; want the name from before", c.Name, err)
	}
}

// onAnotherLane returns the id of a company whose writes do not wait for the world's.
func (w *world) onAnotherLane() parley.CompanyID {
	id := w.company
	for id.Shard()%4 == w.company.Shard()%4 {
		id++
	}
	return id
}

// terminate ends all connections to a database and returns how many there were.
func terminate(t *testing.T, address string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	err = conn.QueryRow(t.Context(), `SELECT COUNT(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
		WHERE application_name = current_setting('application_name') AND pid <> pg_backend_pid()`).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestDeadlock has two lanes wait for each other's rows: the one that loses runs
// again, and both get in.
func TestDeadlock(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.Open(t, storetest.Postgres(t)))
	_, other := storetest.Company(t, w.db, "other", "")
	for other%4 == w.company%4 { // companies of two lanes
		name := "more"
		var err error
		if other, err = w.db.CreateCompany(t.Context(), w.user, parley.CompanyChange{Name: &name}); err != nil {
			t.Fatal(err)
		}
	}
	var meet sync.WaitGroup
	meet.Add(2)
	var runs atomic.Int32
	cross := func(mine, theirs parley.CompanyID) error {
		var once sync.Once
		return w.db.Tx(t.Context(), mine, func(tx *store.Tx) error {
			runs.Add(1)
			if _, err := tx.Exec("UPDATE company SET name = name || 'x' WHERE id = $1", int64(mine)); err != nil {
				return err
			}
			once.Do(func() { meet.Done(); meet.Wait() })
			_, err := tx.Exec("UPDATE company SET name = name || 'y' WHERE id = $1", int64(theirs))
			return err
		})
	}
	errs := make(chan error, 2)
	go func() { errs <- cross(w.company, other) }()
	go func() { errs <- cross(other, w.company) }()
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if runs.Load() != 3 {
		t.Errorf("%d runs, want 3: one of the two twice", runs.Load())
	}
	if c, err := w.db.Company(t.Context(), w.company); err != nil || len(c.Name) != len("acme")+2 {
		t.Errorf("company %q, %v; want both changes once", c.Name, err)
	}
}
