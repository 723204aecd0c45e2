package params

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

const threeParts = "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n" +
	"--b\r\nContent-Disposition: form-data; name=file; filename=one\r\n\r\nfirst file\r\n" +
	"--b\r\nContent-Disposition: form-data; name=z\r\n\r\n2\r\n"

// TestOpen takes the bytes of the first file between what comes before it and
// what comes after.
func TestOpen(t *testing.T) {
	t.Parallel()
	second := "--b\r\nContent-Disposition: form-data; name=file; filename=two\r\n\r\nmore\r\n"
	var later []string
	s, err := Open(request("/?a=0&q=3", "multipart/form-data; boundary=b", threeParts+second+"--b--"), Options{OnFile: func(f *File) error {
		text, err := io.ReadAll(f)
		later = append(later, f.Name+": "+string(text))
		return err
	}})
	if err != nil || s.File == nil || s.File.Name != "one" || s.File.Field != "file" {
		t.Fatalf("got %+v, %v", s, err)
	}
	text, err := io.ReadAll(s.File)
	if err != nil || string(text) != "first file" || len(later) != 0 {
		t.Fatalf("got %q, %v, later files %q", text, err, later)
	}
	set, err := s.Rest()
	if err != nil || string(set.Canonical()) != `{"a":"0","q":"3","z":"2"}` {
		t.Errorf("got %v, %v", set, err)
	}
	if len(later) != 1 || later[0] != "two: more" {
		t.Errorf("later files: %q", later)
	}
}

// TestOpenWithoutFiles reads everything at once.
func TestOpenWithoutFiles(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*http.Request{
		"no body":         request("/?a=1", "", ""),
		"form":            request("/", "application/x-www-form-urlencoded", "a=1"),
		"JSON":            request("/", "application/json", `{"a":"1"}`),
		"multipart":       request("/", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b--"),
		"empty multipart": request("/?a=1", "multipart/form-data; boundary=b", ""),
	} {
		s, err := Open(r, Options{})
		if err != nil || s.File != nil {
			t.Errorf("%s: got %+v, %v", name, s, err)
			continue
		}
		if set, err := s.Rest(); err != nil || string(set.Canonical()) != `{"a":"1"}` {
			t.Errorf("%s: got %v, %v", name, set, err)
		}
	}
}

// TestOpenBrokenOff tells of a body that ends where it must not, even behind the
// last byte of the file.
func TestOpenBrokenOff(t *testing.T) {
	t.Parallel()
	for _, body := range []string{threeParts, threeParts + "--b", threeParts[:strings.Index(threeParts, "\r\n--b\r\nContent-Disposition: form-data; name=z")]} {
		s, err := Open(request("/", "multipart/form-data; boundary=b", body), Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, fileErr := io.ReadAll(s.File)
		set, err := s.Rest()
		if err == nil || set != nil {
			t.Errorf("%d bytes: got %v, %v, the file %v", len(body), set, err, fileErr)
		}
	}
}

// TestOpenLimits: the first file is free as far as it is read.
func TestOpenLimits(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 100<<10)
	for name, read := range map[string]bool{"read": true, "left": false} {
		s, err := Open(upload("name=file; filename=f", large), Options{MaxBody: 1 << 10})
		if err != nil {
			t.Fatal(err)
		}
		if read {
			_, _ = io.Copy(io.Discard, s.File)
		}
		if _, err := s.Rest(); (err == nil) != read {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
