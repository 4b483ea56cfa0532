-- SPDX-License-Identifier: Apache-2.0
-- Which identity one was given in place of: who revokes one revokes what came of it, and a device's former identity is told
-- from one that competes.

ALTER TABLE identity ADD COLUMN renews_id INTEGER REFERENCES identity (id) ON DELETE SET NULL;
UPDATE identity SET renews_id = (SELECT e.identity_id FROM enrollment e WHERE e.id = renewal_of) WHERE renewal_of IS NOT NULL;
CREATE INDEX identity_by_former ON identity (renews_id) WHERE renews_id IS NOT NULL;
-- Issued for a device that has not come with them.
CREATE INDEX identity_unused ON identity (issued_for) WHERE owner_id IS NULL AND is_ours = 1;
