package connectortest

import (
	"bytes"
	"context"
	"io"
	"sync"

	"github.com/parley-im/parley"
)

// A shelf is where the files to be sent are. It keeps account of who closes what.
type shelf struct {
	mu             sync.Mutex
	files          []func() (io.Reader, int64, error) // by id, from 1
	opened, closed int
}

// put adds a file, which may do whatever it likes when it is opened.
func (s *shelf) put(open func() (io.Reader, int64, error)) parley.AttachmentID {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = append(s.files, open)
	return parley.AttachmentID(len(s.files))
}

// Open opens the file that a names, as the gateway's own does.
func (s *shelf) Open(_ context.Context, a *parley.Attachment) (io.ReadCloser, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.ID < 1 || int(a.ID) > len(s.files) {
		return nil, 0, parley.Errorf(parley.KindNotFound, "no such file")
	}
	r, size, err := s.files[a.ID-1]()
	if err != nil {
		return nil, 0, err
	}
	s.opened++
	return &lent{Reader: r, shelf: s}, size, nil
}

// A lent file is one that is open.
type lent struct {
	io.Reader
	shelf *shelf
	once  sync.Once
}

// Close counts once.
func (l *lent) Close() error {
	l.once.Do(func() {
		l.shelf.mu.Lock()
		defer l.shelf.mu.Unlock()
		l.shelf.closed++
	})
	return nil
}

// open returns how many files are still open.
func (s *shelf) open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened - s.closed
}

// whole opens a file that is as it should be.
func whole(data []byte) func() (io.Reader, int64, error) {
	return func() (io.Reader, int64, error) { return bytes.NewReader(data), int64(len(data)), nil }
}

// A zeros reader gives n zero bytes, in pieces.
type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), z.left))
	clear(p[:n])
	z.left -= int64(n)
	return n, nil
}
