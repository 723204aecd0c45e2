package store

import (
	"context"
	"encoding/json"
	"math"

	"github.com/parley-im/parley"
)

// messageRows are rows of the table message to be inserted.
func messageRows() table {
	return table{before: `INSERT INTO message (id, company_id, channel_id, conversation_id, contact_id, job_id, income, listed, ack,
		body, provider_id, reply_to, extra, created_at, edited_at, deleted_at) `, types: "iiiiiiiiittitiii"}
}

// extra is what few messages have.
type extra struct {
	Forwarded bool                  `json:"forwarded,omitempty"`
	Payload   string                `json:"payload,omitempty"`
	Location  *parley.Location      `json:"location,omitempty"`
	Files     []parley.AttachmentID `json:"files,omitempty"`
	Template  *parley.Template      `json:"template,omitempty"`
	Buttons   []string              `json:"buttons,omitempty"`
	Service   bool                  `json:"service,omitempty"`
}

// extraOf returns the column extra of a message.
func extraOf(m *parley.Message) string {
	x := extra{Forwarded: m.Forwarded, Payload: m.Payload, Location: m.Location, Template: m.Template, Buttons: m.Buttons, Service: m.Service}
	if !x.Forwarded && x.Payload == "" && x.Location == nil && len(m.Files) == 0 && x.Template == nil && len(x.Buttons) == 0 && !x.Service {
		return ""
	}
	for _, a := range m.Files {
		x.Files = append(x.Files, a.ID)
	}
	b, _ := json.Marshal(x) // plain data
	return string(b)
}

// message adds a row.
func (t *table) message(m *parley.Message, listed bool) {
	t.add(int64(m.ID), int64(m.Company), int64(m.Channel), int64(m.Conversation), int64(m.Contact), int64(m.Job), flag(m.Income), flag(listed),
		int64(m.Ack), m.Text, m.ProviderID, int64(m.ReplyTo), extraOf(m), millis(m.CreatedAt), millis(m.EditedAt), millis(m.DeletedAt))
}

// messageColumns are the columns that scanMessage reads, of a message m.
const messageColumns = `m.id, m.company_id, m.channel_id, m.conversation_id, m.job_id, m.income, m.ack, m.body, m.provider_id,
	m.reply_to, m.extra, m.created_at, m.edited_at, m.deleted_at`

// scanMessage reads one row of messageColumns. Of files it finds only the ids; see
// fillFiles.
func scanMessage(scan scanFunc, m *parley.Message, more ...any) error {
	var income, created, edited, deleted int64
	var rest string
	err := scan(append([]any{&m.ID, &m.Company, &m.Channel, &m.Conversation, &m.Job, &income, &m.Ack, &m.Text, &m.ProviderID,
		&m.ReplyTo, &rest, &created, &edited, &deleted}, more...)...)
	if err != nil {
		return err
	}
	m.Income, m.CreatedAt, m.EditedAt, m.DeletedAt = income != 0, moment(created), moment(edited), moment(deleted)
	if rest == "" {
		return nil
	}
	var x extra
	err = json.Unmarshal([]byte(rest), &x)
	m.Forwarded, m.Payload, m.Location = x.Forwarded, x.Payload, x.Location
	m.Template, m.Buttons, m.Service = x.Template, x.Buttons, x.Service
	for _, id := range x.Files {
		m.Files = append(m.Files, parley.Attachment{ID: id}) // see fillFiles
	}
	return err
}

// A Page is a walk through a list by key.
type Page struct {
	After int64 // the last id of the page before; 0 is the first page
	Then  int64 // the last second key of the page before, in lists that have two
	Desc  bool
	Limit int
}

// where returns the condition and the order for a key column, with the key as
// the first parameter and the limit as the second.
func (p Page) where(column string) string {
	if p.Desc {
		return " AND " + column + " < $1 ORDER BY " + column + " DESC LIMIT $2"
	}
	return " AND " + column + " > $1 ORDER BY " + column + " LIMIT $2"
}

// whereBoth is where for two key columns, the parameter of the second one given.
func (p Page) whereBoth(first, second, then string) string {
	if p.Desc {
		return " AND " + first + " <= $1 AND (" + first + " < $1 OR " + second + " < " + then + ") ORDER BY " + first + " DESC, " + second + " DESC LIMIT $2"
	}
	return " AND " + first + " >= $1 AND (" + first + " > $1 OR " + second + " > " + then + ") ORDER BY " + first + ", " + second + " LIMIT $2"
}

func (p Page) args(more ...any) []any {
	if p.Desc && p.After == 0 {
		p.After = math.MaxInt64
	}
	return append([]any{p.After, p.Limit}, more...)
}

// Messages lists a conversation's messages: received ones, and own ones that
// were delivered, in the order of storing.
func (db *DB) Messages(ctx context.Context, conversation parley.ConversationID, p Page) ([]parley.Message, error) {
	var list []parley.Message
	err := db.read(ctx, "SELECT "+messageColumns+" FROM message m WHERE m.conversation_id = $3 AND m.listed = 1"+p.where("m.id"),
		p.args(int64(conversation)), func(scan scanFunc) error {
			var m parley.Message
			err := scanMessage(scan, &m)
			list = append(list, m)
			return err
		})
	if err != nil {
		return nil, err
	}
	every := make([]*parley.Message, len(list))
	for n := range list {
		every[n] = &list[n]
	}
	return list, classify(db.fillFiles(ctx, db.backend.reader(), every))
}
