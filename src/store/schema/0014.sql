-- SPDX-License-Identifier: Apache-2.0
-- Invitations: links by which people get their devices in.

-- The token in the link is kept as its digest; it is random enough for that.
CREATE TABLE invitation (
	id INTEGER PRIMARY KEY,
	token_sha256 BLOB NOT NULL UNIQUE CHECK (length(token_sha256) = 32),
	note TEXT NOT NULL DEFAULT '',
	needs_login INTEGER NOT NULL DEFAULT 0,
	user_name TEXT NOT NULL DEFAULT '',     -- who alone may log in; '': whoever can
	uses_max INTEGER NOT NULL CHECK (uses_max >= 1),
	uses INTEGER NOT NULL DEFAULT 0,        -- devices that got their identity by it
	downloads INTEGER NOT NULL DEFAULT 0,   -- profiles that were given out
	created_by TEXT NOT NULL DEFAULT '',
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	revoked_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX invitation_by_end ON invitation (expires_at);

ALTER TABLE intent ADD COLUMN invitation_id INTEGER REFERENCES invitation (id) ON DELETE SET NULL;
CREATE INDEX intent_by_invitation ON intent (invitation_id) WHERE invitation_id IS NOT NULL;

INSERT INTO counter (name, value) VALUES ('history.invitations', 0);
