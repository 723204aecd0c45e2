package parley

// Ids of the gateway's own nouns. All of them come from one rising sequence, so
// an id names one thing only, and a later id was made later. They are positive
// and stay below 2^53, so that JavaScript clients can hold them.
type (
	UserID         int64
	CompanyID      int64
	ChannelID      int64
	ContactID      int64
	ConversationID int64
	MessageID      int64
	JobID          int64
	AttachmentID   int64
	EndpointID     int64
	StreamID       int64 // what is kept in order: a conversation, or a channel for its own events
)

// Stream returns the conversation as the unit of order.
func (id ConversationID) Stream() StreamID { return StreamID(id) }

// Stream returns the channel as the unit of order of its own events.
func (id ChannelID) Stream() StreamID { return StreamID(id) }

// Shards is how many parts the companies are divided into. A part is what one
// node owns; see package lease.
const Shards = 256

// A Shard numbers one of the parts, from 0 to Shards-1.
type Shard int16

// Shard returns the part that the company belongs to, for ever. Ids are given out
// in steps, so their low bits say little; a multiplication by the golden ratio
// spreads whatever pattern they have over its high bits.
func (id CompanyID) Shard() Shard { return Shard(uint64(id) * 0x9e3779b97f4a7c15 >> 56) }

// A Term counts the owners that a shard has had. A write that names an old term
// is refused.
type Term int64

// A Grant is the right to act for a shard: what a lease holder shows with every
// claim.
type Grant struct {
	Shard Shard
	Term  Term
}
