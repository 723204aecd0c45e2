package attachment

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/store"
)

// How profiles are asked for.
const (
	profileTries = 3           // then not before the contact writes again
	profileFirst = time.Minute // from the first failure to the next try; it doubles
	maxProfile   = 1 << 10     // of a name or an id, in bytes; only nonsense is longer
)

// profile asks for one profile.
func (s *Service) profile(ctx context.Context, t *turn[store.DueProfile]) {
	if _, mine := s.cfg.Grants.Grant(t.what.Company); !mine {
		return
	}
	var provider string
	begun := s.cfg.Now()
	p, err := s.ask(ctx, t, &provider)
	if err == errBusy || err != nil && ctx.Err() != nil {
		return
	}
	o := &store.ProfileOutcome{Due: &t.what, Profile: p, Again: again(&t.what, err, s.cfg.Now())}
	if stored := s.commitAgain(t.what.Company, func(g parley.Grant) error {
		o.Grant = g
		return s.cfg.Store.FinishProfile(s.commit, o)
	}); stored != nil {
		t.rest = commitRest
		s.cfg.Log.LogAttrs(s.commit, slog.LevelWarn, "outcome of a profile not stored",
			slog.Int64("conversation_id", int64(t.what.Conversation)), slog.Any("err", stored))
	} else if p != nil && p.Picture != nil {
		s.Wake()
	}
	s.cfg.Log.LogAttrs(s.commit, slog.LevelDebug, "profile", slog.Int64("conversation_id", int64(t.what.Conversation)),
		slog.Int64("channel_id", int64(t.channel)), slog.String("provider", provider),
		slog.String("kind", string(parley.KindOf(err))), slog.Int64("took_ms", s.cfg.Now().Sub(begun).Milliseconds()))
}

// ask returns what the provider says of the conversation; nil if it says nothing.
func (s *Service) ask(ctx context.Context, t *turn[store.DueProfile], provider *string) (*connector.Profile, error) {
	client, err := s.client(ctx, t.channel, provider)
	if err != nil {
		return nil, err
	}
	profiler, ok := client.(connector.Profiler)
	if !ok {
		return nil, parley.Errorf(parley.KindUnsupported, "this messenger tells no profiles")
	}
	if !t.enter(*provider) {
		return nil, errBusy
	}
	ctx, cancel := context.WithTimeoutCause(ctx, profileTimeout, errSlow)
	defer cancel()
	var p connector.Profile
	err = s.guard("profile", t.channel, func() (err error) {
		p, err = profiler.Profile(ctx, t.what.Chat)
		return err
	})
	if err != nil && context.Cause(ctx) == errSlow {
		err = errSlow
	}
	if err != nil {
		return nil, err
	}
	return cleanProfile(p), nil
}

// again returns when to ask again, zero for not before the contact writes.
func again(d *store.DueProfile, err error, now time.Time) time.Time {
	if err == nil || verdicts[parley.KindOf(err)] == verdictFail || d.Tries+1 >= profileTries {
		return time.Time{}
	}
	return now.Add(max(retryAfter(err), jitter(profileFirst<<max(d.Tries, 0))))
}

// cleanProfile makes a profile fit to be stored: what is nonsense is left out.
func cleanProfile(p connector.Profile) *connector.Profile {
	p.Name = parley.CutText(plain(p.Name), maxProfile)
	if p.Picture == nil {
		return &p
	}
	f := *p.Picture // the connector's own stays as it is
	f.Name, f.Type, f.Refused = parley.CleanFileName(f.Name), parley.CutText(plain(f.Type), maxProfile), parley.CutText(plain(f.Refused), maxProfile)
	p.Picture = &f
	if len(f.ID) > maxProfile || f.ID != plain(f.ID) || f.Source != plain(f.Source) || f.Size < 0 {
		p.Picture = nil
	}
	return &p
}

// plain returns text as valid UTF-8 without NUL.
func plain(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\x00", "\ufffd")
}
