-- v3, compatible with v1 and later: files of messages, members of groups, profiles.

CREATE TABLE attachment (
	id              INTEGER PRIMARY KEY,
	company_id      INTEGER NOT NULL,
	channel_id      INTEGER NOT NULL,
	conversation_id INTEGER NOT NULL,
	message_id      INTEGER NOT NULL, -- that brought it; 0 for uploads and avatars
	kind            TEXT NOT NULL,
	name            TEXT NOT NULL,
	type            TEXT NOT NULL,    -- MIME
	size            INTEGER NOT NULL, -- in bytes, 0 if unknown
	width           INTEGER NOT NULL, -- in pixels, 0 if unknown
	height          INTEGER NOT NULL,
	external        TEXT NOT NULL,    -- the provider's id
	source          TEXT NOT NULL,    -- what the connector fetches it by
	blob            TEXT NOT NULL,    -- key of the bytes, empty until they are here
	sha256          TEXT NOT NULL,    -- of the bytes, in hexadecimal; empty until they are here
	token           TEXT NOT NULL,    -- what makes the address unguessable
	state           TEXT NOT NULL,
	reason          TEXT NOT NULL,
	attempt         INTEGER NOT NULL,
	next_at         INTEGER NOT NULL, -- of the next fetch
	created_at      INTEGER NOT NULL
);
CREATE INDEX attachment_pending ON attachment (next_at, id) WHERE state = 'pending';
CREATE INDEX attachment_age ON attachment (company_id, created_at);

-- Who has written in a group.
CREATE TABLE group_member (
	conversation_id INTEGER NOT NULL,
	contact_id      INTEGER NOT NULL,
	created_at      INTEGER NOT NULL,
	PRIMARY KEY (conversation_id, contact_id)
) WITHOUT ROWID;

ALTER TABLE conversation ADD COLUMN avatar_id INTEGER NOT NULL DEFAULT 0;      -- an attachment, the newest one known
ALTER TABLE conversation ADD COLUMN profile_at INTEGER NOT NULL DEFAULT 0;     -- when name and picture are to be asked for
ALTER TABLE conversation ADD COLUMN profiled_at INTEGER NOT NULL DEFAULT 0;    -- when they were last asked for
ALTER TABLE conversation ADD COLUMN profile_tries INTEGER NOT NULL DEFAULT 0;  -- that failed since the last answer
CREATE INDEX conversation_profile ON conversation (profile_at, id) WHERE profile_at > 0;
