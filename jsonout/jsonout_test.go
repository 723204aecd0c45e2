package jsonout_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/parley-im/parley/jsonout"
)

func TestObject(t *testing.T) {
	t.Parallel()
	at := time.Date(2017, 4, 25, 18, 30, 23, 76e6, time.FixedZone("x", 3600))
	o := jsonout.New(8)
	o.Text("text", `a"b`)
	o.TextOrNull("none", "")
	o.TextOrNull("some", "x")
	o.Int("int", -5)
	o.IntOrNull("known", 5, true)
	o.IntOrNull("unknown", 5, false)
	o.Float("float", 1e-7)
	o.Bool("bool", true)
	o.Raw("raw", "[1]")
	o.Iso("iso", at)
	o.IsoOrNull("never", time.Time{})
	o.Unix("unix", at)
	o.Unix("zero", time.Time{})
	o.UnixOrNull("null", time.Time{})
	o.Stamp("stamp", at)
	o.Nested("nested")
	o.Int("a", 1)
	o.Close()
	o.Key("list")
	o.Array(2, func(i int) { o.Value(strings.Repeat("x", i)) })
	o.Nested("empty")
	o.Close()
	got := string(o.End())
	want := `{"text":"a\"b","none":null,"some":"x","int":-5,"known":5,"unknown":null,"float":0.0000001,"bool":true,"raw":[1],` +
		`"iso":"2017-04-25T17:30:23.076Z","never":null,"unix":1493141423,"zero":0,"null":null,"stamp":"2017-04-25 17:30:23 UTC",` +
		`"nested":{"a":1},"list":["","x"],"empty":{}}`
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if !json.Valid([]byte(got)) {
		t.Error("not JSON")
	}
}

// FuzzAppendString reads back what was written.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "a", `"\`, "\x00\x1f\n\r\t", "привет 😀", "\xff\xfe", "\u2028", "</script>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text := jsonout.AppendString(nil, s)
		if !utf8.Valid(text) {
			t.Fatalf("%q is not UTF-8", text)
		}
		var got string
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if want := replaced(s); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// replaced has U+FFFD for each byte that is not UTF-8.
func replaced(s string) string {
	var b strings.Builder
	for _, r := range s {
		b.WriteRune(r)
	}
	return b.String()
}
