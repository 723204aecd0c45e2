package attachment

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxName = 255 // of a file, in bytes; what file systems take
	maxExt  = 16  // a longer extension is none, and may be cut
)

// CleanName returns what is safe and useful of a file name that a stranger gave:
// its last element as valid UTF-8 of at most 255 bytes, without control
// characters and marks that turn the direction of writing. It may be empty.
func CleanName(name string) string {
	name = strings.ToValidUTF8(name, "")
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.TrimSpace(strings.Map(visible, name))
	if strings.Trim(name, ".") == "" {
		return ""
	}
	ext := path.Ext(name)
	if len(ext) > maxExt || len(name) <= maxName {
		return cut(name, maxName)
	}
	return cut(strings.TrimSuffix(name, ext), maxName-len(ext)) + ext
}

// visible drops runes by which a name can deceive.
func visible(r rune) rune {
	switch {
	case unicode.IsControl(r), r == '\u2028', r == '\u2029', unicode.Is(unicode.Bidi_Control, r):
		return -1
	}
	return r
}

// cut shortens text to at most max bytes, between runes.
func cut(text string, max int) string {
	if len(text) <= max {
		return text
	}
	for !utf8.RuneStart(text[max]) {
		max--
	}
	return text[:max]
}

// disposition returns a Content-Disposition with a name: in ASCII for all, and
// whole for those who understand it. Source: RFC 6266, section 4.3, and RFC 5987,
// section 3.2, read 2026-11.
func disposition(kind, name string) string {
	name = CleanName(name)
	if name == "" {
		return kind
	}
	plain := strings.Map(harmless, name)
	value := kind + `; filename="` + plain + `"`
	if plain != name {
		value += "; filename*=UTF-8''" + extended(name)
	}
	return value
}

// harmless replaces what some client misreads between quotes.
func harmless(r rune) rune {
	if r < ' ' || r > '~' || strings.ContainsRune(`"%\`, r) {
		return '_'
	}
	return r
}

// extended encodes a name for filename*.
func extended(name string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(name) {
		if attrChar(c) {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', hex[c>>4], hex[c&15]})
	}
	return b.String()
}

// attrChar is what RFC 5987 lets stand for itself.
func attrChar(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0
}
