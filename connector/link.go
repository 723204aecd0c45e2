package connector

import (
	"context"
	"time"
)

// What a client can do for the linking of its channel, beside what Verify tells.
// All of these talk to the network while the customer waits; the caller sets the
// deadline. Errors: KindInvalid and KindRejected say that what the customer gave
// is wrong, KindConflict that nothing of the kind is asked for now, KindThrottled
// that the network wants a pause.

// A Finder tells whether somebody can be written to.
type Finder interface {
	// Find looks a phone number up, given as bare digits.
	Find(ctx context.Context, phone string) (bool, error)
}

// A CodeSender has the network send a code to the owner of the account.
type CodeSender interface {
	SendCode(ctx context.Context, q CodeQuery) (SentCode, error)
}

// A CodeQuery says which code is wanted. Its zero value is the only one that there
// is.
type CodeQuery struct {
	Variant   *int64 // the value of one of a challenge's ways; nil if there is no challenge
	TwoFactor bool   // the code of the second factor
}

// A SentCode is what the network says of a code on its way.
type SentCode struct {
	Session int64         // tells one request for a code from another
	Length  int           // in characters; 0 if it was not told
	Type    string        // how it goes out, in the network's word: app, sms, call
	Next    string        // how another one would; empty if it was not told
	Expires time.Duration // how long the code is good for; 0 if it was not told
	Pairing string        // what the customer types into the phone, where it goes that way round
}

// A CodeChecker takes what the customer got.
type CodeChecker interface {
	CheckCode(ctx context.Context, a CodeAnswer) (CodeVerdict, error)
}

// A CodeAnswer is a code, or the account's password when that is asked for.
type CodeAnswer struct {
	Code      string
	Number    bool   // Code came as a number, and may have lost leading zeros
	Password  string // if Code is empty
	TwoFactor bool   // Code is that of the second factor
	Variant   int64  // which of the second factor's ways it came; 0 if it does not matter
}

// A CodeVerdict says what comes next. The zero value is that nothing does: the
// channel is linked.
type CodeVerdict struct {
	Password  bool       // the account's password is wanted
	Challenge *Challenge // another proof is wanted
}

// A Challenge is a proof that the network wants, by one of several ways.
type Challenge struct {
	TwoFactor bool
	Ways      []Way
}

// A Way is one way to prove something. It has a Key or a Label.
type Way struct {
	Value int64  // names it in a CodeQuery or CodeAnswer
	Key   string // sms, totp, recovery_code
	Label string // for people, such as a masked address
}

// A PageChooser has an account of several pages, of which the channel is one.
type PageChooser interface {
	// ChoosePage makes the channel the page with that id, ours or the network's, and
	// returns the page's id of ours. With a period other than zero, what was written
	// since then is fetched; a negative one is all there is. KindNotFound: there is
	// no such page.
	ChoosePage(ctx context.Context, page int64, period time.Duration) (int64, error)
}
