// Package telegram connects channels to Telegram through the Bot API: texts and
// files in both directions, by callbacks or by polling. It is not for personal
// accounts, which speak another protocol.
//
// A channel is one bot. A conversation is a chat of the bot: with a person, in a
// group, or in a channel of Telegram's, which counts as a group in which only it
// itself writes. The id of a message is its message_id, which is unique only within
// its chat: whoever looks a message up needs both. All ids are decimal text.
//
// Texts, files and places (locations and venues) arrive as they are, and every item
// of an album as a message of its own. A contact, a poll, a dice, a pressed button
// and what a web app sends arrive as text. What else a person says arrives with its
// caption and the name of its kind, so that nothing is lost in silence. Of service
// messages, only a new title and a new id of a group say something; the others are
// ignored. What is not understood at all is returned as unknown.
//
// A file is known by its file_unique_id and fetched by its file_id. Telegram's own
// server gives out at most 20 MB and takes at most 50 MB; larger files are refused
// beforehand if the address is that server's. Another may run in local mode, which
// has no such limits and which nothing announces, so it is asked each time.
//
// Where this differs from the Bot API's documents:
//   - Two edits within one second have the same edit_date, so the version of an
//     edit is edit_date and update_id.
//   - A file of an unexpected shape costs a message nothing else: what can be read
//     of it is taken, and if it cannot be fetched the message names the kind.
//   - A post of the bot itself in a channel comes back as an update, and is known
//     as its own only if it names the bot as sender, which channels need not do.
//   - A button under a message sent by way of the bot, in whatever chat, is taken
//     for one in the person's own chat with the bot: no other is told.
//   - A picture that Telegram refuses as a photo, and a voice message to somebody
//     who takes none, are sent again once as documents: the answer says that
//     nothing was sent.
//   - An upload whose end was not handed over counts as not sent, because its form
//     has no end; only after that is the outcome uncertain.
//   - A file_path on the disk of a server in local mode is asked for over HTTP below
//     the directory named after the token; it is never opened.
//   - An answer with a 4xx status that is not the Bot API's envelope comes from
//     something on the way. It says nothing about the message or the token and
//     counts as unavailable.
//   - A token that is answered with a bare 404 is dead only if getMe says the same.
package telegram

import (
	"context"
	"crypto/subtle"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

const (
	// maxBody is the largest callback, in bytes. An update holds one message and
	// at most one replied to, each with 4096 characters and their entities, well
	// under a quarter of this. Source: Bot API, Update and Message, read 2026-11.
	maxBody = 1 << 20
	// secretHeader repeats the secret_token of setWebhook in each callback.
	// Source: Bot API, setWebhook, read 2026-11.
	secretHeader = "X-Telegram-Bot-Api-Secret-Token"
	fieldToken   = "token"
)

// tokenShape is a bot's id, a colon and a secret, of at most 80 characters in
// all. Source: Bot API server, token check, read 2026-11.
var tokenShape = regexp.MustCompile(`^[1-9][0-9]{0,15}:[A-Za-z0-9_-]+$`)

const maxToken = 80

type provider struct{}

// New returns the provider "telegram".
func New() connector.Provider { return provider{} }

func (provider) Spec() connector.Spec {
	return connector.Spec{
		Name:    "telegram",
		Title:   "Telegram",
		Fields:  []connector.Field{{Name: fieldToken, Secret: true, Required: true}},
		BaseURL: "https://api.telegram.org",
		BaseEnv: "TELEGRAM_API_URL",
		MaxBody: maxBody,
		// About 30 messages a second over all chats, 1 a second to one chat with
		// short bursts tolerated, 20 a minute to one group. Source: Bots FAQ,
		// "My bot is hitting limits", read 2026-11.
		Pace: connector.Pace{PerSecond: 30, Burst: 30, ChatPerSecond: 1, ChatBurst: 3, GroupPerMin: 20},
		// The server gives up an idle callback after about 60 s, which is not
		// documented. Source: Bot API server, webhook connection, read 2026-11.
		CallbackDeadline: time.Minute,
	}
}

func (provider) Open(_ context.Context, ch *parley.Channel, env connector.Env) (connector.Client, error) {
	token := ch.Secrets[fieldToken]
	if len(token) > maxToken || !tokenShape.MatchString(token.Reveal()) {
		return nil, &parley.Error{Kind: parley.KindLoggedOut, Code: "token_malformed",
			Message: "this is not a bot token: want digits, a colon and a secret, as @BotFather gives it"}
	}
	id, _, _ := strings.Cut(token.Reveal(), ":")
	bot, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil, parley.Errorf(parley.KindLoggedOut, "this is not a bot token: the id before the colon is too large")
	}
	return &client{env: env, token: token, bot: bot, cloud: onCloud(env.Base), callbackToken: ch.Secrets[parley.SecretCallbackToken]}, nil
}

// A client acts for one bot. All but registered is immutable.
type client struct {
	env           connector.Env
	token         parley.Secret
	bot           int64 // the bot's user id
	cloud         bool  // the limits of Telegram's own server apply
	callbackToken parley.Secret
	registered    atomic.Pointer[registration] // what this client has set; nil if nothing
}

// Format writes the bot's id for every verb: package fmt would print the secrets,
// because it cannot call the methods of fields that are not exported.
func (c *client) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "telegram bot %d", c.bot) }

var (
	_ connector.Client        = (*client)(nil)
	_ connector.Verifier      = (*client)(nil)
	_ connector.Receiver      = (*client)(nil)
	_ connector.Runner        = (*client)(nil)
	_ connector.Subscriber    = (*client)(nil)
	_ connector.Authenticator = (*client)(nil)
)

// Verify asks who the token belongs to.
func (c *client) Verify(ctx context.Context) (connector.Account, error) {
	var me user
	if err := c.ask(ctx, getMe, struct{}{}, &me); err != nil {
		return connector.Account{}, err
	}
	if me.ID == 0 {
		return connector.Account{}, parley.Errorf(parley.KindUnavailable, "Telegram did not say which bot the token belongs to")
	}
	return connector.Account{ID: decimal(me.ID), Name: me.name()}, nil
}

// Authenticate checks the secret header alone, so that the body of a forged
// callback need not be read. The error is of KindUnauthorized.
func (c *client) Authenticate(header http.Header) error {
	if !c.authentic(header.Get(secretHeader)) {
		return parley.Errorf(parley.KindUnauthorized, "the callback's secret is missing or wrong")
	}
	return nil
}

// Receive checks the secret header and decodes the one update in the body.
func (c *client) Receive(_ context.Context, cb connector.Callback) ([]connector.Event, connector.Reply, error) {
	if err := c.Authenticate(cb.Header); err != nil {
		return nil, connector.Reply{}, err
	}
	return []connector.Event{c.decode(cb.Body)}, connector.Reply{}, nil
}

func (c *client) decode(raw []byte) connector.Event { return decode(raw, c.bot, c.cloud) }

// authentic never passes without a configured secret, lest an empty header match it.
func (c *client) authentic(given string) bool {
	want := c.callbackToken.Reveal()
	return want != "" && subtle.ConstantTimeCompare([]byte(given), []byte(want)) == 1
}

// decimal writes an id as the text in which it is kept.
func decimal(id int64) string { return strconv.FormatInt(id, 10) }
