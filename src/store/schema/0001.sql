-- SPDX-License-Identifier: Apache-2.0
-- Times are UNIX seconds, 0 for never; texts are '' for unknown. Columns called `sealed` hold blobs of
-- pki/seal.h and nothing else holds what they hold. Numbers of kinds and states: include/pomona/store/*.h.

CREATE TABLE identity (
	id INTEGER PRIMARY KEY,
	sha256 BLOB NOT NULL UNIQUE CHECK (length(sha256) = 32),
	tbs_sha256 BLOB NOT NULL UNIQUE CHECK (length(tbs_sha256) = 32),
	owner_id INTEGER REFERENCES enrollment (id) ON DELETE SET NULL,
	renewal_of INTEGER REFERENCES enrollment (id) ON DELETE SET NULL,
	is_ours INTEGER NOT NULL DEFAULT 0,
	not_before INTEGER NOT NULL,
	not_after INTEGER NOT NULL,
	revoked_at INTEGER NOT NULL DEFAULT 0,
	recorded_at INTEGER NOT NULL,
	chained_under BLOB NOT NULL CHECK (length(chained_under) = 32),
	issued_for TEXT NOT NULL DEFAULT '',
	subject TEXT NOT NULL,
	issuer TEXT NOT NULL,
	serial TEXT NOT NULL
) STRICT;
CREATE INDEX identity_by_owner ON identity (owner_id) WHERE owner_id IS NOT NULL;
CREATE INDEX identity_by_renewal ON identity (renewal_of) WHERE renewal_of IS NOT NULL;

-- Beside the narrow rows that every request reads.
CREATE TABLE certificate (
	identity_id INTEGER PRIMARY KEY REFERENCES identity (id) ON DELETE CASCADE,
	der BLOB NOT NULL
) STRICT;

CREATE TABLE anchor (
	id INTEGER PRIMARY KEY,
	sha256 BLOB NOT NULL UNIQUE CHECK (length(sha256) = 32),
	subject TEXT NOT NULL,
	not_after INTEGER NOT NULL,
	added_at INTEGER NOT NULL,
	der BLOB NOT NULL
) STRICT;

CREATE TABLE enrollment (
	id INTEGER PRIMARY KEY,
	ext_id TEXT NOT NULL UNIQUE,
	kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 5),
	state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 6),
	device_id INTEGER REFERENCES enrollment (id) ON DELETE CASCADE,
	identity_id INTEGER REFERENCES identity (id),
	is_awaiting_configuration INTEGER NOT NULL DEFAULT 0,
	is_not_on_console INTEGER NOT NULL DEFAULT 0,
	created_at INTEGER NOT NULL,
	enrolled_at INTEGER NOT NULL DEFAULT 0,
	token_updated_at INTEGER NOT NULL DEFAULT 0,
	last_seen_at INTEGER NOT NULL DEFAULT 0,
	ended_at INTEGER NOT NULL DEFAULT 0,
	push_token BLOB,
	push_magic TEXT NOT NULL DEFAULT '',
	topic TEXT NOT NULL DEFAULT '',
	device_name TEXT NOT NULL DEFAULT '',
	model TEXT NOT NULL DEFAULT '',
	model_name TEXT NOT NULL DEFAULT '',
	product_name TEXT NOT NULL DEFAULT '',
	os_version TEXT NOT NULL DEFAULT '',
	build_version TEXT NOT NULL DEFAULT '',
	serial_number TEXT NOT NULL DEFAULT '',
	imei TEXT NOT NULL DEFAULT '',
	meid TEXT NOT NULL DEFAULT '',
	user_short_name TEXT NOT NULL DEFAULT '',
	user_long_name TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX enrollment_by_device ON enrollment (device_id) WHERE device_id IS NOT NULL;
CREATE INDEX enrollment_by_serial ON enrollment (serial_number) WHERE serial_number <> '';
CREATE INDEX enrollment_by_state ON enrollment (kind, state);

-- An Authenticate that waits for its TokenUpdate. `sealed` is its raw message, as in checkin_message.
CREATE TABLE pending_enrollment (
	enrollment_id INTEGER PRIMARY KEY REFERENCES enrollment (id) ON DELETE CASCADE,
	identity_id INTEGER NOT NULL REFERENCES identity (id),
	received_at INTEGER NOT NULL,
	topic TEXT NOT NULL,
	device_name TEXT NOT NULL,
	model TEXT NOT NULL,
	model_name TEXT NOT NULL,
	product_name TEXT NOT NULL,
	os_version TEXT NOT NULL,
	build_version TEXT NOT NULL,
	serial_number TEXT NOT NULL,
	imei TEXT NOT NULL,
	meid TEXT NOT NULL,
	sealed BLOB NOT NULL
) STRICT;

-- The latest raw message of each type.
CREATE TABLE checkin_message (
	enrollment_id INTEGER NOT NULL REFERENCES enrollment (id) ON DELETE CASCADE,
	message_type TEXT NOT NULL,
	received_at INTEGER NOT NULL,
	sealed BLOB NOT NULL,
	PRIMARY KEY (enrollment_id, message_type)
) STRICT;

CREATE TABLE command (
	id INTEGER PRIMARY KEY,
	uuid TEXT NOT NULL UNIQUE,
	request_type TEXT NOT NULL,
	priority INTEGER NOT NULL,
	is_never_notnow INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	is_published INTEGER NOT NULL DEFAULT 0, -- has it a published batch?
	cancel_cursor INTEGER NOT NULL DEFAULT 0 -- enrollments up to this one are done with by a cancellation under way
) STRICT;
CREATE INDEX command_unpublished ON command (id) WHERE is_published = 0;

CREATE TABLE command_body (
	command_id INTEGER PRIMARY KEY REFERENCES command (id) ON DELETE CASCADE,
	sealed BLOB NOT NULL
) STRICT;

-- One sending of a command. `seq` is given when it is published, in the order of publishing; never reused.
CREATE TABLE batch (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	command_id INTEGER NOT NULL REFERENCES command (id) ON DELETE CASCADE,
	seq INTEGER UNIQUE,
	not_after INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	is_expired INTEGER NOT NULL DEFAULT 0,   -- all its open rows have been marked EXPIRED
	expire_cursor INTEGER NOT NULL DEFAULT 0 -- enrollments up to this one have been
) STRICT;
CREATE INDEX batch_by_command ON batch (command_id);
CREATE INDEX batch_unpublished ON batch (command_id, id) WHERE seq IS NULL;
CREATE INDEX batch_expiring ON batch (not_after) WHERE not_after > 0 AND is_expired = 0;

-- Ordered by enrollment: an answer and the next command handed out change neighbouring rows, which keeps the
-- pages of a commit few. batch_id has no foreign key: deleting a batch would have to look for its rows without
-- an index; its rows go first, by command.
CREATE TABLE queue (
	enrollment_id INTEGER NOT NULL REFERENCES enrollment (id) ON DELETE CASCADE,
	command_id INTEGER NOT NULL REFERENCES command (id) ON DELETE CASCADE,
	batch_id INTEGER NOT NULL,
	state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 7),
	priority INTEGER NOT NULL,
	is_never_notnow INTEGER NOT NULL,
	is_late INTEGER NOT NULL DEFAULT 0,
	notnow_count INTEGER NOT NULL DEFAULT 0,
	sent_at INTEGER NOT NULL DEFAULT 0,
	notnow_at INTEGER NOT NULL DEFAULT 0,
	finished_at INTEGER NOT NULL DEFAULT 0,
	result_id INTEGER,
	status TEXT NOT NULL DEFAULT '',
	why TEXT NOT NULL DEFAULT '',
	PRIMARY KEY (enrollment_id, command_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX queue_by_command ON queue (command_id, enrollment_id);
-- All that a poll asks, without the finished rows.
CREATE INDEX queue_open ON queue (enrollment_id, priority, batch_id, state, is_never_notnow)
	WHERE state < 4;

-- Only ever appended to, hence apart from the row that points here.
CREATE TABLE result (
	id INTEGER PRIMARY KEY,
	received_at INTEGER NOT NULL,
	sealed BLOB NOT NULL
) STRICT;

-- Running totals: how many rows of `queue` are in each finished state; the last batch.seq.
CREATE TABLE counter (
	name TEXT PRIMARY KEY,
	value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counter (name, value)
VALUES ('queue.done', 0), ('queue.failed', 0), ('queue.cancelled', 0), ('queue.expired', 0), ('batch.seq', 0);

CREATE TABLE escrow (
	id INTEGER PRIMARY KEY,
	enrollment_id INTEGER NOT NULL REFERENCES enrollment (id) ON DELETE CASCADE,
	kind INTEGER NOT NULL,
	stored_at INTEGER NOT NULL,
	archived_at INTEGER NOT NULL DEFAULT 0, -- 0: live
	sealed BLOB NOT NULL
) STRICT;
CREATE INDEX escrow_by_enrollment ON escrow (enrollment_id);
CREATE UNIQUE INDEX escrow_live ON escrow (enrollment_id, kind) WHERE archived_at = 0;

CREATE TABLE vault (
	name TEXT PRIMARY KEY,
	stored_at INTEGER NOT NULL,
	sealed BLOB NOT NULL
) STRICT;

CREATE TABLE api_token (
	id INTEGER PRIMARY KEY,
	name TEXT NOT NULL,
	hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
	created_at INTEGER NOT NULL,
	revoked_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX api_token_live ON api_token (name) WHERE revoked_at = 0;

CREATE TABLE alarm (
	kind TEXT NOT NULL,
	subject TEXT NOT NULL,
	text TEXT NOT NULL,
	first_at INTEGER NOT NULL,
	last_at INTEGER NOT NULL,
	count INTEGER NOT NULL,
	PRIMARY KEY (kind, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX alarm_by_last ON alarm (last_at);

CREATE TABLE unenrollment (
	id INTEGER PRIMARY KEY,
	device_id TEXT NOT NULL,
	is_automatic INTEGER NOT NULL,
	identity_sha256 BLOB NOT NULL,
	recorded_at INTEGER NOT NULL
) STRICT;
CREATE INDEX unenrollment_automatic ON unenrollment (recorded_at) WHERE is_automatic = 1;
