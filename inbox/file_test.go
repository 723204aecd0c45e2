package inbox

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

func TestMimeType(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"image/jpeg", "image/jpeg"},
		{"Text/HTML; charset=utf-8", "text/html"},
		{"nonsense", ""},
		{"a/b\r\nX: y", ""},
		{"", ""},
		{"x/" + strings.Repeat("y", 200), ""},
	}
	for _, tt := range tests {
		if got := mimeType(tt.in); got != tt.want {
			t.Errorf("mimeType(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

// TestCleanFiles: what lies about a file costs the message nothing, and the
// connector's own values stay as they are.
func TestCleanFiles(t *testing.T) {
	t.Parallel()
	given := []connector.File{{ID: "a\x00", Name: "x/y", Size: -5, Width: -1, Source: strings.Repeat("s", maxSource+1)}}
	same := []connector.File{given[0]}
	for _, what := range []connector.What{connector.Message{Text: "t", Files: given}, connector.Edit{Text: "t", Files: given}} {
		e := connector.Event{ID: "1", Chat: connector.Chat{ID: "1"}, What: what}
		if doubt, take := clean(&e, now); doubt != "" || !take {
			t.Errorf("%T: doubt %q, take %v", what, doubt, take)
		}
		var got []connector.File
		switch w := e.What.(type) {
		case connector.Message:
			got = w.Files
		case connector.Edit:
			got = w.Files
		}
		want := []connector.File{{Kind: parley.FileDocument, ID: "a\ufffd", Name: "y", Refused: "the messenger's reference to the file is too long"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%T: files (-want +got):\n%s", what, diff)
		}
	}
	if diff := cmp.Diff(same, given); diff != "" {
		t.Errorf("the connector's files changed:\n%s", diff)
	}
	many := make([]connector.File, maxFiles+1)
	if got, changed := files(many); len(got) != maxFiles || !changed {
		t.Errorf("%d files, changed %v, want %d", len(got), changed, maxFiles)
	}
}
