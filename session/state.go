package session

import (
	"context"

	"github.com/parley-im/parley"
)

// sessionRows keeps session data, sealed.
type sessionRows interface {
	SessionState(ctx context.Context, company parley.CompanyID, id parley.ChannelID, name string) ([]byte, error)
	SaveSessionState(ctx context.Context, company parley.CompanyID, id parley.ChannelID, grant parley.Grant, name string, value []byte) error
}

// A state is the connector.State of one channel. Every write names our term, and
// fails if the company is not ours.
type state struct {
	rows    sessionRows
	grants  grants
	channel parley.ChannelID
	company parley.CompanyID
}

// Load returns nil if nothing is stored under the key.
func (s *state) Load(ctx context.Context, key string) ([]byte, error) {
	return s.rows.SessionState(ctx, s.company, s.channel, key)
}

// Save fails with KindConflict if another node owns the channel.
func (s *state) Save(ctx context.Context, key string, value []byte) error {
	grant, ours := s.grants.Grant(s.company)
	if !ours {
		return parley.Errorf(parley.KindConflict, "the channel belongs to another node")
	}
	return s.rows.SaveSessionState(ctx, s.company, s.channel, grant, key, value)
}
