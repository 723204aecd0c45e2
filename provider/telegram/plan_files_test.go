package telegram

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

func TestPlanFiles(t *testing.T) {
	t.Parallel()
	long, wave := strings.Repeat("a", 1025), "\U0001f44b" // two UTF-16 units
	type piece struct {
		text string
		file string
	}
	tests := []struct {
		name, text string
		files      []string
		want       []piece
	}{
		{"file alone", "", []string{"a"}, []piece{{"", "a"}}},
		{"blank caption", " \n", []string{"a"}, []piece{{"", "a"}}},
		{"caption", "look", []string{"a"}, []piece{{"look", "a"}}},
		{"longest caption", long[1:], []string{"a"}, []piece{{long[1:], "a"}}},
		{"longest caption in units", strings.Repeat(wave, 512), []string{"a"}, []piece{{strings.Repeat(wave, 512), "a"}}},
		{"text over a caption", long, []string{"a"}, []piece{{long, ""}, {"", "a"}}},
		{"text over a caption in units", strings.Repeat(wave, 513), []string{"a"}, []piece{{strings.Repeat(wave, 513), ""}, {"", "a"}}},
		{"long text", strings.Repeat("a", 4097), []string{"a"}, []piece{{strings.Repeat("a", 4096), ""}, {"a", ""}, {"", "a"}}},
		{"several files", "look", []string{"a", "b"}, []piece{{"look", ""}, {"", "a"}, {"", "b"}}},
		{"several files alone", "", []string{"a", "b"}, []piece{{"", "a"}, {"", "b"}}},
	}
	c := open(t, envOf(nil))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := &parley.Message{ID: 42, Text: tt.text}
			var want []connector.Part
			for _, name := range tt.files {
				m.Files = append(m.Files, parley.Attachment{Name: name, Size: 1 << 40})
			}
			for i, p := range tt.want {
				part := connector.Part{Message: m, Index: i, Count: len(tt.want), Text: p.text, Key: "42." + string(rune('0'+i))}
				if p.file != "" {
					part.File = &m.Files[p.file[0]-'a']
				}
				want = append(want, part)
			}
			got, err := c.Plan(m)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("parts (-want +got):\n%s", diff)
			}
			for i := range got {
				if got[i].File != want[i].File {
					t.Errorf("part %d has a copy of the file", i)
				}
			}
		})
	}
}

// The limit is that of Telegram's own server, not of any other.
func TestPlanSize(t *testing.T) {
	t.Parallel()
	tests := []struct {
		base string
		size int64
		want parley.Kind
	}{
		{"https://api.telegram.org", 52428800, ""},
		{"https://api.telegram.org", 0, ""},
		{"https://api.telegram.org", 52428801, parley.KindUnsupported},
		{"http://127.0.0.1:8081", 52428801, ""},
	}
	for _, tt := range tests {
		c := open(t, connector.Env{Base: tt.base})
		m := &parley.Message{ID: 1, Text: "hi", Files: []parley.Attachment{{Size: 1}, {Size: tt.size}}}
		parts, err := c.Plan(m)
		if parley.KindOf(err) != tt.want || (err == nil) != (len(parts) == 3) {
			t.Errorf("%d bytes to %s: got %d parts and %v, want kind %q", tt.size, tt.base, len(parts), err, tt.want)
		}
		if err != nil && !strings.Contains(err.Error(), "at most 50 MB") {
			t.Errorf("the error does not name the limit: %v", err)
		}
	}
}
