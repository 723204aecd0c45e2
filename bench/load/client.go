package load

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"
)

// client is one persistent HTTP/1.1 connection. It is leaner than net/http's
// client, so that the generator takes less of the processors that it shares with
// the gateway under test.
type client struct {
	secure  bool
	addr    string
	host    string
	timeout time.Duration

	conn net.Conn
	r    *bufio.Reader
	buf  []byte
}

// request is one request. Its body is body and then pad.
type request struct {
	method string
	target []byte
	header []byte // extra header lines, each ended by CRLF
	body   []byte
	pad    []byte
}

func newClient(base *url.URL, timeout time.Duration) (*client, error) {
	c := &client{host: base.Host, addr: base.Host, timeout: timeout}
	switch base.Scheme {
	case "http", "https":
		c.secure = base.Scheme == "https"
	default:
		return nil, fmt.Errorf("the url's scheme must be http or https, not %q", base.Scheme)
	}
	if base.Port() == "" {
		c.addr = net.JoinHostPort(base.Hostname(), base.Scheme)
	}
	return c, nil
}

// do sends one request and reads the response.
func (c *client) do(q *request) (a answer, err error) {
	if c.conn == nil {
		if err := c.dial(); err != nil {
			return answer{}, err
		}
	}
	if err = c.conn.SetDeadline(time.Now().Add(c.timeout)); err == nil {
		a, err = c.exchange(q)
	}
	if err != nil || a.last {
		c.close()
	}
	return a, err
}

func (c *client) exchange(q *request) (answer, error) {
	c.buf = c.append(c.buf[:0], q)
	if _, err := c.conn.Write(c.buf); err != nil {
		return answer{}, err
	}
	if len(q.pad) == 0 {
		return readResponse(c.r)
	}
	// A server that has read enough answers before the end, and may close the
	// connection then: it is read while the rest is written.
	conn, written := c.conn, make(chan error, 1)
	go func() {
		_, err := conn.Write(q.pad)
		written <- err
	}()
	a, err := readResponse(c.r)
	if err != nil || a.last {
		c.close() // ends the writing
		<-written
		return a, err
	}
	return a, <-written
}

func (c *client) append(b []byte, q *request) []byte {
	b = append(b, q.method...)
	b = append(b, ' ')
	b = append(b, q.target...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, c.host...)
	b = append(b, "\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(q.body)+len(q.pad)), 10)
	b = append(b, "\r\n"...)
	b = append(b, q.header...)
	b = append(b, "\r\n"...)
	return append(b, q.body...)
}

func (c *client) dial() (err error) {
	d := &net.Dialer{Timeout: c.timeout}
	if c.secure {
		c.conn, err = tls.DialWithDialer(d, "tcp", c.addr, nil)
	} else {
		c.conn, err = d.Dial("tcp", c.addr)
	}
	if err != nil {
		c.conn = nil
		return err
	}
	c.r = bufio.NewReader(c.conn)
	return nil
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}
