package inbox

import (
	"mime"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// Bounds of what is stored of a file, in bytes; a file name of any system is at
// most 255 bytes.
const (
	maxFileName = 255
	maxExt      = 16 // a longer extension is none, and may be cut
	maxType     = 127
	maxSource   = 4 << 10
	maxFiles    = 32 // of one message; no messenger allows more than 10
)

// files cleans the files of a message. The connector's own stay as they are.
func files(list []connector.File) (clean []connector.File, changed bool) {
	if len(list) == 0 {
		return list, false
	}
	clean = slices.Clone(list[:min(len(list), maxFiles)])
	for n := range clean {
		tidyFile(&clean[n])
	}
	return clean, !slices.Equal(clean, list)
}

func tidyFile(f *connector.File) {
	tidy(&f.ID, maxID)
	tidy(&f.Refused, maxName)
	if len(f.Source) > maxSource {
		f.Source, f.Refused = "", "the messenger's reference to the file is too long"
	}
	tidy(&f.Source, maxSource)
	f.Name, f.Type = fileName(f.Name), mimeType(f.Type)
	f.Size, f.Width, f.Height = max(f.Size, 0), max(f.Width, 0), max(f.Height, 0)
	if f.Kind == "" {
		f.Kind = parley.FileDocument
	}
}

// fileName makes a name fit to be shown: the last element of what may be a path
// of any system, without what could turn the text around or end a header.
func fileName(name string) string {
	tidy(&name, maxText)
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, name)
	name = strings.TrimSpace(name)
	if name == "." || name == ".." || name == "/" {
		return ""
	}
	return shorten(name)
}

// shorten cuts a name that is too long, and leaves it its extension.
func shorten(name string) string {
	ext := path.Ext(name)
	if len(name) <= maxFileName || len(ext) > maxExt {
		ext = ""
	}
	name = strings.TrimSuffix(name, ext)
	tidy(&name, maxFileName-len(ext))
	return name + ext
}

// mimeType returns a type without parameters, or nothing if it is none.
func mimeType(s string) string {
	base, _, err := mime.ParseMediaType(s)
	if err != nil || !strings.Contains(base, "/") || len(base) > maxType {
		return ""
	}
	return base
}
