package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/attachment"
	"github.com/parley-im/parley/store"
)

// files stands in for the service that keeps what is uploaded: it stores the row
// and forgets the bytes. Only the rules that are the service's own are its own.
type files struct {
	db    *store.DB
	limit int64
	taken func(total int64) // told of every read; nil is nobody
	fail  error             // of every call
	done  chan error        // told of every end of an upload, if there is room

	mu   sync.Mutex
	kept []keptFile
}

// A keptFile is one that was stored.
type keptFile struct {
	attachment.UploadRequest
	id    parley.AttachmentID
	url   string // where it came from; empty if it was uploaded
	size  int64
	sum   []byte
	voice bool
}

func newFiles(db *store.DB) *files {
	return &files{db: db, limit: 64 << 20, done: make(chan error, 1)}
}

func (f *files) Upload(ctx context.Context, req attachment.UploadRequest, r io.Reader) (a parley.Attachment, err error) {
	defer func() {
		select {
		case f.done <- err:
		default:
		}
	}()
	k := keptFile{UploadRequest: req}
	sum := sha256.New()
	if k.size, err = f.read(r, sum); err != nil {
		return parley.Attachment{}, err
	}
	k.sum = sum.Sum(nil)
	return f.keep(ctx, k)
}

func (f *files) read(r io.Reader, sum io.Writer) (size int64, err error) {
	buf := make([]byte, 32<<10)
	for err == nil {
		var n int
		n, err = r.Read(buf)
		_, _ = sum.Write(buf[:n]) // a hash, which never fails
		size += int64(n)
		if f.taken != nil {
			f.taken(size)
		}
		if size > f.limit {
			return size, parley.Errorf(parley.KindInvalid, "file is too large")
		}
	}
	switch {
	case err != io.EOF && f.fail != nil:
		return size, f.fail // as if the reader were not to blame
	case err != io.EOF:
		return size, fmt.Errorf("keep file: %w", err)
	case size == 0:
		return 0, parley.Errorf(parley.KindInvalid, "file is empty")
	}
	return size, f.fail
}

func (f *files) UploadURL(ctx context.Context, req attachment.UploadRequest, url string) (parley.Attachment, error) {
	if f.fail != nil {
		return parley.Attachment{}, f.fail
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return parley.Attachment{}, err
	}
	resp, err := direct.Do(r)
	if err != nil {
		return parley.Attachment{}, parley.Errorf(parley.KindInvalid, "file_url cannot be reached")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return parley.Attachment{}, parley.Errorf(parley.KindInvalid, fmt.Sprintf("file_url answered %d", resp.StatusCode))
	}
	k := keptFile{UploadRequest: req, url: url}
	if k.size, err = f.read(resp.Body, sha256.New()); err != nil {
		return parley.Attachment{}, err
	}
	return f.keep(ctx, k)
}

func (f *files) keep(ctx context.Context, k keptFile) (parley.Attachment, error) {
	k.voice = k.Voice()
	a := parley.Attachment{Company: k.Company, Channel: k.Channel, Conversation: k.Conversation, Kind: parley.KindOfType(k.Type),
		Name: k.Name, Type: k.Type, Size: k.size, Blob: fmt.Sprint("blob ", k.size), SHA256: hex.EncodeToString(k.sum)}
	if k.voice {
		a.Kind = parley.FileVoice
	}
	var err error
	if a.ID, err = f.db.AddFile(ctx, &a); err != nil {
		return parley.Attachment{}, err
	}
	k.id = a.ID
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept = append(f.kept, k)
	return a, nil
}

// of returns what was stored of one conversation.
func (f *files) of(id int64) []keptFile {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []keptFile
	for _, k := range f.kept {
		if int64(k.Conversation) == id {
			list = append(list, k)
		}
	}
	return list
}

// A part is one of a multipart body; with a file name it is a file.
type part struct{ field, file, typ, content string }

const boundary = "parley test"

// multipartOf writes a body by hand, as no writer would write the hostile ones.
func multipartOf(parts ...part) []byte {
	var b bytes.Buffer
	for _, p := range parts {
		fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=\"%s\"", boundary, p.field)
		if p.file != "" {
			fmt.Fprintf(&b, "; filename=\"%s\"", p.file)
		}
		if p.typ != "" {
			fmt.Fprintf(&b, "\r\nContent-Type: %s", p.typ)
		}
		fmt.Fprintf(&b, "\r\n\r\n%s\r\n", p.content)
	}
	fmt.Fprintf(&b, "--%s--\r\n", boundary)
	return b.Bytes()
}

// multipartHeader has the boundary quoted, as the PHP client does.
const multipartHeader = `Content-Type: multipart/form-data; boundary="` + boundary + `"`
