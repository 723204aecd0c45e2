package api

import (
	"context"
	"net/http"

	"github.com/parley-im/parley"
)

type jobStore interface {
	Job(ctx context.Context, company parley.CompanyID, channel parley.ChannelID, id parley.JobID) (parley.Job, error)
}

// showJob shows a job of the channel, which may be deleted.
func (s *Server) showJob(c *call) error {
	j, err := s.store.Job(c.ctx, c.company.ID, c.channel.ID, parley.JobID(c.ids[idJob]))
	if err != nil {
		return err
	}
	known, err := s.announced(c, &j)
	if err != nil {
		return err
	}
	c.send(http.StatusOK, jobBody(&j, c.channel.Spelling, known))
	return nil
}

// announced reports whether clients may know of the job's conversation: that of a
// first message shows only once it was delivered.
func (s *Server) announced(c *call, j *parley.Job) (bool, error) {
	if j.Lane != parley.LaneFirst || j.State == parley.JobDelivered {
		return true, nil
	}
	v, err := s.store.Conversation(c.ctx, c.company.ID, j.Conversation)
	return v.Announced, err
}

// jobBody is the whole answer about a job.
func jobBody(j *parley.Job, spelling string, known bool) []byte {
	return okBody(256, func(o *object) {
		o.int("id", int64(j.ID))
		o.int("company_id", int64(j.Company))
		o.nested("channel")
		o.int("id", int64(j.Channel))
		o.text("type", spelling)
		o.close()
		o.text("state", jobWord(j.State))
		o.intOrNull("conversation_id", int64(j.Conversation), known)
		o.intOrNull("message_id", int64(j.Message), j.State == parley.JobDelivered)
		writeDetails(o, j)
		o.int("created_at", j.CreatedAt.Unix())
	})
}

// jobWord is the state as clients know it.
func jobWord(s parley.JobState) string {
	switch s {
	case parley.JobDelivered:
		return "delivered"
	case parley.JobNotDelivered:
		return "not_delivered"
	}
	return "trying_deliver"
}

func writeDetails(o *object, j *parley.Job) {
	if j.State.Open() {
		o.raw("details", "null")
		return
	}
	o.nested("details")
	if j.State == parley.JobDelivered {
		o.text("result", "DELIVERED")
	} else {
		o.text("result", "NOT DELIVERED")
		o.text("reason", j.Reason)
	}
	o.close()
}
