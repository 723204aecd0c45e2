package janitor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
)

// Times of the work.
const (
	first  = 3 * time.Minute // after a start, when sessions and backlogs have settled
	spread = 2 * time.Minute // at most so much later, so that nodes do not run together
	every  = time.Hour
	page   = 200 // companies looked at in one query

	rest     = 50 * time.Millisecond // between batches, at least
	restLong = 5 * time.Second       // and at most
	restRate = 4                     // times what the batch took
)

// rows is what a janitor needs of the store.
type rows interface {
	OldRows(ctx context.Context, before store.Cutoffs, after parley.CompanyID, limit int) ([]store.OldRows, error)
	Clean(ctx context.Context, company parley.CompanyID, grant parley.Grant, sort store.Kept, before time.Time) (int64, error)
	Shrink(ctx context.Context) (more bool, err error)
}

// grants says what this node owns.
type grants interface {
	Grant(parley.CompanyID) (parley.Grant, bool)
}

// Config says what a janitor works on. Store, Grants and Log are required.
type Config struct {
	Store  rows
	Grants grants
	Log    *slog.Logger
	Keep   map[store.Kept]time.Duration // how long each sort of rows is kept; 0 is for ever
	Files  *Files                       // nil: files are not its business
	After  time.Duration                // from the start to the first run; 0 is three to five minutes
	Now    func() time.Time             // nil is time.Now
}

// A Janitor deletes old rows and files.
type Janitor struct {
	cfg   Config
	swept time.Time // when all blobs were last walked over; zero before
}

// New returns a janitor that does nothing until it is run.
func New(cfg Config) *Janitor {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.After == 0 {
		cfg.After = first + rand.N(spread)
	}
	return &Janitor{cfg: cfg}
}

// Run cleans up once Config.After has passed and then hourly. It blocks until
// ctx ends, and returns nil; what fails is logged and tried again the next time.
func (j *Janitor) Run(ctx context.Context) error {
	for wait := j.cfg.After; pause(ctx, wait); wait = every {
		begun := j.cfg.Now()
		gone, err := j.Clean(ctx)
		j.report(gone, j.cfg.Now().Sub(begun))
		if err != nil && ctx.Err() == nil {
			j.cfg.Log.Warn("clean-up not finished", "error", err)
		}
	}
	return nil
}

// pause reports whether d has passed before ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// report logs what was deleted, if anything was.
func (j *Janitor) report(gone map[store.Kept]int64, took time.Duration) {
	var counts []any
	for _, sort := range sorts {
		if n := gone[sort]; n > 0 {
			counts = append(counts, string(sort), n)
		}
	}
	if len(counts) > 0 {
		j.cfg.Log.Info("cleaned up", append(counts, "took_ms", took.Milliseconds())...)
	}
}

// sorts are all there are, in the order in which they are reported.
var sorts = [...]store.Kept{store.KeptEvents, store.KeptAttempts, store.KeptQuarantine, store.KeptDeadLetters,
	store.KeptIdempotency, store.KeptRequests, store.KeptReceipts, store.KeptEchoes, store.KeptCodes, store.KeptTokens, store.KeptFiles, orphans}

// Clean does one run, and returns how many rows of each sort are gone. It goes on
// past a company that fails, and ends at once when the database is not available
// or ctx ends. The error joins all that went wrong. Not for concurrent use.
func (j *Janitor) Clean(ctx context.Context) (map[store.Kept]int64, error) {
	r := &run{cfg: &j.cfg, before: j.cutoffs(), gone: map[store.Kept]int64{}}
	steps := []func(context.Context) error{r.companies, r.shared, r.files,
		func(ctx context.Context) error { return j.orphans(ctx, r) }, r.shrink}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return r.gone, errors.Join(append(r.failed, err)...)
		}
	}
	return r.gone, errors.Join(r.failed...)
}

// cutoffs turns ages into times.
func (j *Janitor) cutoffs() store.Cutoffs {
	before := store.Cutoffs{}
	for sort, age := range j.cfg.Keep {
		if age > 0 {
			before[sort] = j.cfg.Now().Add(-age)
		}
	}
	return before
}

// A run is one clean-up.
type run struct {
	cfg    *Config
	before store.Cutoffs
	gone   map[store.Kept]int64
	failed []error // what did not end the run
}

// companies walks all companies and cleans those that are ours.
func (r *run) companies(ctx context.Context) error {
	for after := parley.CompanyID(0); ; {
		list, err := r.cfg.Store.OldRows(ctx, r.before, after, page)
		if err != nil {
			return fmt.Errorf("look for old rows: %w", err)
		}
		for _, old := range list {
			if err := r.clean(ctx, old.Company, old.Sorts); err != nil {
				return err
			}
			after = old.Company
		}
		if len(list) < page {
			return nil
		}
		if !pause(ctx, rest) {
			return ctx.Err()
		}
	}
}

// shared cleans what belongs to no company.
func (r *run) shared(ctx context.Context) error {
	var list []store.Kept
	for _, sort := range sorts {
		if sort.Shared() && !r.before[sort].IsZero() {
			list = append(list, sort)
		}
	}
	return r.clean(ctx, 0, list)
}

// clean deletes what is old of one company. Only an error that ends the run is
// returned.
func (r *run) clean(ctx context.Context, company parley.CompanyID, list []store.Kept) error {
	for _, sort := range list {
		err := r.empty(ctx, company, sort)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return ctx.Err()
		case parley.KindOf(err) == parley.KindConflict:
			return nil // the company has moved: its new owner cleans it
		case parley.KindOf(err) == parley.KindUnavailable:
			return err
		default:
			r.failed = append(r.failed, fmt.Errorf("company %d, %s: %w", company, sort, err))
		}
	}
	return nil
}

// empty deletes batches until no more can go, or the company is not ours.
func (r *run) empty(ctx context.Context, company parley.CompanyID, sort store.Kept) error {
	for {
		grant, ours := r.cfg.Grants.Grant(company)
		if !ours {
			return nil
		}
		begun := time.Now()
		n, err := r.cfg.Store.Clean(ctx, company, grant, sort, r.before[sort])
		if err != nil {
			return err
		}
		r.gone[sort] += n
		if !pause(ctx, restAfter(time.Since(begun))) {
			return ctx.Err()
		}
		if n < store.CleanBatch {
			return nil
		}
	}
}

// restAfter is how long to leave the lane to others after a batch that took so
// long, waiting for its turn included.
func restAfter(took time.Duration) time.Duration {
	return min(max(rest, restRate*took), restLong)
}

// shrink gives space back, a little at a time.
func (r *run) shrink(ctx context.Context) error {
	for {
		begun := time.Now()
		more, err := r.cfg.Store.Shrink(ctx)
		if err != nil {
			return fmt.Errorf("give space back: %w", err)
		}
		if !more {
			return nil
		}
		if !pause(ctx, restAfter(time.Since(begun))) {
			return ctx.Err()
		}
	}
}
