package telegram

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"github.com/parley-im/parley"
)

// upload makes one request with the bytes of a file in it, and fills out with its
// result. The bytes go from where they are kept to Telegram without ever being held
// whole. Errors are those of call. What the server cannot have got to the end of
// has not been carried out, because the form is not complete without its closing
// line; so it is uncertain only from the moment when that was handed over.
func (c *client) upload(ctx context.Context, m method, f form, a *parley.Attachment, out any) error {
	file, size, err := c.env.Files.Open(ctx, a)
	if err != nil {
		return c.unopened(err)
	}
	b := newBody(f, file, size)
	defer func() { _ = b.Close() }()
	if err := c.fits(size); err != nil {
		return err
	}
	return c.delivered(b, c.post(ctx, m, payload{f.mime, b, b.left}, out))
}

// unopened: nothing was sent, and only a file that is gone makes that final.
func (c *client) unopened(err error) error {
	if parley.KindOf(err) == parley.KindNotFound {
		return &parley.Error{Kind: parley.KindRejected, Code: "file_gone", Message: "the file is not there any more", Err: c.redacted(err)}
	}
	return &parley.Error{Kind: parley.KindUnavailable, Code: "file_unreadable", Message: "the file cannot be read at present", Err: c.redacted(err)}
}

// delivered judges a failed upload by how far it got.
func (c *client) delivered(b *body, err error) error {
	if err == nil {
		return nil
	}
	whole, broken := b.seal()
	switch {
	case broken != nil:
		return &parley.Error{Kind: parley.KindUnavailable, Code: "file_cut",
			Message: "the file broke off while it was sent", Err: c.redacted(errors.Join(broken, err))}
	case !whole && parley.KindOf(err) == parley.KindUncertain:
		return &parley.Error{Kind: parley.KindUnavailable, Code: "upload_cut",
			Message: "the connection to Telegram broke off before the whole file was sent", Err: c.redacted(err)}
	}
	return err
}

// A body hands out a form with its file and keeps account of how far it got. It is
// safe for a transport that still reads when the request is over.
type body struct {
	bytes io.Reader
	file  io.Closer
	once  sync.Once

	mu     sync.Mutex
	left   int64 // bytes that were not handed out
	closed bool
	broken error // why the file could not be read
}

func newBody(f form, file io.ReadCloser, size int64) *body {
	return &body{
		bytes: io.MultiReader(bytes.NewReader(f.head), &exact{file, size}, bytes.NewReader(f.tail)),
		file:  file,
		left:  int64(len(f.head)) + size + int64(len(f.tail)),
	}
}

var errSealed = errors.New("the request is over")

// Read hands out nothing any more once the body is sealed or closed, though it may
// have been called before.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.bytes.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, errSealed
	}
	b.left -= int64(n)
	if err != nil && err != io.EOF {
		b.broken = err
	}
	return n, err
}

// seal ends the handing out and says how far it got.
func (b *body) seal() (whole bool, broken error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return b.left == 0, b.broken
}

// Close closes the file, once.
func (b *body) Close() (err error) {
	b.seal()
	b.once.Do(func() { err = b.file.Close() })
	return err
}

var errLonger = errors.New("the file is longer than was said")

// An exact reader gives as many bytes as were promised, or fails: Content-Length is
// on its way by then.
type exact struct {
	file io.Reader
	left int64
}

func (e *exact) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, e.end()
	}
	n, err := e.file.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	if err == io.EOF && e.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// end returns io.EOF if the file ends here, too.
func (e *exact) end() error {
	if n, err := io.ReadFull(e.file, make([]byte, 1)); n == 0 {
		return err
	}
	return errLonger
}
