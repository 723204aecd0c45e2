package telegram

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"

	"github.com/parley-im/parley/connector"
)

// decode turns one update into one event. It is pure and takes any bytes; what
// it does not understand becomes an Unknown. The event keeps raw. bot is the bot's
// user id, and cloud whether the limits of Telegram's own server apply.
func decode(raw []byte, bot int64, cloud bool) connector.Event {
	var u update
	err := json.Unmarshal(raw, &u)
	id, ok := usable(u.ID)
	if err != nil {
		id, ok = updateID(raw)
	}
	d := decoder{raw: raw, bot: bot, cloud: cloud, update: id}
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
	cloud  bool
	update int64
}

func (d decoder) event(u *update) connector.Event {
	switch {
	case u.Message != nil:
		return d.message(u.Message)
	case u.Edited != nil:
		return d.edit(u.Edited)
	case u.Post != nil:
		return d.message(u.Post)
	case u.EditedPost != nil:
		return d.edit(u.EditedPost)
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
	return d.about(connector.Unknown{Reason: reason}, at)
}

// about is an event of the update alone, which belongs to no conversation.
func (d decoder) about(what connector.What, at int64) connector.Event {
	return connector.Event{ID: decimal(d.update), At: date(at), Raw: d.raw, What: what}
}
