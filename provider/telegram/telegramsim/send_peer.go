package telegramsim

import (
	"slices"
	"strconv"
	"strings"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/simulator"
)

// A peer is whom a bot writes to: a person, or a group or channel.
type peer struct {
	person *person
	group  *group
}

func (p peer) id() int64 {
	if p.group != nil {
		return p.group.id
	}
	return p.person.id
}

// hasTopic reports whether the id is that of a topic of a forum.
func (p peer) hasTopic(id int64) bool {
	if p.group == nil {
		return false
	}
	p.group.mu.Lock()
	defer p.group.mu.Unlock()
	return p.group.topics[id] != nil
}

// peer finds who is named by a parameter: an id, or the @username of a
// supergroup or channel.
func (c *call) peer(param string) (peer, error) {
	text := strings.TrimSpace(c.params.Get(param))
	if text == "" {
		return peer{}, errChatIDEmpty
	}
	if g := c.groupCalled(text); g != nil {
		return peer{group: g}, nil
	}
	p, err := c.personCalled(text)
	return peer{person: p}, err
}

// within is peer for a chat whose messages are touched: of a group the bot must
// be a member still.
func (c *call) within(param string) (peer, error) {
	p, err := c.peer(param)
	if err != nil || p.group == nil {
		return p, err
	}
	c.bot.mu.Lock()
	defer c.bot.mu.Unlock()
	return p, c.bot.barred(c.bot.chats[p.group.id], p.group, "")
}

// reach returns the chat with p, or why nothing of this sort can be sent there;
// the caller holds the lock.
func (b *bot) reach(p peer, right string) (*chat, error) {
	ch := b.chats[p.id()]
	if p.group != nil {
		return ch, b.barred(ch, p.group, right)
	}
	switch {
	case p.person.profile.Load().deactivated:
		return nil, forbidden("user is deactivated")
	case ch == nil:
		return nil, forbidden("bot can't initiate conversation with a user")
	case ch.blocked:
		return nil, forbidden("bot was blocked by the user")
	case slices.Contains(ch.denied, right): // only voice notes can be
		return nil, badRequest("VOICE_MESSAGES_FORBIDDEN")
	}
	return ch, nil
}

// reachFor is reach for all of several messages.
func (b *bot) reachFor(p peer, drafts []draft) (ch *chat, err error) {
	for _, d := range drafts {
		if ch, err = b.reach(p, d.right); err != nil {
			return nil, err
		}
	}
	return ch, nil
}

// barred says why the bot cannot send to a group; ch is nil if it was never there.
func (b *bot) barred(ch *chat, g *group, right string) error {
	public := g.info.Load().Username != ""
	switch to := g.movedTo.Load(); {
	case ch == nil && !public:
		return errChatNotFound
	case to != 0:
		return &apiError{code: 400, text: "Bad Request: group chat was upgraded to a supergroup chat", migrateTo: to}
	case ch == nil, ch.status == statusLeft:
		return forbidden("bot is not a member of the " + g.kind + " chat")
	case ch.status == statusKicked:
		return forbidden("bot was kicked from the " + g.kind + " chat")
	case !slices.Contains(ch.denied, right):
		return nil
	case g.kind == chatChannel: // where only administrators that may post can be
		return badRequest("need administrator rights in the channel chat")
	}
	return badRequest("not enough rights to send " + right + " to the chat")
}

// rights are what an administrator can forbid members to send, as refusals name it.
var rights = []string{
	"text messages", "photos", "videos", "video notes", "voice notes", "audios", "documents", "animations",
	"stickers", "locations", "venues", "contacts", "dice",
}

// Restrict forbids a bot to send some things to a group: any of "text messages",
// photos, videos, "video notes", "voice notes", audios, documents, animations,
// stickers, locations, venues, contacts, dice. None lifts all bans. People, by id
// or name, can refuse voice notes only. Its errors are of kind parley.KindInvalid
// or parley.KindNotFound.
func (s *Server) Restrict(account, chat string, denied ...string) error {
	b, err := s.findBot(account)
	if err != nil {
		return err
	}
	id, allowed := int64(0), rights
	if g, err := s.findGroup(chat); err == nil {
		id = g.id
	} else if p, err := s.findPerson(chat); err == nil && chat != "" {
		id, allowed = p.id, []string{"voice notes"}
	}
	for _, d := range denied {
		if !slices.Contains(allowed, d) {
			return refuse("deny must be some of: " + strings.Join(allowed, ", "))
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	ch := b.chats[id]
	if ch == nil {
		return parley.Errorf(parley.KindNotFound, "no such chat of the bot; chat is a group or a person")
	}
	ch.denied = slices.Clone(denied)
	return nil
}

// restrict is Restrict as a control verb.
func (s *Server) restrict(p simulator.Params) (any, error) {
	denied := []string{}
	for d := range strings.SplitSeq(p.Get("deny"), ",") {
		if d = strings.TrimSpace(d); d != "" {
			denied = append(denied, d)
		}
	}
	err := s.Restrict(p.Get("account"), p.Get("chat"), denied...)
	return map[string]any{"denied": denied}, err
}

// personCalled is the person with an id as chat_id gives it.
func (c *call) personCalled(chatID string) (*person, error) {
	id, err := strconv.ParseInt(chatID, 10, 64)
	if err != nil {
		return nil, errChatNotFound
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.bots[id] != nil {
		return nil, forbidden("the bot can't send messages to the bot")
	}
	if p := c.people.byID[id]; p != nil {
		return p, nil
	}
	return nil, errChatNotFound
}
