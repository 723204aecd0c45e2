package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/seal"
	"github.com/parley-im/parley/store"
)

func (p *place) file() string { return filepath.Join(p.Data, "parley.db") }

// errPgDump sends an operator of PostgreSQL to its own tools.
var errPgDump = parley.Errorf(parley.KindUnsupported, "parley backup and restore are for SQLite; back PostgreSQL up with pg_dump or your provider's tools, "+
	"and keep the keyset file apart from it (docs/backup.md says what to do after a restore)")

type backupCommand struct {
	place
	fileStore
	Target string `arg:"" help:"The file to write; it must not exist."`
}

// Run prints what was written, and what was not.
func (c *backupCommand) Run(ctx context.Context, out console) error {
	if c.Database != "" {
		return errPgDump
	}
	if info, err := os.Stat(c.Target); err == nil && info.IsDir() {
		return parley.Errorf(parley.KindInvalid, c.Target+" is a directory: name the file to write in it")
	}
	files, err := c.beside(ctx, c.Data, c.Target)
	if err != nil {
		return err
	}
	b, err := store.Backup(ctx, c.file(), c.Target, files.copy(ctx))
	if errors.Is(err, fs.ErrNotExist) {
		if _, missing := os.Stat(c.file()); missing != nil {
			err = parley.Errorf(parley.KindNotFound, "there is no database in "+c.Data+"; say with --data where it is")
		}
	}
	if err := files.end(err); err != nil {
		return err
	}
	fmt.Fprintf(out.out, "wrote %s, %d bytes\n%snot in it: the keyset, %s; without it the backup's secrets cannot be read. Keep a copy somewhere else.\n",
		c.Target, b.Size, files, c.keyset())
	return lost(out, b.Missing)
}

type restoreCommand struct {
	place
	fileStore
	Source string `arg:"" help:"A file that parley backup has written."`
}

// Run puts a backup in place, and says what the operator has to decide.
func (c *restoreCommand) Run(ctx context.Context, out console) error {
	if c.Database != "" {
		return errPgDump
	}
	keys, err := seal.Open(c.keyset())
	if errors.Is(err, fs.ErrNotExist) {
		return parley.Errorf(parley.KindInvalid, "put the keyset that goes with the backup at "+c.keyset()+" first: without it no secret in the backup can be read")
	}
	if err != nil {
		return err
	}
	l, err := takeLock(ctx, c.Data, "parley restore", 0, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	files, r, err := c.restore(ctx, keys)
	if err := errors.Join(err, l.release()); err != nil {
		return err
	}
	fmt.Fprintf(out.out, "restored %s; epoch %d\n%s", c.file(), r.Epoch, files)
	if r.Jobs > 0 {
		fmt.Fprintf(out.out, "held: %d jobs that were open in the backup, and may have been sent since. Nothing is sent until parley jobs release, which sends them, or parley jobs fail, which ends them.\n", r.Jobs)
	}
	return lost(out, r.Missing)
}

// restore puts the files back, then the database.
func (c *restoreCommand) restore(ctx context.Context, keys *seal.Keyset) (*fileCopy, store.Restored, error) {
	files, err := c.back(ctx, c.Data, c.Source)
	if err != nil {
		return nil, store.Restored{}, err
	}
	r, err := store.Restore(ctx, store.RestoreOptions{Source: c.Source, Path: c.file(), Keys: keys, File: files.copy(ctx)})
	return files, r, errors.Join(err, files.close())
}

type jobsCommand struct {
	Release jobsRelease `cmd:"" help:"After a restore: send the jobs that were held."`
	Fail    jobsFail    `cmd:"" help:"After a restore: end the jobs that were held, undelivered."`
}

type jobsRelease struct{ place }

// Run says how many it has released. A running gateway sends them.
func (c *jobsRelease) Run(ctx context.Context, out console) error {
	return c.with(ctx, func(db *store.DB) error {
		n, err := db.ReleaseJobs(ctx)
		if err == nil {
			_, err = fmt.Fprintf(out.out, "released %d\n", n)
		}
		return err
	})
}

type jobsFail struct{ place }

// failReason is what the events of jobs say that an operator gave up.
const failReason = "ended by the operator after a restore"

// Run says how many it has ended.
func (c *jobsFail) Run(ctx context.Context, out console) error {
	return c.with(ctx, func(db *store.DB) error {
		n, err := db.FailJobs(ctx, failReason)
		if err == nil {
			_, err = fmt.Fprintf(out.out, "ended %d\n", n)
		}
		return err
	})
}

// holdLook is how often a gateway whose jobs are held looks whether they still are.
const holdLook = time.Second

// A hold stands between the lease and the outbox. While the jobs of a restored
// database are held, the outbox has the right to act for nobody.
type hold struct {
	grants interface {
		Grant(company parley.CompanyID) (parley.Grant, bool)
	}
	rows interface {
		JobsHeld(ctx context.Context) (bool, error)
	}
	log  *slog.Logger
	held atomic.Bool
}

// joinHold must come before the outbox can run.
func (g *gateway) joinHold(ctx context.Context) error {
	g.hold = &hold{grants: g.lease, rows: g.db, log: g.log}
	held, err := g.db.JobsHeld(ctx)
	g.hold.held.Store(held)
	return err
}

// Grant is the lease's, unless jobs are held.
func (h *hold) Grant(company parley.CompanyID) (parley.Grant, bool) {
	if h.held.Load() {
		return parley.Grant{}, false
	}
	return h.grants.Grant(company)
}

// Run waits for the end of the hold, if there is one. Only a restore begins one,
// and a gateway never runs meanwhile.
func (h *hold) Run(ctx context.Context) error {
	if !h.held.Load() {
		return nil
	}
	h.log.Warn("jobs are held after a restore: nothing is sent until parley jobs release or parley jobs fail")
	for {
		if sleep(ctx, holdLook) != nil {
			return nil
		}
		held, err := h.rows.JobsHeld(ctx)
		if err != nil {
			h.log.Warn("held jobs not looked at", "error", err)
		} else if !held {
			h.held.Store(false)
			h.log.Info("jobs are not held any more")
			return nil
		}
	}
}
