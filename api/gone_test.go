package api

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/parley-im/parley/store"
)

// A slowStore accepts nothing before the caller has gone.
type slowStore struct{ *store.DB }

func (slowStore) Accept(ctx context.Context, _ *store.Accept) (store.Accepted, error) {
	<-ctx.Done()
	return store.Accepted{}, ctx.Err()
}

// TestHalfClosed: a client that has closed its half of the connection is not told
// that all went well when it is not known.
func TestHalfClosed(t *testing.T) {
	t.Parallel()
	db := openSQLite(t)
	n := newGateway(t, db, func(c *Config) { c.Store = slowStore{db} }).full(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(n.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: g\r\nX-Private-Api-Token: %s\r\nContent-Length: 10\r\n\r\nmessage=hi", n.fill(messagesPath), n.token)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(conn) // until it ends, however
	if len(answer) > 0 {
		t.Errorf("answered %q", answer)
	}
	if log := n.log.String(); !strings.Contains(log, "status=499") {
		t.Errorf("logged\n%s", log)
	}
}
