// Package fetch is the only way out of the gateway over HTTP: provider calls,
// customers' webhooks and customers' file URLs all go through a [Client] made
// here.
//
// A Client answers four questions in one place:
//
//   - May we talk to this address? The guard looks at the IP address that is
//     really dialled, at every dial, so neither DNS rebinding nor a redirect nor
//     an unusual spelling of an address gets around it. A host and port that the
//     operator has set is exempt, exactly that pair and no other.
//   - Did the request leave? A failed exchange is a *parley.Error of
//     KindUnavailable when surely no byte of the request was written, and of
//     KindUncertain as soon as one may have been. An address that the guard
//     refuses is KindInvalid with the code [CodePrivate]. The reason, a cancelled
//     context included, stays visible to errors.Is.
//   - Was it sent twice? A request whose method is not safe (anything but GET,
//     HEAD, OPTIONS, TRACE) is repeated only when nothing of it was written: the
//     usual case is a kept connection that the server had closed meanwhile.
//     net/http would also repeat a POST that carries an Idempotency-Key, or one
//     that an HTTP/2 server reset; here it does not. The one exception is an
//     unsafe request without a body over HTTP/2, which net/http itself repeats
//     when the server resets the stream with PROTOCOL_ERROR.
//   - What may be told about it? Provider tokens are part of URLs. No error text
//     from this package contains more of a URL than its host, and no quoted bytes
//     of an answer. A caller who uses [Client.HTTP] gets net/http's own *url.Error
//     and passes it through [Redact].
//
// A guarded client never uses a proxy: the proxy would do the dialling and the
// guard would see only the proxy's address. A client with AllowPrivate, which has
// no guard, takes its proxy from the environment as curl does.
//
// The package sets no overall time limit, knows no retry schedule and logs
// nothing: deadlines are the caller's context, repeating is the outbox's and the
// webhook sender's business.
package fetch
