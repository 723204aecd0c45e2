package telegramsim

import (
	"container/list"
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// retention is how long an update waits to be fetched.
// Source: Bot API, Getting updates, read 2026-11.
const retention = 24 * time.Hour

// An update is rendered once, when it happens.
type update struct {
	id      int64
	kind    string
	chat    int64 // 0 if it has none
	body    []byte
	expires time.Time
	at      *list.Element // nil once delivered, confirmed or expired
	held    bool          // a reorder fault has had it
}

// A queue holds a bot's undelivered updates, oldest first. The bot's lock
// guards it.
type queue struct {
	order *list.List // of *update
	next  int64
}

func newQueue(first int64) queue { return queue{order: list.New(), next: first} }

func (q *queue) len() int { return q.order.Len() }

func (q *queue) front() *update {
	if e := q.order.Front(); e != nil {
		return e.Value.(*update)
	}
	return nil
}

func (q *queue) remove(u *update) {
	if u.at != nil {
		q.order.Remove(u.at)
		u.at = nil
	}
}

func (q *queue) expire(now time.Time) {
	for u := q.front(); u != nil && !now.Before(u.expires); u = q.front() {
		q.remove(u)
	}
}

// confirm forgets everything below offset; a negative offset keeps only the
// newest -offset. Source: Bot API, getUpdates, read 2026-11.
func (q *queue) confirm(offset int64) {
	for u := q.front(); offset > 0 && u != nil && u.id < offset; u = q.front() {
		q.remove(u)
	}
	for offset < 0 && int64(q.len()) > -offset {
		q.remove(q.front())
	}
}

func (q *queue) clear() {
	for q.len() > 0 {
		q.remove(q.front())
	}
}

// batch renders up to limit updates as a JSON array; nil if there are none.
func (q *queue) batch(limit int64) rendered {
	if q.len() == 0 {
		return nil
	}
	out := rendered{'['}
	for e := q.order.Front(); e != nil && limit > 0; e, limit = e.Next(), limit-1 {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, e.Value.(*update).body...)
	}
	return append(out, ']')
}

// push queues an event and wakes whoever waits for it. It returns the update's
// id, 0 if the bot does not want this kind. The caller holds the bot's lock.
func (b *bot) push(kind string, chat int64, event any) (int64, error) {
	if !b.allowed.has(kind) {
		return 0, nil
	}
	payload, err := json.Marshal(event)
	if err != nil {
		return 0, err
	}
	id := b.queue.next
	b.enqueue(&update{id: id, kind: kind, chat: chat, body: renderUpdate(id, kind, payload)})
	return id, nil
}

func renderUpdate(id int64, kind string, payload []byte) []byte {
	body := make([]byte, 0, len(payload)+len(kind)+40)
	body = strconv.AppendInt(append(body, `{"update_id":`...), id, 10)
	body = append(append(append(body, `,"`...), kind...), `":`...)
	return append(append(body, payload...), '}')
}

// enqueue appends u and moves the counter past it.
func (b *bot) enqueue(u *update) {
	now := b.s.now()
	b.queue.expire(now)
	u.expires = now.Add(retention)
	u.at = b.queue.order.PushBack(u)
	b.queue.next = max(b.queue.next, u.id+1)
	if b.hook != nil {
		b.hook.add(u)
	}
	if b.poll != nil {
		b.poll.nudge()
	}
}

// room reports whether another update fits.
func (b *bot) room() error {
	if b.queue.len() >= b.s.opts.QueueSize {
		return refuse("the bot's queue of undelivered updates is full; let the gateway fetch them first")
	}
	return nil
}

// updateKinds are the kinds a bot can ask for, in the order of the reference.
// Source: Bot API, Update, read 2026-11.
var updateKinds = []string{
	"message", "edited_message", "channel_post", "edited_channel_post", "business_connection",
	"business_message", "edited_business_message", "deleted_business_messages", "message_reaction",
	"message_reaction_count", "inline_query", "chosen_inline_result", "callback_query", "shipping_query",
	"pre_checkout_query", "purchased_paid_media", "poll", "poll_answer", "my_chat_member", "chat_member",
	"chat_join_request", "chat_boost", "removed_chat_boost",
}

// notByDefault are the kinds that must be asked for.
// Source: Bot API, setWebhook, allowed_updates, read 2026-11.
var notByDefault = kindsOf([]string{"chat_member", "message_reaction", "message_reaction_count"})

// A kindSet is a set of update kinds, one bit each; 0 is the default set.
type kindSet uint64

// kindsOf ignores unknown names, as the server does.
func kindsOf(names []string) kindSet {
	var set kindSet
	for _, n := range names {
		if i := slices.Index(updateKinds, n); i >= 0 {
			set |= 1 << i
		}
	}
	return set
}

// has lets unknown kinds pass: they are injected on purpose.
func (k kindSet) has(kind string) bool {
	i := slices.Index(updateKinds, kind)
	if i < 0 {
		return true
	}
	if k == 0 {
		return notByDefault&(1<<i) == 0
	}
	return k&(1<<i) != 0
}

func (k kindSet) names() []string {
	var names []string
	for i, n := range updateKinds {
		if k&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return names
}

// allow takes over allowed_updates if it is given: absent or unreadable keeps
// the former setting, an empty list is the default set. The caller holds the
// bot's lock.
func (c *call) allow() {
	var names []string
	if given, err := c.params.JSON("allowed_updates", &names); given && err == nil {
		c.bot.allowed = kindsOf(names)
	}
}
