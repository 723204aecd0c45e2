package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/parley-im/parley"
)

// lockLook is how often a second gateway looks whether the first has stopped.
const lockLook = 100 * time.Millisecond

// A lock is the operating system's exclusive lock on a data directory. It ends
// with the process, however that ends.
type lock struct{ file *os.File }

// takeLock waits for the lock, and gives up after wait with an error that names
// the holder.
func takeLock(ctx context.Context, dir, node string, wait time.Duration, log *slog.Logger) (*lock, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	l := &lock{f}
	deadline := time.Now().Add(wait)
	for told := false; ; told = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return l, l.sign(node)
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", f.Name(), err), f.Close())
		}
		if !time.Now().Before(deadline) {
			return nil, errors.Join(l.held(), f.Close())
		}
		if !told {
			log.Info("waiting for another gateway on this data to stop", "holder", l.holder(), "wait", wait.String())
		}
		if err := sleep(ctx, lockLook); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// sign writes who holds the lock, for the one who waits.
func (l *lock) sign(node string) error {
	text := fmt.Sprintf("%s (process %d)\n", node, os.Getpid())
	return errors.Join(l.file.Truncate(0), writeAt(l.file, text))
}

func writeAt(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}

func (l *lock) holder() string {
	b, err := os.ReadFile(l.file.Name())
	if err != nil || len(b) == 0 {
		return "another process"
	}
	return strings.TrimSpace(string(b))
}

func (l *lock) held() error {
	return &parley.Error{Kind: parley.KindConflict, Code: "data_locked",
		Message: fmt.Sprintf("the data in %s is in use by %s; stop it first, or wait longer with --takeover-wait", filepath.Dir(l.file.Name()), l.holder())}
}

// release gives the lock up. The file stays: removing it would let two processes
// lock two files of one name.
func (l *lock) release() error { return l.file.Close() }
