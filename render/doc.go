// Package render writes webhook bodies: the JSON of every event, with the keys,
// their order and the time formats that clients rely on. A body is written once,
// when the event is stored, and delivered as it is ever after.
//
// Keys beyond the original API are absent when they have nothing to say. The
// package knows nothing of HTTP or of the database.
package render
