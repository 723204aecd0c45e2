-- v2, compatible with v1 and later: what was parked and not replayed can be counted.

CREATE INDEX dead_letter_open ON dead_letter (endpoint_id, seq) WHERE replayed_at = 0;
