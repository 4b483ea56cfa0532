-- SPDX-License-Identifier: Apache-2.0
-- Users that log in through their device (UserAuthenticate). There may be one before its user channel is.

-- Secrets are random enough to be kept as their digests. Without a token such a user says nothing any more.
CREATE TABLE user_session (
	ext_id TEXT PRIMARY KEY,                -- the user channel's
	device_id INTEGER NOT NULL REFERENCES enrollment (id) ON DELETE CASCADE,
	nonce_sha256 BLOB CHECK (length(nonce_sha256) = 32), -- the challenge that was not answered yet
	nonce_expires_at INTEGER NOT NULL DEFAULT 0,
	token_sha256 BLOB CHECK (length(token_sha256) = 32),
	user_name TEXT NOT NULL DEFAULT '',     -- who logged in
	authenticated_at INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX user_session_by_device ON user_session (device_id);
