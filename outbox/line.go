package outbox

import (
	"context"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// A line is what there is to send with, or why there is nothing.
type line struct {
	channel *parley.Channel // may be nil with an error
	client  connector.Client
	spec    connector.Spec
	err     error
}

// look asks for a channel's client, and survives a panic in opening it.
func (o *Outbox) look(ctx context.Context, id parley.ChannelID) line {
	var l line
	l.err = o.guard("open", id, func() (err error) {
		l.channel, l.client, l.spec, err = o.cfg.Clients.Client(ctx, id)
		return err
	})
	return l
}

// guard turns a panic of a connector into an error of KindInternal. What it
// panicked with is not logged: it may quote a message.
func (o *Outbox) guard(what string, channel parley.ChannelID, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			o.cfg.Log.LogAttrs(o.work, slog.LevelError, "connector panicked", slog.String("in", what),
				slog.Int64("channel_id", int64(channel)), slog.String("stack", string(debug.Stack())))
			err = parley.Errorf(parley.KindInternal, what+" panicked")
		}
	}()
	return f()
}

// connect makes sure that there is a client for the next job. Where there is
// none, the channel is held, and what cannot wait any longer is ended.
func (r *runner) connect(now time.Time) bool {
	if r.fresh {
		return true
	}
	if now.Before(r.hold) {
		r.wakeAt(r.hold)
		return false
	}
	r.line = r.o.look(r.o.work, r.channel)
	switch r.line.kind() {
	case "":
		return r.connected(now)
	case parley.KindInternal:
		r.fresh, r.hold = true, now.Add(holdMin) // the attempt counts it against its job
		return true
	}
	if reason := r.line.hopeless(now, r.o.cfg.ConnectGrace); reason != "" {
		r.sweep(reason)
	}
	r.rehold(now)
	return false
}

// connected has a client; one whose credentials were refused a moment ago has
// waited its time.
func (r *runner) connected(now time.Time) bool {
	if r.refused == 0 || r.refused != r.line.generation() {
		r.refused, r.holds = 0, 0
	}
	r.fresh = true
	r.pace.set(r.line.spec.Pace)
	d := r.pace.wait(now)
	if d > 0 {
		r.wakeAt(now.Add(d))
	}
	return d == 0
}

// judge looks whether the provider still takes the credentials. If not, the
// channel is held, longer each time until they have changed, and its owner told.
func (r *runner) judge(out *outcome, now time.Time) {
	switch {
	case out.kind != parley.KindLoggedOut:
		r.refused = 0
	case !now.Before(r.hold): // otherwise it was known when that send began
		r.refused = out.generation
		r.rehold(now)
		r.o.wg.Go(func() { r.o.cfg.LoggedOut(r.o.work, r.channel, out.generation, out.reason) })
	}
}

func (r *runner) rehold(now time.Time) {
	r.hold = now.Add(min(holdMin<<min(r.holds, 10), holdMax))
	r.holds++
	r.wakeAt(r.hold)
}

func (l *line) kind() parley.Kind { return parley.KindOf(l.err) }

func (l *line) generation() int64 {
	if l.channel == nil {
		return 0
	}
	return l.channel.Generation
}

// hopeless returns why the channel's jobs need not wait any longer, "" if they
// may.
func (l *line) hopeless(now time.Time, grace time.Duration) string {
	switch l.kind() {
	case parley.KindNotFound:
		return "channel was deleted"
	case parley.KindLoggedOut:
		if l.channel != nil && !now.Before(l.channel.StateAt.Add(grace)) {
			return l.closed()
		}
	}
	return ""
}

// closed says what state the channel is in, and why.
func (l *line) closed() string {
	text := "channel is " + strings.ReplaceAll(string(l.channel.State), "_", " ")
	if l.channel.Reason != "" {
		text += ": " + l.channel.Reason
	}
	return text
}
