package fetch

import (
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
)

// A meteredConn counts the bytes that may have left through it. A write under way
// counts in full until it turns out shorter.
type meteredConn struct {
	net.Conn
	out atomic.Int64
}

// Write passes b on and counts it.
func (c *meteredConn) Write(b []byte) (int, error) {
	c.out.Add(int64(len(b)))
	n, err := c.Conn.Write(b)
	c.out.Add(int64(n - len(b)))
	return n, err
}

// metered finds the counter below a connection, nil if there is none.
func metered(c net.Conn) *meteredConn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	m, _ := c.(*meteredConn)
	return m
}

// A witness watches one round trip and says whether a byte of the request may
// have left. Two signs must agree, because each alone accuses too often: net/http
// began to write the request, and the connection carried bytes since.
type witness struct {
	mu      sync.Mutex
	conn    *meteredConn
	base    int64 // conn's count when the request got it
	started bool  // net/http began to write on conn
	sent    bool  // sticky over the connections that net/http tried
	got     bool  // there was a connection at all
	reused  bool  // the last one had served before
	tls     bool  // a handshake was begun
}

func (w *witness) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn:           w.gotConn,
		TLSHandshakeStart: w.handshake,
		WroteHeaderField:  func(string, []string) { w.start() },
		WroteHeaders:      w.start,
		WroteRequest:      func(httptrace.WroteRequestInfo) { w.start() },
	}
}

func (w *witness) gotConn(info httptrace.GotConnInfo) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.settle()
	w.conn, w.base, w.started = metered(info.Conn), 0, false
	if w.conn != nil {
		w.base = w.conn.out.Load()
	}
	w.got, w.reused = true, info.Reused
}

func (w *witness) handshake() {
	w.mu.Lock()
	w.tls = true
	w.mu.Unlock()
}

func (w *witness) start() {
	w.mu.Lock()
	w.started = true
	w.mu.Unlock()
}

// settle judges the connection used so far; w.mu is held.
func (w *witness) settle() {
	if w.started && (w.conn == nil || w.conn.out.Load() != w.base) {
		w.sent = true
	}
}

// A verdict is what a witness has to say at the end.
type verdict struct{ sent, got, reused, tls bool }

func (w *witness) verdict() verdict {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.settle()
	return verdict{sent: w.sent, got: w.got, reused: w.reused, tls: w.tls}
}
