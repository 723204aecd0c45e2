package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/parley-im/parley"
)

// jobRows are rows of the table job to be inserted.
func jobRows() table {
	return table{before: `INSERT INTO job (id, company_id, shard, channel_id, conversation_id, message_id, lane, state, part, attempt,
		crashes, term, plan, reason, ready_at, deadline_at, created_at, done_at) `, types: "iiiiiiitiiiittiiii"}
}

// job adds a row of a new job.
func (t *table) job(j *parley.Job) {
	t.add(int64(j.ID), int64(j.Company), int64(j.Company.Shard()), int64(j.Channel), int64(j.Conversation), int64(j.Message), int64(j.Lane),
		string(j.State), int64(0), int64(0), int64(0), int64(0), "", "", millis(j.ReadyAt), int64(0), millis(j.CreatedAt), int64(0))
}

// jobColumns are the columns that scanJob reads, of a job j.
const jobColumns = `j.id, j.company_id, j.channel_id, j.conversation_id, j.message_id, j.lane, j.state, j.part, j.attempt, j.crashes,
	j.term, j.reason, j.ready_at, j.deadline_at, j.created_at, j.done_at`

func scanJob(scan scanFunc, j *parley.Job, more ...any) error {
	var ready, deadline, created, done int64
	err := scan(append([]any{&j.ID, &j.Company, &j.Channel, &j.Conversation, &j.Message, &j.Lane, &j.State, &j.Part, &j.Attempt, &j.Crashes,
		&j.Term, &j.Reason, &ready, &deadline, &created, &done}, more...)...)
	j.ReadyAt, j.Deadline, j.CreatedAt, j.DoneAt = moment(ready), moment(deadline), moment(created), moment(done)
	return err
}

const workColumns = jobColumns + ", " + messageColumns + ", v.external, v.is_group, j.plan"

const workTables = ` FROM job j JOIN message m ON m.id = j.message_id JOIN conversation v ON v.id = j.conversation_id`

// scanWork reads one row of workColumns.
func scanWork(scan scanFunc) (Work, error) {
	var w Work
	var group int64
	var plan string
	err := scanJob(func(job ...any) error {
		return scanMessage(func(message ...any) error {
			return scan(append(append(job, message...), &w.Chat, &group, &plan)...)
		}, &w.Message)
	}, &w.Job)
	w.Group = group != 0
	if err == nil && plan != "" {
		err = json.Unmarshal([]byte(plan), &w.Plan)
	}
	return w, err
}

func (db *DB) works(ctx context.Context, where string, args ...any) ([]Work, error) {
	var list []Work
	err := db.read(ctx, "SELECT "+workColumns+workTables+" "+where, args, func(scan scanFunc) error {
		w, err := scanWork(scan)
		list = append(list, w)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, classify(db.fillWork(ctx, db.backend.reader(), list))
}

// fillWork finds the files of messages and plans.
func (db *DB) fillWork(ctx context.Context, q querier, list []Work) error {
	var ids []int64
	for _, w := range list {
		for _, id := range w.fileIDs() {
			ids = append(ids, int64(id))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	found, err := db.attachments(ctx, q, ids)
	if err != nil {
		return err
	}
	for n := range list {
		w := &list[n]
		for _, id := range w.fileIDs() {
			if a := found[id]; a != nil && w.File(id) == nil {
				w.Files = append(w.Files, *a)
			}
		}
		w.Message.Files = whole(w.Message.Files, found)
	}
	return nil
}

// fileIDs names the files of the message, then those of its plan.
func (w *Work) fileIDs() []parley.AttachmentID {
	var ids []parley.AttachmentID
	for _, a := range w.Message.Files {
		ids = append(ids, a.ID)
	}
	for _, p := range w.Plan {
		if p.File != 0 {
			ids = append(ids, p.File)
		}
	}
	return ids
}

// A ChannelRef names a channel where its whole row is not needed.
type ChannelRef struct {
	ID       parley.ChannelID
	Company  parley.CompanyID
	Provider string
	State    parley.ChannelState
	StateAt  time.Time
}

const refColumns = "c.id, c.company_id, c.provider, c.state, c.state_at"

func scanRef(scan scanFunc, r *ChannelRef, more ...any) error {
	var at int64
	err := scan(append([]any{&r.ID, &r.Company, &r.Provider, &r.State, &at}, more...)...)
	r.StateAt = moment(at)
	return err
}

// distinctChannels is a query for the channels that have rows in a partial index
// on job: it hops from channel to channel instead of reading every row.
func distinctChannels(where string) string {
	return `WITH RECURSIVE hop (id) AS (
		SELECT MIN(channel_id) FROM job WHERE ` + where + `
		UNION ALL
		SELECT (SELECT MIN(channel_id) FROM job WHERE ` + where + ` AND channel_id > hop.id) FROM hop WHERE hop.id IS NOT NULL
	) `
}

// ReadyChannels returns the channels that have jobs in state ready.
func (db *DB) ReadyChannels(ctx context.Context) ([]ChannelRef, error) {
	return db.refs(ctx, distinctChannels("state = 'ready'")+"SELECT "+refColumns+" FROM hop JOIN channel c ON c.id = hop.id")
}

func (db *DB) refs(ctx context.Context, query string, args ...any) ([]ChannelRef, error) {
	var list []ChannelRef
	err := db.read(ctx, query, args, func(scan scanFunc) error {
		var r ChannelRef
		err := scanRef(scan, &r)
		list = append(list, r)
		return err
	})
	return list, err
}

// ReadyWork returns jobs of a channel's lane that are due, the longest due first.
func (db *DB) ReadyWork(ctx context.Context, channel parley.ChannelID, lane parley.Lane, due time.Time, limit int) ([]Work, error) {
	return db.works(ctx, `WHERE j.channel_id = $1 AND j.lane = $2 AND j.state = 'ready' AND j.ready_at <= $3
		ORDER BY j.ready_at, j.id LIMIT $4`, int64(channel), int64(lane), millis(due), limit)
}

// SendingWork returns claimed jobs, of any node and term, in the order of ids.
func (db *DB) SendingWork(ctx context.Context, after parley.JobID, limit int) ([]Work, error) {
	return db.works(ctx, "WHERE j.state = 'sending' AND j.id > $1 ORDER BY j.id LIMIT $2", int64(after), limit)
}

// An OldestWork is a channel with open jobs.
type OldestWork struct {
	ChannelRef
	Oldest time.Time // when its oldest open job was accepted
}

// OpenChannels returns the channels that have open jobs.
func (db *DB) OpenChannels(ctx context.Context) ([]OldestWork, error) {
	var list []OldestWork
	err := db.read(ctx, distinctChannels("done_at = 0")+"SELECT "+refColumns+`,
		(SELECT created_at FROM job WHERE channel_id = hop.id AND done_at = 0 ORDER BY id LIMIT 1)
		FROM hop JOIN channel c ON c.id = hop.id`, nil, func(scan scanFunc) error {
		var o OldestWork
		var oldest int64
		err := scanRef(scan, &o.ChannelRef, &oldest)
		o.Oldest = moment(oldest)
		list = append(list, o)
		return err
	})
	return list, err
}

// OpenWork returns a channel's open jobs, the oldest first.
func (db *DB) OpenWork(ctx context.Context, channel parley.ChannelID, limit int) ([]Work, error) {
	return db.works(ctx, "WHERE j.channel_id = $1 AND j.done_at = 0 ORDER BY j.id LIMIT $2", int64(channel), limit)
}

// Job returns a job of a channel. KindNotFound if it is another channel's.
func (db *DB) Job(ctx context.Context, company parley.CompanyID, channel parley.ChannelID, id parley.JobID) (parley.Job, error) {
	var j parley.Job
	found := false
	err := db.read(ctx, "SELECT "+jobColumns+" FROM job j WHERE j.id = $1 AND j.company_id = $2 AND j.channel_id = $3",
		[]any{int64(id), int64(company), int64(channel)}, func(scan scanFunc) error {
			found = true
			return scanJob(scan, &j)
		})
	if err == nil && !found {
		err = parley.Errorf(parley.KindNotFound, "Job not found")
	}
	return j, err
}

// Promote makes the heads of conversations ready whose open jobs all wait. That
// happens when a job was accepted on one node while another ended the one before.
func (db *DB) Promote(ctx context.Context) ([]Work, error) {
	stuck := map[parley.CompanyID][]parley.ConversationID{}
	err := db.read(ctx, `SELECT MIN(company_id), conversation_id FROM job WHERE done_at = 0 GROUP BY conversation_id
		HAVING SUM(CASE WHEN state = 'waiting' THEN 0 ELSE 1 END) = 0 LIMIT 1000`, nil, func(scan scanFunc) error {
		var company parley.CompanyID
		var id parley.ConversationID
		err := scan(&company, &id)
		stuck[company] = append(stuck[company], id)
		return err
	})
	if err != nil {
		return nil, err
	}
	var all []Work
	for company, ids := range stuck {
		heads, err := txResult(ctx, db, company, func(tx *Tx) ([]Work, error) { return tx.promote(ids) })
		if err != nil {
			return all, err
		}
		all = append(all, heads...)
	}
	return all, nil
}

// promote readies the oldest open job of each conversation if it waits.
func (tx *Tx) promote(conversations []parley.ConversationID) ([]Work, error) {
	ids := make([]int64, len(conversations))
	for n, id := range conversations {
		ids[n] = int64(id)
	}
	var heads []int64
	err := lookup(tx.ctx, tx.q, "SELECT MIN(id) FROM job WHERE done_at = 0 AND conversation_id IN (%s) GROUP BY conversation_id", ids, func(scan scanFunc) error {
		var id int64
		err := scan(&id)
		heads = append(heads, id)
		return err
	})
	if err != nil || len(heads) == 0 {
		return nil, err
	}
	var moved []int64
	err = lookup(tx.ctx, tx.q, "UPDATE job SET state = 'ready' WHERE state = 'waiting' AND id IN (%s) RETURNING id", heads, func(scan scanFunc) error {
		var id int64
		err := scan(&id)
		moved = append(moved, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	var list []Work
	err = lookup(tx.ctx, tx.q, "SELECT "+workColumns+workTables+" WHERE j.id IN (%s)", moved, func(scan scanFunc) error {
		w, err := scanWork(scan)
		list = append(list, w)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, tx.db.fillWork(tx.ctx, tx.q, list)
}

// A claimItem is a claim on its way into the rows.
type claimItem struct {
	item
	in *Claim
}

// Claim marks a job as being sent. Only after it returned nil may the request
// leave. KindConflict: the job is not ready any more, or another node owns the
// company.
func (db *DB) Claim(ctx context.Context, in *Claim) error {
	i := &claimItem{item: item{call: newCall(1)}, in: in}
	return db.run(ctx, in.Company, &i.item, func(q *batch) { q.claims = append(q.claims, i) })
}

var errNotReady = parley.Errorf(parley.KindConflict, "the job is not ready any more")

// claimAll commits a batch of claims.
func (tx *Tx) claimAll(items []*claimItem) error {
	rows := table{before: `UPDATE job SET state = 'sending', attempt = attempt + 1, crashes = crashes + 1, term = v.column3,
		deadline_at = v.column4, plan = CASE WHEN v.column5 = '' THEN plan ELSE v.column5 END, claimed_at = v.column6 FROM (`, types: "iiiiti",
		after: ") AS v WHERE job.id = v.column1 AND job.part = v.column2 AND job.state = 'ready' RETURNING job.id"}
	first := map[parley.JobID]bool{} // a second claim of the same job in this batch fails
	for _, i := range items {
		ok, err := tx.fence(i.in.Grant)
		if err != nil {
			return err
		}
		if !ok {
			i.err = errFenced
			continue
		}
		if first[i.in.Job] {
			i.err = errNotReady
			continue
		}
		first[i.in.Job] = true
		plan := ""
		if len(i.in.Plan) > 1 {
			text, _ := json.Marshal(i.in.Plan) // plain data
			plan = string(text)
		}
		rows.add(int64(i.in.Job), int64(i.in.Part), int64(i.in.Grant.Term), millis(i.in.Deadline), plan, millis(tx.now))
	}
	claimed := map[parley.JobID]bool{}
	err := rows.run(tx, func(scan scanFunc) error {
		var id parley.JobID
		err := scan(&id)
		claimed[id] = true
		return err
	})
	for _, i := range items {
		if i.err == nil && !claimed[i.in.Job] {
			i.err = errNotReady
		}
	}
	return err
}
