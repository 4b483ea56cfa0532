-- SPDX-License-Identifier: Apache-2.0
-- The certificates of Apple's that devices' own certificates must have been issued by, as an administrator imported them.

CREATE TABLE apple_anchor (
	id INTEGER PRIMARY KEY,
	sha256 BLOB NOT NULL UNIQUE CHECK (length(sha256) = 32),
	subject TEXT NOT NULL,
	imported_by TEXT NOT NULL,
	imported_at INTEGER NOT NULL,
	der BLOB NOT NULL
) STRICT;
