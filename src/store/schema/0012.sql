-- SPDX-License-Identifier: Apache-2.0
-- Devices that enrolled with an account of their user: whose it is, and the token that each of their messages must carry.

CREATE TABLE account (
	id INTEGER PRIMARY KEY,
	mode INTEGER NOT NULL CHECK (mode BETWEEN 1 AND 2), -- enum account_mode
	user_name TEXT NOT NULL,                -- as the user directory knows him
	managed_id TEXT NOT NULL,               -- as Apple does: the Managed Apple Account
	created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX account_by_user ON account (user_name);

-- A login gives one; it is random enough to be kept as its digest.
CREATE TABLE access_token (
	sha256 BLOB PRIMARY KEY CHECK (length(sha256) = 32),
	account_id INTEGER REFERENCES account (id) ON DELETE CASCADE, -- NULL: nothing came of the login yet
	user_name TEXT NOT NULL,
	managed_id TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,            -- 0: never
	valid_s INTEGER NOT NULL                -- from its first use on; 0: for ever
) STRICT, WITHOUT ROWID;
CREATE INDEX access_token_by_account ON access_token (account_id) WHERE account_id IS NOT NULL;
CREATE INDEX access_token_by_user ON access_token (user_name, created_at);
CREATE INDEX access_token_by_end ON access_token (expires_at) WHERE expires_at > 0;

ALTER TABLE identity ADD COLUMN account_id INTEGER REFERENCES account (id); -- whom it was issued for; renewals have it too
CREATE INDEX identity_by_account ON identity (account_id) WHERE account_id IS NOT NULL;
ALTER TABLE intent ADD COLUMN account_id INTEGER REFERENCES account (id) ON DELETE CASCADE;
CREATE INDEX intent_by_account ON intent (account_id) WHERE account_id IS NOT NULL;
