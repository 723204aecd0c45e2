-- v5, compatible with v1 and later: several endpoints, what jobs went through, sign-in, requests under way.

ALTER TABLE endpoint ADD COLUMN kinds TEXT NOT NULL DEFAULT '';            -- JSON list of the kinds of event it gets; empty for all
ALTER TABLE job ADD COLUMN claimed_at INTEGER NOT NULL DEFAULT 0;          -- the newest claim
ALTER TABLE user_account ADD COLUMN channel_price INTEGER NOT NULL DEFAULT 0; -- a month, in the smallest unit of money
ALTER TABLE idempotency ADD COLUMN sealed TEXT NOT NULL DEFAULT '';        -- the key in hexadecimal if the answer is sealed, since it holds a secret
CREATE INDEX idempotency_sealed ON idempotency (user_id, sealed) WHERE sealed <> '';

-- A conversation that the API has opened is listed; it is announced with its first message.
DROP INDEX conversation_list;
CREATE INDEX conversation_list ON conversation (company_id, id) WHERE announced <> 0 AND is_group = 0; -- 2: listed only

-- Attempts at parts of jobs that did not end well; the one that did is the job's own row.
CREATE TABLE job_attempt (
	job_id     INTEGER NOT NULL,
	number     INTEGER NOT NULL, -- from 1, over all parts of the job
	company_id INTEGER NOT NULL,
	part       INTEGER NOT NULL,
	result     TEXT NOT NULL,    -- retry, failed
	kind       TEXT NOT NULL,    -- of the error
	reason     TEXT NOT NULL,    -- as for people
	claimed_at INTEGER NOT NULL, -- 0 if it ended without a claim
	created_at INTEGER NOT NULL, -- when it ended
	PRIMARY KEY (job_id, number)
) WITHOUT ROWID;
CREATE INDEX job_attempt_age ON job_attempt (company_id, created_at);

-- Requests under a key whose effect is outside the database, from before it until the answer is kept.
CREATE TABLE running_request (
	user_id    INTEGER NOT NULL,
	key        BLOB NOT NULL,    -- as in idempotency
	request    BLOB NOT NULL,    -- SHA-256 of the parameters
	process    TEXT NOT NULL,    -- who runs it: a new name with every start
	created_at INTEGER NOT NULL,
	PRIMARY KEY (user_id, key)
) WITHOUT ROWID;
CREATE INDEX running_request_age ON running_request (created_at);

-- Sign-in by a code that is sent to the user's webhook.
CREATE INDEX user_phone ON user_account (phone) WHERE phone <> '';
CREATE TABLE sign_in_code (
	id         INTEGER PRIMARY KEY,
	user_id    INTEGER NOT NULL,
	hash       BLOB NOT NULL,    -- SHA-256 of the code, salted with the row
	salt       BLOB NOT NULL,
	attempts   INTEGER NOT NULL, -- wrong guesses
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL  -- or when it was used
);
CREATE INDEX sign_in_code_user ON sign_in_code (user_id, created_at);
CREATE INDEX sign_in_code_age ON sign_in_code (created_at);
-- Nobody's code: guesses at phones without a user count here, so that they cost what others cost.
INSERT INTO sign_in_code (id, user_id, hash, salt, attempts, created_at, expires_at) VALUES (0, 0, '', '', 0, 9007199254740991, 0);
CREATE TABLE sign_in_token (
	hash       BLOB PRIMARY KEY, -- SHA-256
	user_id    INTEGER NOT NULL,
	family     INTEGER NOT NULL, -- all that come from one sign-in
	kind       TEXT NOT NULL,    -- access, refresh
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	used_at    INTEGER NOT NULL  -- of a refresh token, which is good for once
) WITHOUT ROWID;
CREATE INDEX sign_in_token_family ON sign_in_token (family);
CREATE INDEX sign_in_token_age ON sign_in_token (expires_at);

-- Billing reads deleted channels as well.
CREATE INDEX channel_all ON channel (company_id, id);
