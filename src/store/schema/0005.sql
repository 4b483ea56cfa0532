-- SPDX-License-Identifier: Apache-2.0
-- History: what is finished goes by its age and class.

-- Each class begins with what is oldest, so that a look at what is due ends at the first row that is not.
CREATE INDEX queue_finished ON queue (state, finished_at) WHERE state >= 4;
CREATE INDEX checkin_message_by_age ON checkin_message (received_at);
CREATE INDEX pending_enrollment_by_age ON pending_enrollment (received_at);
CREATE INDEX escrow_archived ON escrow (archived_at) WHERE archived_at > 0;
CREATE INDEX unenrollment_by_age ON unenrollment (recorded_at);

ALTER TABLE command ADD COLUMN is_orphan INTEGER NOT NULL DEFAULT 0; -- the last row of `queue` that named it was dropped
CREATE INDEX command_orphan ON command (id) WHERE is_orphan = 1;

-- The time up to which history believes the clock; when its last walk ended; rows dropped by class; where the walk
-- along answered queries has come to, and when it last began anew.
INSERT INTO counter (name, value)
VALUES ('history.time', (SELECT coalesce((SELECT received_at FROM result ORDER BY id DESC LIMIT 1), 0))), ('history.walked_at', 0),
	('history.done', 0), ('history.failed', 0), ('history.cancelled', 0), ('history.expired', 0),
	('history.queries', 0), ('history.messages', 0), ('history.pending', 0), ('history.escrow', 0),
	('history.tokens', 0), ('history.unenrollments', 0), ('history.bodies', 0), ('history.lap_at', 0),
	('history.lap_finished_at', 0), ('history.lap_enrollment', 0), ('history.lap_command', 0);
