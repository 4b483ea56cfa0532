-- SPDX-License-Identifier: Apache-2.0
-- Staying managed: identities are renewed before they end. Leaving: a device that is ordered to removes its profile itself.

-- What the profile says that a challenge stands in, and what its update may not change; '' and 0: not known.
ALTER TABLE intent ADD COLUMN profile_identifier TEXT NOT NULL DEFAULT '';
ALTER TABLE intent ADD COLUMN profile_url TEXT NOT NULL DEFAULT '';
ALTER TABLE intent ADD COLUMN profile_rights INTEGER NOT NULL DEFAULT 0;
ALTER TABLE intent ADD COLUMN renewal_of INTEGER REFERENCES enrollment (id) ON DELETE CASCADE;
CREATE INDEX intent_by_renewal ON intent (renewal_of) WHERE renewal_of IS NOT NULL;

-- The same of the identity that came of it, which lives longer.
CREATE TABLE identity_profile (
	identity_id INTEGER PRIMARY KEY REFERENCES identity (id) ON DELETE CASCADE,
	identifier TEXT NOT NULL,
	url TEXT NOT NULL,
	access_rights INTEGER NOT NULL
) STRICT;

-- How far the renewal of a device's identity has come; no row: nothing was done yet.
CREATE TABLE renewal (
	enrollment_id INTEGER PRIMARY KEY REFERENCES enrollment (id) ON DELETE CASCADE,
	identity_id INTEGER NOT NULL,          -- the one that is to be replaced
	state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 6), -- enum renewal_state
	command_id INTEGER NOT NULL DEFAULT 0, -- the latest InstallProfile
	tries INTEGER NOT NULL DEFAULT 0,      -- that came to nothing
	changed_at INTEGER NOT NULL,
	next_at INTEGER NOT NULL DEFAULT 0,
	why TEXT NOT NULL DEFAULT ''
) STRICT;
-- Without those that are done, of which there will be one a device.
CREATE INDEX renewal_by_state ON renewal (state, enrollment_id) WHERE state <> 4;

-- Its body holds what nobody but the device may read: the challenge of a renewal.
ALTER TABLE command ADD COLUMN is_hidden INTEGER NOT NULL DEFAULT 0;

-- The RemoveProfile that an ordered removal begins with.
CREATE TABLE removal (
	enrollment_id INTEGER PRIMARY KEY REFERENCES enrollment (id) ON DELETE CASCADE,
	command_id INTEGER NOT NULL
) STRICT;

INSERT INTO counter (name, value) VALUES ('renewal.sent', 0), ('renewal.failed', 0), ('renewal.renewed', 0);
