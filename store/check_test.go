package store_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
	"github.com/parley-im/parley/store/storetest"
)

func TestExamine(t *testing.T) {
	t.Parallel()
	storetest.EachOptions(t, func(t *testing.T, o store.Options) {
		f, err := store.Examine(t.Context(), o)
		if err != nil || f.Version != 0 || f.Keyset != "" || f.Known == 0 {
			t.Errorf("before there is one: %+v, %v", f, err)
		}
		if _, err := os.Stat(o.Path); o.URL == "" && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the look made a database: %v", err)
		}
		storetest.Open(t, o)
		f, err = store.Examine(t.Context(), o)
		if err != nil || f.Version != f.Known || f.Compatible < 1 || f.Keyset != o.Keys.Primary() || f.Held || f.Damage != "" {
			t.Errorf("a new one: %+v, %v", f, err)
		}
		want := map[string]string{"journal_mode": "wal", "synchronous": "2"}
		if o.URL != "" {
			want = map[string]string{"synchronous_commit": "off"} // as the tests connect
		}
		for name, value := range want {
			if f.Settings[name] != value {
				t.Errorf("%s is %q, want %q", name, f.Settings[name], value)
			}
		}
		if f.Skew.Abs() > time.Minute {
			t.Errorf("skew %v on one machine", f.Skew)
		}
	})
}

func TestExamineFails(t *testing.T) {
	t.Parallel()
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := store.Examine(t.Context(), store.Options{Path: text}); err == nil {
		t.Errorf("a text is a database: %+v", f)
	}
	_, err := store.Examine(t.Context(), store.Options{URL: "postgres://ann:hunter2@127.0.0.1:x/db"})
	if parley.KindOf(err) != parley.KindInvalid || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a bad address: %v", err)
	}
}
