package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/parley-im/parley"
)

// A bucket keeps the blob k in the object prefix/k.
type bucket struct {
	address
	core *minio.Core
}

func (b *bucket) object(key string) string { return b.prefix + key }

func (b *bucket) Open(ctx context.Context, key string) (Reader, error) {
	if err := validKey(key); err != nil {
		return nil, err
	}
	return b.open(ctx, key)
}

func (b *bucket) open(ctx context.Context, key string) (*object, error) {
	body, info, _, err := b.core.GetObject(ctx, b.bucket, b.object(key), minio.GetObjectOptions{})
	if err != nil {
		return nil, b.fail(ctx, err)
	}
	if info.Size < 0 {
		body.Close()
		return nil, parley.Errorf(parley.KindUnavailable, "the bucket's server does not say how long the file is")
	}
	return &object{b: b, ctx: ctx, key: key, size: info.Size, etag: info.ETag, body: body}, nil
}

func (b *bucket) Delete(ctx context.Context, key string) error {
	if err := validKey(key); err != nil {
		return err
	}
	err := b.fail(ctx, b.core.RemoveObject(ctx, b.bucket, b.object(key), minio.RemoveObjectOptions{}))
	if parley.KindOf(err) == parley.KindNotFound {
		return nil // most servers say so at once
	}
	return err
}

// Walk lists up to the next slash, so that what others keep below the prefix
// costs nothing.
func (b *bucket) Walk(ctx context.Context, f func(Entry) error) error {
	for o := range b.core.ListObjectsIter(ctx, b.bucket, minio.ListObjectsOptions{Prefix: b.prefix}) {
		if o.Err != nil {
			return b.fail(ctx, o.Err)
		}
		key := strings.TrimPrefix(o.Key, b.prefix)
		if validKey(key) != nil {
			continue
		}
		if err := f(Entry{Key: key, Size: o.Size, ModTime: o.LastModified}); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ended(ctx)
	}
	return nil
}

// Sweep aborts old uploads below the prefix.
func (b *bucket) Sweep(ctx context.Context, before time.Time) (int, error) {
	removed, keyMarker, idMarker := 0, "", ""
	for {
		page, err := b.core.ListMultipartUploads(ctx, b.bucket, b.prefix, keyMarker, idMarker, "", 1000)
		if err != nil {
			return removed, b.fail(ctx, err)
		}
		for _, up := range page.Uploads {
			done, err := b.sweepUpload(ctx, up, before)
			if err != nil {
				return removed, err
			}
			removed += done
		}
		if !page.IsTruncated {
			return removed, nil
		}
		keyMarker, idMarker = page.NextKeyMarker, page.NextUploadIDMarker
	}
}

func (b *bucket) sweepUpload(ctx context.Context, up minio.ObjectMultipartInfo, before time.Time) (int, error) {
	if !up.Initiated.Before(before) || validKey(strings.TrimPrefix(up.Key, b.prefix)) != nil {
		return 0, nil
	}
	err := b.core.AbortMultipartUpload(ctx, b.bucket, up.Key, up.UploadID)
	if codeOf(err) == minio.NoSuchUpload {
		return 0, nil
	}
	if err != nil {
		return 0, b.fail(ctx, err)
	}
	return 1, nil
}

// ID reads the identity. The first to ask makes it, on the condition that nobody
// else has. Everybody takes what can then be read, because not every server keeps
// to conditions.
func (b *bucket) ID(ctx context.Context) (string, error) {
	id, err := b.readID(ctx)
	if parley.KindOf(err) != parley.KindNotFound {
		return id, err
	}
	if err := b.makeID(ctx); err != nil {
		return "", err
	}
	return b.readID(ctx)
}

func (b *bucket) readID(ctx context.Context) (string, error) {
	r, err := b.open(ctx, idKey)
	if err != nil {
		return "", err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, 1<<10))
	if err != nil {
		return "", err
	}
	return validID(text)
}

func (b *bucket) makeID(ctx context.Context) error {
	text := []byte(randomHex() + "\n")
	var opts minio.PutObjectOptions
	opts.SetMatchETagExcept("*")
	err := b.putWhole(ctx, idKey, text, opts)
	switch codeOf(err) {
	case minio.PreconditionFailed, "ConditionalRequestConflict":
		return nil // somebody was faster
	case minio.NotImplemented:
		err = b.putWhole(ctx, idKey, text, minio.PutObjectOptions{})
	}
	return b.fail(ctx, err)
}

func (b *bucket) Check(ctx context.Context) error { return check(ctx, b) }

// putWhole stores bytes by one request. Its error is the client's.
func (b *bucket) putWhole(ctx context.Context, key string, data []byte, opts minio.PutObjectOptions) error {
	opts.DisableContentSha256 = true // sign the sum of the whole, which the server checks, not of chunks
	_, err := b.core.PutObject(ctx, b.bucket, b.object(key), bytes.NewReader(data), int64(len(data)), "", sumHex(data), opts)
	return err
}

// An object is an open blob in a bucket. The request for the whole has been made;
// another one follows when the reader is moved before it reads.
type object struct {
	b      *bucket
	ctx    context.Context
	key    string
	size   int64
	etag   string // of what was opened: a blob put meanwhile must not be mixed in
	at     int64  // where the next Read begins
	body   io.ReadCloser
	bodyAt int64
	closed bool
}

var errClosed = errors.New("the file has been closed")

func (o *object) Size() int64 { return o.size }

func (o *object) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += o.at
	case io.SeekEnd:
		offset += o.size
	default:
		return 0, errors.New("seek: unknown whence")
	}
	if offset < 0 {
		return 0, errors.New("seek: before the start")
	}
	o.at = offset
	return offset, nil
}

func (o *object) Read(p []byte) (int, error) {
	switch {
	case o.closed:
		return 0, errClosed
	case o.ctx.Err() != nil:
		return 0, ended(o.ctx)
	case o.at >= o.size:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	if err := o.request(); err != nil {
		return 0, err
	}
	n, err := o.body.Read(p)
	o.at += int64(n)
	o.bodyAt = o.at
	if err == nil || (err == io.EOF && o.at == o.size) {
		return n, nil // the end is told by the next call
	}
	o.drop()
	return n, o.b.fail(o.ctx, err)
}

// request makes body deliver from at on.
func (o *object) request() error {
	if o.body != nil && o.bodyAt == o.at {
		return nil
	}
	o.drop()
	var opts minio.GetObjectOptions
	if err := opts.SetRange(o.at, o.size-1); err != nil {
		return err
	}
	if o.etag != "" {
		if err := opts.SetMatchETag(o.etag); err != nil {
			return err
		}
	}
	body, info, _, err := o.b.core.GetObject(o.ctx, o.b.bucket, o.b.object(o.key), opts)
	if err != nil {
		return o.b.fail(o.ctx, err)
	}
	o.body, o.bodyAt = body, o.at
	if info.Size != o.size-o.at {
		o.drop()
		return parley.Errorf(parley.KindUnavailable, "the bucket's server sent another part of the file than was asked for")
	}
	return nil
}

func (o *object) drop() {
	if o.body != nil {
		o.body.Close()
		o.body = nil
	}
}

func (o *object) Close() error {
	if o.closed {
		return errClosed
	}
	o.closed = true
	o.drop()
	return nil
}
