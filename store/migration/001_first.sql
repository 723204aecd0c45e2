-- v1, compatible with v1 and later: the first schema.
-- Written in SQLite's words; dialect.go names the few that PostgreSQL spells otherwise.
-- Times (_at) are UTC in unix milliseconds, 0 is never. Flags are 0 or 1. Ids come from one sequence.

CREATE TABLE setting (
	name  TEXT PRIMARY KEY, -- epoch, keyset
	value TEXT NOT NULL
) WITHOUT ROWID;

-- only sqlite
CREATE TABLE id_block (
	next INTEGER NOT NULL -- ids below it are given out
);
INSERT INTO id_block (next) VALUES (1);
-- end
-- only postgres
CREATE SEQUENCE ids INCREMENT BY 64; -- each value stands for itself and the 63 after it
-- end

-- Ownership: one row for each shard, one for each node. See package lease.
CREATE TABLE node (
	name       TEXT PRIMARY KEY,
	beat_at    INTEGER NOT NULL, -- by the database's clock
	expires_at INTEGER NOT NULL  -- by the database's clock
) WITHOUT ROWID;
CREATE TABLE shard (
	id   INTEGER PRIMARY KEY, -- 0 to 255
	node TEXT NOT NULL,       -- empty: nobody
	term INTEGER NOT NULL     -- raised with every owner
);

CREATE TABLE user_account (
	id          INTEGER PRIMARY KEY,
	name        TEXT NOT NULL UNIQUE,
	partner     INTEGER NOT NULL,
	phone       TEXT NOT NULL,
	webhook_url TEXT NOT NULL,
	created_at  INTEGER NOT NULL
);
CREATE TABLE api_token (
	hash       BLOB PRIMARY KEY, -- SHA-256; the token itself is never stored
	user_id    INTEGER NOT NULL REFERENCES user_account (id),
	hint       TEXT NOT NULL,    -- first characters, to tell tokens apart
	created_at INTEGER NOT NULL,
	revoked_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE company (
	id                    INTEGER PRIMARY KEY,
	user_id               INTEGER NOT NULL REFERENCES user_account (id),
	shard                 INTEGER NOT NULL,
	name                  TEXT NOT NULL,
	phone                 TEXT,
	description           TEXT,
	hidden                INTEGER NOT NULL,
	paywall               INTEGER NOT NULL,
	channels_per_provider INTEGER NOT NULL,
	extended_events       INTEGER NOT NULL,
	created_at            INTEGER NOT NULL
);
CREATE INDEX company_user ON company (user_id, id);

-- The event log's counter, apart from company because it is written with every batch.
CREATE TABLE company_log (
	company_id INTEGER PRIMARY KEY REFERENCES company (id),
	seq        INTEGER NOT NULL, -- of the newest event
	first_seq  INTEGER NOT NULL  -- of the oldest event kept
);

CREATE TABLE channel (
	id            INTEGER PRIMARY KEY,
	company_id    INTEGER NOT NULL REFERENCES company (id),
	shard         INTEGER NOT NULL,
	provider      TEXT NOT NULL,    -- canonical
	spelling      TEXT NOT NULL,    -- as created; shown outside
	state         TEXT NOT NULL,
	reason        TEXT NOT NULL,
	state_at      INTEGER NOT NULL,
	account       TEXT NOT NULL,    -- the provider's id of the account; empty until known
	generation    INTEGER NOT NULL, -- raised with every change of credentials
	settings      TEXT NOT NULL,    -- JSON object of texts
	secrets       BLOB NOT NULL,    -- sealed JSON object of texts; empty once forgotten
	callback_hash BLOB NOT NULL,    -- SHA-256 of the callback path; empty without one
	farewell      INTEGER NOT NULL, -- deleted, and the provider has yet to be told
	created_at    INTEGER NOT NULL,
	deleted_at    INTEGER NOT NULL
);
CREATE INDEX channel_company ON channel (company_id, id) WHERE deleted_at = 0;
CREATE UNIQUE INDEX channel_account ON channel (provider, account) WHERE deleted_at = 0 AND account <> '';
CREATE UNIQUE INDEX channel_callback ON channel (callback_hash) WHERE length(callback_hash) > 0;
CREATE INDEX channel_connecting ON channel (id) WHERE deleted_at = 0 AND state = 'connecting';
CREATE INDEX channel_farewell ON channel (id) WHERE farewell = 1;

-- Session data of stateful channels, sealed. Every write is fenced by the term.
CREATE TABLE session_state (
	channel_id INTEGER NOT NULL REFERENCES channel (id),
	name       TEXT NOT NULL,
	value      BLOB NOT NULL,
	PRIMARY KEY (channel_id, name)
) WITHOUT ROWID;

CREATE TABLE contact (
	id         INTEGER PRIMARY KEY,
	company_id INTEGER NOT NULL,
	channel_id INTEGER NOT NULL REFERENCES channel (id),
	external   TEXT NOT NULL, -- the provider's id
	public_id  TEXT NOT NULL, -- shown outside
	name       TEXT NOT NULL,
	username   TEXT NOT NULL,
	created_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX contact_external ON contact (channel_id, external);

CREATE TABLE conversation (
	id             INTEGER PRIMARY KEY,
	company_id     INTEGER NOT NULL,
	channel_id     INTEGER NOT NULL REFERENCES channel (id),
	contact_id     INTEGER NOT NULL, -- 0 for a group
	external       TEXT NOT NULL,    -- the provider's id
	public_id      TEXT NOT NULL,    -- shown outside
	name           TEXT NOT NULL,
	avatar_url     TEXT NOT NULL,
	is_group       INTEGER NOT NULL,
	announced      INTEGER NOT NULL, -- listed, and conversation/new is in the log
	blocked        INTEGER NOT NULL, -- the contact has blocked us
	last_income_at INTEGER NOT NULL, -- written at most once a minute; lists look at the messages
	note           TEXT NOT NULL,
	assignee       INTEGER NOT NULL,
	bitrix_block   INTEGER NOT NULL,
	created_at     INTEGER NOT NULL
);
CREATE UNIQUE INDEX conversation_external ON conversation (channel_id, external);
CREATE INDEX conversation_list ON conversation (company_id, id) WHERE announced = 1 AND is_group = 0;

CREATE TABLE message (
	id              INTEGER PRIMARY KEY,
	company_id      INTEGER NOT NULL,
	channel_id      INTEGER NOT NULL,
	conversation_id INTEGER NOT NULL REFERENCES conversation (id),
	contact_id      INTEGER NOT NULL, -- who wrote it in a group; 0 otherwise
	job_id          INTEGER NOT NULL, -- 0 unless sent through the API
	income          INTEGER NOT NULL,
	listed          INTEGER NOT NULL, -- received, or delivered
	ack             INTEGER NOT NULL,
	body            TEXT NOT NULL,
	provider_id     TEXT NOT NULL,
	reply_to        INTEGER NOT NULL, -- 0 is none, or one that we do not have
	extra           TEXT NOT NULL,    -- JSON of what few messages have; empty for most
	created_at      INTEGER NOT NULL,
	edited_at       INTEGER NOT NULL,
	deleted_at      INTEGER NOT NULL
);
CREATE INDEX message_list ON message (conversation_id, id) WHERE listed = 1;
CREATE INDEX message_sent ON message (channel_id, provider_id) WHERE income = 0 AND provider_id <> '';

-- What was received, by the provider's identity, so that it is stored once. Outlives the message.
CREATE TABLE seen (
	channel_id INTEGER NOT NULL,
	key        BLOB NOT NULL,    -- 16 bytes of SHA-256 of account, conversation, provider id, kind, version
	message_id INTEGER NOT NULL, -- 0 if it made none
	PRIMARY KEY (channel_id, key)
) WITHOUT ROWID;

CREATE TABLE job (
	id              INTEGER PRIMARY KEY,
	company_id      INTEGER NOT NULL,
	shard           INTEGER NOT NULL,
	channel_id      INTEGER NOT NULL,
	conversation_id INTEGER NOT NULL,
	message_id      INTEGER NOT NULL, -- the first one, of several parts
	lane            INTEGER NOT NULL,
	state           TEXT NOT NULL,
	part            INTEGER NOT NULL, -- next, or under way
	attempt         INTEGER NOT NULL, -- at that part
	crashes         INTEGER NOT NULL, -- claims of that part that had no outcome
	term            INTEGER NOT NULL, -- of the claim
	plan            TEXT NOT NULL,    -- JSON list of the parts' texts; empty unless there are several
	reason          TEXT NOT NULL,
	ready_at        INTEGER NOT NULL,
	deadline_at     INTEGER NOT NULL, -- until then a claimed part may be under way
	created_at      INTEGER NOT NULL,
	done_at         INTEGER NOT NULL
);
CREATE INDEX job_open ON job (conversation_id, id) WHERE done_at = 0;
CREATE INDEX job_ready ON job (channel_id, lane, ready_at, id) WHERE state = 'ready';
CREATE INDEX job_sending ON job (state, id) WHERE state = 'sending';
CREATE INDEX job_channel ON job (channel_id, id) WHERE done_at = 0;

-- Receipts that came before the outcome they belong to.
CREATE TABLE receipt (
	channel_id      INTEGER NOT NULL,
	provider_id     TEXT NOT NULL,
	conversation_id INTEGER NOT NULL, -- 0 if the provider did not say; some ids are unique only within one
	ack             INTEGER NOT NULL,
	created_at      INTEGER NOT NULL,
	PRIMARY KEY (channel_id, provider_id, conversation_id)
) WITHOUT ROWID;
CREATE INDEX receipt_age ON receipt (created_at);

-- Echoes of messages that may be our own, held while a part of the conversation is being sent.
CREATE TABLE echo (
	id              INTEGER PRIMARY KEY,
	channel_id      INTEGER NOT NULL,
	conversation_id INTEGER NOT NULL,
	provider_id     TEXT NOT NULL,
	event           BLOB NOT NULL, -- JSON
	created_at      INTEGER NOT NULL
);
CREATE INDEX echo_conversation ON echo (conversation_id, id);
CREATE INDEX echo_age ON echo (created_at);

CREATE TABLE event (
	company_id INTEGER NOT NULL,
	seq        INTEGER NOT NULL,
	stream     INTEGER NOT NULL, -- a conversation's id, or a channel's for its own events
	channel_id INTEGER NOT NULL,
	message_id INTEGER NOT NULL,
	kind       TEXT NOT NULL,
	body       BLOB NOT NULL,    -- as delivered, to the byte
	created_at INTEGER NOT NULL,
	PRIMARY KEY (company_id, seq)
) WITHOUT ROWID;
CREATE INDEX event_stream ON event (stream, seq);

CREATE TABLE endpoint (
	id         INTEGER PRIMARY KEY,
	company_id INTEGER NOT NULL REFERENCES company (id),
	shard      INTEGER NOT NULL,
	main       INTEGER NOT NULL, -- the contract's one; its url is the company's webhook_url
	url        TEXT NOT NULL,    -- empty: delivers nothing
	secret     BLOB NOT NULL,    -- sealed
	cursor     INTEGER NOT NULL, -- every event up to it is delivered, parked, or in a blocked stream
	created_at INTEGER NOT NULL
);
CREATE INDEX endpoint_company ON endpoint (company_id, id);
CREATE UNIQUE INDEX endpoint_main ON endpoint (company_id) WHERE main = 1;

-- One row for each stream whose oldest undelivered event failed. What follows it is found in the log.
CREATE TABLE blocked_stream (
	endpoint_id INTEGER NOT NULL REFERENCES endpoint (id),
	stream      INTEGER NOT NULL,
	head        INTEGER NOT NULL, -- seq
	attempt     INTEGER NOT NULL,
	next_at     INTEGER NOT NULL,
	PRIMARY KEY (endpoint_id, stream)
) WITHOUT ROWID;
CREATE INDEX blocked_stream_head ON blocked_stream (endpoint_id, head);

CREATE TABLE dead_letter (
	endpoint_id INTEGER NOT NULL REFERENCES endpoint (id),
	seq         INTEGER NOT NULL,
	company_id  INTEGER NOT NULL,
	stream      INTEGER NOT NULL,
	kind        TEXT NOT NULL,
	reason      TEXT NOT NULL,
	attempts    INTEGER NOT NULL,
	parked_at   INTEGER NOT NULL,
	replay_at   INTEGER NOT NULL, -- a replay was asked for
	replayed_at INTEGER NOT NULL, -- and succeeded
	PRIMARY KEY (endpoint_id, seq)
) WITHOUT ROWID;
CREATE INDEX dead_letter_replay ON dead_letter (endpoint_id, seq) WHERE replay_at > 0;
CREATE INDEX dead_letter_company ON dead_letter (company_id, seq);
CREATE INDEX dead_letter_kept ON dead_letter (company_id, seq) WHERE replayed_at = 0 OR replay_at > 0;
CREATE INDEX dead_letter_age ON dead_letter (company_id, parked_at) WHERE replay_at = 0;

CREATE TABLE webhook_attempt (
	endpoint_id INTEGER NOT NULL,
	seq         INTEGER NOT NULL,
	number      INTEGER NOT NULL,
	company_id  INTEGER NOT NULL,
	status      INTEGER NOT NULL, -- HTTP status, 0 without an answer
	reason      TEXT NOT NULL,
	took_ms     INTEGER NOT NULL,
	created_at  INTEGER NOT NULL,
	PRIMARY KEY (endpoint_id, seq, number)
) WITHOUT ROWID;
CREATE INDEX webhook_attempt_age ON webhook_attempt (company_id, created_at);

CREATE TABLE quarantine (
	id         INTEGER PRIMARY KEY,
	company_id INTEGER NOT NULL,
	channel_id INTEGER NOT NULL,
	provider   TEXT NOT NULL,
	source     TEXT NOT NULL,
	reason     TEXT NOT NULL,
	hash       BLOB NOT NULL,
	size       INTEGER NOT NULL, -- of the whole, in bytes
	body       BLOB NOT NULL,    -- the whole, or its beginning
	created_at INTEGER NOT NULL
);
CREATE INDEX quarantine_company ON quarantine (company_id, id);
CREATE INDEX quarantine_age ON quarantine (company_id, created_at);

CREATE TABLE idempotency (
	user_id    INTEGER NOT NULL,
	key        BLOB NOT NULL,    -- SHA-256 of method, path and key
	request    BLOB NOT NULL,    -- SHA-256 of the parameters
	status     INTEGER NOT NULL, -- of the answer
	answer     BLOB NOT NULL,
	created_at INTEGER NOT NULL,
	PRIMARY KEY (user_id, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_age ON idempotency (created_at);
