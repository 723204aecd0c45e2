package store

import (
	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/render"
)

// memberRows are rows of the table group_member to be inserted, if they are new.
func memberRows() table {
	return table{before: "INSERT INTO group_member (conversation_id, contact_id, created_at) ", types: "iii",
		after: " ON CONFLICT (conversation_id, contact_id) DO NOTHING RETURNING contact_id"}
}

// An author is who wrote a message in a group; the zero value where that is known
// from the conversation, or is us.
type author struct {
	id     parley.ContactID
	public string
}

// author finds who wrote a message in a group, and tells of a member who writes
// there for the first time.
func (r *receiver) author(i *receiveItem, own bool) (author, error) {
	who := i.event().From
	if !i.conv.Group || own || who.ID == "" {
		return author{}, nil
	}
	a := author{public: publicID(connector.Chat{}, who)}
	var err error
	if a.id, err = r.tx.contact(i.in.Channel, who, a.public); err != nil {
		return author{}, err
	}
	rows, fresh := memberRows(), false
	rows.add(int64(i.conv.ID), int64(a.id), millis(r.tx.now))
	err = rows.run(r.tx, func(scan scanFunc) error {
		fresh = true
		return scan(new(int64))
	})
	if err != nil || !fresh {
		return a, err
	}
	r.convs.event(i.conv, parley.EventGroupMemberNew, render.GroupMember(&i.conv.Conversation, a.public, r.tx.now))
	return a, nil
}
