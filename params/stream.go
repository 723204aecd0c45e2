package params

import (
	"io"
	"net/http"
	"strings"
)

// A Stream is a request that has been read as far as its first file, so that the
// bytes of the file can be taken at the pace of whoever wants them, and what
// follows it is read afterwards. It is not safe for concurrent use.
type Stream struct {
	// File is the first file of a multipart body; nil if there is none, and then
	// the body has been read to its end. What is said of files in Options.OnFile
	// holds for it.
	File *File

	onFile func(*File) error
	left   int
	above  *members // of path and query
	body   *members // of a body that has been read
	token  string   // in it
	multi  *multi   // the body that has not; nil if there is none
}

// Multipart reports whether the request says that its body is multipart/form-data.
func Multipart(r *http.Request) bool {
	return strings.EqualFold(mediaType(r.Header.Get("Content-Type")), "multipart/form-data")
}

// Open reads a request as far as its first file; Stream.Rest reads on. Of a
// request without files it reads everything. Options.OnFile is called for the
// files after the first only. Open blocks and fails as [Read] does.
func Open(r *http.Request, opts Options) (*Stream, error) {
	s := &Stream{onFile: opts.OnFile, left: MaxParameters}
	query, err := decodeForm(r.URL.RawQuery, &s.left)
	if err != nil {
		return nil, err
	}
	path, err := pathValues(opts.Path)
	if err != nil {
		return nil, err
	}
	s.above = path.under(query)
	if err := s.open(r, opts.maxBody()); err != nil {
		return nil, err
	}
	return s, nil
}

// open reads the body: all of it, or as far as its first file.
func (s *Stream) open(r *http.Request, limit int64) (err error) {
	switch {
	case r.Body == nil || r.Body == http.NoBody:
		return nil
	case !Multipart(r):
		return s.readWhole(r, limit)
	}
	m, err := openMultipart(r.Body, r.Header.Get("Content-Type"), limit, &s.left)
	if err != nil || m == nil {
		return err
	}
	s.File, err = m.file()
	if err == io.EOF {
		s.body, s.token, err = m.end()
		return err
	}
	s.multi = m
	return err
}

func (s *Stream) readWhole(r *http.Request, limit int64) error {
	body, err := readAll(r, limit)
	if err != nil {
		return err
	}
	s.body, err = decodeBody(body, isJSON(mediaType(r.Header.Get("Content-Type"))), &s.left)
	if len(body) <= tokenBody {
		s.token = s.body.token()
	}
	return err
}

// Rest reads the request to its end and returns its parameters. What is left of
// the first file is discarded. It blocks and fails as [Read] does, and is to be
// called once.
func (s *Stream) Rest() (*Set, error) {
	if s.multi != nil {
		var err error
		if s.body, s.token, err = s.multi.rest(s.onFile); err != nil {
			return nil, err
		}
	}
	top := s.above.under(s.body)
	if top == nil {
		top = &members{}
	}
	return &Set{top: top, token: s.token}, nil
}
