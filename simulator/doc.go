// Package simulator holds what all messenger simulators share: how a host
// program mounts them, the script of faults, the log of requests, the record of
// accepted messages, and the control API through which a test or a person with
// curl plays the outside world.
//
// A simulator speaks a provider's own API to the gateway and refuses what the
// provider refuses. Each lives beside its connector (for example
// provider/telegram/telegramsim) and is written from the provider's documents,
// never from the connector. This package knows no provider, opens no listener
// and starts no goroutine.
//
// # Control API
//
// Control is served at /sim/{provider}/{verb}. Parameters may come in the query,
// as a form or as a JSON object, so `curl -d text=hello …/say` works. Answers are
// JSON; a refusal is 400 or 404 with {"error": "a sentence that says what to do"}.
//
// The verbs that mean the same everywhere and are served from here:
//
//	GET    sent    what the gateway sent and the provider accepted: account, method, after, limit, wait (seconds, at most 60)
//	GET    log     the last requests: after, limit
//	POST   faults  add a fault: kind, method, account, chat, times, delay_ms, retry_after, status;
//	               the kinds are named at FaultKind, those for the body of a download included
//	GET    faults  list them; DELETE faults removes all, or one by id
//
// Every provider adds: POST accounts, GET accounts, POST people, GET people,
// POST say, POST edit, POST block, POST unblock, POST rename, POST deactivate,
// POST raw, POST revoke, POST reset, and what only it can do. Files are uploaded to a
// verb as multipart/form-data. A file among what was sent has its sha256, in
// hexadecimal, and its file_name in the detail.
package simulator
