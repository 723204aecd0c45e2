package telegramsim

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// Inject queues an update as it is, whatever kind it claims to be, past
// allowed_updates. Without update_id it gets the next one. An update_id of the
// past is accepted only while a webhook is set: a poll could never fetch it.
func (s *Server) Inject(account string, raw []byte) (Said, error) {
	b, err := s.findBot(account)
	if err != nil {
		return Said{}, err
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil || fields == nil {
		return Said{}, refuse("the body must be a JSON object, an Update")
	}
	var compact bytes.Buffer
	_ = json.Compact(&compact, raw) // it has just been parsed
	b.mu.Lock()
	defer b.mu.Unlock()
	u, err := b.rawUpdate(compact.Bytes(), fields)
	if err != nil {
		return Said{}, err
	}
	b.enqueue(u)
	return Said{Account: b.user.ID, Chat: u.chat, Person: max(u.chat, 0), UpdateID: u.id, Date: s.now().Unix()}, nil
}

func (b *bot) rawUpdate(body []byte, fields map[string]json.RawMessage) (*update, error) {
	u := &update{id: b.queue.next, body: body}
	if id, ok := fields["update_id"]; !ok {
		head := strconv.AppendInt([]byte(`{"update_id":`), u.id, 10)
		if len(fields) > 0 {
			head = append(head, ',')
		}
		u.body = append(head, body[1:]...)
	} else if err := json.Unmarshal(id, &u.id); err != nil {
		return nil, refuse("update_id must be a whole number; leave it out to get the next one")
	}
	if u.id < b.queue.next && b.hook == nil {
		return nil, refuse("update_id must be " + strconv.FormatInt(b.queue.next, 10) + " or more while no webhook is set")
	}
	for kind, event := range fields {
		if kind != "update_id" {
			u.kind, u.chat = kind, chatOf(event)
		}
	}
	return u, b.room()
}

// chatOf finds the chat an event belongs to, 0 if it does not say.
func chatOf(event json.RawMessage) int64 {
	type holder struct {
		ID int64 `json:"id"`
	}
	var e struct {
		Chat    holder `json:"chat"`
		From    holder `json:"from"`
		Message struct {
			Chat holder `json:"chat"`
		} `json:"message"`
	}
	_ = json.Unmarshal(event, &e) // whatever cannot be read stays 0
	for _, id := range []int64{e.Chat.ID, e.Message.Chat.ID, e.From.ID} {
		if id != 0 {
			return id
		}
	}
	return 0
}
