package params

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"unicode/utf8"
)

const badMultipart = "request body is not valid multipart/form-data"

// readAhead is how far the multipart reader may be ahead of what it hands out,
// in bytes: its buffer, and as much again for a boundary it is looking at.
const readAhead = 8 << 10

// A File is a part of a multipart body that has a file name. It can be read until
// the request is read on: until OnFile returns, or [Stream.Rest] is called.
type File struct {
	Field string // the parameter's name
	Name  string // the last element of the file name as sent; never empty
	Type  string // the part's Content-Type; may be empty

	part  *multipart.Part
	meter *meter
}

// Read reads the file's bytes. An error other than io.EOF is an *[Error]: the
// body broke off.
func (f *File) Read(p []byte) (int, error) {
	n, err := f.part.Read(p)
	f.meter.free += int64(n)
	if err != nil && err != io.EOF {
		err = broken(badMultipart, err)
	}
	return n, err
}

// A meter counts what is read of a body and stops when the part of it that is
// not free goes beyond the limit.
type meter struct {
	r                 io.Reader
	read, free, limit int64
}

func (m *meter) Read(p []byte) (int, error) {
	if m.read-m.free > m.limit+readAhead {
		return 0, errTooLarge(m.limit)
	}
	n, err := m.r.Read(p)
	m.read += int64(n)
	return n, err
}

type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// A multi is a multipart body on its way in.
type multi struct {
	parts *multipart.Reader
	meter *meter
	left  *int
	top   *members
}

// openMultipart begins to read a body. It returns nil for an empty one.
func openMultipart(body io.Reader, contentType string, limit int64, left *int) (*multi, error) {
	var first [1]byte
	switch _, err := io.ReadFull(body, first[:]); {
	case err == io.EOF:
		return nil, nil
	case err != nil:
		return nil, broken("request body could not be read", err)
	}
	_, attrs, err := mime.ParseMediaType(contentType)
	if err != nil || attrs["boundary"] == "" {
		return nil, broken("multipart boundary is missing or malformed", err)
	}
	m := &meter{r: io.MultiReader(bytes.NewReader(first[:]), body), limit: limit}
	// With a line end added, the last boundary is always a whole line, so that
	// every end seen by the multipart reader is a body that broke off.
	whole := io.MultiReader(m, strings.NewReader("\r\n"), cut{})
	return &multi{parts: multipart.NewReader(whole, attrs["boundary"]), meter: m, left: left, top: &members{}}, nil
}

// file reads on to the next file; what is left of the last one is discarded. The
// error is io.EOF after the last part.
func (m *multi) file() (*File, error) {
	for {
		part, err := m.parts.NextRawPart()
		switch {
		case err == io.EOF:
			return nil, err
		case err != nil:
			return nil, broken(badMultipart, err)
		}
		if f, err := m.part(part); f != nil || err != nil {
			return f, err
		}
	}
}

// part takes a value in, or returns a file.
func (m *multi) part(part *multipart.Part) (*File, error) {
	name := part.FormName()
	if name == "" {
		return nil, refuse("a part of the multipart body has no name")
	}
	if part.FileName() != "" {
		return m.newFile(part)
	}
	value, err := io.ReadAll(part)
	if err != nil {
		return nil, broken(badMultipart, err)
	}
	return nil, m.top.add(name, string(value), m.left)
}

func (m *multi) newFile(part *multipart.Part) (*File, error) {
	f := &File{
		Field: clean(part.FormName()),
		Name:  lastElement(clean(part.FileName())),
		Type:  part.Header.Get("Content-Type"),
		part:  part,
		meter: m.meter,
	}
	if !utf8.ValidString(f.Field) || !utf8.ValidString(f.Name) {
		return nil, errUTF8()
	}
	return f, spend(m.left)
}

// rest reads to the end of the body, and returns its parameters and its token.
func (m *multi) rest(onFile func(*File) error) (*members, string, error) {
	for {
		f, err := m.file()
		switch {
		case err == io.EOF:
			return m.end()
		case err == nil && onFile != nil:
			err = onFile(f)
		}
		if err != nil {
			return nil, "", err
		}
	}
}

func (m *multi) end() (*members, string, error) {
	switch {
	case m.meter.read-m.meter.free > m.meter.limit:
		return nil, "", errTooLarge(m.meter.limit)
	case m.meter.read > tokenBody:
		return m.top, "", nil
	}
	return m.top, m.top.token(), nil
}

// lastElement cuts the directories off a file name of any system.
func lastElement(name string) string {
	last := name[strings.LastIndexAny(name, `/\`)+1:]
	if last == "" || last == "." || last == ".." {
		return "file"
	}
	return last
}
