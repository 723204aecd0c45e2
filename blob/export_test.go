package blob

import (
	"context"
	"net"
	"os"
	"time"
)

// Silence and PartSize are bounds that tests reckon with.
const (
	Silence  = silence
	PartSize = partSize
	IDKey    = idKey
)

// Guard makes connections that fail after a silence.
func Guard(dial func(context.Context, string, string) (net.Conn, error), limit time.Duration) func(context.Context, string, string) (net.Conn, error) {
	return guard(dial, limit)
}

// SetSync replaces how a directory syncs.
func SetSync(s Store, file func(*os.File) error, dir func(string) error) {
	d := s.(*directory)
	d.syncFile, d.syncDir = file, dir
}

// FileOf returns the file that a directory keeps a key in.
func FileOf(s Store, key string) string {
	_, _, name := s.(*directory).place(key)
	return name
}
