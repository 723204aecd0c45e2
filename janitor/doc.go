// Package janitor deletes what has been kept long enough.
//
// It runs once some minutes after a start and then every hour. Each time it walks
// the companies that this node owns, a page of ids at a time, asks the store which
// of them have rows that are too old, and deletes those in batches of at most
// store.CleanBatch rows, each in a transaction of its own under the company's
// grant. After that it takes the rows that belong to no company, if this node owns
// the shard of company 0, and gives free space back to the file system.
//
// Its work is the least urgent there is. A batch takes turns with the messages on
// the writer's lane, and the janitor rests after each for several times as long as
// it took, so that it slows down when the database does. When its context ends it
// stops at once; what is left is found by the next run.
//
// What may go is the store's to decide, in the transaction that deletes it: never
// an event that an endpoint has not had, that heads a blocked stream, or whose
// dead letter may be replayed, nor anything behind such an event; no file that a
// conversation shows or a job will send. The janitor only says how old is old.
//
// Files go row first: it forgets its bytes, then these are deleted. What a crash
// leaves between the two, or between the bytes and the row of a new file, is a blob
// that no row names. Once a day all blobs are walked over; those that are two days
// old and have no row are deleted, on the node that owns the shard of company 0.
// Blobs that were there before this database are left alone, so a gateway that was
// started on a wrong or empty database deletes nobody's files.
//
// Messages and conversations are not its business.
package janitor
