// Package api is the customers' HTTP API: everything below /p1, and the sign-in
// below /api. It reads a request, asks the store, and writes the answer in the
// shapes that clients of the Pact.im Private API v1 rely on. It talks to no
// messenger, keeps no state between requests but who has made how many, and does
// not deliver what it accepts: a message that was accepted is a row, and others
// start from there.
//
// # A request
//
// [Server.ServeHTTP] finds the endpoint in one table (see route.go), and then
// makes the checks in the order that decides which of several faults a client is
// told of: route (404, 405), Accept (406), token (401), limit (429), company (404),
// paywall (402), what else the path names (404). Only then the handler reads the
// parameters (400). Bodies are not read before, unless the token may be in one.
//
// Paths are matched segment by segment with empty segments left out, because
// clients double slashes and add trailing ones, and follow no redirects. For the
// same reason a Server must not stand behind an http.ServeMux, which answers such
// paths with a redirect: ask [Server.Serves] first.
//
// # Errors
//
// Handlers return errors; failureOf turns their kind into the status and the
// envelope. Kinds that have no status of their own in the API, such as a
// conflict, are 400: clients know no 409 or 422.
//
// # Lists
//
// A list is walked by key. The token of the next page holds the last key and the
// direction, and a MAC over these, the user, the list and its parent, so that a
// token is good for nothing but its own list. A token that is not good means the
// first page.
//
// # Events
//
// The event log is read by cursor, in pages, with a wait, or as a stream that stays
// open. Where it comes from is the business of whoever is Config.Events; here it is
// chosen what is for a client, and a client that does not read is cut off.
//
// # Files
//
// An upload is streamed: its bytes go to whoever keeps files while they come in,
// and are kept only if the request turns out to be whole and in order, what comes
// after the file included. A message names uploads by their ids.
//
// # Limits
//
// With [Config.Limit] each caller may make so many calls of a kind in a second and
// a minute, counted in memory (see limit.go): on several nodes each counts for
// itself. What clients do wrong is logged at debug level only; what is our fault is
// a warning, at most one a second for each kind.
//
// # Idempotency
//
// With an Idempotency-Key the answer to a send is stored in the transaction of
// the send itself. Whoever repeats the request, however often and at once, gets
// that answer.
//
// # The document
//
// openapi.yaml describes every endpoint and every webhook, with closed schemas.
// It is written by hand. The tests of this package hold every answer and every
// granted request against it, and compare it with the table of endpoints; package
// apitest does the same for webhooks elsewhere. [Server] serves it to everybody,
// with a page to browse it.
package api
