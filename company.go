package parley

import "time"

// A User owns companies and holds API tokens.
type User struct {
	ID         UserID
	Name       string
	Partner    bool   // may read billing
	Phone      string // for v2 sign-in; may be empty
	WebhookURL string // for v2 sign-in codes; may be empty
	CreatedAt  time.Time

	ChannelPrice int64 // what billing says a channel costs a month, in the smallest unit of money
}

// A UserChange is what an operator changes of a user; nil fields stay as they are.
type UserChange struct {
	Partner           *bool
	Phone, WebhookURL *string // "" clears
	ChannelPrice      *int64
}

// A Company is the tenant: the owner of channels, conversations and endpoints.
type Company struct {
	ID                  CompanyID
	User                UserID
	Name                string
	Phone               *string // as given; nil is absent
	Description         *string
	WebhookURL          string // of the contract's one endpoint; empty is none
	Hidden              bool
	Paywall             bool // set by the operator: every call below the company answers 402
	ChannelsPerProvider int  // 1 unless the operator lifts it
	ExtendedEvents      bool // also gets event types beyond the contract
	CreatedAt           time.Time
}

// A CompanyChange is what an update changes; nil fields stay as they are.
type CompanyChange struct {
	Name, Phone, Description, WebhookURL *string // Phone, Description and WebhookURL: "" clears
	Hidden, ExtendedEvents, Paywall      *bool
	ChannelsPerProvider                  *int
}
