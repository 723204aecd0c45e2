package attachment

import (
	"strings"

	"github.com/parley-im/parley"
)

// disposition returns a Content-Disposition with a name: in ASCII for all, and
// whole for those who understand it. Source: RFC 6266, section 4.3, and RFC 5987,
// section 3.2, read 2026-11.
func disposition(kind, name string) string {
	name = parley.CleanFileName(name)
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
