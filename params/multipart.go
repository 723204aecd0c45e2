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
// OnFile returns.
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

func readMultipart(body io.Reader, contentType string, opts Options, left *int) (*members, string, error) {
	var first [1]byte
	switch _, err := io.ReadFull(body, first[:]); {
	case err == io.EOF:
		return nil, "", nil
	case err != nil:
		return nil, "", broken("request body could not be read", err)
	}
	_, attrs, err := mime.ParseMediaType(contentType)
	if err != nil || attrs["boundary"] == "" {
		return nil, "", broken("multipart boundary is missing or malformed", err)
	}
	m := &meter{r: io.MultiReader(bytes.NewReader(first[:]), body), limit: opts.maxBody()}
	// With a line end added, the last boundary is always a whole line, so that
	// every end seen by the multipart reader is a body that broke off.
	whole := io.MultiReader(m, strings.NewReader("\r\n"), cut{})
	top, err := readParts(multipart.NewReader(whole, attrs["boundary"]), m, opts.OnFile, left)
	switch {
	case err != nil:
		return nil, "", err
	case m.read-m.free > m.limit:
		return nil, "", errTooLarge(m.limit)
	case m.read > tokenBody:
		return top, "", nil
	}
	return top, top.token(), nil
}

func readParts(parts *multipart.Reader, m *meter, onFile func(*File) error, left *int) (*members, error) {
	top := &members{}
	for {
		part, err := parts.NextRawPart()
		switch {
		case err == io.EOF:
			return top, nil
		case err != nil:
			return nil, broken(badMultipart, err)
		}
		if err := readPart(top, part, m, onFile, left); err != nil {
			return nil, err
		}
	}
}

func readPart(top *members, part *multipart.Part, m *meter, onFile func(*File) error, left *int) error {
	name := part.FormName()
	if name == "" {
		return refuse("a part of the multipart body has no name")
	}
	if part.FileName() != "" {
		return readFile(part, m, onFile, left)
	}
	value, err := io.ReadAll(part)
	if err != nil {
		return broken(badMultipart, err)
	}
	return top.add(name, string(value), left)
}

func readFile(part *multipart.Part, m *meter, onFile func(*File) error, left *int) error {
	if err := spend(left); err != nil || onFile == nil {
		return err
	}
	f := &File{
		Field: clean(part.FormName()),
		Name:  lastElement(clean(part.FileName())),
		Type:  part.Header.Get("Content-Type"),
		part:  part,
		meter: m,
	}
	if !utf8.ValidString(f.Field) || !utf8.ValidString(f.Name) {
		return errUTF8()
	}
	return onFile(f)
}

// lastElement cuts the directories off a file name of any system.
func lastElement(name string) string {
	last := name[strings.LastIndexAny(name, `/\`)+1:]
	if last == "" || last == "." || last == ".." {
		return "file"
	}
	return last
}
