package attachment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/store"
)

// A verdict is what a kind of error means for the file.
type verdict int

const (
	verdictFail  verdict = iota // it can never be had; so for every kind that is not listed
	verdictRetry                // again later; the attempt is spent
	verdictHold                 // the channel cannot fetch now; the attempt is not spent
)

var verdicts = map[parley.Kind]verdict{
	parley.KindUnavailable: verdictRetry,
	parley.KindThrottled:   verdictRetry,
	parley.KindUncertain:   verdictRetry,
	parley.KindInternal:    verdictRetry,
	parley.KindLoggedOut:   verdictHold,
}

// The schedule of repeats.
const (
	backOffFirst = time.Second
	backOffMax   = 5 * time.Minute // jitter included
	// retryAfterMax is as long as a provider may make a file wait.
	retryAfterMax = 24 * time.Hour
	// The pauses between tries to commit an outcome, how many there are at least,
	// and how long what could not be committed is left alone.
	commitRetryMin = 50 * time.Millisecond
	commitRetryMax = 5 * time.Second
	commitTries    = 10
	commitRest     = time.Minute
)

// backOff returns how long to wait after the n-th failure in a row, n from 1.
func backOff(n int) time.Duration {
	d := backOffFirst << min(max(n, 1)-1, 20)
	return jitter(min(d, backOffMax*4/5))
}

// aged returns how long to wait where attempts do not count: a quarter of the time
// that it has taken already, which doubles too, within the same bounds.
func aged(age time.Duration) time.Duration {
	return jitter(min(max(age/4, backOffFirst), backOffMax*4/5))
}

// jitter lengthens d by up to a quarter.
func jitter(d time.Duration) time.Duration { return d + rand.N(d/4+1) }

// retryAfter returns how long the other side told us to wait, 0 if it did not.
func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*parley.Error](err); ok {
		return min(max(e.RetryAfter, 0), retryAfterMax)
	}
	return 0
}

// conclude turns what came of the try into an outcome, commits it, and returns
// its result in the observer's words.
func (f *fetching) conclude(ctx context.Context, o *store.FileOutcome, err error) (result string) {
	if err != nil && ctx.Err() != nil { // our own stop; the row is as it was
		return resultStopped
	}
	now := f.cfg.Now()
	own, ours := errors.AsType[*blobError](err)
	switch {
	case err == nil:
		f.circuit.good()
		o.Result = store.FileFetched
		result = string(o.Result)
	case ours:
		f.blobFailed(o, own, now)
		result = resultBlob
	default:
		f.judge(o, err, now)
		result = string(o.Result)
	}
	if !f.finish(o) {
		return resultLost
	}
	return result
}

// blobFailed has the file wait for our own store, at nobody's expense.
func (f *fetching) blobFailed(o *store.FileOutcome, err error, now time.Time) {
	wait, opened := f.circuit.bad(now, f.turn.probe)
	o.Result, o.At = store.FileRetry, now.Add(max(wait, aged(now.Sub(f.file.CreatedAt))))
	if opened {
		f.cfg.Log.LogAttrs(f.commit, slog.LevelError, "the blob store fails; fetching pauses", slog.Any("err", err))
	}
}

// judge decides by the kind of the error.
func (f *fetching) judge(o *store.FileOutcome, err error, now time.Time) {
	v, age := verdicts[parley.KindOf(err)], now.Sub(f.file.CreatedAt)
	switch {
	case v == verdictFail:
		o.Result, o.Reason = store.FileFailed, parley.Reason(err)
	case age >= f.cfg.GiveUp:
		o.Result, o.Reason = store.FileFailed, fmt.Sprintf("given up after %g h: %s", f.cfg.GiveUp.Hours(), parley.Reason(err))
	case v == verdictHold:
		o.Result, o.At = store.FileRetry, now.Add(max(retryAfter(err), aged(age)))
	default:
		o.Result, o.At, o.Spent = store.FileRetry, now.Add(max(retryAfter(err), backOff(f.file.Attempt+1))), true
	}
}

// finish commits the outcome and reports whether it is in the store. A blob whose
// outcome surely is not there is deleted.
func (f *fetching) finish(o *store.FileOutcome) bool {
	err := f.commitAgain(f.file.Company, func(g parley.Grant) error {
		o.Grant = g
		return f.cfg.Store.FinishFile(f.commit, o)
	})
	switch {
	case err == nil:
		return true
	case parley.KindOf(err) == parley.KindConflict:
		return f.settle(o)
	}
	f.turn.rest = commitRest
	f.warn("outcome of a file not stored", err)
	return false
}

// settle looks whose outcome is in the store: it may be ours, committed although
// the answer was lost.
func (f *fetching) settle(o *store.FileOutcome) bool {
	if o.Blob == "" {
		return false
	}
	row, err := f.cfg.Store.File(f.commit, f.file.ID)
	switch {
	case err == nil && row.Blob == o.Blob:
		return true
	case err != nil && parley.KindOf(err) != parley.KindNotFound:
		f.warn("a blob that may be nobody's is left behind", err)
	default:
		f.discard(f.commit, o.Blob)
	}
	return false
}

// errNotOurs says that the company has another owner now.
var errNotOurs = parley.Errorf(parley.KindConflict, "the company is not ours any more")

// commitAgain commits until that has succeeded, was refused with KindConflict, or
// there is no hope.
func (s *Service) commitAgain(company parley.CompanyID, write func(parley.Grant) error) error {
	pause := commitRetryMin
	for tries := 1; ; tries++ {
		grant, mine := s.cfg.Grants.Grant(company)
		if !mine {
			return errNotOurs
		}
		err := write(grant)
		kind := parley.KindOf(err)
		if err == nil || kind == parley.KindConflict {
			return err
		}
		if tries >= commitTries && kind != parley.KindUnavailable || !sleep(s.commit, pause) {
			return err
		}
		pause = min(2*pause, commitRetryMax)
	}
}

// discard deletes a blob that no row names.
func (s *Service) discard(ctx context.Context, key string) {
	if err := s.cfg.Blobs.Delete(ctx, key); err != nil {
		s.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "a blob that is nobody's is left behind", slog.String("blob", key), slog.Any("err", err))
	}
}

func (f *fetching) warn(text string, err error) {
	f.cfg.Log.LogAttrs(f.commit, slog.LevelWarn, text, slog.Int64("attachment_id", int64(f.file.ID)),
		slog.Int64("channel_id", int64(f.file.Channel)), slog.Any("err", err))
}

// report tells of the try in one line.
func (f *fetching) report(result, reason string, err error) {
	took := f.cfg.Now().Sub(f.begun)
	f.cfg.Observe.Fetched(f.provider, result, took, f.size)
	if f.cfg.Trace != nil {
		f.cfg.Trace(Fetch{File: f.file, Provider: f.provider, Result: result, Begun: f.begun, Took: took, Size: f.size, Kind: parley.KindOf(err)})
	}
	attrs := []slog.Attr{
		slog.Int64("attachment_id", int64(f.file.ID)),
		slog.Int64("company_id", int64(f.file.Company)),
		slog.Int64("channel_id", int64(f.file.Channel)),
		slog.String("provider", f.provider),
		slog.String("file_kind", string(f.file.Kind)),
		slog.Int("attempt", f.file.Attempt+1),
		slog.String("result", result),
		slog.String("kind", cmp.Or(string(parley.KindOf(err)), "none")),
		slog.Int64("bytes", f.size),
		slog.Int64("took_ms", took.Milliseconds()),
	}
	if e, ok := errors.AsType[*parley.Error](err); ok && e.Code != "" {
		attrs = append(attrs, slog.String("code", e.Code))
	}
	if _, ours := errors.AsType[*blobError](err); ours {
		attrs = append(attrs, slog.Any("err", err))
	}
	f.cfg.Log.LogAttrs(f.commit, level(result, err), "fetch", attrs...)
}

func level(result string, err error) slog.Level {
	switch {
	case result == resultStopped:
		return slog.LevelDebug
	case parley.KindOf(err) == parley.KindInternal:
		return slog.LevelError
	case result == string(store.FileRetry), result == resultBlob:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// sleep waits, and reports false once ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
