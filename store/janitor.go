package store

import (
	"context"
	"time"

	"github.com/parley-im/parley"
)

// A Kept is a sort of rows that is kept for a time only.
type Kept string

// The sorts of rows that Clean deletes.
const (
	KeptEvents      Kept = "events"       // of the log, with their dead letters that were replayed
	KeptAttempts    Kept = "attempts"     // of webhooks, and of jobs
	KeptQuarantine  Kept = "quarantine"   // what could not be taken
	KeptDeadLetters Kept = "dead_letters" // replayed or not, unless a replay is asked for
	KeptIdempotency Kept = "idempotency"  // keys and their answers
	KeptRequests    Kept = "requests"     // that began under a key and never ended
	KeptReceipts    Kept = "receipts"     // that matched no message
	KeptEchoes      Kept = "echoes"       // that no outcome has settled
	KeptCodes       Kept = "codes"        // of the sign-in, from when they were made
	KeptTokens      Kept = "tokens"       // of the sign-in, from when they expired
)

// Shared reports whether the rows belong to no company, so that Clean takes those
// of all at once.
func (k Kept) Shared() bool {
	return k == KeptIdempotency || k == KeptRequests || k == KeptReceipts || k == KeptEchoes || k == KeptCodes || k == KeptTokens
}

// Cutoffs says for each sort from when on rows are kept; the zero time keeps all.
type Cutoffs map[Kept]time.Time

// OldRows says which sorts of a company's rows have some that are too old.
type OldRows struct {
	Company parley.CompanyID
	Sorts   []Kept
}

// CleanBatch is the most rows that one Clean deletes.
const CleanBatch = 500

// OldRows looks at up to limit companies behind after, in the order of their ids,
// and says of each what is too old, dead letters first: they may free events. A
// company whose oldest event is old is named even if Clean has to keep it.
func (db *DB) OldRows(ctx context.Context, before Cutoffs, after parley.CompanyID, limit int) ([]OldRows, error) {
	sorts := []Kept{KeptDeadLetters, KeptEvents, KeptAttempts, KeptQuarantine}
	args := []any{int64(after), limit}
	for _, s := range sorts {
		args = append(args, millis(before[s])) // nothing is older than 0
	}
	var list []OldRows
	err := db.read(ctx, `SELECT l.company_id,
		CASE WHEN EXISTS (SELECT 1 FROM dead_letter d WHERE d.company_id = l.company_id AND d.parked_at < $3 AND d.replay_at = 0) THEN 1 ELSE 0 END,
		CASE WHEN EXISTS (SELECT 1 FROM event v WHERE v.company_id = l.company_id AND v.seq = l.first_seq AND v.created_at < $4) THEN 1 ELSE 0 END,
		CASE WHEN EXISTS (SELECT 1 FROM webhook_attempt a WHERE a.company_id = l.company_id AND a.created_at < $5)
			OR EXISTS (SELECT 1 FROM job_attempt t WHERE t.company_id = l.company_id AND t.created_at < $5) THEN 1 ELSE 0 END,
		CASE WHEN EXISTS (SELECT 1 FROM quarantine q WHERE q.company_id = l.company_id AND q.created_at < $6) THEN 1 ELSE 0 END
		FROM company_log l WHERE l.company_id > $1 ORDER BY l.company_id LIMIT $2`, args, func(scan scanFunc) error {
		var o OldRows
		var old [4]int64
		err := scan(&o.Company, &old[0], &old[1], &old[2], &old[3])
		for n, found := range old {
			if found != 0 {
				o.Sorts = append(o.Sorts, sorts[n])
			}
		}
		list = append(list, o)
		return err
	})
	return list, err
}

// Clean deletes up to CleanBatch rows of one sort that were made before a time,
// and returns how many; fewer means that no more can go. Shared sorts go under
// the grant of company 0. KindConflict: another node owns the company.
func (db *DB) Clean(ctx context.Context, company parley.CompanyID, grant parley.Grant, sort Kept, before time.Time) (int64, error) {
	return txResult(ctx, db, company, func(tx *Tx) (int64, error) {
		ok, err := tx.fence(grant)
		switch {
		case err != nil:
			return 0, err
		case !ok || grant.Shard != company.Shard():
			return 0, errFenced
		case sort == KeptEvents:
			return tx.cleanEvents(company, before)
		case sort.Shared():
			return tx.Exec(cleanText(sort), millis(before), CleanBatch)
		}
		n, err := tx.Exec(cleanText(sort), millis(before), CleanBatch, int64(company))
		if err != nil || sort != KeptAttempts || n == CleanBatch {
			return n, err
		}
		more, err := tx.Exec(cleanJobAttempts, millis(before), CleanBatch-n, int64(company))
		return n + more, err
	})
}

// cleanJobAttempts goes with KeptAttempts.
const cleanJobAttempts = `DELETE FROM job_attempt WHERE (job_id, number) IN (SELECT job_id, number FROM job_attempt
	WHERE company_id = $3 AND created_at < $1 ORDER BY created_at LIMIT $2)`

// cleanText is the statement that deletes the oldest rows of a sort. Each finds
// them by an index on their age.
func cleanText(sort Kept) string {
	switch sort {
	case KeptAttempts:
		return `DELETE FROM webhook_attempt WHERE (endpoint_id, seq, number) IN (SELECT endpoint_id, seq, number FROM webhook_attempt
			WHERE company_id = $3 AND created_at < $1 ORDER BY created_at LIMIT $2)`
	case KeptQuarantine:
		return `DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine
			WHERE company_id = $3 AND created_at < $1 ORDER BY created_at LIMIT $2)`
	case KeptDeadLetters:
		return `DELETE FROM dead_letter WHERE (endpoint_id, seq) IN (SELECT endpoint_id, seq FROM dead_letter
			WHERE company_id = $3 AND parked_at < $1 AND replay_at = 0 ORDER BY parked_at LIMIT $2)`
	case KeptIdempotency:
		return `DELETE FROM idempotency WHERE (user_id, key) IN (SELECT user_id, key FROM idempotency
			WHERE created_at < $1 ORDER BY created_at LIMIT $2)`
	case KeptRequests:
		return `DELETE FROM running_request WHERE (user_id, key) IN (SELECT user_id, key FROM running_request
			WHERE created_at < $1 ORDER BY created_at LIMIT $2)`
	case KeptReceipts:
		return `DELETE FROM receipt WHERE (channel_id, provider_id, conversation_id) IN (SELECT channel_id, provider_id, conversation_id FROM receipt
			WHERE created_at < $1 ORDER BY created_at LIMIT $2)`
	case KeptCodes:
		return `DELETE FROM sign_in_code WHERE id IN (SELECT id FROM sign_in_code
			WHERE created_at < $1 ORDER BY created_at LIMIT $2)`
	case KeptTokens:
		return `DELETE FROM sign_in_token WHERE hash IN (SELECT hash FROM sign_in_token
			WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)`
	}
	// An echo of a conversation in which a part may be under way is still evidence.
	return `DELETE FROM echo WHERE id IN (SELECT h.id FROM echo h WHERE h.created_at < $1 AND NOT EXISTS (SELECT 1 FROM job j
		WHERE j.conversation_id = h.conversation_id AND j.done_at = 0 AND j.state = 'sending') ORDER BY h.created_at LIMIT $2)`
}

// cleanEvents cuts old events off the beginning of a company's log, so that the
// numbers of what is kept have no holes. Dead letters go with their events: all
// that are left below were replayed.
func (tx *Tx) cleanEvents(company parley.CompanyID, before time.Time) (int64, error) {
	first, keep, err := tx.logKept(company)
	if err != nil {
		return 0, err
	}
	end, err := tx.oldEvents(company, first, keep, before)
	if err != nil || end == first {
		return 0, err
	}
	for _, text := range []string{
		"DELETE FROM dead_letter WHERE company_id = $1 AND seq >= $2 AND seq < $3",
		"DELETE FROM event WHERE company_id = $1 AND seq >= $2 AND seq < $3",
		"UPDATE company_log SET first_seq = $3 WHERE company_id = $1 AND first_seq = $2",
	} {
		if _, err := tx.Exec(text, int64(company), first, end); err != nil {
			return 0, err
		}
	}
	return end - first, nil
}

// logKept returns where a company's log begins, and the lowest number that has to
// stay: what an endpoint with an address has not had yet, the head of a blocked
// stream, a dead letter that may be replayed. One behind the end is none.
func (tx *Tx) logKept(company parley.CompanyID) (first, keep int64, err error) {
	err = tx.one(`SELECT l.first_seq, (SELECT MIN(k.seq) FROM (
			SELECT seq + 1 AS seq FROM company_log WHERE company_id = $1
			UNION ALL SELECT cursor + 1 FROM endpoint WHERE company_id = $1 AND url <> ''
			UNION ALL SELECT (SELECT MIN(b.head) FROM blocked_stream b WHERE b.endpoint_id = e.id) FROM endpoint e WHERE e.company_id = $1 AND e.url <> ''
			UNION ALL SELECT MIN(seq) FROM dead_letter WHERE company_id = $1 AND (replayed_at = 0 OR replay_at > 0)
		) AS k) FROM company_log l WHERE l.company_id = $1`, []any{int64(company)}, &first, &keep)
	return first, keep, err
}

// oldEvents returns the number behind the last event of a batch, all of whose
// events are too old and may go.
func (tx *Tx) oldEvents(company parley.CompanyID, first, keep int64, before time.Time) (end int64, err error) {
	end = first
	young := false
	err = tx.Query("SELECT seq, created_at FROM event WHERE company_id = $1 AND seq >= $2 AND seq < $3 ORDER BY seq LIMIT $4",
		[]any{int64(company), first, keep, CleanBatch}, func(scan scanFunc) error {
			var seq, at int64
			err := scan(&seq, &at)
			if young = young || at >= millis(before); !young {
				end = seq + 1
			}
			return err
		})
	return end, err
}

// shrinkPages is how many pages (of 4 KiB) one Shrink gives back.
const shrinkPages = 256

// Shrink gives a little of the space that deleted rows have left back to the
// file system, and reports whether there is more. Less than one step is left in
// the file, for what comes next. PostgreSQL sees to it by itself.
func (db *DB) Shrink(ctx context.Context) (more bool, err error) {
	if db.dialect != dialectSQLite {
		return false, nil
	}
	return txResult(ctx, db, 0, func(tx *Tx) (bool, error) {
		var free int64
		if err := tx.one("PRAGMA freelist_count", nil, &free); err != nil || free < shrinkPages {
			return false, err
		}
		_, err := tx.Exec("PRAGMA incremental_vacuum(256)") // shrinkPages; a pragma takes no parameters
		return free >= 2*shrinkPages, err
	})
}
