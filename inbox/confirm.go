package inbox

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

const (
	confirmTimeout = 10 * time.Second
	confirmsAtOnce = 32
)

// confirms are the side calls under way that tell providers of what was taken.
type confirms struct {
	slots chan struct{}
	wg    *sync.WaitGroup
}

func newConfirms() confirms {
	return confirms{slots: make(chan struct{}, confirmsAtOnce), wg: &sync.WaitGroup{}}
}

// confirm tells the provider of events that it waits for. They are stored, so a
// confirmation that fails, or finds no free place, costs nobody a message.
func (in *Inbox) confirm(d *delivery) {
	for i := range d.events {
		id := d.events[i].Confirm
		if id == "" {
			continue
		}
		select {
		case in.confirms.slots <- struct{}{}:
			in.confirms.wg.Go(func() {
				defer func() { <-in.confirms.slots }()
				in.unconfirmed(d.ch, in.tell(d.ch.ID, id))
			})
		default:
			in.unconfirmed(d.ch, errBusy)
		}
	}
}

// tell makes the call. The caller's context is over by then, or soon will be.
func (in *Inbox) tell(channel parley.ChannelID, id string) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), confirmTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	_, client, _, err := in.cfg.Clients.Client(ctx, channel)
	if err != nil {
		return err
	}
	if c, ok := client.(connector.Confirmer); ok {
		return c.Confirm(ctx, id)
	}
	return nil
}

func (in *Inbox) unconfirmed(ch *parley.Channel, err error) {
	if err != nil {
		in.cfg.Log.LogAttrs(context.Background(), slog.LevelInfo, "not confirmed", slog.String("provider", ch.Provider),
			slog.Int64("channel_id", int64(ch.ID)), slog.String("kind", string(parley.KindOf(err))), slog.Any("error", err))
	}
}

// Wait blocks until the side calls under way have ended, which takes at most some
// seconds. Nothing may be received meanwhile.
func (in *Inbox) Wait() { in.confirms.wg.Wait() }
