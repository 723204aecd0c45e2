package connector

import "time"

// A Spec is what is always true of a provider.
type Spec struct {
	Name    string   // canonical wire value, such as telegram
	Aliases []string // other spellings that clients use
	Title   string   // for people
	Fields  []Field  // what a channel is created and updated with

	BaseURL    string // of the real service
	BaseEnv    string // environment variable that replaces it, without PARLEY_
	MaxBody    int64  // largest callback, in bytes
	Receipts   bool   // the provider reports delivery or reading
	Keyed      bool   // Send passes Part.Key on, and the provider refuses to do the same twice
	Stateful   bool   // the session must run even where callbacks are possible
	FirstWrite bool   // strangers can be written to by phone
	MaxFiles   int    // files that one message may be sent with; 0 is 1

	// Pace is our own speed limit; a provider's answer 429 is obeyed beside it.
	Pace Pace
	// CallbackDeadline is how long the provider waits for our answer.
	CallbackDeadline time.Duration
}

// A Field is one setting of a channel.
type Field struct {
	Name     string
	Secret   bool // sealed, never shown again
	Required bool
}

// A Pace bounds how fast a channel sends. Zero rates are unlimited.
type Pace struct {
	PerSecond     float64 // over the whole channel
	Burst         int     // of it
	ChatPerSecond float64 // to one conversation
	ChatBurst     int
	GroupPerMin   float64 // to one group
}
