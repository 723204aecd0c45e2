package main

import (
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/attachment"
	"github.com/parley-im/parley/janitor"
	"github.com/parley-im/parley/store"
)

// unmatched is how long receipts and echoes are kept that match nothing: by then
// the send that they could belong to has ended.
const unmatched = 24 * time.Hour

// spent is how long codes and tokens of the sign-in are kept that are good for
// nothing: codes still count for how many there may be.
const spent = time.Hour

// retention says how long rows are kept.
type retention struct {
	KeepEvents      time.Duration `default:"720h" help:"How long delivered events stay in the log; 0 is for ever, here and below."`
	KeepAttempts    time.Duration `default:"168h" help:"How long attempts of webhooks are kept."`
	KeepQuarantine  time.Duration `default:"720h" help:"How long quarantined items are kept."`
	KeepDeadLetters time.Duration `default:"0" help:"How long dead letters are kept. One that was not replayed also keeps its event and all later ones."`
	KeepIdempotency time.Duration `default:"24h" help:"How long an Idempotency-Key is remembered."`
	KeepFiles       time.Duration `default:"0" help:"How long the bytes of files are kept, received and uploaded. Pictures of contacts stay while they are shown."`

	cleanAfter time.Duration // from the start to the first run; 0 is some minutes
}

func (r *retention) keep() map[store.Kept]time.Duration {
	return map[store.Kept]time.Duration{
		store.KeptEvents: r.KeepEvents, store.KeptAttempts: r.KeepAttempts, store.KeptQuarantine: r.KeepQuarantine,
		store.KeptDeadLetters: r.KeepDeadLetters, store.KeptIdempotency: r.KeepIdempotency, store.KeptRequests: r.KeepIdempotency,
		store.KeptReceipts: unmatched, store.KeptEchoes: unmatched, store.KeptFiles: r.KeepFiles,
		store.KeptCodes: spent, store.KeptTokens: spent,
	}
}

func (r *retention) validate() error {
	for name, d := range map[string]time.Duration{
		"--keep-events": r.KeepEvents, "--keep-attempts": r.KeepAttempts, "--keep-quarantine": r.KeepQuarantine,
		"--keep-dead-letters": r.KeepDeadLetters, "--keep-idempotency": r.KeepIdempotency,
		"--keep-files": r.KeepFiles,
	} {
		if d < 0 {
			return parley.Errorf(parley.KindInvalid, name+": want 0 (for ever) or more")
		}
	}
	return nil
}

func (g *gateway) joinJanitor() {
	g.janitor = janitor.New(janitor.Config{
		Store: g.db, Grants: g.lease, Log: g.log, Keep: g.config.keep(), After: g.config.cleanAfter,
		Files: &janitor.Files{Rows: g.db, Blobs: g.blobs, Ours: attachment.OwnKey},
	})
}
