package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/parley-im/parley"
)

// A directory keeps the blob k in aa/k, where aa is the first byte of the hash of
// k, so that no directory gets long. What is being written is in tmp, on the same
// file system, and moves to its place when it is whole and synced.
type directory struct {
	root     string
	shards   [256]shard
	syncFile func(*os.File) error   // makes the bytes of a file durable
	syncDir  func(dir string) error // makes the names in a directory durable
}

// A shard is a directory of blobs. ready says that its own name is durable.
type shard struct {
	mu    sync.Mutex
	ready bool
}

const tmpName = "tmp"

func openDir(root string, o Options) (Store, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, badDir(err)
	}
	d := &directory{root: root, syncFile: (*os.File).Sync, syncDir: syncDir}
	if err := makeDurable(d.tmp()); err != nil {
		return nil, badDir(err)
	}
	if _, err := d.Sweep(context.Background(), o.Now().Add(-Leftover)); err != nil {
		return nil, err
	}
	return d, nil
}

func badDir(err error) error {
	return &parley.Error{Kind: parley.KindInvalid, Message: "the directory for files cannot be used", Err: err}
}

// makeDurable makes a directory and its parents, and syncs the names of those
// that were missing.
func makeDurable(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeDurable(filepath.Dir(dir)); err != nil {
			return err
		}
		err = os.Mkdir(dir, 0o700)
	}
	if errors.Is(err, fs.ErrExist) {
		return isDir(dir)
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

func isDir(name string) error {
	info, err := os.Stat(name)
	if err == nil && !info.IsDir() {
		return &fs.PathError{Op: "mkdir", Path: name, Err: syscall.ENOTDIR}
	}
	return err
}

func (d *directory) String() string { return d.root }

func (d *directory) tmp() string { return filepath.Join(d.root, tmpName) }

// place returns the number of a key's shard, its directory and the blob's file.
func (d *directory) place(key string) (n byte, dir, name string) {
	n = sha256.Sum256([]byte(key))[0]
	dir = filepath.Join(d.root, hex.EncodeToString([]byte{n}))
	return n, dir, filepath.Join(dir, key)
}

func (d *directory) Put(ctx context.Context, key string, r io.Reader, max int64) (Info, error) {
	if err := validKey(key); err != nil {
		return Info{}, err
	}
	src := newSource(ctx, r, max)
	n, dir, name := d.place(key)
	err := d.write(src, func(temp string) error { return d.move(n, dir, temp, name) })
	switch {
	case src.err != nil:
		return Info{}, src.err
	case err != nil:
		return Info{}, diskError("write", err)
	}
	return src.info(), nil
}

// write copies r to a durable file in tmp, which put then brings to its place.
func (d *directory) write(r io.Reader, put func(temp string) error) error {
	f, err := os.CreateTemp(d.tmp(), "put-*") // O_EXCL and 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // in vain once it has been moved
	_, err = io.Copy(f, r)
	if err == nil {
		err = d.syncFile(f)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return put(f.Name())
}

func (d *directory) move(n byte, dir, from, to string) error {
	if err := d.prepare(n, dir); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return d.syncDir(dir)
}

// prepare makes a shard's directory. It syncs the root once for each, also when
// it is there already: whoever made it may not have got so far.
func (d *directory) prepare(n byte, dir string) error {
	s := &d.shards[n]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready {
		return nil
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := d.syncDir(d.root); err != nil {
		return err
	}
	s.ready = true
	return nil
}

func (d *directory) Open(ctx context.Context, key string) (Reader, error) {
	if err := validKey(key); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ended(ctx)
	}
	_, _, name := d.place(key)
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, d.missing(err)
	}
	if err != nil {
		return nil, diskError("open", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a file", name)
	}
	if err != nil {
		f.Close()
		return nil, diskError("open", err)
	}
	return &file{ctx: ctx, f: f, size: info.Size()}, nil
}

// missing says that a blob is not there, if the store itself is: where a disk is
// not mounted nothing is missing for good.
func (d *directory) missing(cause error) error {
	if err := isDir(d.tmp()); err != nil {
		return diskError("find", err)
	}
	return notFound(cause)
}

func (d *directory) Delete(ctx context.Context, key string) error {
	if err := validKey(key); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ended(ctx)
	}
	_, _, name := d.place(key)
	err := os.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		err = isDir(d.tmp())
	}
	return diskError("delete", err)
}

// A file is an open blob in a directory.
type file struct {
	ctx  context.Context
	f    *os.File
	size int64
}

func (r *file) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, ended(r.ctx)
	}
	n, err := r.f.Read(p)
	if err != nil && err != io.EOF {
		err = diskError("read", err)
	}
	return n, err
}

func (r *file) Seek(offset int64, whence int) (int64, error) { return r.f.Seek(offset, whence) }

func (r *file) Close() error { return r.f.Close() }

func (r *file) Size() int64 { return r.size }

// diskError gives an error of the file system its kind. All of them may go away.
func diskError(op string, err error) error {
	if err == nil {
		return nil
	}
	e := &parley.Error{Kind: parley.KindUnavailable, Message: "cannot " + op + " a file in the store", Err: err}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		e.Code, e.Message = CodeDiskFull, "there is no space left for files"
	}
	return e
}

func (d *directory) Check(ctx context.Context) error { return check(ctx, d) }

// Sweep removes old files of tmp. A writer touches its file with every write.
func (d *directory) Sweep(ctx context.Context, before time.Time) (int, error) {
	entries, err := os.ReadDir(d.tmp())
	if err != nil {
		return 0, diskError("list", err)
	}
	removed := 0
	for _, e := range entries {
		if ctx.Err() != nil {
			return removed, ended(ctx)
		}
		info, err := e.Info()
		if err != nil || !info.ModTime().Before(before) || !info.Mode().IsRegular() {
			continue // moved meanwhile, in use, or not ours
		}
		if err := os.Remove(filepath.Join(d.tmp(), e.Name())); err == nil {
			removed++
		} else if !errors.Is(err, fs.ErrNotExist) {
			return removed, diskError("delete", err)
		}
	}
	return removed, nil
}
