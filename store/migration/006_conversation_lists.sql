-- v6, compatible with v1 and later: when somebody last wrote in a conversation, from an index alone.

-- The rows of a conversation's newest messages are each on a page of their own.
DROP INDEX message_list;
CREATE INDEX message_list ON message (conversation_id, id, income, created_at) WHERE listed = 1;
