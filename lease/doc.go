// Package lease says what this node may act for.
//
// Companies are divided into 256 shards. A shard has at most one owner, which
// runs its companies' sessions, outbox and deliveries. Ownership is a row:
// (shard, node, term). The term rises with every owner, and every claim, outcome,
// delivery and session write names it and is refused if it is old; the refusal,
// not a clock, is what makes two owners impossible.
//
// Clocks only decide when to give up and when to try. A node renews one heartbeat
// row, whose expiry is by the database's clock. It trusts its own lease for less
// time than the row lives, counted from before the renewal was sent, by whichever
// of the monotonic and the wall clock has gone further; so that a node that was
// suspended stops acting before others may start.
//
//	free ──take──► held ──renew──► held
//	                │ no renewal within the trust time, or the term is gone
//	                ▼
//	              lost: Grant gives nothing; Run returns, and the process ends
//
// At present one node holds all shards and others wait for it to go. On SQLite
// the operating system's lock on the data directory comes first, by the same path
// afterwards, so that an old term fails there too.
package lease
