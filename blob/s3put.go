package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"time"

	"github.com/minio/minio-go/v7"
)

// partSize is the smallest that a part may have unless it is the last, in bytes.
// Parts are held in memory, to be sent again. With 10 000 of them a blob can have
// 48 GiB. Source: Amazon S3 User Guide, Multipart upload limits, read 2026-11.
const partSize = 5 << 20

// grace is how long a broken-off upload may take to remove its parts. What is
// then still there waits for Sweep.
const grace = 2 * time.Second

// Put stores a small blob by one request. A larger one goes in parts, one after the
// other, which appear together or not at all.
func (b *bucket) Put(ctx context.Context, key string, r io.Reader, max int64) (Info, error) {
	if err := validKey(key); err != nil {
		return Info{}, err
	}
	src := newSource(ctx, r, max)
	part, err := fill(nil, src)
	switch {
	case err != nil:
	case len(part) < partSize:
		err = b.putWhole(ctx, key, part, minio.PutObjectOptions{})
	default:
		err = b.putParts(ctx, key, part, src)
	}
	switch {
	case src.err != nil:
		return Info{}, src.err
	case err != nil:
		return Info{}, b.fail(ctx, err)
	}
	return src.info(), nil
}

// putParts begins with the part that has been read. Its error is the client's or
// the source's.
func (b *bucket) putParts(ctx context.Context, key string, part []byte, src *source) error {
	name := b.object(key)
	id, err := b.core.NewMultipartUpload(ctx, b.bucket, name, minio.PutObjectOptions{})
	if err != nil {
		return err
	}
	parts, err := b.sendParts(ctx, name, id, part, src)
	if err == nil {
		_, err = b.core.CompleteMultipartUpload(ctx, b.bucket, name, id, parts, minio.PutObjectOptions{})
	}
	if err != nil {
		b.abort(ctx, name, id)
	}
	return err
}

func (b *bucket) sendParts(ctx context.Context, name, id string, part []byte, src *source) ([]minio.CompletePart, error) {
	var parts []minio.CompletePart
	for len(part) > 0 {
		sent, err := b.core.PutObjectPart(ctx, b.bucket, name, id, len(parts)+1, bytes.NewReader(part), int64(len(part)),
			minio.PutObjectPartOptions{Sha256Hex: sumHex(part), DisableContentSha256: true})
		if err != nil {
			return nil, err
		}
		parts = append(parts, minio.CompletePart{PartNumber: sent.PartNumber, ETag: sent.ETag})
		if part, err = fill(part[:0], src); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// abort removes the parts also when ctx has ended, which is when it is needed.
func (b *bucket) abort(ctx context.Context, name, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	_ = b.core.AbortMultipartUpload(ctx, b.bucket, name, id)
}

// fill reads until there is a whole part or r has ended. The buffer grows with
// what comes: most files are small.
func fill(buf []byte, r io.Reader) ([]byte, error) {
	for len(buf) < partSize {
		if len(buf) == cap(buf) {
			grown := make([]byte, len(buf), min(partSize, max(2*cap(buf), 64<<10)))
			copy(grown, buf)
			buf = grown
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return buf, nil
}

func sumHex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
