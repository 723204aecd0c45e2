package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// TestDrain: a connection that was taken before the stop gets its answer, even
// when the request comes during it. One that says nothing is closed.
func TestDrain(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := newServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "served") }))
	d := newDrain(server)
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(l); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	slow, silent := dial(), dial()
	fmt.Fprint(slow, "GET / HTTP/1.1\r\n")
	poll(t, "both connections are taken", func() bool { d.mu.Lock(); defer d.mu.Unlock(); return len(d.fresh) == 2 })
	stopped := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second) // the server itself closes a silent connection after 5
	defer cancel()
	go func() { stopped <- d.stop(ctx, l, &serving) }() // received from below
	poll(t, "the stop waits", func() bool { d.mu.Lock(); defer d.mu.Unlock(); return d.quiet != nil })
	if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Errorf("a connection was taken during the stop: %v", c)
	}
	fmt.Fprint(slow, "Host: gateway\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(slow), nil)
	if err != nil || resp.StatusCode != http.StatusOK || !resp.Close {
		t.Errorf("the slow request: %+v, %v, want 200 and the connection closed", resp, err)
	}
	if n, err := silent.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the silent connection: %d bytes, %v", n, err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
}
