-- SPDX-License-Identifier: Apache-2.0
-- Enrollments over the air (Profile Service): phases 1 to 3 of one device hang together by a row here.

CREATE TABLE ota (
	intent_id INTEGER PRIMARY KEY REFERENCES intent (id) ON DELETE CASCADE, -- for whom, by whom, until when
	challenge_sha256 BLOB NOT NULL UNIQUE CHECK (length(challenge_sha256) = 32), -- of phase 1; SCEP does not know it
	begun_at INTEGER NOT NULL DEFAULT 0,    -- phase 2, for the first time, and by which certificate of Apple's
	signer_sha256 BLOB CHECK (length(signer_sha256) = 32),
	scep_intent_id INTEGER REFERENCES intent (id) ON DELETE SET NULL, -- what phase 2 was answered with
	finished_at INTEGER NOT NULL DEFAULT 0  -- phase 3
) STRICT;
CREATE INDEX ota_by_scep_intent ON ota (scep_intent_id) WHERE scep_intent_id IS NOT NULL;
