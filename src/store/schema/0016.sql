-- SPDX-License-Identifier: Apache-2.0
-- Which identity one was given in place of: who revokes one revokes what came of it, and a device's former identity is told
-- from one that competes.

ALTER TABLE identity ADD COLUMN renews_id INTEGER REFERENCES identity (id) ON DELETE SET NULL;
ALTER TABLE identity ADD COLUMN took_over_at INTEGER NOT NULL DEFAULT 0; -- when it became the pin by a renewal; 0: it did not

-- What was given beside an identity that has taken over is good for nothing: up to now it could still renew.
UPDATE identity SET renewal_of = NULL WHERE renewal_of IS NOT NULL
	AND recorded_at < (SELECT e.enrolled_at FROM enrollment e WHERE e.id = renewal_of);
UPDATE intent SET expires_at = created_at WHERE renewal_of IS NOT NULL AND used_at = 0
	AND created_at < (SELECT e.enrolled_at FROM enrollment e WHERE e.id = renewal_of);

UPDATE identity SET renews_id = (SELECT e.identity_id FROM enrollment e WHERE e.id = renewal_of) WHERE renewal_of IS NOT NULL;
UPDATE identity SET renews_id = r.identity_id FROM enrollment e JOIN renewal r ON r.enrollment_id = e.id
	WHERE identity.id = e.identity_id AND r.state = 4 AND r.identity_id <> e.identity_id
	AND EXISTS (SELECT 1 FROM identity f WHERE f.id = r.identity_id);
CREATE INDEX identity_by_former ON identity (renews_id) WHERE renews_id IS NOT NULL;
-- Issued for a device that has not come with them.
CREATE INDEX identity_unused ON identity (issued_for) WHERE owner_id IS NULL AND is_ours = 1;
