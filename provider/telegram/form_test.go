package telegram

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/textproto"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
)

func TestFileName(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, want string }{
		{"report.pdf", "report.pdf"},
		{"отчёт 1;2.pdf", "отчёт 1;2.pdf"},
		{`a"b\c.pdf`, "a_b_c.pdf"},
		{"a\r\nX-Header: 1\x00\x7f\u0085.pdf", "a__X-Header: 1___.pdf"},
		{"../etc/passwd", ".._etc_passwd"},
		{"gpj\u202eexe.pdf", "gpj_exe.pdf"},
		{"a\xff\xfeb", "a_b"},
		{"", "document.pdf"},
		{strings.Repeat("я", 200) + ".pdf", strings.Repeat("я", 125) + ".pdf"},
		{strings.Repeat("a", 300), strings.Repeat("a", 255)},
		{"a." + strings.Repeat("b", 300), "a." + strings.Repeat("b", 253)},
	}
	for _, tt := range tests {
		a := &parley.Attachment{Kind: parley.FileDocument, Type: "application/pdf", Name: tt.name}
		if got := fileName(a); got != tt.want {
			t.Errorf("fileName(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
	if got := fileName(&parley.Attachment{}); got != "file" {
		t.Errorf("a file without name, kind and type is called %q, want file", got)
	}
}

func TestMIMEType(t *testing.T) {
	t.Parallel()
	const octets = "application/octet-stream"
	tests := []struct{ given, want string }{
		{"image/jpeg", "image/jpeg"},
		{"Text/Plain; charset=utf-8", "text/plain"},
		{"", octets},
		{"image", octets},
		{"image/jpeg\r\nX-Header: 1", octets},
		{"image/\"x", octets},
	}
	for _, tt := range tests {
		if got := mimeType(&parley.Attachment{Type: tt.given}); got != tt.want {
			t.Errorf("mimeType(%q) = %q, want %q", tt.given, got, tt.want)
		}
	}
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return string(data)
}

// Whatever a file is called, the form has the same parts in it.
func FuzzForm(f *testing.F) {
	f.Add("report.pdf", "application/pdf", "hello")
	f.Add("a\"; name=\"b\r\n\r\n--", "a/b\r\n\r\n", " \x00\xff")
	f.Fuzz(func(t *testing.T, name, kind, caption string) {
		form := newForm([]field{{"chat_id", "5"}, {"caption", caption}}, "photo", &parley.Attachment{Name: name, Type: kind})
		_, params, err := mime.ParseMediaType(form.mime)
		if err != nil {
			t.Fatal(err)
		}
		r := multipart.NewReader(io.MultiReader(bytes.NewReader(form.head), strings.NewReader("BYTES"), bytes.NewReader(form.tail)), params["boundary"])
		got := map[string]string{}
		for {
			p, err := r.NextRawPart()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got[p.FormName()] += readAll(t, p)
			checkPart(t, p)
		}
		want := map[string]string{"chat_id": "5", "caption": caption, "photo": "BYTES"}
		if caption == "" {
			delete(want, "caption")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("parts (-want +got):\n%s", diff)
		}
	})
}

func checkPart(t *testing.T, p *multipart.Part) {
	t.Helper()
	for key := range p.Header {
		if k := textproto.CanonicalMIMEHeaderKey(key); k != "Content-Disposition" && k != "Content-Type" {
			t.Errorf("the part has a header %q", key)
		}
	}
	_, params, err := mime.ParseMediaType(p.Header.Get("Content-Disposition"))
	if err != nil {
		t.Fatalf("disposition %q: %v", p.Header.Get("Content-Disposition"), err)
	}
	name := params["filename"]
	if len(name) > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) || strings.ContainsAny(name, `/\"`) {
		t.Errorf("the file is called %q", name)
	}
}
