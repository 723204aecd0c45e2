// Package stream lets many readers follow the event logs of companies. It does
// not speak HTTP, does not choose events and does not deliver them: package api
// does the first two, package webhook the last.
//
// # Rows are the truth
//
// A reader is a place in a log, and what it gets next is the event with the next
// number: from memory if it is there, else from the log's rows. It never gets an
// event whose predecessor it has not had. The store's hook only makes it fast: it
// says what was committed, so that nobody has to ask, and a poll each second finds
// what the hook did not tell.
//
// # In memory
//
// While somebody listens to a company there is a room: how many listen, the number
// of the newest event known, and the events of the last seconds, without gaps. All
// readers of a company share them. They are bounded for a company and over all;
// who is behind them reads rows, as much at a time as it asks for. A reader who
// waits costs a goroutine that waits on the room's channel, and nothing else.
//
// Nothing here blocks the writer: the hook takes a mutex that is never held over
// a read of rows or a network write.
package stream
