package blob

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"github.com/parley-im/parley"
)

// A source reads what is to be put, and counts, limits and hashes it on the way.
// It keeps its own error, so that one can tell a reader that failed from a store
// that did.
type source struct {
	ctx  context.Context
	r    io.Reader
	max  int64
	size int64
	hash hash.Hash
	err  error
}

func newSource(ctx context.Context, r io.Reader, max int64) *source {
	return &source{ctx: ctx, r: r, max: max, hash: sha256.New()}
}

// Read fails for good once the reader has failed, given too much, or ctx has ended.
func (s *source) Read(p []byte) (int, error) {
	if s.err == nil && s.ctx.Err() != nil {
		s.err = ended(s.ctx)
	}
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	s.size += int64(n)
	s.hash.Write(p[:n])
	switch {
	case s.size > s.max:
		s.err = &parley.Error{Kind: parley.KindInvalid, Code: CodeTooLarge, Message: fmt.Sprintf("the file is larger than %d bytes", s.max)}
	case err != nil && err != io.EOF: // only io.EOF itself is an end, as io.Reader says
		s.err = fmt.Errorf("read the file to store: %w", err)
	}
	if s.err != nil {
		return n, s.err
	}
	return n, err
}

// info says what has been read.
func (s *source) info() Info {
	return Info{Size: s.size, SHA256: [sha256.Size]byte(s.hash.Sum(nil))}
}
