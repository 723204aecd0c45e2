package connector

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/parley-im/parley"
)

// A Provider opens channels on one network, such as telegram or vkontakte. It
// keeps no state of any channel.
type Provider interface {
	// Spec returns static facts; it is called often and must be cheap.
	Spec() Spec
	// Open makes a client for a channel. It does no I/O. An error of KindLoggedOut
	// says that the channel's credentials cannot be right.
	Open(ctx context.Context, ch *parley.Channel, env Env) (Client, error)
}

// A Client acts for one open channel. Its methods are safe for concurrent use.
// A client that implements io.Closer is closed when its channel changes or goes.
type Client interface {
	// Plan splits a message into what the provider can carry, in sending order.
	// It does no I/O and gives the same parts for the same message each time.
	// An error of KindUnsupported says that this provider cannot express it.
	Plan(m *parley.Message) ([]Part, error)
	// Send delivers one part. The kind of an error decides what the outbox does
	// next; KindUncertain says that the part may have arrived.
	Send(ctx context.Context, p Part) (Sent, error)
}

// A Verifier checks a channel's credentials with the provider.
type Verifier interface {
	// Verify returns whose account it is. KindLoggedOut: the credentials are
	// refused. Other kinds: not known yet, ask again later.
	Verify(ctx context.Context) (Account, error)
}

// A Receiver decodes callbacks that the provider makes over HTTP.
type Receiver interface {
	// Receive checks authenticity first (KindUnauthorized if it fails), then
	// decodes. It does no I/O. What it cannot understand it returns as an event
	// with an Unknown in it, never as an error. The caller stores the events, then
	// writes the reply.
	Receive(ctx context.Context, cb Callback) ([]Event, Reply, error)
}

// An Authenticator can check a callback by its header alone, so that nothing of
// the body of a forged one is read. A Receiver checks again in any case.
type Authenticator interface {
	// Authenticate fails with KindUnauthorized.
	Authenticate(header http.Header) error
}

// A Runner holds a session open: a socket or a long poll.
type Runner interface {
	// Run returns nil when ctx ends; any other return is judged by its error kind.
	Run(ctx context.Context, sink Sink) error
}

// A Sink takes what a Runner hears.
type Sink interface {
	// Emit returns once the events are stored; acknowledge to the provider only
	// then. After an error nothing may be acknowledged.
	Emit(ctx context.Context, events ...Event) error
}

// A Subscriber sets our callback address at the provider.
type Subscriber interface {
	// Subscribe makes the provider call address, and is safe to repeat: an equal
	// registration is left alone. The token is what the provider shall repeat in
	// a header, where it can.
	Subscribe(ctx context.Context, address string, token parley.Secret) error
	// Unsubscribe removes the registration; none there is no error.
	Unsubscribe(ctx context.Context) error
}

// A Deregisterer ends the account's link when the channel is deleted.
type Deregisterer interface {
	// Deregister logs out or whatever the network calls it; safe to repeat.
	Deregister(ctx context.Context) error
}

// A Fetcher brings the bytes of files that came with messages.
type Fetcher interface {
	// Fetch opens the file that a.Source names; the caller closes the body.
	// KindUnavailable, KindThrottled and KindUncertain: try again later; other
	// kinds: it cannot be had.
	Fetch(ctx context.Context, a *parley.Attachment) (Fetched, error)
}

// Fetched is a file that is being read.
type Fetched struct {
	Body io.ReadCloser
	Size int64  // in bytes, as announced; 0 if it was not
	Type string // MIME type, if it is worth more than what the message said; else empty
}

// A Profiler tells what a conversation is called and looks like.
type Profiler interface {
	// Profile asks for the profile of the person or group behind a chat. It is a
	// side call: whatever it says, messages go on.
	Profile(ctx context.Context, chat Chat) (Profile, error)
}

// A Profile is how a conversation is shown.
type Profile struct {
	Name    string // empty if it is not known
	Picture *File  // nil if there is none
}

// A Confirmer tells the provider that something it waits for was taken, such as
// a pressed button that shows it is busy.
type Confirmer interface {
	// Confirm is called once the event is stored, with its Confirm. It is a side
	// call: an error is logged and nothing is repeated.
	Confirm(ctx context.Context, id string) error
}

// Files opens the bytes of files that are to be sent.
type Files interface {
	// Open returns the bytes, which the caller closes, and how many there are.
	// KindUnavailable: not now; KindNotFound: they are gone.
	Open(ctx context.Context, a *parley.Attachment) (io.ReadCloser, int64, error)
}

// Env is all that a connector may touch.
type Env struct {
	HTTP  Doer             // the only way out, from package fetch
	State State            // session data; writes fail once another node owns the channel
	Files Files            // bytes of what is to be sent
	Log   *slog.Logger     // already carries provider and channel
	Now   func() time.Time // wall clock; faked in tests
	Base  string           // provider address without a trailing slash, replaced by a simulator in tests
}

// A Doer makes HTTP requests. A failed exchange is a *parley.Error: KindUnavailable
// if the request surely never left, KindUncertain if it may have.
type Doer interface {
	Do(req *http.Request) (*http.Response, error)
}

// State keeps a stateful channel's session data, sealed, by key.
type State interface {
	// Load returns nil if nothing is stored under the key.
	Load(ctx context.Context, key string) ([]byte, error)
	// Save replaces what is stored; an empty value deletes it. It fails with
	// KindConflict once another node owns the channel.
	Save(ctx context.Context, key string, value []byte) error
}

// An Account is who the provider says we are.
type Account struct {
	ID   string // the provider's id of the bot, page or number
	Name string // for people; may be empty
}

// A Callback is one HTTP request of a provider, read whole within the limit in Spec.
type Callback struct {
	Method string
	Header http.Header
	Query  url.Values
	Body   []byte
}

// A Reply is what the provider is answered once its events are stored. The zero
// value is an empty 200.
type Reply struct {
	Status int // 0 is 200
	Type   string
	Body   []byte
}

// A Part is what one provider call carries. It must be possible to send it again
// from the message alone, so it holds no state.
type Part struct {
	Message *parley.Message
	Chat    string             // the provider's id of the conversation
	Index   int                // from 0
	Count   int                // of all parts of the message, at least 1
	Text    string             // what this part says; with a file, its caption
	File    *parley.Attachment // one of the message's files; nil if the part has none
	Key     string             // stable over attempts; the provider's idempotency key where it takes one
}

// Sent is what the provider said of a delivered part.
type Sent struct {
	ProviderID string     // its id of the message
	Ack        parley.Ack // normally parley.AckSent
	Chat       string     // the conversation's new id at the provider, if it moved; else empty
	At         time.Time  // by the provider's clock; zero if it did not say
}

// A Closer is a client that holds something open.
type Closer = io.Closer
