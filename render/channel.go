package render

import (
	"encoding/base64"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/jsonout"
)

// Severities of System.
const (
	Critical    = "critical"
	Information = "information"
)

// What System says of channels.
const (
	Authorized        = "authorized"    // it works: a QR code was scanned, credentials were taken
	PhoneOffline      = "phone offline" // the phone cannot be reached
	PhoneOnline       = "phone online"  // it can be reached again
	Unavailable       = "unavailable"   // another session took over
	Resuming          = "trying_resume_work"
	Synchronized      = "synchronized" // the history is in, or work was resumed
	Disabled          = "disabled"     // the session is lost, or the credentials were refused
	InstagramDisabled = "IG was set DISABLED"
	PasswordRequired  = "password_required"   // extension
	ChallengeRequired = "challenge_required"  // extension
	TwoFactorRequired = "two_factor_required" // extension
)

// Severity returns how severe the contract calls a message of System. It calls
// most of them critical, good news among them.
func Severity(message string) string {
	if message == Authorized || message == InstagramDisabled {
		return Information
	}
	return Critical
}

// System renders a system event about a channel: what happened, when, and when
// we said so. The latter is left out of InstagramDisabled, which never had it.
func System(message, severity string, channel parley.ChannelID, happened, made time.Time) []byte {
	o := system(message, severity, channel, happened, made)
	o.Close() // details
	return o.finish()
}

// A Choice is one way in which a messenger lets an owner prove who they are.
type Choice struct {
	Value int64  // what the client answers with
	Key   string // sms, recovery_code, totp; for a second factor
	Label string // a hidden address; for a challenge
}

// SystemChoices renders ChallengeRequired or TwoFactorRequired: an extension that
// tells, among the details, what an answer to a confirmation would have told.
func SystemChoices(message string, channel parley.ChannelID, happened, made time.Time, choices []Choice) []byte {
	o := system(message, Severity(message), channel, happened, made)
	if message == TwoFactorRequired {
		o.Bool("two_factor_requires", true)
	} else {
		o.Bool("confirmation_requires", true)
	}
	o.Key("details")
	o.Array(len(choices), func(i int) { o.choice(&choices[i]) })
	o.Close() // details
	return o.finish()
}

func (o object) choice(c *Choice) {
	o.Open()
	o.Int("value", c.Value)
	if c.Key != "" {
		o.Text("key", c.Key)
	}
	if c.Label != "" {
		o.Text("label", c.Label)
	}
	o.Close()
}

// system writes a system event up to the details, which stay open.
func system(message, severity string, channel parley.ChannelID, happened, made time.Time) object {
	o := object{jsonout.New(bodySize / 2)}
	o.Text("type", "system")
	o.Text("severity", severity)
	o.Nested("data")
	o.Text("message", message)
	o.Stamp("date", happened)
	o.Int("date_timestamp", happened.Unix())
	if message != InstagramDisabled {
		o.Int("timestamp", made.Unix())
	}
	o.Nested("details")
	o.Text("entity", "channel")
	o.Int("entity_id", int64(channel))
	return o
}

// QRCode renders qr_code/new with a PNG.
func QRCode(company parley.CompanyID, channel parley.ChannelID, png []byte) []byte {
	o := body("qr_code", "new")
	o.Int("company_id", int64(company))
	o.Int("channel_id", int64(channel))
	o.Text("data", base64.StdEncoding.EncodeToString(png))
	return o.End()
}

// ServiceMessage renders service_messages/update: whether a service message was
// delivered, when, and by which messenger. Of one that was not delivered the
// latter two are null, whatever at and via say.
func ServiceMessage(id parley.JobID, delivered bool, at time.Time, via string) []byte {
	o := body("service_messages", "update")
	o.Nested("data")
	o.Int("id", int64(id))
	o.Bool("delivered", delivered)
	if delivered {
		o.Stamp("delivered_at", at)
		o.Int("delivered_at_timestamp", at.Unix())
		o.TextOrNull("delivered_via", via)
	} else {
		o.Raw("delivered_at", "null")
		o.Raw("delivered_at_timestamp", "null")
		o.Raw("delivered_via", "null")
	}
	return o.finish()
}
