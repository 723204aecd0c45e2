package store

import "github.com/parley-im/parley"

// maxJobAttempts is how many attempts of a job are kept: of those beyond it only
// the newest one.
const maxJobAttempts = 100

// recordAttempts stores the attempts of a batch that did not end well. Those that
// did are in the jobs' own rows, so that a send that succeeds costs nothing here.
func (tx *Tx) recordAttempts(items []*finishItem) error {
	const newest = "COALESCE((SELECT MAX(a.number) FROM job_attempt a WHERE a.job_id = v.column1), 0)"
	most := text(maxJobAttempts)
	rows := table{before: `INSERT INTO job_attempt (job_id, number, company_id, part, result, kind, reason, claimed_at, created_at)
		SELECT v.column1, CASE WHEN ` + newest + ` >= ` + most + ` THEN ` + most + ` ELSE ` + newest + ` + 1 END,
			v.column2, v.column3, v.column4, v.column5, v.column6,
			CASE WHEN v.column7 = 1 THEN (SELECT j.claimed_at FROM job j WHERE j.id = v.column1) ELSE 0 END, v.column8 FROM (`, types: "iiitttii",
		after: `) AS v WHERE 1 = 1 ON CONFLICT (job_id, number) DO UPDATE SET part = excluded.part, result = excluded.result,
			kind = excluded.kind, reason = excluded.reason, claimed_at = excluded.claimed_at, created_at = excluded.created_at`}
	for _, i := range items {
		if i.in.Result == Delivered {
			continue
		}
		was := &i.in.Work.Job
		rows.add(int64(was.ID), int64(was.Company), int64(was.Part), string(i.in.Result), string(i.in.Kind), i.in.Reason,
			flag(was.State == parley.JobSending), millis(tx.now))
	}
	return rows.run(tx, nil)
}
