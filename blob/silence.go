package blob

import (
	"context"
	"net"
	"time"
)

// silence is how long a server may neither take nor send a byte.
const silence = 30 * time.Second

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// guard makes connections that fail once nothing has moved on them for a time.
// A deadline for the whole request would not do: a large file on a slow line takes
// as long as it takes.
func guard(dial dialFunc, limit time.Duration) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &guarded{Conn: conn, limit: limit}, nil
	}
}

// A guarded connection moves both deadlines at every turn, because the transport
// waits for the answer while it still writes the request.
type guarded struct {
	net.Conn
	limit time.Duration
}

func (c *guarded) Read(p []byte) (int, error) {
	if err := c.extend(); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *guarded) Write(p []byte) (int, error) {
	if err := c.extend(); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

func (c *guarded) extend() error { return c.SetDeadline(time.Now().Add(c.limit)) }
