package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/jsonout"
	"github.com/parley-im/parley/params"
)

// askTime bounds how long a messenger is waited for while a client waits.
const askTime = 20 * time.Second

// asked is the error of a question to a messenger: a time-out of ours is not the
// client's going away.
func asked(c *call, err error) error {
	if c.ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return &parley.Error{Kind: parley.KindUnavailable, Message: "the messenger did not answer", Err: err}
	}
	return err
}

// only fails if the channel's provider is none of those.
func only(b *params.Binder, ch *parley.Channel, providers []string) {
	if !slices.Contains(providers, ch.Provider) {
		b.Fail("channel", "is invalid: it is of "+ch.Spelling+", and only "+strings.Join(providers, ", ")+" can do this")
	}
}

// sameProvider binds the provider, which may be left out and must be the channel's.
func (s *Server) sameProvider(b *params.Binder, ch *parley.Channel) {
	spelling := b.OneOf("provider", s.names)
	if spelling.Given() && s.kinds[spelling.Value] != s.kinds[ch.Provider] {
		b.Fail("provider", "is invalid: the channel has another one")
	}
}

// bare answers with an object that is not in the envelope.
func (c *call) bare(o *jsonout.Object) error {
	c.send(http.StatusOK, o.End())
	return nil
}

// A linking is how channels of a provider are linked by codes.
type linking struct {
	again  bool // a channel that is connected may be asked for another proof
	query  func(*params.Binder) connector.CodeQuery
	sent   func(*jsonout.Object, connector.SentCode)
	answer func(*params.Binder) connector.CodeAnswer
	wants  func(*jsonout.Object, connector.CodeVerdict)
}

// linkings has no line for providers whose channels are linked in other ways.
var linkings = map[string]linking{
	"telegram_personal": {query: noQuery, sent: writeSentCode, answer: bindPhoneCode, wants: writeState},
	"instagram":         {query: bindChallenge, sent: writeResult, answer: bindProof, wants: writeChallenge, again: true},
	"whatsapp":          {query: noQuery, sent: writePairing}, // its code is typed into the phone
}

var (
	errNoCode      error = parley.Errorf(parley.KindUnsupported, "channel is invalid: its provider links no channels by codes")
	errByQR              = parley.Errorf(parley.KindConflict, "channel is invalid: it is linked by a QR code")
	errLinked            = parley.Errorf(parley.KindConflict, "channel is connected already")
	errNoCodeAsked error = parley.Errorf(parley.KindUnsupported, "channel is invalid: its code is typed into the phone")
)

// requestCode has the messenger send a code.
func (s *Server) requestCode(c *call) error {
	b, err := c.bind()
	if err != nil {
		return err
	}
	s.sameProvider(b, c.channel)
	l, known := linkings[c.channel.Provider]
	if !known {
		return cmp.Or(b.Err(), errNoCode)
	}
	q := l.query(b)
	if err := b.Err(); err != nil {
		return err
	}
	if err := l.sendable(c.channel); err != nil {
		return err
	}
	sender, err := ableAny[connector.CodeSender](s, c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.ctx, askTime)
	defer cancel()
	sent, err := sender.SendCode(ctx, q)
	if err != nil {
		return asked(c, err)
	}
	o := jsonout.New(128)
	l.sent(o, sent)
	return c.bare(o)
}

// sendable refuses to send a code where there is none.
func (l *linking) sendable(ch *parley.Channel) error {
	byQR := ch.Settings["via_qr_code"] == "true" || ch.Provider == "whatsapp" && ch.Settings["phone"] == ""
	switch {
	case byQR:
		return errByQR
	case l.done(ch):
		return errLinked
	}
	return nil
}

// done reports whether the channel needs no code any more.
func (l *linking) done(ch *parley.Channel) bool { return ch.State == parley.ChannelEnabled && !l.again }

// confirmCode hands the code, or the password, to the messenger.
func (s *Server) confirmCode(c *call) error {
	b, err := c.bind()
	if err != nil {
		return err
	}
	s.sameProvider(b, c.channel)
	l, known := linkings[c.channel.Provider]
	switch {
	case !known:
		return cmp.Or(b.Err(), errNoCode)
	case l.answer == nil:
		return cmp.Or(b.Err(), errNoCodeAsked)
	}
	a := l.answer(b)
	if err := b.Err(); err != nil {
		return err
	}
	o := jsonout.New(128)
	o.Text("result", "ok")
	if l.done(c.channel) {
		l.wants(o, connector.CodeVerdict{})
		return c.bare(o)
	}
	checker, err := ableAny[connector.CodeChecker](s, c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.ctx, askTime)
	defer cancel()
	verdict, err := checker.CheckCode(ctx, a)
	if err != nil {
		return asked(c, err)
	}
	l.wants(o, verdict)
	return c.bare(o)
}

// noQuery has nothing to ask: the phone is in the channel's settings.
func noQuery(*params.Binder) connector.CodeQuery { return connector.CodeQuery{} }

// twoFactor is the one value of challenge_type and confirmation_type on instagram.
const twoFactor = "two_factor"

func bindChallenge(b *params.Binder) connector.CodeQuery {
	kind := b.OneOf("challenge_type", []string{twoFactor})
	variant := b.Int("challenge_variant", params.Min(0))
	if absent(kind) && absent(variant) {
		b.Fail("challenge_variant", "or challenge_type is required")
	}
	return connector.CodeQuery{TwoFactor: kind.Given(), Variant: given(variant)}
}

func writeSentCode(o *jsonout.Object, sent connector.SentCode) {
	o.Int("code_length", int64(sent.Length))
	o.Text("code_type", sent.Type)
	o.Int("expires_in", int64(sent.Expires.Seconds()))
	o.Text("next_type", firstText(sent.Next, sent.Type))
	o.Int("session_id", sent.Session)
	o.Text("status", "ok")
}

func writePairing(o *jsonout.Object, sent connector.SentCode) {
	o.Text("sessionId", strconv.FormatInt(sent.Session, 10))
	o.Text("code", sent.Pairing)
	o.Text("ttl", strconv.FormatInt(int64(sent.Expires.Seconds()), 10)+"s")
}

func writeResult(o *jsonout.Object, _ connector.SentCode) { o.Text("result", "ok") }

// maxCode bounds codes and passwords, in code points.
const maxCode = 255

// bindPhoneCode binds a code, which has leading zeros, or the cloud password. What
// it is shows from what is there.
func bindPhoneCode(b *params.Binder) connector.CodeAnswer {
	kind := b.OneOf("confirmation_type", []string{"code", "password"})
	code := b.String("code", params.Alias("confirmation_code"), params.Trim(), params.Length(1, maxCode))
	password := b.String("password", params.Length(1, maxCode))
	if code.Given() && strings.Trim(code.Value, "0123456789") != "" {
		b.Fail("code", "is invalid")
	}
	a := connector.CodeAnswer{Code: code.Value, Number: b.Number("code") || b.Number("confirmation_code")}
	switch {
	case kind.Value == "password", absent(kind) && absent(code) && password.Given():
		a = connector.CodeAnswer{Password: password.Value}
		if absent(password) {
			b.Fail("password", "is required")
		}
	case absent(code):
		b.Fail("code", "is required")
	}
	return a
}

func writeState(o *jsonout.Object, v connector.CodeVerdict) {
	state := "enabled"
	if v.Password {
		state = "password_required"
	}
	o.Text("state", state)
}

func bindProof(b *params.Binder) connector.CodeAnswer {
	kind := b.OneOf("confirmation_type", []string{twoFactor})
	a := connector.CodeAnswer{
		Code:      b.String("confirmation_code", params.Required(), params.Trim(), params.Length(1, maxCode)).Value,
		TwoFactor: kind.Given(),
	}
	if a.TwoFactor {
		a.Variant = b.Int("confirmation_variant", params.Required(), params.Min(1)).Value
	}
	return a
}

// writeChallenge tells which proof is wanted next. The spelling is the original's.
func writeChallenge(o *jsonout.Object, v connector.CodeVerdict) {
	if v.Challenge == nil {
		return
	}
	o.Nested("data")
	if v.Challenge.TwoFactor {
		o.Bool("two_factor_requires", true)
	} else {
		o.Bool("confirmation_requires", true)
	}
	o.Key("details")
	o.Array(len(v.Challenge.Ways), func(i int) {
		way := &v.Challenge.Ways[i]
		o.Open()
		o.Int("value", way.Value)
		textIfAny(o, "key", way.Key)
		textIfAny(o, "label", way.Label)
		o.Close()
	})
	o.Close()
}

// periods are what sync_period can be.
var periods = map[string]time.Duration{"day": 24 * time.Hour, "week": 7 * 24 * time.Hour, "month": maxHistory, "all": -1}

// enablePage makes the channel one of the pages that its account has.
func (s *Server) enablePage(c *call) error {
	b, err := c.bind()
	if err != nil {
		return err
	}
	page := b.Int("page_id", params.Required(), params.Min(1)).Value
	period := b.OneOf("sync_period", []string{"day", "week", "month", "all"})
	only(b, c.channel, []string{"instagram_business"})
	if err := b.Err(); err != nil {
		return err
	}
	chooser, err := ableAny[connector.PageChooser](s, c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.ctx, askTime)
	defer cancel()
	id, err := chooser.ChoosePage(ctx, page, periods[period.Value])
	if err != nil {
		return asked(c, err)
	}
	return c.ok(64, func(o *jsonout.Object) {
		o.Int("external_id", int64(c.channel.ID))
		o.Int("page_id", id)
	})
}
