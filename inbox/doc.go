// Package inbox takes what providers say and has it stored: callbacks over HTTP,
// and what sessions and polls hear.
//
// A callback is answered only once its events are in a committed transaction:
//
//	401  no such address, or the wrong secret; nothing is stored
//	405  a method that no provider uses
//	413  larger than the provider's limit; its hash, size and beginning are quarantined
//	503  the store is not available, or too much is under way; with Retry-After
//	200  stored, now or before; what nobody understands is quarantined
//
// An event that cannot be stored is quarantined alone, with its raw bytes, and the
// rest of its callback is stored. What waits to be stored is bounded by number and
// bytes, and no channel can take it all, so excess is refused at once rather than
// after the provider has stopped waiting. Quarantine is bounded too: beyond its
// limit what a connector did not understand is only counted, and what we failed to
// store is left with the provider.
//
// Texts are made valid here (UTF-8 without NUL, bounded), so that nothing past the
// inbox has to look again. The package decodes nothing, deduplicates nothing and
// knows no rows: that is the connectors' and the store's part.
package inbox
