package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/attachment"
	"github.com/parley-im/parley/params"
	"github.com/parley-im/parley/store"
)

// A fileService keeps what is uploaded. KindInvalid: the file or its address is
// refused, and the message says why.
type fileService interface {
	// Upload stores the bytes of r, which it reads to io.EOF first. After any other
	// error of r it stores nothing.
	Upload(ctx context.Context, req attachment.UploadRequest, r io.Reader) (parley.Attachment, error)
	// UploadURL fetches the bytes from an address of the customer's choice.
	UploadURL(ctx context.Context, req attachment.UploadRequest, url string) (parley.Attachment, error)
}

// uploadPattern is the one route that takes files.
const uploadPattern = "companies/C/conversations/CV/messages/attachments"

// uploads reports whether the request's body is a file on its way in, which is
// read only once it is known whose it is.
func (c *call) uploads() bool {
	return c.endpoint.pattern == uploadPattern && params.Multipart(c.r)
}

var errNoFiles = parley.Errorf(parley.KindUnsupported, "this installation takes no files")

// postAttachment takes a file that is to be sent later.
func (s *Server) postAttachment(c *call) error {
	switch {
	case c.channel.State == parley.ChannelDeleted:
		return errChannelGone
	case s.files == nil:
		return errNoFiles
	}
	file, err := s.receive(c)
	if err != nil {
		return err
	}
	c.kept = c.key != nil
	return c.done("ok", int64(file.ID))
}

// receive stores the file that the request holds or names.
func (s *Server) receive(c *call) (parley.Attachment, error) {
	if !c.uploads() {
		b, err := c.bind()
		if err != nil {
			return parley.Attachment{}, err
		}
		return s.receiveURL(c, b)
	}
	if s.maxFile > 0 && c.announced() > s.maxFile {
		return parley.Attachment{}, fileError(fmt.Sprintf("is larger than %d MiB", s.maxFile>>20))
	}
	stream, err := params.Open(c.r, params.Options{MaxBody: s.maxBody, OnFile: func(*params.File) error { return errSecondFile }})
	if err != nil {
		return parley.Attachment{}, err
	}
	if stream.File != nil {
		return s.receiveFile(c, &incoming{stream: stream, patience: newPatience(c.w)})
	}
	set, err := stream.Rest()
	if err != nil {
		return parley.Attachment{}, err
	}
	if c.key != nil {
		c.key.Request = hash(set.Canonical())
	}
	return s.receiveURL(c, set.Bind())
}

// receiveURL has the file fetched from where file_url says.
func (s *Server) receiveURL(c *call, b *params.Binder) (parley.Attachment, error) {
	url := b.URL("file_url")
	voice := b.Bool("push_to_talk").Or(false)
	if b.String("file").Given() {
		b.Fail("file", "is invalid: it has no file name")
	}
	if absent(url) {
		b.Fail("file", "or file_url is required")
	}
	if err := b.Err(); err != nil {
		return parley.Attachment{}, err
	}
	c.keeps(func(result any) []byte { return doneBody("ok", int64(result.(parley.Attachment).ID)) })
	return s.files.UploadURL(store.Keeping(c.ctx, c.key), c.upload(func() bool { return voice }), url.Value)
}

func (c *call) upload(voice func() bool) attachment.UploadRequest {
	return attachment.UploadRequest{Company: c.company.ID, Channel: c.conv.Channel, Conversation: c.conv.ID, Voice: voice}
}

var (
	errSecondFile = fileError("is invalid: only one file can be uploaded at once")
	errOtherField = fileError("is required: a file came under another name")
)

func fileError(problem string) *params.Error {
	return &params.Error{Code: params.CodeInvalid, Messages: []string{"file " + problem}}
}

// uploadFrame is more than a request takes around a file and the other parameters,
// which have a limit of their own, in bytes.
const uploadFrame = 64 << 10

// announced is the least size of the request's file, in bytes, as far as the
// request says how long it is; else 0.
func (c *call) announced() int64 {
	return max(c.r.ContentLength-uploadFrame-max(c.server.maxBody, params.DefaultMaxBody), 0)
}

// receiveFile streams the file from the client into the service.
func (s *Server) receiveFile(c *call, in *incoming) (parley.Attachment, error) {
	f := in.stream.File
	if f.Field != "file" {
		return parley.Attachment{}, errOtherField
	}
	if c.key != nil {
		if known, err := s.repeatedFile(c, in); known || err != nil {
			return parley.Attachment{}, err
		}
	}
	req := c.upload(func() bool { return in.voice })
	req.Name, req.Type = f.Name, f.Type
	req.AtLeast = c.announced()
	file, err := s.files.Upload(store.Keeping(c.ctx, c.key), req, in)
	if in.end != nil && in.end != io.EOF {
		return parley.Attachment{}, in.end // the request is to blame, whatever became of it
	}
	return file, err
}

// repeatedFile reads a file that comes under a used key, to tell whether it is the
// same one, and fails with a *store.KeptError. Under a new key it prepares the
// answer and reports false: the file's digest is known when its row is stored.
func (s *Server) repeatedFile(c *call, in *incoming) (bool, error) {
	saved, err := s.store.SavedAnswer(c.ctx, c.key.User, c.key.Key)
	if err != nil {
		return false, err
	}
	if saved == nil {
		c.key.Answer = func(result any) store.Answer {
			a := result.(parley.Attachment)
			return store.Answer{Status: http.StatusOK, Body: doneBody("ok", int64(a.ID)), Request: in.request(a.SHA256)}
		}
		return false, nil
	}
	digest := sha256.New()
	if _, err := io.Copy(digest, in); err != nil {
		return true, err
	}
	return true, &store.KeptError{Saved: saved, Request: in.request(hex.EncodeToString(digest.Sum(nil)))}
}

// request is what was asked: the file by its digest, its name, and the parameters.
func (in *incoming) request(digest string) []byte {
	return hash(append([]byte(digest+"\x00"+in.stream.File.Name+"\x00"), in.canonical...))
}

// An incoming is the file of a request. It ends with io.EOF only if the request
// as a whole is in order, what follows the file included; so whoever stores what
// ended well stores no half of an upload, and nothing that has to be refused.
type incoming struct {
	stream    *params.Stream
	patience  patience
	voice     bool   // known at the end
	canonical []byte // of the other parameters, at the end
	end       error  // what Read returns from now on; nil before the end
}

// Read reads the file's bytes. An error other than io.EOF is a *params.Error: the
// request broke off, or it is refused.
func (in *incoming) Read(p []byte) (int, error) {
	if in.end != nil {
		return 0, in.end
	}
	in.patience.extend(time.Now())
	n, err := in.stream.File.Read(p)
	if err == io.EOF {
		err = in.finish()
	}
	in.end = err
	return n, err
}

// finish reads what follows the file. It returns io.EOF if all is well.
func (in *incoming) finish() error {
	set, err := in.stream.Rest()
	if err != nil {
		return err
	}
	b := set.Bind()
	if b.URL("file_url").Sent() && !b.URL("file_url").Cleared() {
		b.Fail("file_url", "is invalid: file is given as well")
	}
	in.voice = b.Bool("push_to_talk").Or(false)
	if err := b.Err(); err != nil {
		return err
	}
	in.canonical = set.Canonical()
	in.patience.end()
	return io.EOF
}

// Limits of an upload. The server's own time limit is for requests that fit into
// a few packets; a file over a slow line may take longer, as long as it comes.
const (
	uploadStall = time.Minute     // without a byte
	uploadTime  = time.Hour       // in all
	extendEvery = 5 * time.Second // so that few reads pay for it
)

// A patience gives a request more time as long as it makes progress.
type patience struct {
	control *http.ResponseController
	last    time.Time // when there is no more of it
	next    time.Time
}

func newPatience(w http.ResponseWriter) patience {
	return patience{control: http.NewResponseController(w), last: time.Now().Add(uploadTime)}
}

// extend puts off the time limit of reading. A server without one has no need of
// it, so that it cannot be put off is no error.
func (p *patience) extend(now time.Time) {
	if now.Before(p.next) {
		return
	}
	p.next = now.Add(extendEvery)
	limit := now.Add(uploadStall)
	if limit.After(p.last) {
		limit = p.last
	}
	_ = p.control.SetReadDeadline(limit)
}

// end is called when everything has been read. A time limit that passed now would
// look as if the client had gone.
func (p *patience) end() { _ = p.control.SetReadDeadline(time.Time{}) }
