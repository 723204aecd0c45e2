package parley

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxFileName = 255 // in bytes; what file systems take
	maxExt      = 16  // a longer extension is none, and may be cut
)

// CleanFileName returns what is safe and useful of a file name that a stranger
// gave: its last element in the path of any system, as valid UTF-8 of at most 255
// bytes, without control characters and marks that turn the direction of writing.
// It may be empty.
func CleanFileName(name string) string {
	name = strings.ToValidUTF8(name, "")
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.TrimSpace(strings.Map(visible, name))
	if strings.Trim(name, ".") == "" {
		return ""
	}
	ext := path.Ext(name)
	if len(ext) > maxExt || len(name) <= maxFileName {
		return CutText(name, maxFileName)
	}
	return CutText(strings.TrimSuffix(name, ext), maxFileName-len(ext)) + ext
}

// visible drops runes by which a name can deceive.
func visible(r rune) rune {
	switch {
	case unicode.IsControl(r), r == '\u2028', r == '\u2029', unicode.Is(unicode.Bidi_Control, r):
		return -1
	}
	return r
}

// CutText shortens text to at most max bytes, between runes.
func CutText(text string, max int) string {
	if len(text) <= max {
		return text
	}
	for !utf8.RuneStart(text[max]) {
		max--
	}
	return text[:max]
}
