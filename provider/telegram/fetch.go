package telegram

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

var _ connector.Fetcher = (*client)(nil)

// fileBytes is no method, but the address beside the methods where files lie.
// Source: Bot API, getFile, read 2026-11.
var fileBytes = method{"file", answerLimit, 0}

type fileRequest struct {
	ID string `json:"file_id"`
}

// Source: Bot API, File, read 2026-11.
type fileInfo struct {
	Size int64  `json:"file_size"` // bytes; 0 if the server does not say
	Path string `json:"file_path"`
}

// Fetch asks where the file is and opens it. A place is good for an hour, and a
// new one is asked for once if the file is not there. Reading the body takes as
// long as ctx allows.
func (c *client) Fetch(ctx context.Context, a *parley.Attachment) (connector.Fetched, error) {
	got, err := c.fetch(ctx, a.Source)
	if gone(err) {
		got, err = c.fetch(ctx, a.Source)
	}
	if gone(err) {
		return got, errGone(err)
	}
	return got, err
}

func (c *client) fetch(ctx context.Context, id string) (connector.Fetched, error) {
	var info fileInfo
	if err := c.ask(ctx, getFile, fileRequest{id}, &info); err != nil {
		return connector.Fetched{}, readable(err)
	}
	p, err := c.place(info.Path)
	if err != nil {
		return connector.Fetched{}, err
	}
	resp, err := c.download(ctx, p)
	if err != nil {
		return connector.Fetched{}, err
	}
	size := resp.ContentLength
	if size < 0 {
		size = max(info.Size, 0)
	}
	return connector.Fetched{Body: resp.Body, Size: size}, nil
}

// readable says for people why there is nothing to fetch.
func readable(err error) error {
	if e, ok := errors.AsType[*parley.Error](err); ok && e.Code == codeFileSize {
		e.Message = tooLargeToFetch
	}
	return err
}

func (c *client) download(ctx context.Context, p place) (*http.Response, error) {
	req, err := c.request(ctx, http.MethodGet, "/file/bot"+c.token.Reveal()+"/"+p.escaped, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.env.HTTP.Do(req)
	if err != nil {
		return nil, settled(c.transport(err))
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	return nil, c.unserved(ctx, resp, p)
}

// unserved judges an answer without a file. It says nothing about the token, with
// which getFile has just been answered.
func (c *client) unserved(ctx context.Context, resp *http.Response, p place) error {
	if resp.StatusCode == http.StatusNotFound {
		return &missing{p}
	}
	data, err := read(resp.Body, answerLimit)
	r := reply{resp.StatusCode, resp.Header, data, err}
	a := r.envelope()
	err = c.refused(ctx, fileBytes, r, a)
	if e, ok := errors.AsType[*parley.Error](err); ok && e.Kind == parley.KindLoggedOut {
		e.Kind = parley.KindUnavailable
	}
	return err
}

// A missing file is not where the server said it was.
type missing struct{ place place }

func (m *missing) Error() string { return "the file is not where the server said it was" }

func gone(err error) bool {
	_, ok := errors.AsType[*missing](err)
	return ok
}

// errGone: a server that does not serve its own directory will not begin to.
func errGone(err error) error {
	if m, ok := errors.AsType[*missing](err); ok && m.place.local {
		return errLocal()
	}
	return &parley.Error{Kind: parley.KindUnavailable, Code: "file_missing", Message: "Telegram does not have the file where it said", Err: err}
}

// A place is where a file lies below the address for files.
type place struct {
	escaped string
	local   bool // the server gave a path on its own disk
}

const maxPath = 1024 // bytes; those of Telegram have about 40

// place reads a file_path, which is relative to the address for files. A server in
// local mode gives an absolute one on its own disk instead, in a directory named
// after the token; what follows that is asked for as any other path, because a web
// server in front may serve the directory under the address for files. Nothing
// here ever opens a path of this machine. Source: Bot API, using a local Bot API
// server, read 2026-11.
func (c *client) place(path string) (place, error) {
	if path == "" {
		return place{}, &parley.Error{Kind: parley.KindUnavailable, Code: "unreadable", Message: "Telegram did not say where the file is"}
	}
	var p place
	if strings.HasPrefix(path, "/") {
		_, below, ok := strings.Cut(path, "/"+c.token.Reveal()+"/")
		if !ok {
			return place{}, errLocal()
		}
		p.local, path = true, below
	}
	var ok bool
	if p.escaped, ok = escape(path); !ok {
		return place{}, &parley.Error{Kind: parley.KindRejected, Code: "file_path", Message: "Telegram named a path that no file can have"}
	}
	return p, nil
}

func errLocal() error {
	return &parley.Error{Kind: parley.KindRejected, Code: "file_local",
		Message: "the Bot API server runs in local mode and keeps the file on its own disk, where it is not served over HTTP"}
}

// escape makes a relative path fit for an address, and reports false for one that
// leads elsewhere.
func escape(path string) (string, bool) {
	if len(path) > maxPath || !utf8.ValidString(path) || strings.ContainsFunc(path, unicode.IsControl) || strings.Contains(path, `\`) {
		return "", false
	}
	names := strings.Split(path, "/")
	for i, name := range names {
		if name == "" || name == "." || name == ".." {
			return "", false
		}
		names[i] = url.PathEscape(name)
	}
	return strings.Join(names, "/"), true
}
