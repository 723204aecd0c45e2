package attachment

import (
	"mime"
	"strings"
	"testing"

	"github.com/parley-im/parley"
)

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
		name := parley.CleanFileName(in)
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
