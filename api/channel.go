package api

import (
	"context"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/jsonout"
	"github.com/parley-im/parley/params"
	"github.com/parley-im/parley/store"
)

type channelStore interface {
	Channels(ctx context.Context, company parley.CompanyID, p store.Page) ([]parley.Channel, error)
	Channel(ctx context.Context, id parley.ChannelID) (*parley.Channel, error)
	CreateChannel(ctx context.Context, ch *parley.Channel) (parley.ChannelID, error)
	UpdateChannel(ctx context.Context, company parley.CompanyID, id parley.ChannelID, settings map[string]string, secrets map[string]parley.Secret) error
	DeleteChannel(ctx context.Context, company parley.CompanyID, id parley.ChannelID) error
}

var errNoChannel = parley.Errorf(parley.KindNotFound, "Channel not found")

// anyChannel finds the channel of the path, which may be deleted.
func (s *Server) anyChannel(c *call) error {
	ch, err := s.store.Channel(c.ctx, parley.ChannelID(c.ids[idChannel]))
	if err != nil {
		return err
	}
	if ch.Company != c.company.ID {
		return errNoChannel
	}
	c.channel = ch
	return nil
}

// liveChannel finds the channel of the path.
func (s *Server) liveChannel(c *call) error {
	if err := s.anyChannel(c); err != nil {
		return err
	}
	if c.channel.State == parley.ChannelDeleted {
		return errNoChannel
	}
	return nil
}

func (s *Server) listChannels(c *call) error {
	return show(c, list[parley.Channel]{
		name: "channels", parent: int64(c.company.ID), size: 64,
		rows: func(ctx context.Context, p store.Page) ([]parley.Channel, error) {
			return s.store.Channels(ctx, c.company.ID, p)
		},
		id: func(x *parley.Channel) int64 { return int64(x.ID) },
		write: func(o *jsonout.Object, x *parley.Channel) {
			o.Int("external_id", int64(x.ID))
			o.Text("provider", x.Spelling)
		},
	})
}

// showChannel tells the state of a channel, which the original API does not.
func (s *Server) showChannel(c *call) error {
	ch := c.channel
	return c.ok(192, func(o *jsonout.Object) {
		o.Int("external_id", int64(ch.ID))
		o.Text("provider", ch.Spelling)
		o.Text("state", string(ch.State))
		o.TextOrNull("reason", ch.Reason)
		o.Unix("state_since_timestamp", ch.StateAt)
	})
}

var errNotOffered = parley.Errorf(parley.KindUnsupported, "provider not available")

// createChannel stores a channel. It does not wait for the messenger: whether the
// credentials are good shows later.
func (s *Server) createChannel(c *call) error {
	b, err := c.bind()
	if err != nil {
		return err
	}
	spelling := b.OneOf("provider", s.names, params.Required())
	if err := b.Err(); err != nil {
		return err
	}
	k := s.kinds[spelling.Value]
	f := s.form(b)
	k.create(f)
	if err := b.Err(); err != nil {
		return err
	}
	if !s.offered[k.name] {
		return errNotOffered
	}
	f.newCallback()
	ch := &parley.Channel{Company: c.company.ID, Provider: k.name, Spelling: spelling.Value, Settings: f.settings, Secrets: f.secrets}
	return once(c, func(ctx context.Context) (parley.ChannelID, error) { return s.store.CreateChannel(ctx, ch) },
		func(id parley.ChannelID) []byte { return doneBody("created", int64(id)) })
}

var errNoUpdate = parley.Errorf(parley.KindUnsupported, "a channel of this provider has nothing that can be updated")

// updateChannel replaces credentials, and lets the channel connect anew.
func (s *Server) updateChannel(c *call) error {
	b, err := c.bind()
	if err != nil {
		return err
	}
	k := s.kinds[c.channel.Provider]
	s.sameProvider(b, c.channel)
	if k == nil || k.update == nil {
		return errNoUpdate
	}
	f := s.form(b)
	k.update(f)
	if err := b.Err(); err != nil {
		return err
	}
	f.newCallback() // what the old account still sends must not reach the new one
	if err := s.store.UpdateChannel(c.ctx, c.company.ID, c.channel.ID, f.settings, f.secrets); err != nil {
		return err
	}
	return c.done("updated", int64(c.channel.ID))
}

func (s *Server) deleteChannel(c *call) error {
	if err := s.store.DeleteChannel(c.ctx, c.company.ID, c.channel.ID); err != nil {
		return err
	}
	return c.done("deleted", 0)
}
