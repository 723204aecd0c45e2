package seal_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/parley-im/parley/seal"
)

func TestOpenOrCreateMakesPrivateFile(t *testing.T) {
	t.Parallel()
	k, path := newKeyset(t)
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("mode %v, %v; want 0600", info.Mode(), err)
	}
	data := read(t, path)
	again, err := seal.OpenOrCreate(path)
	if err != nil || again.Fingerprint() != k.Fingerprint() || read(t, path) != data {
		t.Errorf("a second start changed the keyset: %v", err)
	}
	if err := k.Rotate(); err != nil {
		t.Fatal(err)
	}
	if info, err = os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v after rotation, %v; want 0600", info.Mode(), err)
	}
	wantOnly(t, path)
}

// wantOnly checks that no temporary file is left beside path.
func wantOnly(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v, %v; want the keyset alone", entries, err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestOpenRefusesFile(t *testing.T) {
	t.Parallel()
	_, good := newKeyset(t)
	data := read(t, good)
	tests := []struct {
		name string
		data string
		mode os.FileMode
		want string
	}{
		{"group reads", data, 0o640, "chmod 600"},
		{"others read", data, 0o604, "chmod 600"},
		{"others write", data, 0o602, "chmod 600"},
		{"empty", "", 0o600, "damaged"},
		{"cut", data[:len(data)/2], 0o600, "damaged"},
		{"no keys", `{"primaryKeyId":1,"key":[]}`, 0o600, "keyset"},
		{"no JSON", "value " + data, 0o600, "damaged"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "keyset.json")
			write(t, path, tt.data, tt.mode)
			for _, open := range []func(string) (*seal.Keyset, error){seal.Open, seal.OpenOrCreate} {
				k, err := open(path)
				if k != nil || err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
					t.Errorf("got %v, %v; want an error with %q and the path", k, err, tt.want)
				}
				if strings.Contains(err.Error(), "value") {
					t.Errorf("the error quotes the file: %v", err)
				}
			}
			if read(t, path) != tt.data {
				t.Error("the file was overwritten")
			}
		})
	}
}

func write(t *testing.T, path, data string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestOpenWithoutFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := seal.Open(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
	if _, err := seal.OpenOrCreate(filepath.Join(dir, "no", "dir")); err == nil {
		t.Error("a keyset was made in no directory")
	}
	if _, err := seal.Open(dir); err == nil {
		t.Error("a directory is no keyset")
	}
}

func TestReloadKeepsKeysOnError(t *testing.T) {
	t.Parallel()
	k, path := newKeyset(t)
	sealed := mustSeal(t, k, "kept")
	write(t, path, "broken", 0o600)
	if err := k.Reload(); err == nil {
		t.Error("a broken file was loaded")
	}
	if err := k.Rotate(); err == nil || read(t, path) != "broken" {
		t.Errorf("a broken file was rotated: %v", err)
	}
	wantOpen(t, k, sealed, "kept")
}

func TestOpenOrCreateAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyset.json")
	const starts = 32
	prints := make([]string, starts)
	var wg sync.WaitGroup
	for i := range starts {
		wg.Go(func() {
			k, err := seal.OpenOrCreate(path)
			if err != nil {
				t.Error(err)
				return
			}
			prints[i] = k.Fingerprint()
		})
	}
	wg.Wait()
	for _, p := range prints {
		if p != prints[0] {
			t.Fatalf("more than one keyset: %v", prints)
		}
	}
	wantOnly(t, path)
}

func TestRotateAtOnce(t *testing.T) {
	t.Parallel()
	_, path := newKeyset(t)
	const turns = 8
	var wg sync.WaitGroup
	for range turns {
		wg.Go(func() {
			k, err := seal.Open(path)
			if err == nil {
				err = k.Rotate()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	k, err := seal.Open(path)
	if err != nil || len(k.Fingerprints()) != turns+1 {
		t.Errorf("%d keys, %v; want %d", len(k.Fingerprints()), err, turns+1)
	}
}
