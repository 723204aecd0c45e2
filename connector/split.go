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
// runes; never so early that a piece is under half the limit if it need not be.
// White space at a cut is dropped, so that no piece starts or ends with it. A
// text that fits comes back as it is. limit must be at least 2.
func Split(text string, limit int, size func(string) int) []string {
	var pieces []string
	for size(text) > limit {
		at := cut(text, prefix(text, limit, size))
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

// cut returns where to end a piece that may take up to max bytes.
func cut(text string, max int) int {
	window := text[:max]
	for _, sep := range []string{"\n\n", "\n", ". ", "! ", "? ", " "} {
		if i := strings.LastIndex(window, sep); i >= max/2 {
			return i + len(sep)
		}
	}
	if r, _ := utf8.DecodeRuneInString(text[max:]); unicode.IsSpace(r) {
		return max
	}
	return clusterStart(text, max)
}

// clusterStart moves a cut back so that it does not part a rune from the
// combining marks, joiners and variation selectors that belong to it.
func clusterStart(text string, at int) int {
	for i := at; i > at/2; {
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
