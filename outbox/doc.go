// Package outbox brings accepted messages to their providers: it takes the jobs
// that are ready, splits a message into parts, sends them in order and at the
// provider's pace, and repeats what may be repeated until every job has ended.
//
// # One part
//
// A part is planned, claimed, sent and finished. The claim is committed before
// the request may leave; it is at once the fence against another node, the mark
// that a crash leaves behind, and a promise: no request is under way after its
// deadline. The kind of the client's error decides what the outcome is:
//
//   - invalid, unsupported, rejected, unreachable: the job ends, for that reason;
//   - throttled: the conversation waits as long as it was told to, and the
//     attempt is not spent. Several conversations at once: the channel waits;
//   - unavailable: it surely did not arrive, so it is tried again, after 1 s at
//     first and doubling to 5 min, until the job expires. Many in a row open the
//     channel's circuit: one probe at a time, the rest waits unspent;
//   - logged out: the job goes back unspent, and waits for the channel;
//   - anything else, and a panic: it may have arrived. With a provider that takes
//     keys the part is sent again under the same key, within [KeyValidity].
//     Otherwise an echo or a receipt may still prove it within [ProofWait]; then
//     the job ends with [parley.UnknownOutcome].
//
// A part that is found claimed although nobody here works on it, because a
// process died or lost its lease, is left alone until its deadline and is then
// one that may have arrived.
//
// # One channel
//
// Each channel that has something to do has a runner: one goroutine that owns
// the channel's queue, pace, circuit and holds, so nothing of it needs a lock.
// It starts a goroutine for each attempt and hears of its end through a channel.
// A runner ends soon after its last job, so idle channels cost nothing.
//
// Only the head of a conversation is ever ready in the store, so a conversation
// has one part under way and its order needs no care here. Within a channel the
// replies lane goes before bulk, 4 to 1; first messages to strangers have a
// budget of their own. Slots for sending are bounded for each channel and for
// all; runners queue for them one slot at a time, which makes it fair.
//
// # Rows are the truth
//
// Work arrives by [Outbox.Wake] from the store's writer, and in the outcome of
// the job before it. Either may be lost: a poll each second finds what is ready,
// and a slower one what was abandoned, has expired, or belongs to a channel that
// is gone. A runner keeps a bounded number of jobs in memory and reads more when
// it runs low. News of a job that is already known is ignored, and news that is
// out of date is refused by the claim.
//
// The package opens no connection to a provider and decides nothing about a
// channel's state: it asks [Clients], and reports refused credentials.
package outbox
