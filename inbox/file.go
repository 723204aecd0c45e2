package inbox

import (
	"mime"
	"slices"
	"strings"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// Bounds of what is stored of a file, in bytes.
const (
	maxType   = 127
	maxSource = 4 << 10
	maxFiles  = 32 // of one message; no messenger allows more than 10
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
	f.Name, f.Type = parley.CleanFileName(f.Name), mimeType(f.Type)
	f.Size, f.Width, f.Height = max(f.Size, 0), max(f.Width, 0), max(f.Height, 0)
	if f.Kind == "" {
		f.Kind = parley.FileDocument
	}
}

// mimeType returns a type without parameters, or nothing if it is none.
func mimeType(s string) string {
	base, _, err := mime.ParseMediaType(s)
	if err != nil || !strings.Contains(base, "/") || len(base) > maxType {
		return ""
	}
	return base
}
