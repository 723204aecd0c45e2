package store

import (
	"context"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// lastColumns are derived from the messages: of the last one, and of the last
// received one among the newest fifty. What is further back is in the row, at
// most an hour stale.
const lastColumns = `,
	COALESCE((SELECT m.created_at FROM message m WHERE m.conversation_id = v.id AND m.listed = 1 ORDER BY m.id DESC LIMIT 1), 0),
	COALESCE((SELECT MAX(n.created_at) FROM (SELECT m.created_at, m.income FROM message m WHERE m.conversation_id = v.id AND m.listed = 1
		ORDER BY m.id DESC LIMIT 50) n WHERE n.income = 1), 0)`

func (db *DB) conversations(ctx context.Context, where string, args ...any) ([]parley.Conversation, error) {
	var list []parley.Conversation
	err := db.read(ctx, "SELECT "+convColumns+lastColumns+convTables+" WHERE "+where, args, func(scan scanFunc) error {
		var v parley.Conversation
		var last, income int64
		err := scanConv(scan, &v, &last, &income)
		v.LastMessage = moment(last)
		if income > 0 {
			v.LastIncome = moment(income)
		}
		v.AvatarURL = db.absolute(v.AvatarURL)
		list = append(list, v)
		return err
	})
	return list, err
}

// Conversations lists a company's one-to-one conversations by id.
func (db *DB) Conversations(ctx context.Context, company parley.CompanyID, p Page) ([]parley.Conversation, error) {
	return db.conversations(ctx, "v.company_id = $3 AND v.announced <> 0 AND v.is_group = 0"+p.where("v.id"), p.args(int64(company))...)
}

// Conversation returns a conversation of a company. KindNotFound if it is
// another company's.
func (db *DB) Conversation(ctx context.Context, company parley.CompanyID, id parley.ConversationID) (parley.Conversation, error) {
	list, err := db.conversations(ctx, "v.id = $1 AND v.company_id = $2", int64(id), int64(company))
	if err == nil && len(list) == 0 {
		err = errNoConversation
	}
	if err != nil {
		return parley.Conversation{}, err
	}
	return list[0], nil
}

var errNoConversation = parley.Errorf(parley.KindNotFound, "Conversation not found")

// An Addressee is what sending into a conversation needs to know of it.
type Addressee struct {
	Conversation parley.Conversation // its keys alone: who it is with and where, not what became of it
	Channel      *parley.Channel     // without settings and secrets; may be a deleted one
}

// Addressee returns the little of a conversation that never changes, and its
// channel: one cheap read, made for every message that is sent. KindNotFound if
// the conversation is another company's.
func (db *DB) Addressee(ctx context.Context, company parley.CompanyID, id parley.ConversationID) (Addressee, error) {
	ch := &parley.Channel{Company: company}
	err := one(ctx, db.backend.reader(), "SELECT c.id, c.provider, c.spelling, c.state"+convTables+" WHERE v.id = $1 AND v.company_id = $2",
		[]any{int64(id), int64(company)}, &ch.ID, &ch.Provider, &ch.Spelling, &ch.State)
	if noRow(err) {
		return Addressee{}, errNoConversation
	}
	v := parley.Conversation{ID: id, Company: company, Channel: ch.ID, Spelling: ch.Spelling}
	return Addressee{Conversation: v, Channel: ch}, classify(err)
}

// StartConversation makes a conversation before anything is said in it, or finds
// the one that there is. It is listed from now on, and announced with its first
// message.
func (db *DB) StartConversation(ctx context.Context, ch *parley.Channel, with First) (parley.Conversation, error) {
	id, err := txResult(ctx, db, ch.Company, func(tx *Tx) (parley.ConversationID, error) { return tx.startConversation(ch, with) })
	if err != nil {
		return parley.Conversation{}, err
	}
	return db.Conversation(ctx, ch.Company, id)
}

func (tx *Tx) startConversation(ch *parley.Channel, with First) (parley.ConversationID, error) {
	known := tx.convs()
	key := convKey{ch.ID, with.External}
	if err := known.load([]convKey{key}); err != nil {
		return 0, err
	}
	v, err := known.known[key], error(nil)
	if v == nil {
		if v, err = known.create(ch, connector.Chat{ID: with.External}, with.person()); err != nil {
			return 0, err
		}
	}
	_, err = tx.Exec("UPDATE conversation SET announced = 2 WHERE id = $1 AND announced = 0", int64(v.ID))
	known.keep()
	return v.ID, err
}

// A ConversationChange is what an integrator notes on a conversation; nil leaves
// a field.
type ConversationChange struct {
	Note        *string
	Assignee    *int64
	BitrixBlock *bool
}

// UpdateConversation changes the fields given.
func (db *DB) UpdateConversation(ctx context.Context, company parley.CompanyID, id parley.ConversationID, c ConversationChange) error {
	return db.Tx(ctx, company, func(tx *Tx) error {
		n, err := tx.Exec(`UPDATE conversation SET note = COALESCE($3, note), assignee = COALESCE($4, assignee),
			bitrix_block = COALESCE($5, bitrix_block) WHERE id = $1 AND company_id = $2`,
			int64(id), int64(company), c.Note, c.Assignee, flagOrNil(c.BitrixBlock))
		if err == nil && n == 0 {
			err = parley.Errorf(parley.KindNotFound, "Conversation not found")
		}
		tx.committed = append(tx.committed, func() { db.convs.drop(id) })
		return err
	})
}
