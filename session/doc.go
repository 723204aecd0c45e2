// Package session opens clients for channels and keeps the channels connected.
//
// [Manager.Client] and [Manager.ByCallback] hand out the open client of a
// channel: one for each channel and generation of its credentials, opened when it
// is first needed and closed when the channel changes or goes. An idle channel of
// a stateless provider costs an entry in a bounded cache and nothing else.
//
// [Manager.Run] works for the companies that this node owns. A channel that is
// connecting is taken through its handshake: the credentials are verified, the
// account is claimed (each account is connected once in an installation), our
// callback address is registered, and the channel becomes enabled. Refused
// credentials make it disabled; a provider that does not answer is asked again,
// ever more slowly. A channel whose provider is polled, or holds a session, has
// one worker that runs it and starts it again when it breaks. Registrations of
// callbacks are checked from time to time by a single walk over the channels.
// For a deleted channel the provider is told, and then the secrets are forgotten.
//
// # Who moves what
//
// One loop reads rows and decides which channels need a worker; it alone starts
// them. A channel has at most one worker. A second loop reads no rows: it stops
// the workers of companies that are no longer ours, also while the database
// hangs. A worker moves its channel's row, and each move names the generation and
// the state it starts from, so that a worker that is late changes nothing.
//
// The package decodes nothing and stores no event of a provider: what a session
// hears goes to the Sink. It does not pair; linking an account by QR code or by
// codes is not its matter.
package session
