package fill

import "strings"

// A table is a table of the gateway and the columns that are written, in their
// order. Columns that are left out have defaults that the gateway leaves as well.
type table struct {
	name    string
	columns []string
}

func newTable(name, columns string) *table { return &table{name, strings.Fields(columns)} }

var (
	messages = newTable("message", `id company_id channel_id conversation_id contact_id job_id income listed ack body provider_id reply_to extra
		created_at edited_at deleted_at`)
	seen = newTable("seen", "channel_id key message_id")
	jobs = newTable("job", `id company_id shard channel_id conversation_id message_id lane state part attempt crashes term plan reason
		ready_at deadline_at created_at done_at claimed_at`)
	events   = newTable("event", "company_id seq stream channel_id message_id kind body created_at")
	contacts = newTable("contact", "id company_id channel_id external public_id name username created_at")
	chats    = newTable("conversation", `id company_id channel_id contact_id external public_id name avatar_url is_group announced blocked
		last_income_at note assignee bitrix_block created_at profiled_at`)
)

// tables lists all that are written.
func tables() []*table { return []*table{messages, seen, jobs, events, contacts, chats} }

// A part is rows of one table.
type part struct {
	table  *table
	values []any
}

func (p *part) add(values ...any) { p.values = append(p.values, values...) }

func (p *part) rows() int64 { return int64(len(p.values) / len(p.table.columns)) }

// A chunk is a stretch of history.
type chunk struct {
	count                                         int64 // messages
	messages, seen, jobs, events, contacts, chats part
}

func newChunk() *chunk {
	return &chunk{messages: part{table: messages}, seen: part{table: seen}, jobs: part{table: jobs}, events: part{table: events},
		contacts: part{table: contacts}, chats: part{table: chats}}
}

func (c *chunk) parts() []*part {
	return []*part{&c.contacts, &c.chats, &c.messages, &c.seen, &c.jobs, &c.events}
}
