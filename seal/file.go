package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// maxFile is the largest keyset file that is read, in bytes: some thousand keys.
const maxFile = 1 << 20

// Open reads the keyset file at path. The error is fs.ErrNotExist when there is
// none; a file that the group or others may read is refused.
func Open(path string) (*Keyset, error) {
	k := &Keyset{path: path}
	if err := k.Reload(); err != nil {
		return nil, err
	}
	return k, nil
}

// OpenOrCreate reads the keyset file at path, or makes one with a new key if there
// is none. The directory must exist. Several processes may do this at once: one
// file wins, all read that one. A file that exists is never overwritten.
func OpenOrCreate(path string) (*Keyset, error) {
	k, err := Open(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	h, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	if err := save(h, path, place); err != nil {
		return nil, err
	}
	return Open(path)
}

// Reload reads the file again, to take over a rotation made elsewhere. After an
// error the keyset goes on with the keys it has.
func (k *Keyset) Reload() error {
	h, file, err := load(k.path)
	if err != nil {
		return err
	}
	now, err := newKeys(h)
	if err != nil {
		return fmt.Errorf("keyset %s: %w", k.path, err)
	}
	now.file = file
	k.keys.Store(now)
	return nil
}

// Rotate adds a new primary key to the file and keeps the old ones, then goes on
// with what it wrote. It starts from the file, not from what this process has in
// memory, and keeps other processes from rotating meanwhile, so no key gets lost.
// Other processes that use the file find the new key by themselves.
func (k *Keyset) Rotate() error { return k.edit(withNewPrimary) }

// Forget removes every key but the primary from the file, then goes on with what
// it wrote. What another key has sealed can never be opened again: Reseal it
// first, backups included.
func (k *Keyset) Forget() error { return k.edit(withPrimaryAlone) }

func (k *Keyset) edit(change func(*keyset.Handle) (*keyset.Handle, error)) error {
	unlock, err := lock(k.path)
	if err != nil {
		return fmt.Errorf("lock keyset %s: %w", k.path, err)
	}
	defer unlock()
	h, _, err := load(k.path)
	if err != nil {
		return err
	}
	if h, err = change(h); err != nil {
		return fmt.Errorf("keyset %s: %w", k.path, err)
	}
	if err := save(h, k.path, os.Rename); err != nil {
		return err
	}
	return k.Reload()
}

func withNewPrimary(h *keyset.Handle) (*keyset.Handle, error) {
	m := keyset.NewManagerFromHandle(h)
	id, err := m.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, err
	}
	if err := m.SetPrimary(id); err != nil {
		return nil, err
	}
	return m.Handle()
}

func withPrimaryAlone(h *keyset.Handle) (*keyset.Handle, error) {
	primary, err := h.Primary()
	if err != nil {
		return nil, err
	}
	m := keyset.NewManagerFromHandle(h)
	for n := range h.Len() {
		e, err := h.Entry(n)
		if err != nil {
			return nil, err
		}
		if e.KeyID() == primary.KeyID() {
			continue
		}
		if err := m.Delete(e.KeyID()); err != nil {
			return nil, err
		}
	}
	return m.Handle()
}

// load reads the file, and says which file that was.
func load(path string) (*keyset.Handle, os.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("keyset: %w", err)
	}
	defer f.Close()
	info, err := checkMode(f)
	if err != nil {
		return nil, nil, err
	}
	h, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(io.LimitReader(f, maxFile)))
	if err != nil {
		// The parser's own text may quote the file, and the file is the secret.
		return nil, nil, fmt.Errorf("keyset %s is damaged or no keyset", path)
	}
	return h, info, nil
}

func checkMode(f *os.File) (os.FileInfo, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("keyset: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("keyset %s is not a file", f.Name())
	}
	if open := info.Mode().Perm() & 0o077; open != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("keyset %s may be read by others (mode %04o): run chmod 600 %s", f.Name(), info.Mode().Perm(), f.Name())
	}
	return info, nil
}

// save writes the keys to a temporary file beside path, makes it durable, and
// lets put bring it to its place.
func save(h *keyset.Handle, path string, put func(from, to string) error) error {
	var b bytes.Buffer
	if err := insecurecleartextkeyset.Write(h, keyset.NewJSONWriter(&b)); err != nil {
		return fmt.Errorf("write keyset: %w", err)
	}
	dir := filepath.Dir(path)
	temp, err := writeTemp(dir, b.Bytes())
	if err != nil {
		return fmt.Errorf("write keyset: %w", err)
	}
	defer os.Remove(temp)
	if err := put(temp, path); err != nil {
		return fmt.Errorf("write keyset: %w", err)
	}
	return syncDir(dir)
}

// place links a file to where it should be unless somebody was there first, whose
// file then counts.
func place(from, to string) error {
	err := os.Link(from, to)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// writeTemp makes a durable file that only its owner can read.
func writeTemp(dir string, data []byte) (name string, err error) {
	f, err := os.CreateTemp(dir, ".keyset-*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		os.Remove(f.Name())
	}
	return f.Name(), err
}
