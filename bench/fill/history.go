package fill

import (
	"strconv"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
	"github.com/parley-im/parley/render"
)

const (
	// chunkSize is how many messages are made and written at once.
	chunkSize = 512
	// roundTime is how long it takes until everybody has had a turn, and
	// historyTime what all turns take at most.
	roundTime   = 24 * time.Hour / 5
	historyTime = 20 * 24 * time.Hour
	// claimTime is how long a claim holds: the default of --send-timeout and what
	// the outbox leaves for the answer to be stored.
	claimTime = 35 * time.Second
	// sendTime is how long it takes to send, at most: a message is sent before the
	// next one comes.
	sendTime = 120 * time.Millisecond
	// incomeFlush is how often a conversation's last_income_at is written at most.
	incomeFlush = time.Hour
)

// Contacts are called as the load generator calls them.
const (
	contactName = "Ann Lee"
	userPrefix  = "user"
)

// A chat is a conversation in the making.
type chat struct {
	id      int64
	contact int64
	madeAt  time.Time
	heardAt time.Time // as it is in the row
	open    bool      // it has an open job
}

// A history makes rows in the order of time.
type history struct {
	o      *Options
	begin  time.Time
	end    time.Time
	step   time.Duration // between two messages
	stride int64         // between two chats that have their turns one after the other
	texts  *texts
	keys   keyMaker

	company parley.CompanyID
	channel *parley.Channel
	token   string
	term    int64 // of the owner that has sent

	turn   int64 // the next message
	nextID int64
	seq    int64 // the newest event
	chats  []chat
}

func newHistory(o *Options, now time.Time) *history {
	h := &history{o: o, end: now.UTC().Truncate(time.Millisecond), stride: strideOf(o.Conversations), texts: newTexts(),
		chats: make([]chat, o.Conversations)}
	h.step = min(roundTime/time.Duration(o.Conversations), historyTime/time.Duration(o.Messages))
	h.begin = h.end.Add(-time.Duration(o.Messages) * h.step)
	return h
}

// strideOf returns a number that has no divisor in common with n, near the golden
// section of it: steps of that width meet everybody once, neighbours far apart.
func strideOf(n int64) int64 {
	stride := max(1, n*618/1000)
	for ; commonDivisor(stride, n) > 1; stride++ {
	}
	return stride
}

func commonDivisor(a, b int64) int64 {
	for b > 0 {
		a, b = b, a%b
	}
	return a
}

func (h *history) ended() bool { return h.turn == h.o.Messages }

// next makes the next stretch; the last one has the people of all of them.
func (h *history) next() *chunk {
	c := newChunk()
	for ; !h.ended() && c.count < chunkSize; h.turn++ {
		h.take(c)
		c.count++
	}
	if h.ended() {
		h.people(c)
	}
	return c
}

// take makes one message.
func (h *history) take(c *chunk) {
	round := h.turn / h.o.Conversations
	place := h.turn%h.o.Conversations + round*7919 // a round begins somewhere else than the one before
	n := place % h.o.Conversations * h.stride % h.o.Conversations
	at := h.begin.Add(time.Duration(h.turn) * h.step).Truncate(time.Millisecond)
	switch {
	case h.turn >= h.o.Messages-h.o.Jobs:
		h.accept(c, n, at)
	case round == 0 || (round+n)%2 == 0:
		h.receive(c, n, at)
	default:
		h.send(c, n, at)
	}
}

func (h *history) id() int64 {
	h.nextID++
	return h.nextID - 1
}

// providerID is Telegram's id of the message: it counts all of the bot's.
func (h *history) providerID() string { return strconv.FormatInt(h.turn+1, 10) }

func (h *history) external(n int64) string { return strconv.FormatInt(h.o.ChatBase+n, 10) }

// conversation returns what is rendered of a chat.
func (h *history) conversation(n int64) *parley.Conversation {
	v := &h.chats[n]
	external := h.external(n)
	return &parley.Conversation{ID: parley.ConversationID(v.id), Company: h.company, Channel: h.channel.ID, Spelling: h.channel.Spelling,
		External: external, PublicID: external, Name: contactName, Announced: true, CreatedAt: v.madeAt}
}

// receive makes a message of the contact. The provider's time has whole seconds.
func (h *history) receive(c *chunk, n int64, at time.Time) {
	v := &h.chats[n]
	m := parley.Message{ID: parley.MessageID(h.id()), Income: true, Text: h.texts.received(), Ack: parley.AckSent, ProviderID: h.providerID(),
		CreatedAt: at.Truncate(time.Second)}
	fresh := v.id == 0
	if fresh {
		v.id, v.contact, v.madeAt = h.id(), h.id(), at
		h.event(c, v, 0, parley.EventConversationNew, render.Conversation("new", h.conversation(n)), at)
	}
	if at.Sub(v.heardAt) >= incomeFlush {
		v.heardAt = at
	}
	key := h.keys.of(h.channel.Account, h.external(n), m.ProviderID, connector.Message{}.Kind(), "")
	c.seen.add(int64(h.channel.ID), key, int64(m.ID))
	h.message(c, v, &m, true)
	h.event(c, v, m.ID, parley.EventMessageNew, render.MessageNew(h.conversation(n), &m), at)
}

// send makes a message that the API took and the messenger has.
func (h *history) send(c *chunk, n int64, at time.Time) {
	v := &h.chats[n]
	took := min(sendTime, h.step/2)
	j := h.job(v, at)
	j.State, j.Part, j.Term, j.DoneAt = parley.JobDelivered, 1, parley.Term(h.term), at.Add(took).Truncate(time.Millisecond)
	j.ReadyAt = j.DoneAt
	claimed := at.Add(took / 10).Truncate(time.Millisecond)
	j.Deadline = claimed.Add(claimTime)
	m := parley.Message{ID: j.Message, Job: j.ID, Text: h.texts.sent(), Ack: parley.AckSent, ProviderID: h.providerID(), CreatedAt: at}
	h.message(c, v, &m, true)
	h.addJob(c, &j, claimed)
	h.event(c, v, m.ID, parley.EventMessageNew, render.MessageNew(h.conversation(n), &m), j.DoneAt)
	h.event(c, v, m.ID, parley.EventJobExecuted, render.JobExecuted(&j), j.DoneAt)
}

// accept makes a message that the API took, and nothing more has happened.
func (h *history) accept(c *chunk, n int64, at time.Time) {
	v := &h.chats[n]
	j := h.job(v, at)
	if v.open {
		j.State = parley.JobWaiting
	}
	v.open = true
	h.message(c, v, &parley.Message{ID: j.Message, Job: j.ID, Text: h.texts.sent(), Ack: parley.AckPreparing, CreatedAt: at}, false)
	h.addJob(c, &j, time.Time{})
}

// job makes a job as it is accepted: in reply, since nobody is silent for a day.
func (h *history) job(v *chat, at time.Time) parley.Job {
	return parley.Job{ID: parley.JobID(h.id()), Message: parley.MessageID(h.id()), Conversation: parley.ConversationID(v.id),
		Lane: parley.LaneReply, State: parley.JobReady, ReadyAt: at, CreatedAt: at}
}
