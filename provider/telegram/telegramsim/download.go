package telegramsim

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"github.com/parley-im/parley/simulator"
)

// filePrefix begins the address of every download.
const filePrefix = "/file/"

// downloadMethod is what faults and the log call a download.
const downloadMethod = "download"

// serveFile serves /file/bot<token>/<file_path>. Source: Bot API, getFile, read
// 2026-11; in local mode files are read from the disk, not over HTTP.
func (s *Server) serveFile(w http.ResponseWriter, r *http.Request) {
	line := simulator.Request{Time: s.now(), Method: downloadMethod}
	b, path, err := s.fileAddress(r)
	if b != nil {
		line.Account = b.key
	}
	s.play(w, &line, func() simulator.Answer { return s.download(r, b, path, err) })
}

// fileAddress takes the address of a download apart.
func (s *Server) fileAddress(r *http.Request) (*bot, string, error) {
	rest, ok := strings.CutPrefix(r.URL.Path, filePrefix+"bot")
	token, path, split := strings.Cut(rest, "/")
	if !ok || !split || !tokenShape.MatchString(token) || len(token) > maxToken {
		return nil, "", errNotFound
	}
	b := s.botOf(token)
	if b == nil {
		return nil, "", errUnauthorized
	}
	return b, path, nil
}

func (s *Server) download(r *http.Request, b *bot, path string, err error) simulator.Answer {
	if err != nil {
		return refusal(err)
	}
	f := s.files.open(b.user.ID, path)
	if f == nil || s.opts.Local || f.size > maxDownload || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return refusal(errNotFound)
	}
	out := capture{header: http.Header{"Content-Type": {"application/octet-stream"}}}
	http.ServeContent(&out, r, "", time.Time{}, bytes.NewReader(f.data))
	return simulator.Answer{Status: out.status, Type: out.header.Get("Content-Type"), Header: out.header, Body: out.body.Bytes()}
}

// A capture is a response that is not sent yet.
type capture struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header returns the headers to be sent.
func (c *capture) Header() http.Header { return c.header }

// WriteHeader keeps the status.
func (c *capture) WriteHeader(status int) { c.status = status }

// Write keeps a piece of the body.
func (c *capture) Write(p []byte) (int, error) { return c.body.Write(p) }
