// Package store keeps everything that must survive: it is SQLite or PostgreSQL
// behind one type, with one SQL text for both.
//
// # Writing
//
// All hot writes are items handed to a batching writer: Receive (a provider's
// event), Accept (a message to send), Claim (a part is about to leave), Finish
// (what became of it), Deliver (a webhook endpoint moved on). A lane runs one
// batch at a time, each in one transaction; items that arrive meanwhile form the
// next batch, so that the slower a commit is, the more share it. SQLite has one
// lane, PostgreSQL several, and a company is always on the same one.
//
// A batch is optimistic: on any error it is rolled back and its items run again
// singly, each in a transaction of its own, so that a bad item fails alone. One
// that lost against another lane or node is run again first. A batch runs under
// the writer's context, never a caller's: a caller that goes away leaves its item
// to be committed whole or not at all. Ids are made before the commit, so that
// after a connection lost at COMMIT the writer can look whether it happened.
//
// Rare writes use Tx, which takes a turn on the same lane.
//
// # The event log
//
// Each company has an append-only log of events. Its sequence is a counter row
// that is raised once for each company and batch, in the last statements before
// the commit and in the order of company ids: there are no gaps, and no reader
// sees a later number before an earlier one.
//
// # Fences
//
// A claim, an outcome and a delivery name a parley.Grant. The transaction holds
// the shard's row while it compares the term, so nothing of a former owner gets
// in after a new one has started.
package store
