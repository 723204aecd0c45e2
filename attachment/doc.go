// Package attachment brings the bytes of files to where they are needed: from
// messengers into the blob store, from customers into it, and from it to whoever
// holds a file's address, or to a connector that sends it.
//
// # Fetching
//
// A message that arrives with a file is stored at once; the row of its file is
// pending. [Service.Run] finds such rows of the companies that this node owns,
// asks the channel's client for the bytes, streams them into the blob store, and
// commits what became of it. The kind of an error decides:
//
//   - unavailable, throttled, uncertain, internal, and a panic: again after 1 s,
//     doubling to 5 min, or later if the provider says so;
//   - logged out: the channel may come back, so the file waits without spending
//     attempts;
//   - anything else: the file has failed, for that reason.
//
// What has not succeeded 24 h after the file became known has failed too. A file
// above the limit is refused, whatever size was declared: bytes are counted. A
// body that stalls, never ends or is shorter than it said is given up.
//
// When our own blob store fails, nobody's file is to blame: no attempt is spent,
// nothing is given up, and a circuit lets one file at a time find out whether the
// store is back.
//
// Rows are the truth. A stop cancels what is under way, and a crash loses it;
// either way the row is still pending and is found again. Each fetch writes a blob
// of its own, so that two of them never mix, and the one whose outcome is refused
// deletes its blob again. A crash between blob and outcome leaves a blob that no
// row names.
//
// Places are bounded, over all and for each provider and channel, and channels
// take turns, so neither a slow provider nor a flooded channel takes them all.
//
// Names and pictures of conversations are asked for in the same way. These are
// side calls: after three failures the question is dropped until the contact
// writes again.
//
// # Types
//
// A file's type is what the provider or the customer said, if its first bytes
// allow it, and else what the bytes look like. Only types that a browser may show
// without harm are served as themselves and inline; everything else is a download.
//
// # What it is not
//
// It knows no provider and no address scheme of one, keeps no bytes itself, makes
// no previews, converts nothing, and decides neither who may upload nor how long
// files are kept. It does not look for viruses.
package attachment
