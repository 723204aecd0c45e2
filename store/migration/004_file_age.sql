-- v4, compatible with v1 and later: files whose bytes are kept, by age and by blob.

DROP INDEX attachment_age;
CREATE INDEX attachment_kept ON attachment (created_at, id) WHERE blob <> '';
CREATE INDEX attachment_blob ON attachment (blob) WHERE blob <> '';
