-- SPDX-License-Identifier: Apache-2.0
-- What was given to devices on their way in goes by age, too.

ALTER TABLE scep_transaction ADD COLUMN ends_at INTEGER NOT NULL DEFAULT 0; -- with the identity that it is about
UPDATE scep_transaction SET ends_at = (SELECT not_after FROM identity WHERE id = identity_id);
CREATE INDEX scep_transaction_by_end ON scep_transaction (ends_at);

INSERT INTO counter (name, value) VALUES ('history.intents', 0), ('history.transactions', 0);
