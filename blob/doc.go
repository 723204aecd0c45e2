// Package blob keeps the bytes of attachments under keys, in a directory or in a
// bucket of an S3-compatible server. Rows say what a blob is, whose it is and
// whether anybody still needs it; here are only keys and bytes.
//
// # What a caller can rely on
//
// A key holds all of what one Put wrote, or nothing. When Put returns without an
// error, bytes and name survive a power loss: in a directory the file and every
// directory on the way to it have been synced, and a server has said so. A Put
// that fails because its reader failed, or gave too much, has changed nothing.
// After any other failure the key has the old blob or the new one, whole; the
// same Put may be made again.
//
// Bytes stream. A directory needs a buffer of 32 KiB for each Put, a bucket one
// of 5 MiB at most, whatever the size of the blob.
//
// No call outlasts its context by more than two seconds, which a broken-off
// upload to a bucket may take to remove its parts. Without a deadline it ends all
// the same: a server that neither takes nor sends a byte for thirty seconds counts as
// gone. A reader given to Put is the caller's own; nothing can interrupt its Read.
//
// # Errors
//
// KindNotFound: there is no such blob, said by the store itself. A directory that
// is not mounted, a bucket that does not exist and a web server that answers 404
// are other errors, because a janitor and a receiver act on this one.
// KindUnavailable: worth trying again, with [CodeDiskFull] where space is wanting.
// KindInvalid: it will not work until somebody changes something, and the message
// says what: the key, the size, or the settings of the bucket.
// KindInternal with [CodeCorrupt]: see [Verify].
//
// # What it is not
//
// No encryption, no deduplication, no expiry and no URLs for strangers: the API
// serves the bytes. It looks for no credentials by itself, in no file, variable or
// metadata service.
package blob
