package api

import (
	"context"
	"net/http"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/jsonout"
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
	return okBody(256, func(o *jsonout.Object) {
		o.Int("id", int64(j.ID))
		o.Int("company_id", int64(j.Company))
		o.Nested("channel")
		o.Int("id", int64(j.Channel))
		o.Text("type", spelling)
		o.Close()
		o.Text("state", jobWord(j.State))
		o.IntOrNull("conversation_id", int64(j.Conversation), known)
		o.IntOrNull("message_id", int64(j.Message), j.State == parley.JobDelivered)
		writeDetails(o, j)
		o.Int("created_at", j.CreatedAt.Unix())
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

func writeDetails(o *jsonout.Object, j *parley.Job) {
	if j.State.Open() {
		o.Raw("details", "null")
		return
	}
	o.Nested("details")
	if j.State == parley.JobDelivered {
		o.Text("result", "DELIVERED")
	} else {
		o.Text("result", "NOT DELIVERED")
		o.Text("reason", j.Reason)
	}
	o.Close()
}
