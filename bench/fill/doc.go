// Package fill writes a history into a new Parley database, so that what a gateway
// does with years behind it can be measured without waiting for years.
//
// The rows are those that package store would have written, in the same order and
// with all indexes in place, so that the file has grown as a gateway's does; only
// they come in bulk and without waiting for the disk. What the store has a method
// for (user, token, company, channel) is made by the store itself. A database made
// by the store's own methods is what the tests compare with.
//
// # What is assumed
//
// There is one company with one channel, a Telegram bot, enabled. Its conversations
// are all of one contact each and equally busy: in each round everybody's turn comes
// once, in another order. A conversation has five messages a day. With more than a
// hundred messages in each, the pace rises instead of the time: the history is never
// longer than twenty days, so retention, which deletes events after thirty, finds
// nothing to delete for ten days after the fill, and every event is there. Of the
// rest, retention takes nothing that is written here.
//
// The first message of a conversation is received; of the others one half is
// received and the other sent through the API, without an Idempotency-Key, in reply.
// Every send succeeds at once. All messages are texts, a third of them in Cyrillic.
// Nothing was edited, deleted, blocked or quarantined, and no webhook failed.
//
// Contacts have the names under which the load generator writes, and chat ids that
// count up from Options.ChatBase, so that a run meets conversations that are known
// and does not rename them. Each profile counts as asked for when the history ends:
// for a day after it no message makes the gateway ask.
//
// The history ends when the fill begins. Open jobs, if there are to be any, are the
// newest messages, so they expire a day later as all jobs do.
//
// Ids are without holes, as they are on SQLite. A gateway on PostgreSQL leaves some
// between transactions.
package fill
