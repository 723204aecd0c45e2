// Package seal keeps secrets: in memory as a [Secret], which no printing verb,
// logger or encoder gives away, and in the database as ciphertext of a [Keyset],
// bound to the row and column it was made for.
//
// A [Location] is part of every ciphertext's authentication. What was sealed for
// one place does not open at another, so somebody who can write to the database
// still cannot hand one company's token to another company's channel.
//
// The keyset is a file of its own, kept apart from the database and from its
// backups. Losing it loses every sealed secret; whoever reads it together with the
// database has them all. [Keyset.Rotate] adds a key for new secrets and keeps the
// old ones for what they sealed. Nodes that share a database share the file, or
// have the rotated file copied to each before the first of them seals with the
// new key. Every process that has the file open takes over a change by itself:
// before it seals, and when it meets a ciphertext that it cannot open. The
// fingerprints tell which keys a node has without telling anything about them.
//
// API tokens are not sealed but hashed ([HashToken]): nobody needs them back.
//
// The package does not store ciphertext, find old rows, or encrypt the keyset
// itself; the file's mode is its protection.
package seal
