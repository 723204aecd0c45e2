package telegram

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-im/parley/connector"
)

var rewrite = flag.Bool("update", false, "rewrite testdata/*.want.json")

// A view is an event as golden files show it.
type view struct {
	ID, Version string
	At          time.Time
	Chat        connector.Chat
	From        connector.Person
	Confirm     string
	Kind        string
	What        connector.What
}

func inputs(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.in.json")
	if err != nil || len(files) < 150 {
		t.Fatalf("found %d inputs, error %v", len(files), err)
	}
	return files
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for _, file := range inputs(t) {
		name := strings.TrimSuffix(filepath.Base(file), ".in.json")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			e := decode(raw, testBot, true)
			if string(e.Raw) != string(raw) {
				t.Errorf("got raw %q, want %q", e.Raw, raw)
			}
			compare(t, "testdata/"+name+".want.json", e)
		})
	}
}

func compare(t *testing.T, file string, e connector.Event) {
	t.Helper()
	got, err := json.MarshalIndent(view{e.ID, e.Version, e.At, e.Chat, e.From, e.Confirm, e.What.Kind(), e.What}, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *rewrite {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestDecodeIdentity(t *testing.T) {
	t.Parallel()
	edit := func(update string) connector.Event {
		return decode([]byte(`{"update_id":`+update+`,"edited_message":{"message_id":8,"chat":{"id":5,"type":"private"},"edit_date":100,"text":"x"}}`), 1, true)
	}
	if a, b := edit("1"), edit("2"); a.ID != b.ID || a.Version == b.Version {
		t.Errorf("two edits in one second: got ids %s, %s and versions %s, %s, want one id and two versions", a.ID, b.ID, a.Version, b.Version)
	}
	if a, b := decode([]byte(`{}`), 1, true), decode([]byte(`{} `), 1, true); a.ID == b.ID {
		t.Errorf("different garbage has the same id %s", a.ID)
	}
	if a, b := decode([]byte(`{}`), 1, true), decode([]byte(`{}`), 1, true); a.ID != b.ID {
		t.Errorf("the same garbage has ids %s and %s", a.ID, b.ID)
	}
}

func TestStartPayload(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{"/start", ""},
		{"/start abc", "abc"},
		{"/start@shop_bot abc", "abc"},
		{"/start  abc", ""},
		{"/start abc def", ""},
		{"/start " + strings.Repeat("a", 64), strings.Repeat("a", 64)},
		{"/start " + strings.Repeat("a", 65), ""},
		{"/started abc", ""},
		{"say /start abc", ""},
		{"/start abc\n", ""},
	}
	for _, tt := range tests {
		if got := startPayload(tt.text); got != tt.want {
			t.Errorf("startPayload(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestDate(t *testing.T) {
	t.Parallel()
	tests := map[int64]time.Time{
		0:            {},
		-1:           {},
		1718000000:   time.Date(2024, 6, 10, 6, 13, 20, 0, time.UTC),
		253402300799: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		253402300800: {},
		1 << 62:      {},
	}
	for seconds, want := range tests {
		if got := date(seconds); !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("date(%d) = %v, want %v", seconds, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, file := range inputs(f) {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		e := decode(raw, testBot, true)
		if e.ID == "" || e.What == nil || string(e.Raw) != string(raw) {
			t.Fatalf("got an event without id, content or raw bytes: %+v", e)
		}
		if y := e.At.Year(); y < 1 || y > 9999 {
			t.Fatalf("got year %d", y)
		}
		checkSense(t, e)
		if again := decode(raw, testBot, true); !cmp.Equal(e, again) {
			t.Fatalf("not pure (-first +second):\n%s", cmp.Diff(e, again))
		}
	})
}

// checkSense: what is not put aside belongs to a chat and says something.
func checkSense(t *testing.T, e connector.Event) {
	t.Helper()
	switch what := e.What.(type) {
	case connector.Unknown:
		return
	case connector.Ignored:
		return
	case connector.Message:
		checkFiles(t, what.Files)
		if what.Text == "" && what.Unsupported == "" && what.Location == nil && len(what.Files) == 0 {
			t.Error("got a message that says nothing")
		}
	case connector.Edit:
		checkFiles(t, what.Files)
		if what.Text == "" && what.Location == nil && len(what.Files) == 0 {
			t.Error("got an edit that says nothing")
		}
	case connector.Moved:
		if what.To == "" || what.To == e.Chat.ID {
			t.Errorf("got a move from %q to %q", e.Chat.ID, what.To)
		}
	case connector.Renamed:
		if e.Chat.Name == "" || !e.Chat.Group {
			t.Errorf("got a new name in chat %+v", e.Chat)
		}
	}
	if n, err := strconv.ParseInt(e.Chat.ID, 10, 64); err != nil || n == 0 {
		t.Errorf("got chat %q of a %s", e.Chat.ID, e.What.Kind())
	}
}

func checkFiles(t *testing.T, files []connector.File) {
	t.Helper()
	if len(files) > 1 {
		t.Errorf("got %d files on one message", len(files))
	}
	for _, f := range files {
		if f.Kind == "" || f.ID == "" || f.Source == "" || f.Size < 0 || f.Width < 0 || f.Height < 0 || (f.Refused != "") != (f.Size > maxDownload) {
			t.Errorf("got file %+v", f)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, name := range []string{"text", "reply", "photo_caption", "document", "location", "button", "group_joined", "new_kind"} {
		b.Run(name, func(b *testing.B) {
			raw, err := os.ReadFile("testdata/" + name + ".in.json")
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				decode(raw, testBot, true)
			}
		})
	}
}
