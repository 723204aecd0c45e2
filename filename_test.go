package parley_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/parley-im/parley"
)

func TestCleanFileName(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want string }{
		{"", ""}, {"a.txt", "a.txt"}, {"отчёт 2026.pdf", "отчёт 2026.pdf"}, {"👩‍👩‍👧.png", "👩‍👩‍👧.png"},
		{"../../etc/passwd", "passwd"}, {`C:\Users\ann\a.doc`, "a.doc"}, {"a/", ""}, {`a\`, ""}, {".", ""}, {"..", ""}, {"/..", ""}, {"...", ""},
		{".htaccess", ".htaccess"}, {"  a b  ", "a b"},
		{"a\r\nSet-Cookie: x.txt", "aSet-Cookie: x.txt"}, {"a\x00b\x7fc\u0085.txt", "abc.txt"}, {"a\u2028b", "ab"},
		{"photo\u202egpj.exe", "photogpj.exe"}, {"a\u2066b\u2069\u200f.txt", "ab.txt"}, {"bad\xff\xfe.txt", "bad.txt"},
		{strings.Repeat("a", 300) + ".pdf", strings.Repeat("a", 251) + ".pdf"},
		{strings.Repeat("й", 200) + ".pdf", strings.Repeat("й", 125) + ".pdf"},
		{"x" + strings.Repeat("й", 200), "x" + strings.Repeat("й", 127)},
		{"a." + strings.Repeat("b", 300), "a." + strings.Repeat("b", 253)},
		{strings.Repeat("x", 300) + "." + strings.Repeat("y", 16), strings.Repeat("x", 255)},
	} {
		if got := parley.CleanFileName(tt.in); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzCleanFileName(f *testing.F) {
	for _, seed := range []string{"", "a.txt", "../a", `\\host\share\f`, "a\r\nX: y", "\u202egpj.exe", "\xff\x00", "..", strings.Repeat("й", 300)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		name := parley.CleanFileName(in)
		if !utf8.ValidString(name) || len(name) > 255 || strings.ContainsAny(name, "/\\\x00\r\n") || name == "." || name == ".." {
			t.Fatalf("%q became %q", in, name)
		}
		if strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }) {
			t.Fatalf("%q became %q", in, name)
		}
		if again := parley.CleanFileName(name); again != name {
			t.Fatalf("%q became %q, then %q", in, name, again)
		}
	})
}
