package attachment

import (
	"mime"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestCleanName(t *testing.T) {
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
	} {
		if got := CleanName(tt.in); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestDisposition(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want string }{
		{"", `inline`}, {"a b.txt", `inline; filename="a b.txt"`},
		{`a"; filename="evil.exe`, `inline; filename="a_; filename=_evil.exe"; filename*=UTF-8''a%22%3B%20filename%3D%22evil.exe`},
		{"100%41.txt", `inline; filename="100_41.txt"; filename*=UTF-8''100%2541.txt`},
		{"отчёт.pdf", `inline; filename="_____.pdf"; filename*=UTF-8''%D0%BE%D1%82%D1%87%D1%91%D1%82.pdf`},
		{"x\r\nSet-Cookie: a", `inline; filename="xSet-Cookie: a"`},
	} {
		if got := disposition("inline", tt.in); got != tt.want {
			t.Errorf("%q:\n got %s\nwant %s", tt.in, got, tt.want)
		}
	}
}

// FuzzName: whatever somebody calls a file, the header is one line that browsers
// read back as the cleaned name.
func FuzzName(f *testing.F) {
	for _, seed := range []string{"", "a.txt", "../a", `a"b\c`, "a\r\nX: y", "отчёт.pdf", "\u202egpj.exe", "\xff", "a%20b", "..", strings.Repeat("й", 300), "=?UTF-8?B?YQ==?="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		name := CleanName(in)
		if !utf8.ValidString(name) || len(name) > maxName || strings.ContainsAny(name, "/\\\x00\r\n") || name == "." || name == ".." {
			t.Fatalf("%q became %q", in, name)
		}
		if strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }) {
			t.Fatalf("%q became %q", in, name)
		}
		if again := CleanName(name); again != name {
			t.Fatalf("%q became %q, then %q", in, name, again)
		}
		header := disposition("attachment", in)
		if strings.ContainsFunc(header, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("%q: header %q", in, header)
		}
		kind, params, err := mime.ParseMediaType(header)
		if err != nil || kind != "attachment" || params["filename"] != name || len(params) > 1 {
			t.Fatalf("%q: header %q is read as %q %q, %v; want %q", in, header, kind, params, err, name)
		}
	})
}
