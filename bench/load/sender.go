package load

import (
	"context"
	"math/rand/v2"
	"time"
)

// sender is one connection and its share of the run. Its chats are its own, so
// that the messages of one chat are sent one after another, each after the answer
// to the one before it.
type sender struct {
	*run
	client  *client
	i       int64 // its number
	conns   int64
	chats   int64 // how many are its own
	zipf    *rand.Zipf
	idBase  int64
	picker  *picker
	tally   []tally
	turn    []int64 // of each part's bodies
	scratch message // of requests that are not worth remembering
	sent    []message
	kept    int64 // accepted messages that went through sent
}

// message is a rendered request.
type message struct{ target, header, body []byte }

// remembered is how many accepted messages are kept for repeating: as many as it
// takes for other messages to have come between.
const remembered = 16

// zipfExponent makes one chat in a hundred have about half of the messages.
const zipfExponent = 1.1

func (r *run) newSender(c *client, i int) *sender {
	s := &sender{run: r, client: c, i: int64(i), conns: int64(r.Conns), picker: newPicker(r.parts, i),
		tally: make([]tally, len(r.parts)), turn: make([]int64, len(r.parts)), sent: make([]message, 1)}
	s.chats = (r.Chats - s.i + s.conns - 1) / s.conns
	// Ids stay distinct from those of any run begun in an earlier millisecond, up
	// to 100 requests per millisecond, and below 2^53.
	s.idBase = r.start.UnixMilli() * 100
	if r.Spread == SpreadZipf {
		s.zipf = rand.NewZipf(rand.New(rand.NewPCG(1, uint64(i))), zipfExponent, 1, uint64(s.chats-1))
	}
	for _, p := range r.parts {
		if p.repeat {
			s.sent = make([]message, remembered)
		}
	}
	return s
}

// send sends until the run ends.
func (s *sender) send(ctx context.Context) {
	defer s.client.close()
	for n := int64(0); ctx.Err() == nil; n++ {
		seq := n*s.conns + s.i
		if s.Count > 0 && seq >= s.Count {
			return
		}
		began, ok := s.await(ctx, seq)
		if !ok {
			return
		}
		which := s.picker.next()
		if s.parts[which].repeat && s.kept == 0 {
			which = 0
		}
		a, err := s.one(which, n, seq)
		s.tally[which].count(a, err, began, time.Now(), !began.Before(s.measure))
		if err != nil {
			pause(ctx, deadPause)
		}
	}
}

// one sends the n-th request, of one part.
func (s *sender) one(which int, n, seq int64) (answer, error) {
	p := &s.parts[which]
	m := &s.scratch
	switch {
	case which == 0:
		m = &s.sent[s.kept%int64(len(s.sent))]
		s.render(m, p.bodies[0], p.header, n, seq)
	case p.repeat:
		m = &s.sent[s.oldest()]
	default:
		s.render(m, p.bodies[s.turn[which]%int64(len(p.bodies))], p.header, n, seq)
		s.turn[which]++
	}
	a, err := s.client.do(&request{method: s.Method, target: m.target, header: m.header, body: m.body, pad: p.pad})
	if which == 0 && err == nil && a.status/100 == 2 {
		s.kept++
	}
	return a, err
}

// oldest is the oldest of the accepted messages that are remembered. The slot
// that is written next is not one of them: what it holds may not be accepted.
func (s *sender) oldest() int64 {
	size := int64(len(s.sent))
	if s.kept < size {
		return 0
	}
	return (s.kept + 1) % size
}

func (s *sender) render(m *message, body, header template, n, seq int64) {
	key := s.chat(n)
	now := time.Now()
	v := vars{id: s.idBase + seq, chat: s.ChatBase + key, unix: now.Unix(), text: s.Text, tok: Token{s.name, key, seq, now}}
	if len(s.Keys) > 0 {
		v.key = s.Keys[key%int64(len(s.Keys))]
	}
	m.target = s.target.append(m.target[:0], &v)
	m.header = header.append(m.header[:0], &v)
	m.body = body.append(m.body[:0], &v)
}

// chat chooses the chat of the n-th request.
func (s *sender) chat(n int64) int64 {
	if s.zipf != nil {
		return s.i + int64(s.zipf.Uint64())*s.conns
	}
	return s.i + n%s.chats*s.conns
}
