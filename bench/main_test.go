package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parley-im/parley/bench/load"
)

// TestUsage: every command has a line of its own and is named once.
func TestUsage(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	usage(&b)
	seen := map[string]bool{}
	for _, c := range commands() {
		if seen[c.name] || c.use == "" || c.run == nil || !strings.Contains(b.String(), "  "+c.name+" ") {
			t.Errorf("command %q is not complete in:\n%s", c.name, &b)
		}
		seen[c.name] = true
	}
}

// TestKeys: there are as many chats as keys, unless told otherwise.
func TestKeys(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte("12\tsecret one\r\n13\tsecret two\n\n14\tlast"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args  []string
		chats int64
	}{
		{[]string{"-keys", file}, 3},
		{[]string{"-keys", file, "-chats", "100"}, 100},
		{[]string{"-chats", "5"}, 5},
	} {
		o := load.Default()
		fs := flag.NewFlagSet("test", flag.ContinueOnError)
		loadFlags(fs, &o)
		if err := parse(fs, &o, tt.args); err != nil {
			t.Fatal(err)
		}
		if o.Chats != tt.chats || len(o.Keys) > 0 && (len(o.Keys) != 3 || o.Keys[0] != "12\tsecret one") {
			t.Errorf("%q: got %d chats, keys %q", tt.args, o.Chats, o.Keys)
		}
	}
	if _, err := readKeys(os.DevNull); err == nil {
		t.Error("an empty file of keys is no error")
	}
}
