package attachment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"path"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/fetch"
)

// UploadURL is Upload of what an address answers. It takes Config.URLTimeout at
// most, and uses the request's name and type before those of the answer. Every
// error is of KindInvalid, unless our own store is the reason: then it is of
// KindUnavailable.
func (s *Service) UploadURL(ctx context.Context, q UploadRequest, address string) (parley.Attachment, error) {
	u := &upload{Service: s, request: q, begun: s.cfg.Now()}
	limit := &parley.Error{Kind: parley.KindInvalid, Code: codeSlow, Message: fmt.Sprintf("file_url took longer than %g s", s.cfg.URLTimeout.Seconds())}
	exchange, cancel := context.WithTimeoutCause(ctx, s.cfg.URLTimeout, limit)
	defer cancel()
	err := u.download(ctx, exchange, address)
	u.report(ctx, err)
	return u.file, err
}

// download takes the body of the answer. Only the exchange is in a hurry: our own
// store may take its time.
func (u *upload) download(ctx, exchange context.Context, address string) error {
	resp, err := u.call(exchange, address)
	if err != nil {
		return urlError(exchange, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return &parley.Error{Kind: parley.KindInvalid, Code: "file_url_status", Message: fmt.Sprintf("file_url answered %d", resp.StatusCode)}
	}
	if resp.ContentLength > u.cfg.MaxSize {
		return uploadError(tooLarge(u.cfg.MaxSize), u.cfg.MaxSize)
	}
	u.request.Name = cmp.Or(parley.CleanFileName(u.request.Name), answeredName(resp.Header), parley.CleanFileName(path.Base(pathOf(address))))
	u.request.Type = cmp.Or(u.request.Type, resp.Header.Get("Content-Type"))
	src := &source{r: resp.Body, max: u.cfg.MaxSize, want: resp.ContentLength, keep: wanted}
	err = u.take(ctx, src)
	if src.err != nil && !isTooLarge(src.err) {
		return urlError(exchange, src.err)
	}
	return err
}

func (u *upload) call(ctx context.Context, address string) (*http.Response, error) {
	target, err := url.Parse(address)
	if err != nil || target.Scheme != "http" && target.Scheme != "https" || target.Hostname() == "" {
		return nil, &parley.Error{Kind: parley.KindInvalid, Code: fetch.CodeBadURL, Message: "file_url needs http or https and a host"}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, &parley.Error{Kind: parley.KindInvalid, Code: fetch.CodeBadURL, Message: "file_url is no address", Err: fetch.Redact(err)}
	}
	return u.cfg.Targets.Do(req)
}

// urlError makes a failed exchange the customer's matter. What the guard says
// stays as it is.
func urlError(exchange context.Context, err error) error {
	if e, ok := errors.AsType[*parley.Error](context.Cause(exchange)); ok {
		return e
	}
	if parley.KindOf(err) == parley.KindInvalid {
		return err
	}
	out := &parley.Error{Kind: parley.KindInvalid, Message: "file_url could not be fetched", Err: fetch.Redact(err)}
	if e, ok := errors.AsType[*parley.Error](err); ok && e.Kind != parley.KindInternal {
		out.Code, out.Message = e.Code, out.Message+": "+parley.Reason(err)
	}
	return out
}

// answeredName returns the name that an answer gives its body.
func answeredName(h http.Header) string {
	_, params, err := mime.ParseMediaType(h.Get("Content-Disposition"))
	if err != nil {
		return ""
	}
	name := params["filename"]
	if decoded, err := new(mime.WordDecoder).DecodeHeader(name); err == nil {
		name = decoded
	}
	return parley.CleanFileName(name)
}

func pathOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Path
}
