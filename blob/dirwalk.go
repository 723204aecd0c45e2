package blob

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/parley-im/parley"
)

// Walk reads one shard's names before it gives them to f, so that f may delete.
func (d *directory) Walk(ctx context.Context, f func(Entry) error) error {
	if err := isDir(d.tmp()); err != nil {
		return diskError("list", err)
	}
	for n := range len(d.shards) {
		if err := d.walkShard(ctx, byte(n), f); err != nil {
			return err
		}
	}
	return nil
}

func (d *directory) walkShard(ctx context.Context, n byte, f func(Entry) error) error {
	dir := filepath.Join(d.root, hex.EncodeToString([]byte{n}))
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return diskError("list", isDir(d.tmp()))
	}
	if err != nil {
		return diskError("list", err)
	}
	for _, e := range entries {
		if ctx.Err() != nil {
			return ended(ctx)
		}
		if err := d.visit(n, e, f); err != nil {
			return err
		}
	}
	return nil
}

// visit calls f for what is a blob, and in its place.
func (d *directory) visit(n byte, e fs.DirEntry, f func(Entry) error) error {
	if validKey(e.Name()) != nil {
		return nil
	}
	if at, _, _ := d.place(e.Name()); at != n {
		return nil
	}
	info, err := e.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return diskError("list", err)
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	return f(Entry{Key: e.Name(), Size: info.Size(), ModTime: info.ModTime()})
}

// ID reads the identity. The first to ask makes it: of several at once, whoever
// links the file first.
func (d *directory) ID(ctx context.Context) (string, error) {
	id, err := d.readID(ctx)
	if parley.KindOf(err) != parley.KindNotFound {
		return id, err
	}
	if err := d.writeID(randomHex()); err != nil {
		return "", err
	}
	return d.readID(ctx)
}

func (d *directory) readID(ctx context.Context) (string, error) {
	if ctx.Err() != nil {
		return "", ended(ctx)
	}
	text, err := os.ReadFile(filepath.Join(d.root, idKey))
	if errors.Is(err, fs.ErrNotExist) {
		return "", d.missing(err)
	}
	if err != nil {
		return "", diskError("read", err)
	}
	return validID(text)
}

// writeID gives the store an identity, if it has none.
func (d *directory) writeID(id string) error {
	return diskError("write", d.write(strings.NewReader(id+"\n"), func(temp string) error {
		if err := os.Link(temp, filepath.Join(d.root, idKey)); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return d.syncDir(d.root)
	}))
}
