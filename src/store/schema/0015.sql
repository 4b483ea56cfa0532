-- SPDX-License-Identifier: Apache-2.0
-- The identity that a device has between the visits of an enrollment over the air is for the second visit alone.

ALTER TABLE intent ADD COLUMN is_interim INTEGER NOT NULL DEFAULT 0 CHECK (is_interim BETWEEN 0 AND 1);
ALTER TABLE identity ADD COLUMN is_interim INTEGER NOT NULL DEFAULT 0 CHECK (is_interim BETWEEN 0 AND 1);
