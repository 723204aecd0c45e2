package attachment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/parley-im/parley"
)

// Codes of what can be wrong with the bytes themselves.
const (
	codeTooLarge = "file_too_large"
	codeBroken   = "file_cut"
	codeStalled  = "file_stalled"
	codeSlow     = "file_too_slow"
)

var (
	errStalled = &parley.Error{Kind: parley.KindUnavailable, Code: codeStalled, Message: "the messenger stopped sending the file"}
	errSlow    = &parley.Error{Kind: parley.KindUnavailable, Code: codeSlow, Message: "the file took too long"}
)

// A source is what a blob is read from: it counts, limits, and keeps the first
// bytes. It remembers its own error, so that one can tell a sender that failed
// from a blob store that did.
type source struct {
	r    io.Reader
	max  int64                 // more bytes than that are an error
	want int64                 // fewer bytes than that are an error
	keep func(head []byte) int // how many of the first bytes are wanted, now that those are known

	head []byte
	full bool // the head is complete
	size int64
	sum  string // SHA-256 in hexadecimal, once all is stored
	err  error
}

// Read fails for good once the reader has failed or given too much.
func (s *source) Read(p []byte) (n int, err error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err = s.read(p[:min(int64(len(p)), s.max-s.size+1)])
	s.size += int64(n)
	s.remember(p[:n])
	switch {
	case s.size > s.max:
		s.err = tooLarge(s.max)
	case err == io.EOF && s.size < s.want:
		s.err = broken(io.ErrUnexpectedEOF)
	case err != nil && err != io.EOF:
		s.err = broken(err)
	}
	if s.err != nil {
		return n, s.err
	}
	return n, err
}

// read survives a reader that panics: blob stores read wherever they like, so
// nobody else could catch it.
func (s *source) read(p []byte) (n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			n, err = 0, parley.Errorf(parley.KindInternal, "reading the file panicked")
		}
	}()
	n, err = s.r.Read(p)
	if n < 0 || n > len(p) {
		return 0, parley.Errorf(parley.KindInternal, "reading the file gave an impossible count")
	}
	return n, err
}

// remember keeps the first bytes, and asks again how many are wanted once it has
// them.
func (s *source) remember(p []byte) {
	for !s.full && len(p) > 0 {
		n := min(s.keep(s.head)-len(s.head), len(p))
		if n <= 0 {
			s.full = true
			return
		}
		s.head, p = append(s.head, p[:n]...), p[n:]
	}
}

// tooLarge says that a file is above the limit of max bytes.
func tooLarge(max int64) error {
	return &parley.Error{Kind: parley.KindInvalid, Code: codeTooLarge, Message: "larger than the limit of " + sizeText(max)}
}

// isTooLarge reports whether err says that a file is above the limit.
func isTooLarge(err error) bool {
	e, ok := errors.AsType[*parley.Error](err)
	return ok && e.Code == codeTooLarge
}

// broken gives a read error a kind, if it has none.
func broken(err error) error {
	if _, ok := errors.AsType[*parley.Error](err); ok {
		return err
	}
	return &parley.Error{Kind: parley.KindUnavailable, Code: codeBroken, Message: "the file broke off", Err: err}
}

// sizeText writes a number of bytes in the largest unit that fits it.
func sizeText(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// A patience cancels an exchange in which nothing comes for too long. Its clock
// runs only while we wait for the other side, so that a slow disk of ours is not
// held against it.
type patience struct {
	ctx   context.Context // of the exchange
	limit time.Duration
	timer *time.Timer
}

// newPatience returns a patience whose clock runs, and the function that ends it.
func newPatience(parent context.Context, limit time.Duration) (*patience, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	p := &patience{ctx: ctx, limit: limit, timer: time.AfterFunc(limit, func() { cancel(errStalled) })}
	return p, func() {
		p.timer.Stop()
		cancel(context.Canceled)
	}
}

// judge puts the reason why the exchange was cancelled in place of its error.
func (p *patience) judge(err error) error {
	if cause := context.Cause(p.ctx); cause != nil && err != nil {
		return cause
	}
	return err
}

// A steady body is one that is closed when its exchange ends, so that a Read that
// knows nothing of contexts ends too.
type steady struct {
	*patience
	body  io.ReadCloser
	close func() error
	runs  bool // the clock
}

func newSteady(p *patience, body io.ReadCloser) *steady {
	s := &steady{patience: p, body: body, close: sync.OnceValue(body.Close)}
	context.AfterFunc(p.ctx, func() { _ = s.close() }) // the reason is the context's
	return s
}

// Read gives up when no byte comes for too long; reads of nothing do not count.
func (s *steady) Read(b []byte) (int, error) {
	if cause := context.Cause(s.ctx); cause != nil {
		return 0, cause
	}
	if !s.runs {
		s.timer.Reset(s.limit)
		s.runs = true
	}
	n, err := s.body.Read(b)
	if n > 0 || err != nil {
		s.timer.Stop()
		s.runs = false
	}
	if err != nil && err != io.EOF {
		err = s.judge(err)
	}
	return n, err
}
