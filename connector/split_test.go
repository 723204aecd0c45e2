package connector

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
	"pgregory.net/rapid"
)

func TestSplit(t *testing.T) {
	t.Parallel()
	runes, units := utf8.RuneCountInString, parley.UTF16Len
	wave := "\U0001f44b" // two UTF-16 units
	tests := []struct {
		name, text string
		limit      int
		size       func(string) int
		want       []string
	}{
		{"empty", "", 10, runes, []string{""}},
		{"fits", " a b\n", 10, runes, []string{" a b\n"}},
		{"fits exactly", "0123456789", 10, runes, []string{"0123456789"}},
		{"hard cut", "0123456789a", 10, runes, []string{"0123456789", "a"}},
		{"word", "hello wide world", 11, runes, []string{"hello wide", "world"}},
		{"space at the limit", "hello wide world", 10, runes, []string{"hello wide", "world"}},
		{"tab at the limit", "hello wide\tworld", 10, runes, []string{"hello wide", "world"}},
		{"sentence at the limit", "One. I am. Two", 10, runes, []string{"One. I am.", "Two"}},
		{"line at the limit", "abcdef ghi\njkl", 10, runes, []string{"abcdef ghi", "jkl"}},
		{"paragraph at the limit", "abcdef\nhi\n\njkl", 9, runes, []string{"abcdef\nhi", "jkl"}},
		{"line before the space at the limit", "abcdef\nhi jkl", 9, runes, []string{"abcdef", "hi jkl"}},
		{"period beyond the limit", "abcde fghij. k", 11, runes, []string{"abcde", "fghij. k"}},
		{"wide runes in the first half", "яяяя bcdefghijklm", 12, runes, []string{"яяяя bcdefgh", "ijklm"}},
		{"wide runes in the second half", "abcdef яяяяяяяя", 12, runes, []string{"abcdef", "яяяяяяяя"}},
		{"just under half", "abcd fghijk", 10, runes, []string{"abcd fghij", "k"}},
		{"line just under half", "abcd\nfghijk", 10, runes, []string{"abcd\nfghij", "k"}},
		{"later paragraph at the limit", "abcde\n\nhi\n\njkl", 9, runes, []string{"abcde\n\nhi", "jkl"}},
		{"marks from the first half on", "abc" + strings.Repeat("\u0301", 12), 10, runes,
			[]string{"abc" + strings.Repeat("\u0301", 7), strings.Repeat("\u0301", 5)}},
		{"half of an odd limit", "abcde ghijkl", 11, runes, []string{"abcde", "ghijkl"}},
		{"word at the limit", "hello world", 5, runes, []string{"hello", "world"}},
		{"word just behind", "hello world", 6, runes, []string{"hello", "world"}},
		{"sentence before word", "One is. Two is it", 13, runes, []string{"One is.", "Two is it"}},
		{"exclamation", "One is! Two is it", 13, runes, []string{"One is!", "Two is it"}},
		{"question", "One is? Two is it", 13, runes, []string{"One is?", "Two is it"}},
		{"line before sentence", "A line\nb. c d e f", 13, runes, []string{"A line", "b. c d e f"}},
		{"paragraph before line", "Para one\n\nb\nc d e", 14, runes, []string{"Para one", "b\nc d e"}},
		{"not too early", "a b\n\ncdefghij klmnop", 16, runes, []string{"a b\n\ncdefghij", "klmnop"}},
		{"no word in the later half", "a bcdefghijklm", 8, runes, []string{"a bcdefg", "hijklm"}},
		{"white space at the cut", "abc   \n\n  def", 5, runes, []string{"abc", "def"}},
		{"only white space", "            ", 5, runes, []string{""}},
		{"trailing white space", "abcde     ", 5, runes, []string{"abcde"}},
		{"three", "aaaa bbbb cccc", 5, runes, []string{"aaaa", "bbbb", "cccc"}},
		{"two bytes a rune", "яяяяя", 4, runes, []string{"яяяя", "я"}},
		{"surrogates", wave + wave + wave, 4, units, []string{wave + wave, wave}},
		{"surrogate over the limit", "a" + wave + wave, 4, units, []string{"a" + wave, wave}},
		{"least limit", wave + "ab", 2, units, []string{wave, "ab"}},
		{"combining mark", "abcde\u0301f", 5, runes, []string{"abcd", "e\u0301f"}},
		{"skin tone", "abcdefgh" + wave + "\U0001f3fd!", 9, runes, []string{"abcdefgh", wave + "\U0001f3fd!"}},
		{"joined emoji", "abcdefgh\U0001f468\u200d\U0001f467", 10, runes, []string{"abcdefgh", "\U0001f468\u200d\U0001f467"}},
		{"variation selector", "abcd\u2764\ufe0f", 5, runes, []string{"abcd", "\u2764\ufe0f"}},
		{"endless marks", "e" + strings.Repeat("\u0301", 9), 5, runes, []string{"e" + strings.Repeat("\u0301", 4), strings.Repeat("\u0301", 5)}},
		{"invalid bytes", "ab\xff\xfe\xfdcd", 4, runes, []string{"ab\xff\xfe", "\xfdcd"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, Split(tt.text, tt.limit, tt.size)); diff != "" {
				t.Errorf("pieces (-want +got):\n%s", diff)
			}
		})
	}
}

// texts favours what matters at a cut: white space, ends of sentences, wide
// runes, marks and joiners.
var texts = rapid.Custom(func(t *rapid.T) string {
	atoms := []string{" ", "\n", "\n\n", ". ", "! ", "\u00a0", "a", "word", "слово", "\U0001f44b", "\u0301", "\u200d", "\ufe0f", "\U0001f3fd", "\xff"}
	some := rapid.OneOf(rapid.SampledFrom(atoms), rapid.StringN(0, 5, -1))
	return strings.Join(rapid.SliceOfN(some, 0, 80).Draw(t, "atoms"), "")
})

func TestSplitProperties(t *testing.T) {
	t.Parallel()
	sizes := map[string]func(string) int{"runes": utf8.RuneCountInString, "units": parley.UTF16Len}
	rapid.Check(t, func(t *rapid.T) {
		text, limit := texts.Draw(t, "text"), rapid.IntRange(2, 40).Draw(t, "limit")
		size := sizes[rapid.SampledFrom([]string{"runes", "units"}).Draw(t, "size")]
		pieces := Split(text, limit, size)
		if size(text) <= limit && (len(pieces) != 1 || pieces[0] != text) {
			t.Fatalf("a text that fits came back as %q", pieces)
		}
		for i, p := range pieces {
			checkPiece(t, p, limit, size)
			checkEdges(t, p, i, len(pieces))
		}
		if got, want := bare(strings.Join(pieces, "")), bare(text); got != want {
			t.Fatalf("pieces together say %q, want %q", got, want)
		}
		inOrder(t, text, pieces)
	})
}

func checkPiece(t *rapid.T, piece string, limit int, size func(string) int) {
	if size(piece) > limit {
		t.Fatalf("piece %q has size %d, want at most %d", piece, size(piece), limit)
	}
}

// checkEdges: white space at a cut is dropped, that at the text's own ends may stay.
func checkEdges(t *rapid.T, piece string, i, n int) {
	if n > 1 && piece == "" {
		t.Fatalf("piece %d of %d is empty", i, n)
	}
	if i > 0 && piece != strings.TrimLeftFunc(piece, unicode.IsSpace) {
		t.Fatalf("piece %d %q starts with white space", i, piece)
	}
	if i < n-1 && piece != strings.TrimRightFunc(piece, unicode.IsSpace) {
		t.Fatalf("piece %d %q ends with white space", i, piece)
	}
}

// inOrder: each piece is cut out of the text whole, and only white space lies between.
func inOrder(t *rapid.T, text string, pieces []string) {
	for _, p := range pieces {
		at := strings.Index(text, p)
		if at < 0 || strings.TrimSpace(text[:at]) != "" {
			t.Fatalf("piece %q does not follow, what is left is %q", p, text)
		}
		text = text[at+len(p):]
	}
	if strings.TrimSpace(text) != "" {
		t.Fatalf("%q is missing from the pieces", text)
	}
}

func bare(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
}

func BenchmarkSplit(b *testing.B) {
	text := strings.Repeat("A sentence of eight words is here again. ", 800)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		Split(text, 4096, parley.UTF16Len)
	}
}
