package main

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// freshGrace is how long a stop waits for the first request of a connection that
// was taken before it. One that says nothing by then is closed.
const freshGrace = time.Second

// A drain knows the connections that were taken and had no request yet. The
// server's own Shutdown would close them without an answer, whatever was on the
// way: a restart would lose requests.
type drain struct {
	server *http.Server
	mu     sync.Mutex
	fresh  map[net.Conn]bool
	quiet  chan struct{} // closed when fresh is empty; nil unless somebody waits
}

// freshKey finds a request's connection in its context.
type freshKey struct{}

// newDrain watches a server that does not serve yet.
func newDrain(server *http.Server) *drain {
	d := &drain{server: server, fresh: map[net.Conn]bool{}}
	handler := server.Handler
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(freshKey{}).(net.Conn); ok {
			d.known(c)
		}
		handler.ServeHTTP(w, r)
	})
	server.ConnContext = d.taken
	server.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			d.known(c)
		}
	}
	return d
}

func (d *drain) taken(ctx context.Context, c net.Conn) context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fresh[c] = true
	return context.WithValue(ctx, freshKey{}, c)
}

func (d *drain) known(c net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.fresh, c)
	if len(d.fresh) == 0 && d.quiet != nil {
		close(d.quiet)
		d.quiet = nil
	}
}

// stop takes no more connections, and returns when every one that was taken has
// been answered, or with the context's error. Serving is what serves l.
func (d *drain) stop(ctx context.Context, l net.Listener, serving *sync.WaitGroup) error {
	d.server.SetKeepAlivesEnabled(false)
	_ = l.Close() // has Serve return, which says so
	serving.Wait()
	d.settle(ctx)
	return d.server.Shutdown(ctx)
}

// settle waits until no connection is fresh, and closes what is after the grace.
func (d *drain) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, freshGrace)
	defer cancel()
	quiet := make(chan struct{})
	d.mu.Lock()
	if len(d.fresh) == 0 {
		d.mu.Unlock()
		return
	}
	d.quiet = quiet
	d.mu.Unlock()
	select {
	case <-quiet:
	case <-ctx.Done():
		d.shut()
	}
}

func (d *drain) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.fresh {
		_ = c.Close() // nobody has asked anything on it
	}
}
