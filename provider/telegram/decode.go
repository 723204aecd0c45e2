package telegram

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/parley-im/parley/connector"
)

// decode turns one update into one event. It is pure and takes any bytes; what
// it does not understand becomes an Unknown. The event keeps raw.
func decode(raw []byte, bot int64) connector.Event {
	var u update
	err := json.Unmarshal(raw, &u)
	id, ok := usable(u.ID)
	if err != nil {
		id, ok = updateID(raw)
	}
	d := decoder{raw: raw, bot: bot, update: id}
	switch {
	case !ok:
		return d.nameless()
	case err != nil:
		return d.unknown("an update with an unexpected shape", 0)
	}
	return d.event(&u)
}

// updateID returns the id of an update, however strange the rest of it is.
func updateID(raw []byte) (int64, bool) {
	var u struct {
		ID *int64 `json:"update_id"`
	}
	if err := json.Unmarshal(raw, &u); err != nil {
		return 0, false
	}
	return usable(u.ID)
}

// usable takes only ids that an offset can follow: a negative offset would make
// the server forget updates.
func usable(id *int64) (int64, bool) {
	if id == nil || *id < 0 || *id == math.MaxInt64 {
		return 0, false
	}
	return *id, true
}

// A decoder is what is the same for all that is decoded from one update.
type decoder struct {
	raw    []byte
	bot    int64
	update int64
}

func (d decoder) event(u *update) connector.Event {
	switch {
	case u.Message != nil:
		return d.message(u.Message)
	case u.Edited != nil:
		return d.edit(u.Edited)
	case u.Callback != nil:
		return d.callback(u.Callback)
	case u.Member != nil:
		return d.member(u.Member)
	}
	return d.unknown("an update of kind "+word(strange(fields(d.raw), updateKeys)), 0)
}

// nameless is an event for bytes that name no update. Equal bytes get the same id.
func (d decoder) nameless() connector.Event {
	sum := sha256.Sum256(d.raw)
	return connector.Event{ID: "sha256:" + hex.EncodeToString(sum[:16]), Raw: d.raw,
		What: connector.Unknown{Reason: "not an update: no readable update_id"}}
}

func (d decoder) unknown(reason string, at int64) connector.Event {
	return connector.Event{ID: decimal(d.update), At: date(at), Raw: d.raw, What: connector.Unknown{Reason: reason}}
}

func (d decoder) message(m *message) connector.Event {
	chat, reason := m.place()
	if reason != "" {
		return d.unknown(reason, m.Date)
	}
	what, reason := d.said(m)
	if reason != "" {
		return d.unknown(reason, m.Date)
	}
	return connector.Event{ID: decimal(m.MessageID), At: date(m.Date), Chat: chat, From: m.sender(), What: what, Raw: d.raw}
}

// place returns where a message was written, or why it cannot be carried.
func (m *message) place() (connector.Chat, string) {
	if m.MessageID <= 0 {
		return connector.Chat{}, "a message without an id"
	}
	return m.Chat.event()
}

// said returns what a person wrote, or why nobody wrote anything.
func (d decoder) said(m *message) (connector.Message, string) {
	what := connector.Message{
		Own:       m.From != nil && m.From.ID == d.bot,
		Text:      m.body(),
		ReplyTo:   m.replyTo(),
		Forwarded: m.forwarded(),
		Payload:   startPayload(m.Text),
	}
	var reason string
	if m.Text == "" {
		what.Unsupported, reason = d.content("message")
	}
	if placed(what.Unsupported) {
		what.Location = m.location()
	}
	if what.Location != nil {
		what.Unsupported = ""
	}
	return what, reason
}

func placed(kind string) bool { return kind == "location" || kind == "venue" }

// edit takes the new text. A change to what has neither text nor caption, such as
// the next place of a live location, cannot be carried. Edits in the same second
// are told apart by the update.
func (d decoder) edit(m *message) connector.Event {
	chat, reason := m.place()
	if reason == "" && m.body() == "" {
		reason = d.silent()
	}
	if reason != "" {
		return d.unknown(reason, m.EditDate)
	}
	return connector.Event{
		ID: decimal(m.MessageID), Version: decimal(m.EditDate) + "-" + decimal(d.update), At: date(m.EditDate),
		Chat: chat, From: m.sender(), What: connector.Edit{Text: m.body()}, Raw: d.raw,
	}
}

// silent says why an edit without text is none, or nothing if its caption was
// taken away.
func (d decoder) silent() string {
	kind, reason := d.content("edited_message")
	if reason == "" && !slices.Contains(captioned, kind) {
		reason = "an edit of kind " + kind
	}
	return reason
}

// callback is a pressed button: a message of the person that says its title. The
// time of the press is not told.
func (d decoder) callback(c *callback) connector.Event {
	if c.ID == "" || c.From.ID == 0 || c.Data == "" || c.Message == nil {
		return d.unknown("a button that is not under a message of ours, or without data", 0)
	}
	chat, reason := c.Message.Chat.event()
	if reason != "" {
		return d.unknown(reason, 0)
	}
	what := connector.Message{Text: c.Message.Markup.title(c.Data), Payload: c.Data}
	if what.Text == "" {
		what.Text = c.Data
	}
	return connector.Event{ID: "callback:" + c.ID, Chat: chat, From: c.From.person(), What: what, Raw: d.raw}
}

// member tells whether a person has blocked the bot. What happens to the bot in
// groups is not carried.
func (d decoder) member(m *memberUpdate) connector.Event {
	chat, reason := m.Chat.event()
	if reason == "" && chat.Group {
		reason = "a change of the bot's membership in a group"
	}
	var what connector.What
	switch m.New.Status {
	case "kicked":
		what = connector.Blocked{}
	case "member":
		what = connector.Unblocked{}
	}
	if reason != "" || what == nil {
		return d.unknown(orElse(reason, "a membership of kind "+word(m.New.Status)), m.Date)
	}
	who := m.From.person()
	if m.From.ID == 0 {
		who = m.Chat.person()
	}
	return connector.Event{ID: decimal(d.update), Version: decimal(m.Date), At: date(m.Date), Chat: chat, From: who, What: what, Raw: d.raw}
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// startLink is a start command with the payload of a link, of at most 64
// characters. Source: Bot API, deep linking, read 2026-11.
var startLink = regexp.MustCompile(`^/start(?:@[A-Za-z0-9_]+)? ([A-Za-z0-9_-]{1,64})$`)

func startPayload(text string) string {
	// Most texts are none, and a look is cheaper than a match.
	if !strings.HasPrefix(text, "/start") {
		return ""
	}
	if found := startLink.FindStringSubmatch(text); found != nil {
		return found[1]
	}
	return ""
}
