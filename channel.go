package parley

import (
	"slices"
	"time"
)

// A ChannelState is where a channel is in its life. The comments say who moves
// it on and when.
type ChannelState string

// The closed set of channel states.
const (
	// ChannelConnecting: created or given new credentials. Package session moves
	// it on once the provider has accepted or refused them.
	ChannelConnecting ChannelState = "connecting"
	// ChannelQRPending: a QR code waits to be scanned. The provider moves it on.
	ChannelQRPending ChannelState = "qr_pending"
	// ChannelCodePending: a code can be requested. The API's request_code moves it on.
	ChannelCodePending ChannelState = "code_pending"
	// ChannelCodeSent: the person has a code. The API's confirm moves it on.
	ChannelCodeSent ChannelState = "code_sent"
	// ChannelPasswordPending: a cloud password is asked for. The API's confirm moves it on.
	ChannelPasswordPending ChannelState = "password_pending"
	// ChannelChallengePending: the provider wants proof. request_code and confirm move it on.
	ChannelChallengePending ChannelState = "challenge_pending"
	// ChannelTwoFactorPending: a second factor is asked for. confirm moves it on.
	ChannelTwoFactorPending ChannelState = "two_factor_pending"
	// ChannelPagePending: a page must be chosen. enable_page_instagram moves it on.
	ChannelPagePending ChannelState = "page_pending"
	// ChannelEnabled: messages pass both ways.
	ChannelEnabled ChannelState = "enabled"
	// ChannelOffline: linked, but the phone or the provider is out of reach for now.
	ChannelOffline ChannelState = "offline"
	// ChannelDisabled: the credentials or the session are gone. New credentials or
	// a new pairing move it on.
	ChannelDisabled ChannelState = "disabled"
	// ChannelDeleted: gone from lists, its slot free. Nothing moves it on.
	ChannelDeleted ChannelState = "deleted"
)

// channelNext says which state may follow which.
var channelNext = map[ChannelState][]ChannelState{
	ChannelConnecting: {ChannelQRPending, ChannelCodePending, ChannelChallengePending, ChannelTwoFactorPending,
		ChannelPasswordPending, ChannelPagePending, ChannelEnabled, ChannelOffline, ChannelDisabled, ChannelDeleted},
	ChannelQRPending:        {ChannelEnabled, ChannelPasswordPending, ChannelDisabled, ChannelDeleted},
	ChannelCodePending:      {ChannelCodeSent, ChannelEnabled, ChannelDisabled, ChannelDeleted},
	ChannelCodeSent:         {ChannelCodePending, ChannelPasswordPending, ChannelEnabled, ChannelDisabled, ChannelDeleted},
	ChannelPasswordPending:  {ChannelQRPending, ChannelCodePending, ChannelEnabled, ChannelDisabled, ChannelDeleted},
	ChannelChallengePending: {ChannelConnecting, ChannelTwoFactorPending, ChannelEnabled, ChannelDisabled, ChannelDeleted},
	ChannelTwoFactorPending: {ChannelConnecting, ChannelChallengePending, ChannelEnabled, ChannelDisabled, ChannelDeleted},
	ChannelPagePending:      {ChannelConnecting, ChannelEnabled, ChannelDisabled, ChannelDeleted},
	ChannelEnabled:          {ChannelConnecting, ChannelOffline, ChannelQRPending, ChannelChallengePending, ChannelDisabled, ChannelDeleted},
	ChannelOffline:          {ChannelConnecting, ChannelEnabled, ChannelQRPending, ChannelDisabled, ChannelDeleted},
	ChannelDisabled:         {ChannelConnecting, ChannelQRPending, ChannelCodePending, ChannelDeleted},
	ChannelDeleted:          {},
}

// ChannelStates lists every state.
func ChannelStates() []ChannelState {
	return []ChannelState{
		ChannelConnecting, ChannelQRPending, ChannelCodePending, ChannelCodeSent, ChannelPasswordPending,
		ChannelChallengePending, ChannelTwoFactorPending, ChannelPagePending, ChannelEnabled, ChannelOffline,
		ChannelDisabled, ChannelDeleted,
	}
}

// CanBecome reports whether next may follow s.
func (s ChannelState) CanBecome(next ChannelState) bool { return slices.Contains(channelNext[s], next) }

// Live reports whether the channel may carry messages now or soon.
func (s ChannelState) Live() bool { return s == ChannelEnabled || s == ChannelOffline }

// A Channel is one connected account of a company.
type Channel struct {
	ID         ChannelID
	Company    CompanyID
	Provider   string // canonical name, such as vkontakte
	Spelling   string // as the client created it, such as vk; shown outside
	State      ChannelState
	Reason     string // why it is in this state; a sentence for people, may be empty
	StateAt    time.Time
	Account    string // the provider's id of the account; empty until known
	Generation int64  // rises with every change of credentials
	Settings   map[string]string
	Secrets    map[string]Secret // credentials, by the names in the provider's Spec; never stored unsealed
	CreatedAt  time.Time
}

// Names of secrets that the gateway itself keeps beside the credentials.
const (
	SecretCallbackPath  = "callback_path"  // last element of the callback address
	SecretCallbackToken = "callback_token" // what the provider repeats in a header, where it can
)
