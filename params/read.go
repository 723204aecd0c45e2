package params

import (
	"io"
	"net/http"
	"strings"
	"unicode/utf8"
)

// DefaultMaxBody is the size limit of a body if [Options] give none, in bytes.
const DefaultMaxBody = 1 << 20

// tokenBody is the size in bytes above which a body is not searched for a token.
const tokenBody = 1 << 20

// bodyChunk bounds what is allocated on the word of a Content-Length alone.
const bodyChunk = 64 << 10

// Options say how [Read] treats a request. The zero value is ready to use.
type Options struct {
	// Path holds the values taken from the URL's path; it is not changed.
	Path map[string]string

	// MaxBody limits the body, in bytes; 0 means DefaultMaxBody.
	MaxBody int64

	// OnFile is called for every file of a multipart body, in order, and reads
	// what it wants of it. What it reads does not count against MaxBody, so it
	// must set its own limit; what it leaves is discarded and does count. An
	// error ends Read, which returns it as it is. Without OnFile, files are
	// discarded.
	OnFile func(*File) error
}

func (o Options) maxBody() int64 {
	if o.MaxBody <= 0 {
		return DefaultMaxBody
	}
	return o.MaxBody
}

// Read collects the parameters of a request from path, query and body. It reads
// the body to its end, blocking on the connection; it does not close it. An
// error is an *[Error] with [CodeBadRequest], or the one that OnFile returned.
func Read(r *http.Request, opts Options) (*Set, error) {
	// Nobody wants its files, so they count, and it is known already that they are
	// too many.
	if limit := opts.maxBody(); opts.OnFile == nil && Multipart(r) && r.ContentLength > limit+readAhead {
		return nil, errTooLarge(limit)
	}
	s, err := Open(r, opts)
	if err != nil {
		return nil, err
	}
	if s.File != nil && opts.OnFile != nil {
		if err := opts.OnFile(s.File); err != nil {
			return nil, err
		}
	}
	return s.Rest()
}

func pathValues(values map[string]string) (*members, error) {
	if len(values) == 0 {
		return nil, nil
	}
	top := &members{}
	for name, value := range values {
		if !utf8.ValidString(value) {
			return nil, errUTF8()
		}
		*top.slot(name) = node{kind: text, text: clean(value)}
	}
	return top, nil
}

func readAll(r *http.Request, limit int64) (string, error) {
	if r.ContentLength > limit {
		return "", errTooLarge(limit)
	}
	size := min(max(r.ContentLength, 0), bodyChunk) + 1 // one more, so that the end shows without growing
	body := make([]byte, 0, size)
	src := io.LimitReader(r.Body, limit+1)
	for {
		n, err := src.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) > limit:
			return "", errTooLarge(limit)
		case err == io.EOF:
			return string(body), nil
		case err != nil:
			return "", broken("request body could not be read", err)
		}
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
	}
}

// decodeBody judges a body by its first byte, since its type is often wrong.
func decodeBody(body string, declaredJSON bool, left *int) (*members, error) {
	if !utf8.ValidString(body) {
		return nil, errUTF8()
	}
	body = strings.TrimLeft(strings.TrimPrefix(body, "\ufeff"), " \t\r\n")
	switch {
	case body == "" || strings.TrimRight(body, " \t\r\n") == "null":
		return nil, nil
	case body[0] == '[' && declaredJSON:
		return nil, refuse("request body must be a JSON object")
	case body[0] != '{':
		return decodeForm(body, left)
	}
	n, ok, err := decodeJSON(body, left)
	switch {
	case ok:
		return n.fields, err
	case declaredJSON:
		return nil, refuse("request body is not valid JSON")
	}
	return decodeForm(body, left)
}

func mediaType(contentType string) string {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.TrimSpace(media)
}

// isJSON reports whether a media type is application/json, text/json, or one of
// the +json family.
func isJSON(media string) bool {
	_, sub, _ := strings.Cut(media, "/")
	if plus := strings.LastIndexByte(sub, '+'); plus >= 0 {
		sub = sub[plus+1:]
	}
	return strings.EqualFold(sub, "json")
}
