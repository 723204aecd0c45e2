package store_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

// pooler starts a pgbouncer in transaction mode before the test's server, and
// returns the place of a fresh database behind it.
func pooler(t *testing.T) store.Options {
	t.Helper()
	direct, err := url.Parse(storetest.Postgres(t).URL) // skips or fails without a server
	if err != nil {
		t.Fatal(err)
	}
	direct.RawQuery = ""
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/pgbouncer")
	}
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("pgbouncer is not installed: CI must test with it")
		}
		t.Skip("install pgbouncer to run this")
	}
	name := fmt.Sprintf("parley_pooled_%d_%d", os.Getpid(), time.Now().UnixNano())
	onServer(t, direct.String(), "CREATE DATABASE "+name)
	t.Cleanup(func() { onServer(t, direct.String(), "DROP DATABASE "+name+" WITH (FORCE)") })
	u := *direct
	u.Host, u.Path = startPooler(t, program, direct), "/"+name
	return store.Options{URL: u.String(), Keys: storetest.Keys(t, t.TempDir())}
}

// startPooler returns the address that the pooler listens on.
func startPooler(t *testing.T, program string, server *url.URL) string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().(*net.TCPAddr)
	_ = free.Close()
	backend := fmt.Sprintf("host=%s port=%s user=%s", server.Hostname(), server.Port(), server.User.Username())
	if password, ok := server.User.Password(); ok {
		backend += " password=" + password
	}
	config := fmt.Sprintf(`[databases]
* = %s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
`, backend, address.Port)
	file := filepath.Join(t.TempDir(), "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{file}
	if os.Getuid() == 0 { // it refuses to be root
		args = append([]string{"-u", "postgres"}, args...)
	}
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, args...)
	var said lockedBuffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait() // killed
	})
	for late := time.Now().Add(20 * time.Second); ; {
		conn, err := net.Dial("tcp", address.String())
		if err == nil {
			_ = conn.Close()
			return address.String()
		}
		if time.Now().After(late) {
			t.Fatalf("pgbouncer does not listen: %v\n%s", err, said.String())
		}
		<-time.After(10 * time.Millisecond)
	}
}

// A lockedBuffer takes what a program says while the test may read it.
type lockedBuffer struct {
	mu   sync.Mutex
	text []byte
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(b.text, p...)
	return len(p), nil
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.text)
}

func onServer(t *testing.T, server, statement string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), server)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// TestPooler works through pgbouncer in transaction mode, where each transaction
// may meet another server process: all sorts of writes and reads, many at once.
func TestPooler(t *testing.T) {
	t.Parallel()
	o := pooler(t)
	for want, url := range map[bool]string{true: o.URL, false: storetest.Postgres(t).URL} {
		if got, err := store.Pooled(t.Context(), url); err != nil || got != want {
			t.Errorf("a pooler is noticed: %t, %v; want %t", got, err, want)
		}
	}
	w := newWorld(t, storetest.Open(t, o))
	const at, each = 8, 20
	var all sync.WaitGroup
	for chat := range at {
		all.Go(func() {
			conv := w.talk(fmt.Sprint(chat))
			for n := range each {
				w.finish(w.claim(w.say(conv, "an answer").ID), delivered(fmt.Sprint(chat, "-", n)))
			}
		})
	}
	all.Wait()
	again := storetest.Open(t, o) // as after a restart
	list, err := again.Conversations(t.Context(), w.company, store.Page{Limit: 100})
	if err != nil || len(list) != at {
		t.Fatalf("%d conversations, %v; want %d", len(list), err, at)
	}
	for _, v := range list {
		if got, err := again.Messages(t.Context(), v.ID, store.Page{Limit: 100}); err != nil || len(got) != 1+each {
			t.Errorf("%d messages, %v; want %d", len(got), err, 1+each)
		}
	}
}
