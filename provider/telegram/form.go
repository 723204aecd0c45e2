package telegram

import (
	"bytes"
	"mime"
	"mime/multipart"
	"net/textproto"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/parley-im/parley"
)

// A form is multipart/form-data around the bytes of one file, which are not in it.
type form struct {
	mime       string // of the whole
	head, tail []byte // what comes before and after the file
}

// A field is one parameter of a form; one without a value is left out.
type field struct{ name, value string }

// newForm puts the file last, so that the server knows the parameters before the
// bulk comes. What is written to a buffer cannot fail.
func newForm(fields []field, name string, a *parley.Attachment) form {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, f := range fields {
		if f.value != "" {
			_ = w.WriteField(f.name, f.value)
		}
	}
	_, _ = w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="` + name + `"; filename="` + fileName(a) + `"`},
		"Content-Type":        {mimeType(a)},
	})
	n := b.Len()
	_ = w.Close()
	return form{w.FormDataContentType(), b.Bytes()[:n:n], b.Bytes()[n:]}
}

// maxName is the longest file name that is passed on, in bytes, as most file
// systems take.
const maxName = 255

// fileName returns the file's name without what could end the header or the quotes
// around it, or lead into another directory where it is saved.
func fileName(a *parley.Attachment) string {
	name := strings.Map(harmless, strings.ToValidUTF8(a.FileName(), "_"))
	if ext := path.Ext(name); len(name) > maxName && len(ext) < 16 {
		return shorten(strings.TrimSuffix(name, ext), maxName-len(ext)) + ext
	}
	if name = shorten(name, maxName); name == "" {
		return "file"
	}
	return name
}

func harmless(r rune) rune {
	switch {
	case r == '"', r == '\\', r == '/', r == utf8.RuneError, unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
		return '_'
	}
	return r
}

// mimeType returns the type of a file, if it is fit for a header.
func mimeType(a *parley.Attachment) string {
	base, _, err := mime.ParseMediaType(a.Type)
	if err != nil || !strings.Contains(base, "/") {
		return "application/octet-stream"
	}
	return base
}
