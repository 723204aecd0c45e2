package telegram

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/parley-im/parley/connector"
)

func TestOnCloud(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{
		"https://api.telegram.org":                  true,
		"https://API.Telegram.org:443":              true,
		"http://api.telegram.org./test":             true,
		"http://127.0.0.1:8081":                     false,
		"https://api.telegram.org.example.com":      false,
		"https://example.com/api.telegram.org":      false,
		"https://api.telegram.org@example.com":      false,
		"https://bots.example.com?api.telegram.org": false,
		"":     false,
		"http": false,
		":":    false,
	}
	for base, want := range tests {
		if got := onCloud(base); got != want {
			t.Errorf("onCloud(%q) = %t, want %t", base, got, want)
		}
	}
}

// The limit is that of Telegram's own server: what another can do, only it knows.
func TestRefusedByAddress(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/document_large.in.json")
	if err != nil {
		t.Fatal(err)
	}
	for base, want := range map[string]string{
		"https://api.telegram.org": "larger than the 20 MB that Telegram gives out to bots",
		"http://127.0.0.1:8081":    "",
	} {
		c := open(t, connector.Env{Base: base})
		what, ok := c.decode(raw).What.(connector.Message)
		if !ok || len(what.Files) != 1 || what.Files[0].Refused != want {
			t.Errorf("with base %s got %+v, want one file, refused with %q", base, what, want)
		}
	}
}

func TestLargest(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, sizes, want string }{
		{"none", `[]`, ""},
		{"one", `[{"file_id":"a"}]`, "a"},
		{"ascending", `[{"file_id":"a","width":90,"height":60},{"file_id":"b","width":320,"height":200}]`, "b"},
		{"descending", `[{"file_id":"a","width":320,"height":200},{"file_id":"b","width":90,"height":60}]`, "a"},
		{"higher", `[{"file_id":"a","width":320,"height":320},{"file_id":"b","width":320,"height":200}]`, "a"},
		{"heavier", `[{"file_id":"a","width":320,"height":200,"file_size":9},{"file_id":"b","width":320,"height":200,"file_size":8}]`, "a"},
		{"equal", `[{"file_id":"a","width":320,"height":200},{"file_id":"b","width":320,"height":200}]`, "b"},
		{"without id", `[{"file_id":"a","width":90,"height":60},{"width":320,"height":200}]`, "a"},
		{"huge numbers", `[{"file_id":"a","width":9223372036854775807,"height":9223372036854775807},{"file_id":"b","width":90,"height":60}]`, "a"},
	}
	for _, tt := range tests {
		var sizes []media
		if err := json.Unmarshal([]byte(tt.sizes), &sizes); err != nil {
			t.Fatal(err)
		}
		got := ""
		if m := largest(sizes); m != nil {
			got = m.FileID
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
