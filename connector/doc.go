// Package connector says what a provider has to implement: a few small
// interfaces, the events it reports, and the Env that is all it may touch.
//
// A Provider opens a Client for a channel. A Client can Plan and Send; what else
// it can do, the gateway finds by type assertion: a Receiver takes callbacks, a
// Runner holds a session or a poll open, a Subscriber registers our callback
// address, a Verifier checks credentials, and so on. An interface says that a
// client can; limits in Spec say how much. Never wrap a Client: a wrapper hides
// what it can do.
//
// The package holds no logic of its own beyond what every connector shares:
// splitting texts. It stores nothing and sends nothing.
package connector
