package inbox

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

func TestFileName(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"report.pdf", "report.pdf"},
		{"../../etc/passwd", "passwd"},
		{`C:\temp\a.exe`, "a.exe"},
		{"..", ""},
		{"/", ""},
		{"", ""},
		{"a\r\nSet-Cookie: b", "aSet-Cookie: b"},
		{"exe\u202efdp.scr", "exefdp.scr"},
		{"отчёт.docx", "отчёт.docx"},
		{strings.Repeat("ж", 300), strings.Repeat("ж", 127)},
		{strings.Repeat("ж", 300) + ".pdf", strings.Repeat("ж", 125) + ".pdf"},
		{strings.Repeat("x", 300) + "." + strings.Repeat("y", 16), strings.Repeat("x", 255)},
	}
	for _, tt := range tests {
		if got := fileName(tt.in); got != tt.want {
			t.Errorf("fileName(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestMimeType(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"image/jpeg", "image/jpeg"},
		{"Text/HTML; charset=utf-8", "text/html"},
		{"nonsense", ""},
		{"a/b\r\nX: y", ""},
		{"", ""},
		{"x/" + strings.Repeat("y", 200), ""},
	}
	for _, tt := range tests {
		if got := mimeType(tt.in); got != tt.want {
			t.Errorf("mimeType(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

// TestCleanFiles: what lies about a file costs the message nothing, and the
// connector's own values stay as they are.
func TestCleanFiles(t *testing.T) {
	t.Parallel()
	given := []connector.File{{ID: "a\x00", Name: "x/y", Size: -5, Width: -1, Source: strings.Repeat("s", maxSource+1)}}
	same := []connector.File{given[0]}
	for _, what := range []connector.What{connector.Message{Text: "t", Files: given}, connector.Edit{Text: "t", Files: given}} {
		e := connector.Event{ID: "1", Chat: connector.Chat{ID: "1"}, What: what}
		if doubt, take := clean(&e, now); doubt != "" || !take {
			t.Errorf("%T: doubt %q, take %v", what, doubt, take)
		}
		var got []connector.File
		switch w := e.What.(type) {
		case connector.Message:
			got = w.Files
		case connector.Edit:
			got = w.Files
		}
		want := []connector.File{{Kind: parley.FileDocument, ID: "a\ufffd", Name: "y", Refused: "the messenger's reference to the file is too long"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%T: files (-want +got):\n%s", what, diff)
		}
	}
	if diff := cmp.Diff(same, given); diff != "" {
		t.Errorf("the connector's files changed:\n%s", diff)
	}
	many := make([]connector.File, maxFiles+1)
	if got, changed := files(many); len(got) != maxFiles || !changed {
		t.Errorf("%d files, changed %v, want %d", len(got), changed, maxFiles)
	}
}

func FuzzFileName(f *testing.F) {
	for _, s := range []string{"a.pdf", "../x", `\\host\share\f`, "\u202e", "a\nb", "...", "\xff\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := fileName(s)
		if len(got) > maxFileName || !utf8.ValidString(got) || strings.ContainsAny(got, "/\\\x00") || got == ".." || got == "." {
			t.Errorf("fileName(%q) = %q", s, got)
		}
		if strings.ContainsFunc(got, unicode.IsControl) {
			t.Errorf("fileName(%q) = %q has a control character", s, got)
		}
	})
}
