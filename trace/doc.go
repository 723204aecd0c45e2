// Package trace tells the story of a message as an OpenTelemetry trace: its
// callback or the request that accepted it, every attempt to send it, every file
// that was fetched for it, and every attempt to deliver a webhook about it. It is
// the only package that knows of OpenTelemetry: a service has a small hook in its
// Config, cmd/parley translates, and a hook that is nil costs nothing.
//
// # Ids are derived
//
// The trace id of everything about a message is an HMAC of the message's id under
// a key of the installation, and so is the id of the trace's first span. So the
// spans of a message meet in one trace although they are made by goroutines that
// know nothing of each other, before and after a restart, on this node or
// another, with no context carried and no column kept. Whether a trace is sampled
// follows from its id alone, and is the same everywhere too.
//
// A webhook without a message, such as news of a channel, has a trace by its
// company and sequence number; a file without one has a trace by its id.
//
// # Limits
//
// Spans wait in memory, at most OTEL_BSP_MAX_QUEUE_SIZE (2048) of them, and are
// sent in batches as OTLP/HTTP in JSON. Nothing ever waits for the collector: what
// finds no room, or is not taken in time, is dropped. No span has a text, a name,
// an address or a secret.
//
// The package is not for logs or metrics, and it does not take part in traces of
// others: what a client says of its own trace becomes a link.
package trace
