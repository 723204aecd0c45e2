package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// ErrTooLarge says that a request body is longer than the limit given to Decode.
var ErrTooLarge = errors.New("request body too large")

// A File is one uploaded file of a multipart form.
type File struct {
	Name string // as the sender calls it
	Type string // Content-Type of the part; may be empty
	Data []byte
}

// Params are the parameters of a request, from wherever they came. What was not
// text in a JSON body is kept as its JSON text, just as a form would carry it.
// The zero value has none.
type Params struct {
	values map[string]string
	files  map[string]File
	body   []byte
}

// NewParams makes parameters out of values, which it keeps.
func NewParams(values map[string]string) Params { return Params{values: values} }

// Decode reads query and body: urlencoded, multipart or JSON object, by
// Content-Type; a body of any other type is not looked at. What is in the body
// wins over the query. A body over limit bytes is ErrTooLarge; one that breaks
// its format is an error of kind parley.KindInvalid.
func Decode(r *http.Request, limit int64) (Params, error) {
	media, attrs, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return decode(r, limit, media, attrs["boundary"])
}

// decodeLoose also takes a JSON object that is called something else, as
// `curl -d '{…}'` does.
func decodeLoose(r *http.Request, limit int64) (Params, error) {
	media, attrs, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if media == "multipart/form-data" {
		return decode(r, limit, media, attrs["boundary"])
	}
	body, err := readBody(r, limit)
	if err != nil {
		return Params{}, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		media = "application/json"
	} else if media == "" {
		media = "application/x-www-form-urlencoded"
	}
	return decode(r, limit, media, "")
}

func decode(r *http.Request, limit int64, media, boundary string) (Params, error) {
	if media == "multipart/form-data" && r.Body != nil && r.ContentLength != 0 {
		return decodeMultipart(r, limit, boundary)
	}
	body, err := readBody(r, limit)
	if err != nil {
		return Params{}, err
	}
	p := Params{values: make(map[string]string, 8)}
	if err := p.addQuery(r.URL.RawQuery); err != nil {
		return Params{}, err
	}
	switch {
	case len(body) == 0:
	case media == "application/x-www-form-urlencoded":
		err = p.addQuery(string(body))
	case media == "application/json":
		err = p.addJSON(body)
	}
	return p, err
}

// decodeMultipart reads the parts as they come, so that a file is in memory once.
func decodeMultipart(r *http.Request, limit int64, boundary string) (Params, error) {
	p := Params{values: make(map[string]string, 8)}
	body := http.MaxBytesReader(nil, r.Body, limit)
	err := p.addQuery(r.URL.RawQuery)
	if err == nil {
		err = p.addMultipart(body, boundary)
	}
	_, rest := io.Copy(io.Discard, body) // what is too large counts before what is malformed
	if _, ok := errors.AsType[*http.MaxBytesError](rest); ok {
		return Params{}, ErrTooLarge
	}
	return p, err
}

func readBody(r *http.Request, limit int64) ([]byte, error) {
	if r.Body == nil || r.ContentLength == 0 {
		return nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, invalid("the request body ended early")
	}
	if int64(len(body)) > limit {
		return nil, ErrTooLarge
	}
	return body, nil
}

func (p *Params) addQuery(text string) error {
	values, err := url.ParseQuery(text)
	if err != nil {
		return invalid("the form is not urlencoded as it should be")
	}
	for name, vs := range values {
		p.values[name] = vs[0]
	}
	return nil
}

func (p *Params) addJSON(body []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return invalid("the body is not a JSON object")
	}
	p.body = body
	for name, raw := range fields {
		if string(raw) == "null" {
			continue
		}
		p.values[name] = plain(raw)
	}
	return nil
}

// plain is the text a form would carry for a JSON value.
func plain(raw json.RawMessage) string {
	var s string
	if raw[0] == '"' && json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

func (p *Params) addMultipart(body io.Reader, boundary string) error {
	if boundary == "" {
		return invalid("the multipart form has no boundary")
	}
	form := multipart.NewReader(body, boundary)
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = p.addPart(part)
		}
		if err != nil {
			return invalid("the multipart form is malformed")
		}
	}
}

func (p *Params) addPart(part *multipart.Part) error {
	data, err := io.ReadAll(part)
	if err != nil {
		return err
	}
	if part.FileName() == "" {
		p.values[part.FormName()] = string(data)
		return nil
	}
	if p.files == nil {
		p.files = make(map[string]File)
	}
	p.files[part.FormName()] = File{Name: part.FileName(), Type: part.Header.Get("Content-Type"), Data: data}
	return nil
}

// Get returns a parameter as text, "" if it is absent.
func (p Params) Get(name string) string { return p.values[name] }

// Has reports whether a parameter was given, even if empty.
func (p Params) Has(name string) bool {
	_, ok := p.values[name]
	return ok
}

// First returns the first of names that is not empty.
func (p Params) First(names ...string) string {
	for _, n := range names {
		if v := p.values[n]; v != "" {
			return v
		}
	}
	return ""
}

// Int returns a whole number, or fallback if the parameter is absent or empty.
// Its error is of kind parley.KindInvalid and names the parameter.
func (p Params) Int(name string, fallback int64) (int64, error) {
	v := p.values[name]
	if v == "" {
		return fallback, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return 0, invalid(name + " must be a whole number")
	}
	return n, nil
}

// Bool reports whether a parameter says true, yes or 1.
func (p Params) Bool(name string) bool {
	switch strings.ToLower(p.values[name]) {
	case "true", "yes", "1":
		return true
	}
	return false
}

// JSON decodes a parameter that holds JSON text and reports whether it was
// there. Its error is of kind parley.KindInvalid and names the parameter.
func (p Params) JSON(name string, into any) (bool, error) {
	v := p.values[name]
	if v == "" {
		return false, nil
	}
	if err := json.Unmarshal([]byte(v), into); err != nil {
		return true, invalid(name + " is not the JSON that belongs there")
	}
	return true, nil
}

// File returns an uploaded file and whether there is one.
func (p Params) File(name string) (File, bool) {
	f, ok := p.files[name]
	return f, ok
}

// Body returns the JSON object that was the body, nil if there was none.
func (p Params) Body() json.RawMessage { return p.body }
