-- SPDX-License-Identifier: Apache-2.0
-- Waking devices: what became of pushes, push certificates, silence.

ALTER TABLE enrollment ADD COLUMN inactive_at INTEGER NOT NULL DEFAULT 0;   -- silent for too long since then
ALTER TABLE enrollment ADD COLUMN token_dead_at INTEGER NOT NULL DEFAULT 0; -- APNs said so of push_token
-- Those that stand out are few; their state is there to be counted by.
CREATE INDEX enrollment_inactive ON enrollment (id, state) WHERE inactive_at > 0;
CREATE INDEX enrollment_dead ON enrollment (id, state) WHERE token_dead_at > 0;
CREATE INDEX enrollment_by_topic ON enrollment (topic) WHERE state = 2;

-- The one enrollment of a batch, whose row is found without a look at the command's others; 0: there are several
-- (or the batch is older than this column), -1: none yet.
ALTER TABLE batch ADD COLUMN only_id INTEGER NOT NULL DEFAULT 0;

-- Of channels that were pushed for. What must be pushed is not here: it follows from `queue` and `batch`.
CREATE TABLE push (
	enrollment_id INTEGER PRIMARY KEY REFERENCES enrollment (id) ON DELETE CASCADE,
	seen_seq INTEGER NOT NULL DEFAULT 0,   -- batch.seq behind the last empty reply with held work
	pushed_seq INTEGER NOT NULL DEFAULT 0, -- batch.seq of the newest work that a push was taken for
	pushed_at INTEGER NOT NULL DEFAULT 0,
	outcome_at INTEGER NOT NULL DEFAULT 0,
	status INTEGER NOT NULL DEFAULT 0,
	tries INTEGER NOT NULL DEFAULT 0,
	reason TEXT NOT NULL DEFAULT '',
	apns_id TEXT NOT NULL DEFAULT ''
) STRICT;

INSERT INTO counter (name, value) VALUES ('push.walk', 0); -- the enrollment that the walk has come to

CREATE TABLE push_cert (
	topic TEXT PRIMARY KEY,
	subject TEXT NOT NULL,
	sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
	not_before INTEGER NOT NULL,
	not_after INTEGER NOT NULL,
	stored_at INTEGER NOT NULL,
	cert_pem BLOB NOT NULL,
	sealed BLOB NOT NULL
) STRICT;
