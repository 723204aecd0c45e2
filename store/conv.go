package store

import (
	"fmt"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/render"
)

// convColumns are the columns that scanConv reads, of a conversation v joined
// with its channel c and its contact k.
const convColumns = `v.id, v.company_id, v.channel_id, c.spelling, v.external, v.public_id, v.name, v.avatar_url,
	v.is_group, v.announced, v.blocked, v.last_income_at, v.note, v.assignee, v.bitrix_block, v.created_at`

// cachedColumns are what the writer remembers beside them; the contact is k.
const cachedColumns = `, v.contact_id, COALESCE(k.username, ''), v.profiled_at`

const convTables = ` FROM conversation v JOIN channel c ON c.id = v.channel_id`

func scanConv(scan scanFunc, v *parley.Conversation, more ...any) error {
	var income, created int64
	var group, announced, blocked, bitrix int64
	err := scan(append([]any{&v.ID, &v.Company, &v.Channel, &v.Spelling, &v.External, &v.PublicID, &v.Name, &v.AvatarURL,
		&group, &announced, &blocked, &income, &v.Note, &v.Assignee, &bitrix, &created}, more...)...)
	v.Group, v.Announced, v.Blocked, v.BitrixBlock = group != 0, announced == 1, blocked != 0, bitrix != 0
	v.LastIncome, v.CreatedAt = moment(income), moment(created)
	return err
}

// convs are the conversations that a transaction deals with, by both names. They
// are copies: what is committed goes to the cache afterwards.
type convs struct {
	tx    *Tx
	known map[convKey]*conv
	byID  map[parley.ConversationID]*conv
	dirty map[convKey]bool
}

func (tx *Tx) convs() *convs {
	return &convs{tx: tx, known: map[convKey]*conv{}, byID: map[parley.ConversationID]*conv{}, dirty: map[convKey]bool{}}
}

func (s *convs) put(v *conv) *conv {
	s.known[convKey{v.Channel, v.External}] = v
	s.byID[v.ID] = v
	return v
}

// copyOf takes a conversation from the cache, as a copy that may be changed.
func (s *convs) copyOf(v *conv) *conv {
	c := *v
	return s.put(&c)
}

// load finds conversations by the provider's identity: in the cache, else in
// their rows. Those that do not exist stay unknown.
func (s *convs) load(keys []convKey) error {
	missing := map[parley.ChannelID][]string{}
	for _, k := range keys {
		if s.known[k] != nil {
			continue
		}
		if v := s.tx.db.convs.get(k); v != nil {
			s.copyOf(v)
			continue
		}
		missing[k.channel] = append(missing[k.channel], k.external)
	}
	for channel, externals := range missing {
		text := fmt.Sprintf("SELECT "+convColumns+cachedColumns+convTables+
			" LEFT JOIN contact k ON k.id = v.contact_id WHERE v.channel_id = %d AND v.external IN (%%s)", channel)
		if err := lookup(s.tx.ctx, s.tx.q, text, externals, s.scan); err != nil {
			return err
		}
	}
	return nil
}

// loadByID finds conversations by our ids.
func (s *convs) loadByID(wanted []parley.ConversationID) error {
	var missing []int64
	for _, id := range wanted {
		if s.byID[id] != nil {
			continue
		}
		if v := s.tx.db.convs.getByID(id); v != nil {
			s.copyOf(v)
			continue
		}
		missing = append(missing, int64(id))
	}
	return lookup(s.tx.ctx, s.tx.q, "SELECT "+convColumns+cachedColumns+convTables+
		" LEFT JOIN contact k ON k.id = v.contact_id WHERE v.id IN (%s)", missing, s.scan)
}

func (s *convs) scan(scan scanFunc) error {
	v := &conv{}
	var profiled int64
	err := scanConv(scan, &v.Conversation, &v.contact, &v.username, &profiled)
	v.flushed, v.lastKnown, v.profiled = v.LastIncome, v.LastIncome, moment(profiled)
	v.AvatarURL = s.tx.db.absolute(v.AvatarURL)
	s.put(v)
	s.dirty[convKey{v.Channel, v.External}] = true // not changed, but worth keeping in the cache
	return err
}

// create makes the rows of a conversation and, in a direct one, of its contact.
func (s *convs) create(ch *parley.Channel, chat connector.Chat, who connector.Person) (*conv, error) {
	tx := s.tx
	v := &conv{username: who.Username, profiled: tx.now}
	v.Conversation = parley.Conversation{
		ID: parley.ConversationID(tx.ids.take()), Company: ch.Company, Channel: ch.ID, Spelling: ch.Spelling,
		External: chat.ID, PublicID: publicID(chat, who), Name: displayName(chat, who), Group: chat.Group, CreatedAt: tx.now,
	}
	if !chat.Group {
		id, err := tx.contact(ch, who, v.PublicID)
		if err != nil {
			return nil, err
		}
		v.contact = id
	}
	_, err := tx.Exec(`INSERT INTO conversation (id, company_id, channel_id, contact_id, external, public_id, name, avatar_url,
		is_group, announced, blocked, last_income_at, note, assignee, bitrix_block, created_at, profile_at, profiled_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, '', $8, 0, 0, 0, '', 0, 0, $9, $9, $9)`,
		int64(v.ID), int64(v.Company), int64(v.Channel), int64(v.contact), v.External, v.PublicID, v.Name, flag(v.Group), millis(tx.now))
	if err != nil {
		return nil, fmt.Errorf("create conversation: %w", err)
	}
	s.touch(v)
	s.tx.pending = true // its profile is to be asked for
	return s.put(v), nil
}

// contact returns the contact's id, creating the row if there is none.
func (tx *Tx) contact(ch *parley.Channel, who connector.Person, public string) (parley.ContactID, error) {
	id := tx.ids.take()
	_, err := tx.Exec(`INSERT INTO contact (id, company_id, channel_id, external, public_id, name, username, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (channel_id, external) DO NOTHING`,
		id, int64(ch.Company), int64(ch.ID), who.ID, public, who.Name, who.Username, millis(tx.now))
	if err != nil {
		return 0, fmt.Errorf("create contact: %w", err)
	}
	err = tx.one("SELECT id FROM contact WHERE channel_id = $1 AND external = $2", []any{int64(ch.ID), who.ID}, &id)
	return parley.ContactID(id), err
}

func publicID(chat connector.Chat, who connector.Person) string {
	switch {
	case chat.Group:
		return chat.ID
	case who.PublicID != "":
		return who.PublicID
	case who.ID != "":
		return who.ID
	}
	return chat.ID
}

// displayName is what a conversation is called; the contract has no empty names.
func displayName(chat connector.Chat, who connector.Person) string {
	for _, name := range []string{chat.Name, who.Name, who.Username} {
		if name != "" {
			return name
		}
	}
	return publicID(chat, who)
}

// announce puts a conversation into lists, and conversation/new into the log.
func (s *convs) announce(v *conv) error {
	if v.Announced {
		return nil
	}
	n, err := s.tx.Exec("UPDATE conversation SET announced = 1 WHERE id = $1 AND announced <> 1", int64(v.ID))
	if err != nil {
		return err
	}
	v.Announced = true
	s.touch(v)
	if n == 0 {
		return nil // another node has done it
	}
	if v.Group {
		s.event(v, parley.EventGroupNew, render.GroupConversation("new", &v.Conversation))
		return nil
	}
	s.event(v, parley.EventConversationNew, render.Conversation("new", &v.Conversation))
	return nil
}

// changed tells that name or picture are new.
func (s *convs) changed(v *conv) {
	s.touch(v)
	switch {
	case !v.Announced:
	case v.Group:
		s.event(v, parley.EventGroupUpdate, render.GroupConversation("update", &v.Conversation))
	default:
		s.event(v, parley.EventConversationUpdate, render.Conversation("update", &v.Conversation))
	}
}

// rename takes over names of the person, or of the group, if they are new.
func (s *convs) rename(v *conv, chat connector.Chat, who connector.Person) error {
	if v.Group {
		if chat.Name == "" {
			return nil
		}
		return s.setName(v, chat.Name)
	}
	if who.ID == "" || (who.Name == "" && who.Username == "") {
		return nil
	}
	name := displayName(chat, who)
	if name == v.Name && who.Username == v.username {
		return nil
	}
	if _, err := s.tx.Exec("UPDATE contact SET name = $2, username = $3 WHERE id = $1", int64(v.contact), who.Name, who.Username); err != nil {
		return err
	}
	v.username = who.Username
	s.touch(v)
	return s.setName(v, name)
}

// setName calls the conversation something else, if it is not called so.
func (s *convs) setName(v *conv, name string) error {
	if name == v.Name {
		return nil
	}
	if _, err := s.tx.Exec("UPDATE conversation SET name = $2 WHERE id = $1", int64(v.ID), name); err != nil {
		return err
	}
	v.Name = name
	s.changed(v)
	return nil
}

// block records that the contact has blocked us, or not any more.
func (s *convs) block(v *conv, blocked bool) error {
	if v.Blocked == blocked {
		return nil
	}
	n, err := s.tx.Exec("UPDATE conversation SET blocked = $2 WHERE id = $1 AND blocked <> $2", int64(v.ID), flag(blocked))
	if err != nil {
		return err
	}
	v.Blocked = blocked
	s.touch(v)
	if n == 0 {
		return nil // as above
	}
	kind, word := parley.EventConversationUnblocked, "unblocked"
	if blocked {
		kind, word = parley.EventConversationBlocked, "blocked"
	}
	s.event(v, kind, render.Conversation(word, &v.Conversation))
	return nil
}

// heard notes that the contact wrote. The row follows at most once an hour.
func (s *convs) heard(v *conv) error {
	v.lastKnown = s.tx.now
	s.touch(v)
	if s.tx.now.Sub(v.flushed) < incomeFlush {
		return nil
	}
	v.flushed = s.tx.now
	due := int64(0)
	if v.stale(s.tx.now) {
		due, v.profiled = millis(s.tx.now), s.tx.now
	}
	_, err := s.tx.Exec("UPDATE conversation SET last_income_at = $2, profile_at = "+s.tx.db.dialect.greatest()+"(profile_at, $3) WHERE id = $1",
		int64(v.ID), millis(s.tx.now), due)
	return err
}

func (s *convs) event(v *conv, kind parley.EventKind, body []byte) {
	s.tx.append(parley.Event{Company: v.Company, Stream: v.ID.Stream(), Channel: v.Channel, Kind: kind, Body: body})
}

// relocate gives a conversation a new id at the provider, unless another one has
// it already: then both stay what they are.
func (s *convs) relocate(v *conv, chat string) error {
	if chat == "" || chat == v.External {
		return nil
	}
	n, err := s.tx.Exec(`UPDATE conversation SET external = $2 WHERE id = $1
		AND NOT EXISTS (SELECT 1 FROM conversation o WHERE o.channel_id = $3 AND o.external = $2)`, int64(v.ID), chat, int64(v.Channel))
	if err != nil || n == 0 {
		return err
	}
	s.move(v, chat)
	return nil
}

// move follows a conversation to its new id at the provider.
func (s *convs) move(v *conv, external string) {
	old := convKey{v.Channel, v.External}
	delete(s.known, old)
	delete(s.dirty, old)
	s.tx.committed = append(s.tx.committed, func() { s.tx.db.convs.drop(v.ID) }) // before keep adds it anew
	v.External = external
	s.touch(s.put(v))
}

func (s *convs) touch(v *conv) { s.dirty[convKey{v.Channel, v.External}] = true }

// keep sends what has changed to the cache, once it is committed.
func (s *convs) keep() {
	if len(s.dirty) == 0 {
		return
	}
	s.tx.committed = append(s.tx.committed, func() {
		for k := range s.dirty {
			s.tx.db.convs.add(s.known[k])
		}
	})
}
