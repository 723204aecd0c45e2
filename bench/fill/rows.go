package fill

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/parley-im/parley"
)

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func (h *history) message(c *chunk, v *chat, m *parley.Message, listed bool) {
	c.messages.add(int64(m.ID), int64(h.company), int64(h.channel.ID), v.id, int64(0), int64(m.Job), bit(m.Income), bit(listed), int64(m.Ack),
		m.Text, m.ProviderID, int64(0), "", millis(m.CreatedAt), int64(0), int64(0))
}

func (h *history) addJob(c *chunk, j *parley.Job, claimed time.Time) {
	c.jobs.add(int64(j.ID), int64(h.company), int64(h.company.Shard()), int64(h.channel.ID), int64(j.Conversation), int64(j.Message), int64(j.Lane),
		string(j.State), int64(j.Part), int64(0), int64(0), int64(j.Term), "", "", millis(j.ReadyAt), millis(j.Deadline), millis(j.CreatedAt),
		millis(j.DoneAt), millis(claimed))
}

func (h *history) event(c *chunk, v *chat, m parley.MessageID, kind parley.EventKind, body []byte, at time.Time) {
	h.seq++
	c.events.add(int64(h.company), h.seq, v.id, int64(h.channel.ID), int64(m), string(kind), body, millis(at))
}

// people makes the rows of contacts and conversations as they are in the end, in
// the order in which they were made.
func (h *history) people(c *chunk) {
	for place := range h.o.Conversations {
		n := place * h.stride % h.o.Conversations
		v, external := &h.chats[n], h.external(n)
		c.contacts.add(v.contact, int64(h.company), int64(h.channel.ID), external, external, contactName, userPrefix+external, millis(v.madeAt))
		c.chats.add(v.id, int64(h.company), int64(h.channel.ID), v.contact, external, external, contactName, "", int64(0), int64(1), int64(0),
			millis(v.heardAt), "", int64(0), int64(0), millis(v.madeAt), millis(h.end))
	}
}

// A keyMaker makes the keys of table seen, as the store does: 16 bytes of SHA-256
// of texts, each behind its length. A message that is stored twice by the gateway
// after a fill means that the two do not agree any more.
type keyMaker struct{ text []byte }

func (k *keyMaker) of(texts ...string) []byte {
	k.text = k.text[:0]
	for _, s := range texts {
		k.text = binary.BigEndian.AppendUint64(k.text, uint64(len(s)))
		k.text = append(k.text, s...)
	}
	sum := sha256.Sum256(k.text)
	return sum[:16]
}
