package attachment

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/parley-im/parley"
)

// Upload keeps the bytes of r as a file that can be sent. It returns once bytes
// and row are stored, and blocks as long as r does. The attachment is without
// token and address, which nobody needs for sending.
//
// KindInvalid: the file is empty, larger than the limit, or r failed.
// KindUnavailable: our own store does not take it now. An error of r that is a
// *parley.Error keeps its kind.
func (s *Service) Upload(ctx context.Context, q UploadRequest, r io.Reader) (parley.Attachment, error) {
	u := &upload{Service: s, request: q, begun: s.cfg.Now()}
	err := uploadError(tooLarge(s.cfg.MaxSize), s.cfg.MaxSize)
	if q.AtLeast <= s.cfg.MaxSize { // else nothing needs to be read
		err = u.take(ctx, &source{r: r, max: s.cfg.MaxSize, keep: wanted})
	}
	u.report(ctx, err)
	return u.file, err
}

// An upload is one file on its way in.
type upload struct {
	*Service
	request UploadRequest
	begun   time.Time
	file    parley.Attachment
}

var errEmpty = parley.Errorf(parley.KindInvalid, "file is empty")

// take stores the bytes, then the row.
func (u *upload) take(ctx context.Context, src *source) error {
	key := newKey("upload")
	if err := u.put(ctx, key, src); err != nil {
		return uploadError(err, src.max)
	}
	a := u.describe(src)
	a.Blob = key
	err := error(errEmpty)
	if a.Size > 0 {
		a.ID, err = u.cfg.Store.AddFile(ctx, &a)
	}
	if err != nil {
		u.discard(context.WithoutCancel(ctx), key)
		return err
	}
	u.file = a
	return nil
}

// describe says of the bytes what can be said.
func (u *upload) describe(src *source) parley.Attachment {
	q := &u.request
	a := parley.Attachment{
		Company: q.Company, Channel: q.Channel, Conversation: q.Conversation,
		Name: parley.CleanFileName(q.Name), Type: typeOf(q.Type, src.head[:min(len(src.head), sniffed)]),
		Size: src.size, SHA256: src.sum, State: parley.AttachmentReady, CreatedAt: u.begun,
	}
	a.Kind = parley.KindOfType(a.Type)
	if q.Voice != nil && q.Voice() {
		a.Kind = parley.FileVoice
	}
	a.Width, a.Height = dimensions(src.head)
	return a
}

// uploadError says whose fault it is that bytes were not taken.
func uploadError(err error, max int64) error {
	if own, ours := errors.AsType[*blobError](err); ours {
		return &parley.Error{Kind: parley.KindUnavailable, Code: "blob_store", Message: "files cannot be stored now", RetryAfter: retryAfter(err), Err: own.err}
	}
	if isTooLarge(err) {
		return &parley.Error{Kind: parley.KindInvalid, Code: codeTooLarge, Message: "file is larger than " + sizeText(max)}
	}
	if e, ok := errors.AsType[*parley.Error](err); ok && e.Code == codeBroken {
		return &parley.Error{Kind: parley.KindInvalid, Code: codeBroken, Message: "file broke off", Err: e.Err}
	}
	return err
}

// report tells of the upload in one line.
func (u *upload) report(ctx context.Context, err error) {
	result := cmp.Or(string(parley.KindOf(err)), "stored")
	u.cfg.Observe.Uploaded(result)
	attrs := []slog.Attr{
		slog.Int64("attachment_id", int64(u.file.ID)),
		slog.Int64("company_id", int64(u.request.Company)),
		slog.Int64("channel_id", int64(u.request.Channel)),
		slog.Int64("conversation_id", int64(u.request.Conversation)),
		slog.String("file_kind", string(u.file.Kind)),
		slog.String("result", result),
		slog.Int64("bytes", u.file.Size),
		slog.Int64("took_ms", u.cfg.Now().Sub(u.begun).Milliseconds()),
	}
	if e, ok := errors.AsType[*parley.Error](err); ok && e.Code != "" {
		attrs = append(attrs, slog.String("code", e.Code))
	}
	at := slog.LevelInfo
	if kind := parley.KindOf(err); kind == parley.KindUnavailable || kind == parley.KindInternal {
		at, attrs = slog.LevelError, append(attrs, slog.Any("err", err))
	}
	u.cfg.Log.LogAttrs(ctx, at, "upload", attrs...)
}
