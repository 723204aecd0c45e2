package store

import (
	"context"
	"time"

	"github.com/parley-im/parley"
)

// Depths says how much of everything waits, over all companies.
type Depths struct {
	Ready     int64     // jobs, the heads of their conversations
	Waiting   int64     // jobs behind another one
	Sending   int64     // jobs that are claimed
	Oldest    time.Time // when the oldest job that has not ended was accepted; zero is none
	Endpoints int64     // with an address and something to deliver
	Letters   int64     // dead letters that were not replayed
	Files     int64     // to be fetched
	OldFile   time.Time // when the oldest file to be fetched became known; zero is none
	Channels  []ChannelCount
}

// A ChannelCount is how many channels of a provider are in a state, deleted ones
// left out.
type ChannelCount struct {
	Provider string
	State    parley.ChannelState
	Channels int64
}

// Depths counts. What it reads are indexes on open work, and the tables of
// channels and endpoints: it is for every few seconds, not for every request.
func (db *DB) Depths(ctx context.Context) (Depths, error) {
	var d Depths
	var open, oldest int64
	// id + 0, because the planner would look for a bare MIN(id) from the beginning of the table.
	err := db.readOne(ctx, "Jobs", `SELECT COUNT(*), COALESCE(MIN(id + 0), 0),
		(SELECT COUNT(*) FROM job WHERE state = 'ready'), (SELECT COUNT(*) FROM job WHERE state = 'sending')
		FROM job WHERE done_at = 0`, nil, &open, &oldest, &d.Ready, &d.Sending)
	if err != nil {
		return Depths{}, err
	}
	d.Waiting = open - d.Ready - d.Sending
	for _, step := range []func() error{
		func() error { return db.oldestJob(ctx, oldest, &d.Oldest) },
		func() error { return db.countDeliveries(ctx, &d) },
		func() error { return db.countFiles(ctx, &d) },
		func() error { return db.countChannels(ctx, &d) },
	} {
		if err := step(); err != nil {
			return Depths{}, err
		}
	}
	return d, nil
}

func (db *DB) oldestJob(ctx context.Context, id int64, at *time.Time) error {
	return db.read(ctx, "SELECT created_at FROM job WHERE id = $1", []any{id}, func(scan scanFunc) error {
		var ms int64
		err := scan(&ms)
		*at = moment(ms)
		return err
	})
}

func (db *DB) countDeliveries(ctx context.Context, d *Depths) error {
	err := db.readOne(ctx, "Endpoints", "SELECT COUNT(*)"+endpointTables+endpointLagging, nil, &d.Endpoints)
	if err != nil {
		return err
	}
	return db.readOne(ctx, "Dead letters", "SELECT COUNT(*) FROM dead_letter WHERE replayed_at = 0", nil, &d.Letters)
}

func (db *DB) countFiles(ctx context.Context, d *Depths) error {
	var oldest int64
	err := db.readOne(ctx, "Files", "SELECT COUNT(*), COALESCE(MIN(created_at), 0) FROM attachment WHERE state = 'pending'", nil, &d.Files, &oldest)
	d.OldFile = moment(oldest)
	return err
}

func (db *DB) countChannels(ctx context.Context, d *Depths) error {
	return db.read(ctx, "SELECT provider, state, COUNT(*) FROM channel WHERE deleted_at = 0 GROUP BY provider, state", nil, func(scan scanFunc) error {
		var c ChannelCount
		err := scan(&c.Provider, &c.State, &c.Channels)
		d.Channels = append(d.Channels, c)
		return err
	})
}

// WALSize returns how much SQLite's write-ahead log held when it was last measured,
// in bytes; 0 on PostgreSQL, which keeps its own. The file may be longer: what was
// copied back is written over.
func (db *DB) WALSize() int64 {
	if db.check == nil {
		return 0
	}
	return db.check.size.Load()
}
