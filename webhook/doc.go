// Package webhook delivers a company's events to its endpoints: at least once,
// and within a stream (a conversation, or a channel for its own events) strictly
// in the order in which they were stored. It does not make events, it does not
// render them, and it keeps nothing of its own: the store's rows are the truth,
// and a Deliverer that dies at any instant is continued from them.
//
// # Rows
//
// An endpoint has one cursor. Every event up to it is delivered, parked as a dead
// letter, or belongs to a blocked stream. A blocked stream is one row: its head
// (nothing of the stream before it is open), the attempts made at the head, and
// when the next one is due. What follows the head is not in the row; it is found
// in the log by stream and number. So a success costs nothing but the cursor, and
// the cursor is written for many successes at once.
//
// # In memory
//
// An endpoint with something to deliver has one goroutine, the owner, and all
// state below belongs to it; an endpoint without has nothing. The owner reads the
// log from the cursor on and keeps a window: for every event read, which stream
// still waits for it. The cursor is what lies before the window. The events are
// queued by stream, with their bodies while there is room; beyond that only the
// number of the stream's last event is kept, and the bodies are read again.
//
// One event of a stream is under way at a time. When it fails:
//
//  1. The stream stands still until its row is committed with the attempt in it.
//  2. Then the row covers the stream: all that the window holds of it is settled,
//     and so is what the reader meets of it later. The cursor passes.
//  3. When the head is due it is read from the log and tried again. After the last
//     attempt it is parked, in the same transaction in which the row moves on.
//  4. After the head went through (or was parked), what follows it is read from
//     the log, up to where the reader is, and delivered in order. The row follows
//     from time to time.
//  5. When nothing is left up to where the reader is, the row is removed, and the
//     reader queues the stream's later events as before.
//
// Reader and drain are the same goroutine, so there is no event between them. A
// crash between two of these steps leaves a row that starts too early or a cursor
// that is too low, so events are repeated, in order; none is passed over.
//
// A stream that is merely long gets a row as well, when the window is full and
// other streams have nothing to do because of it.
//
// # Endpoints that are down
//
// When three streams have failed and nothing succeeded in between, the endpoint is
// down: only its oldest event is tried, on its own schedule, and only that event
// spends attempts. A schedule that has grown long does not keep a repaired
// receiver waiting: at least every five minutes the oldest event is tried anyway,
// without spending an attempt. After the first success everything else follows,
// the oldest first. Blocked streams found at a start count as failures, so that a
// restart does not spend an attempt on each of them.
//
// # Fairness
//
// The number of requests under way to one endpoint adapts between 1 and 64, and
// all endpoints share one pool. Endpoints that fail or are slow may hold a quarter
// of it together. An answer's Retry-After puts a repeat off, never forward, by at
// most an hour.
//
// # What a receiver sees
//
// A POST with the event's body, equal to the byte at every attempt, and the
// headers of the Standard Webhooks specification 1.0.0: webhook-id (the same at
// every attempt), webhook-timestamp, webhook-signature. Only an answer of exactly
// 200 counts. A replay of a dead letter carries parley-replay: 1; it is outside of
// the order, and it is tried once for each time that somebody asks for it.
package webhook
