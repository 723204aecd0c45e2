package parley

import "time"

// A Contact is a person as one provider knows them.
type Contact struct {
	ID       ContactID
	Channel  ChannelID
	External string // the provider's id, opaque to all but its connector
	PublicID string // what is shown outside: phone digits, or the provider's id
	Name     string
	Username string // without @; may be empty
}

// A Conversation is a thread with a contact or a group.
type Conversation struct {
	ID          ConversationID
	Company     CompanyID
	Channel     ChannelID
	Spelling    string // the channel's, shown as channel_type
	External    string // the provider's id of the thread, opaque to all but its connector
	PublicID    string // sender_external_id
	Name        string
	AvatarURL   string // absolute; empty if there is none
	Group       bool
	Announced   bool // listed, and conversation/new is in the event log
	Blocked     bool // the contact has blocked us
	Note        string
	Assignee    int64 // 0 is nobody
	BitrixBlock bool
	LastMessage time.Time // zero if there is none
	LastIncome  time.Time // zero if there is none
	CreatedAt   time.Time
}
