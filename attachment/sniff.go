package attachment

import (
	"bytes"
	"image"
	_ "image/gif"  // its size
	_ "image/jpeg" // its size
	_ "image/png"  // its size
	"mime"
	"strings"

	"github.com/gabriel-vasile/mimetype"
)

const (
	// sniffed is how many of the first bytes tell a type.
	sniffed = 3072
	// pictured is how many of the first bytes are searched for the size of a picture.
	pictured = 256 << 10

	typeUnknown = "application/octet-stream"
	typeText    = "text/plain"
)

// sames are names of types that mean one that we write otherwise.
var sames = map[string]string{"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png", "audio/mp3": "audio/mpeg"}

// baseType returns a MIME type in lower case without parameters, or nothing if it
// is none.
func baseType(text string) string {
	base, _, err := mime.ParseMediaType(text)
	if err != nil || !strings.Contains(base, "/") || len(base) > 127 {
		return ""
	}
	if same := sames[base]; same != "" {
		return same
	}
	return base
}

// typeOf returns the type of a file that begins with head: the told one if the
// bytes allow it, and else what they look like.
func typeOf(told string, head []byte) string {
	told, seen := baseType(told), mimetype.Detect(head)
	if told != "" && told != typeUnknown && (len(head) == 0 || allows(seen, told)) {
		return told
	}
	return baseType(seen.String())
}

// allows reports whether bytes that look like one type may be another. A type is
// also what it is a special case of; bytes that look like nothing may be anything;
// and formats that many others are built on may be those.
func allows(seen *mimetype.MIME, told string) bool {
	if seen.Is(typeUnknown) || family(told) == "media" && family(baseType(seen.String())) == "media" {
		return true
	}
	for m := seen; m != nil && !m.Is(typeUnknown); m = m.Parent() {
		if m.Is(told) || m.Is("application/zip") && opaque(told) {
			return true
		}
	}
	switch baseType(seen.String()) {
	case typeText:
		return strings.HasPrefix(told, "text/") || opaque(told)
	case "application/gzip", "application/x-ole-storage", "text/xml", "application/json":
		return opaque(told)
	}
	return false
}

// opaque reports whether a type is of the sort that nobody shows by itself, so
// that it does no harm if it is wrong.
func opaque(told string) bool {
	return strings.HasPrefix(told, "application/") && told != "application/pdf"
}

// family puts sound and moving pictures together: they share their containers.
func family(base string) string {
	if strings.HasPrefix(base, "audio/") || strings.HasPrefix(base, "video/") || base == "application/ogg" {
		return "media"
	}
	return ""
}

// wanted returns how many first bytes of a file are needed: more of a picture.
func wanted(head []byte) int {
	if len(head) < sniffed || !strings.HasPrefix(mimetype.Detect(head[:sniffed]).String(), "image/") {
		return sniffed
	}
	return pictured
}

// dimensions returns the size of a picture in pixels; 0 if it cannot be told.
func dimensions(head []byte) (width, height int) {
	c, _, err := image.DecodeConfig(bytes.NewReader(head))
	if err != nil {
		return 0, 0
	}
	return c.Width, c.Height
}
