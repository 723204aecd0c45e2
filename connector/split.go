package connector

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Split cuts a text into pieces of at most limit, measured by size (such as
// parley.UTF16Len or utf8.RuneCountInString), which must grow by at least one
// with each rune and be at most 2 for one. It cuts where it hurts least: between
// paragraphs, else lines, else sentences, else words, else anywhere between two
// runes; never where what is before the cut is under half the limit by size,
// rounded down, if it need not be. White space at a cut is dropped and does not
// count against the limit, so that no piece starts or ends with it. A text that
// fits comes back as it is. limit must be at least 2.
func Split(text string, limit int, size func(string) int) []string {
	var pieces []string
	for size(text) > limit {
		at := cut(text, prefix(text, limit/2-1, size), prefix(text, limit, size))
		if piece := strings.TrimRightFunc(text[:at], unicode.IsSpace); piece != "" {
			pieces = append(pieces, piece)
		}
		text = strings.TrimLeftFunc(text[at:], unicode.IsSpace)
	}
	if text != "" || len(pieces) == 0 {
		pieces = append(pieces, text)
	}
	return pieces
}

// prefix returns the length in bytes of the longest prefix that fits.
func prefix(text string, limit int, size func(string) int) int {
	n, used := 0, 0
	for n < len(text) {
		_, width := utf8.DecodeRuneInString(text[n:])
		used += size(text[n : n+width])
		if used > limit {
			break
		}
		n += width
	}
	return n
}

// A border is a place to cut. Its white space may lie beyond the limit, because
// it is dropped there.
type border struct {
	text  string
	space int // bytes of white space at its end
}

var borders = []border{{"\n\n", 2}, {"\n", 1}, {". ", 1}, {"! ", 1}, {"? ", 1}}

// cut returns where to end a piece whose text may take up to most bytes, and more
// than least if possible.
func cut(text string, least, most int) int {
	for _, b := range borders {
		window := text[:min(most+b.space, len(text))]
		if i := strings.LastIndex(window, b.text); i > least {
			return i + len(b.text)
		}
	}
	if r, _ := utf8.DecodeRuneInString(text[most:]); unicode.IsSpace(r) {
		return most
	}
	if i := strings.LastIndexByte(text[:most], ' '); i > least {
		return i + 1
	}
	return clusterStart(text, least, most)
}

// clusterStart moves a cut back, but not to least, so that it does not part a rune
// from the combining marks, joiners and variation selectors that belong to it.
func clusterStart(text string, least, at int) int {
	for i := at; i > least; {
		next, _ := utf8.DecodeRuneInString(text[i:])
		prev, width := utf8.DecodeLastRuneInString(text[:i])
		if !joins(next) && prev != zeroWidthJoiner {
			return i
		}
		i -= width
	}
	return at
}

const zeroWidthJoiner = '\u200d'

func joins(r rune) bool {
	return r == zeroWidthJoiner || unicode.In(r, unicode.Mn, unicode.Me, unicode.Variation_Selector) ||
		(r >= 0x1f3fb && r <= 0x1f3ff) // skin tones
}
