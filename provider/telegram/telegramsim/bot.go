package telegramsim

import (
	"crypto/rand"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/parley-im/parley"
)

// A bot is one account with its chats and its update queue.
type bot struct {
	s    *Server
	user *user
	key  string // the id as text, for faults and logs

	mu        sync.Mutex // guards all below; held for microseconds, never across I/O
	token     string
	revoked   bool
	loggedOut time.Time // zero: logged in
	launched  time.Time
	chats     map[int64]*chat
	queue     queue
	allowed   kindSet
	poll      *poll
	polled    pollHistory
	hook      *webhook // nil: no webhook
	hooking   int      // counts setWebhook calls, to notice races
	hookedAt  time.Time
	queries   map[string]time.Time // callback queries not answered yet
	readsAll  bool                 // privacy mode is off
	pace      *rate.Limiter
}

// A chat is one chat of a bot: with a person, or in a group or channel.
type chat struct {
	person  *person       // nil in a group
	group   *group        // nil in a private chat
	status  string        // of the bot in the group: administrator, member, left or kicked
	blocked bool          // by the person
	lastID  int64         // of messages, in both directions
	denied  []string      // what the bot may not send there, as in refusals: photos
	minute  *rate.Limiter // of a group, beside pace
	pace    *rate.Limiter
}

// next is the id of the chat's next message. Supergroups and channels count for
// all their members, other chats for this bot. The caller holds the bot's lock.
func (ch *chat) next() int64 {
	if ch.group != nil && ch.group.kind != chatGroup {
		return ch.group.last.Add(1)
	}
	ch.lastID++
	return ch.lastID
}

// info is the chat as messages show it.
func (ch *chat) info() *chatInfo {
	if ch.group != nil {
		return ch.group.info.Load()
	}
	return &ch.person.profile.Load().chat
}

// Account describes a bot to a test or to the control API.
type Account struct {
	ID       int64  `json:"id"`
	Token    string `json:"token"`
	Name     string `json:"name"`
	Username string `json:"username"`
	Revoked  bool   `json:"revoked"`
	Webhook  string `json:"webhook"` // callback address, "" if none
	Pending  int    `json:"pending"` // updates not delivered yet
}

func (b *bot) account() Account {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := Account{ID: b.user.ID, Token: b.token, Name: b.user.FirstName, Username: b.user.Username,
		Revoked: b.revoked, Pending: b.queue.len()}
	if b.hook != nil {
		a.Webhook = b.hook.set.url
	}
	return a
}

// tokenShape is a token as BotFather makes them; the length of the secret is
// not promised, so it is only bounded by the 80 characters of the whole.
// Source: Bot API, Authorizing your bot, read 2026-11.
var tokenShape = regexp.MustCompile(`^[1-9][0-9]{0,15}:[A-Za-z0-9_-]+$`)

const maxToken = 80

// AddBot makes a bot. An empty token is generated, an empty name is "Bot", an
// empty username is made from the id. The token of an existing bot returns that
// bot; a new token for a revoked bot brings it back to life. Errors are of kind
// parley.KindInvalid or parley.KindConflict.
func (s *Server) AddBot(token, name, username string) (Account, error) {
	if token != "" && (!tokenShape.MatchString(token) || len(token) > maxToken) {
		return Account{}, refuse("token must look like 123456789:AAbbCC, digits, a colon, and letters, digits, _ or -")
	}
	b, err := s.addBot(token, name, strings.TrimPrefix(username, "@"))
	if err != nil {
		return Account{}, err
	}
	return b.account(), nil
}

func (s *Server) addBot(token, name, username string) (*bot, error) {
	s.mu.Lock()
	if token == "" {
		token = s.newToken()
	}
	id, _, _ := strings.Cut(token, ":")
	n, _ := strconv.ParseInt(id, 10, 64)
	b, known := s.bots[n]
	if !known {
		b = s.newBot(n, token, name, username)
		s.bots[n] = b
	}
	s.mu.Unlock()
	if known {
		return b, b.revive(token)
	}
	return b, nil
}

func (s *Server) newBot(id int64, token, name, username string) *bot {
	if name == "" {
		name = "Bot"
	}
	if username == "" {
		username = fmt.Sprintf("parley_%d_bot", id)
	}
	return &bot{
		s: s, key: strconv.FormatInt(id, 10), token: token, launched: s.now(),
		user:    &user{ID: id, IsBot: true, FirstName: name, Username: username},
		chats:   make(map[int64]*chat),
		queue:   newQueue(mathrand.Int64N(900_000_000) + 100_000_000),
		queries: make(map[string]time.Time),
		pace:    rate.NewLimiter(30, 30),
	}
}

func (b *bot) revive(token string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.token == token && !b.revoked {
		return nil
	}
	if b.token == token {
		return refuse("this token was revoked; give the bot a new one")
	}
	if !b.revoked {
		return parley.Errorf(parley.KindConflict, "the bot has another token; POST revoke first")
	}
	b.token, b.revoked, b.launched = token, false, b.s.now()
	return nil
}

func (s *Server) newToken() string {
	for {
		s.lastID++
		if _, taken := s.bots[s.lastID]; !taken {
			return fmt.Sprintf("%d:%s", s.lastID, randomText(35))
		}
	}
}

const tokenLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

func randomText(n int) string {
	out := make([]byte, n)
	for i := range out {
		k, _ := rand.Int(rand.Reader, big.NewInt(int64(len(tokenLetters)))) // never fails since Go 1.24
		out[i] = tokenLetters[k.Int64()]
	}
	return string(out)
}

// Accounts lists the bots by id.
func (s *Server) Accounts() []Account {
	list := []Account{}
	for _, b := range s.allBots() {
		list = append(list, b.account())
	}
	return list
}

func (s *Server) allBots() []*bot {
	s.mu.RLock()
	list := make([]*bot, 0, len(s.bots))
	for _, b := range s.bots {
		list = append(list, b)
	}
	s.mu.RUnlock()
	slices.SortFunc(list, func(a, b *bot) int { return int(a.user.ID - b.user.ID) })
	return list
}

// findBot returns the bot called name: id, token or username. An empty name
// means the only one.
func (s *Server) findBot(name string) (*bot, error) {
	if name == "" {
		return s.onlyBot()
	}
	id, _, _ := strings.Cut(name, ":")
	if n, err := strconv.ParseInt(id, 10, 64); err == nil {
		s.mu.RLock()
		b := s.bots[n]
		s.mu.RUnlock()
		if b != nil {
			return b, nil
		}
	}
	for _, b := range s.allBots() {
		if strings.EqualFold(b.user.Username, strings.TrimPrefix(name, "@")) {
			return b, nil
		}
	}
	return nil, parley.Errorf(parley.KindNotFound, "no such account; GET accounts lists them, POST accounts makes one")
}

func (s *Server) onlyBot() (*bot, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.bots) == 1 {
		for _, b := range s.bots {
			return b, nil
		}
	}
	if len(s.bots) == 0 {
		return nil, parley.Errorf(parley.KindNotFound, "there is no account yet; POST accounts makes one")
	}
	return nil, refuse("there are several accounts; say which by account")
}

// Revoke kills a bot's token, as /revoke at BotFather does: every method answers
// 401, a waiting poll ends, callbacks stop.
func (s *Server) Revoke(account string) (Account, error) {
	b, err := s.findBot(account)
	if err != nil {
		return Account{}, err
	}
	b.mu.Lock()
	b.revoked = true
	b.stop(errUnauthorized)
	b.mu.Unlock()
	return b.account(), nil
}

// stop ends poll and webhook; the caller holds the lock.
func (b *bot) stop(why *apiError) {
	b.killPoll(why)
	b.dropHook()
}

func refuse(sentence string) error { return parley.Errorf(parley.KindInvalid, sentence) }
