package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/seal"
	"github.com/parley-im/parley/store"
)

type keysCommand struct {
	Rotate keysRotate `cmd:"" help:"Make a new key and seal every secret anew with it; a gateway may run meanwhile."`
}

type keysRotate struct {
	place
	Shared    bool `help:"With PostgreSQL and another node running: its keyset file is this very file."`
	ForgetOld bool `help:"Remove the old keys in the end. No gateway may run, and older backups cannot be restored any more."`
}

// Run says how many secrets it has sealed anew. The old keys stay in the file
// unless they are to be forgotten.
func (c *keysRotate) Run(ctx context.Context, out console) error {
	options, err := c.options(slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if c.ForgetOld { // a gateway could be about to store what it has sealed with an old key
		l, err := takeLock(ctx, c.Data, "parley keys rotate", 0, options.Log)
		if err != nil {
			return err
		}
		defer func() { _ = l.release() }() // the process ends anyway
	}
	return c.on(ctx, options, func(db *store.DB) error {
		if err := c.others(ctx, db); err != nil {
			return err
		}
		return c.rotate(ctx, out, db, options.Keys)
	})
}

// others refuses to lock out a node that reads another copy of the keyset.
func (c *keysRotate) others(ctx context.Context, db *store.DB) error {
	node, err := db.NodeAlive(ctx)
	switch {
	case err != nil || node == "":
		return err
	case c.ForgetOld:
		return parley.Errorf(parley.KindConflict, "node "+node+" is running on this database; stop it before old keys are forgotten")
	case !c.Shared:
		return parley.Errorf(parley.KindConflict, "node "+node+" is running on this database: if it reads the keyset from "+c.keyset()+
			" itself, say --shared; otherwise stop it, and copy the file there before it starts again")
	}
	return nil
}

func (c *keysRotate) rotate(ctx context.Context, out console, db *store.DB, keys *seal.Keyset) error {
	if err := keys.Rotate(); err != nil {
		return err
	}
	n, err := db.Reseal(ctx)
	if err != nil {
		return fmt.Errorf("the new key is in %s, but not everything is sealed with it yet; run this again: %w", c.keyset(), err)
	}
	fmt.Fprintf(out.out, "new key %s; sealed anew: %d\n", keys.Primary(), n)
	old := len(keys.Fingerprints()) - 1
	if c.ForgetOld {
		if err := keys.Forget(); err != nil {
			return err
		}
		fmt.Fprintf(out.out, "removed older keys: %d; make a new backup: older ones cannot be restored with this keyset\n", old)
	} else {
		fmt.Fprintf(out.out, "older keys kept, for older backups: %d\n", old)
	}
	_, err = fmt.Fprintf(out.out, "back up %s now\n", c.keyset())
	return err
}

// on is with for a command that has the options already.
func (p *place) on(ctx context.Context, options store.Options, f func(db *store.DB) error) error {
	db, err := store.Open(ctx, options)
	if err != nil {
		return err
	}
	err = f(db)
	if closing := db.Close(); err == nil {
		err = closing
	}
	return err
}
