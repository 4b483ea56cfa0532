-- SPDX-License-Identifier: Apache-2.0
-- Devices on their way in: what each was given, and the identity that came of it.

-- One device that is meant to enroll. A challenge is kept as its digest; it is random enough for that.
CREATE TABLE intent (
	id INTEGER PRIMARY KEY,
	way INTEGER NOT NULL CHECK (way BETWEEN 1 AND 5), -- enum intent_way
	challenge_sha256 BLOB UNIQUE CHECK (length(challenge_sha256) = 32),
	device_id TEXT NOT NULL DEFAULT '',     -- whom the identity will be for; '': whoever comes
	serial_number TEXT NOT NULL DEFAULT '',
	user_name TEXT NOT NULL DEFAULT '',
	created_by TEXT NOT NULL DEFAULT '',
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	used_at INTEGER NOT NULL DEFAULT 0,     -- the challenge, for the first time, and by which key
	key_sha256 BLOB CHECK (length(key_sha256) = 32),
	identity_id INTEGER REFERENCES identity (id) ON DELETE SET NULL
) STRICT;
CREATE INDEX intent_by_end ON intent (expires_at);
CREATE INDEX intent_by_identity ON intent (identity_id) WHERE identity_id IS NOT NULL;

-- The same transaction of the same key gets the same certificate.
CREATE TABLE scep_transaction (
	key_sha256 BLOB NOT NULL CHECK (length(key_sha256) = 32),
	transaction_id TEXT NOT NULL,
	identity_id INTEGER NOT NULL REFERENCES identity (id) ON DELETE CASCADE,
	PRIMARY KEY (key_sha256, transaction_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX scep_transaction_by_identity ON scep_transaction (identity_id);
CREATE INDEX identity_by_serial ON identity (serial) WHERE is_ours = 1;
CREATE INDEX identity_revoked ON identity (revoked_at) WHERE revoked_at > 0;
