-- SPDX-License-Identifier: Apache-2.0
-- Tokens that end, may do less than all, and tell when they were used.

ALTER TABLE api_token ADD COLUMN role INTEGER NOT NULL DEFAULT 0;       -- enum api_role; 0 may do nothing
ALTER TABLE api_token ADD COLUMN expires_at INTEGER NOT NULL DEFAULT 0; -- 0: never
ALTER TABLE api_token ADD COLUMN used_at INTEGER NOT NULL DEFAULT 0;    -- 0: never; minutes behind
ALTER TABLE api_token ADD COLUMN created_by TEXT NOT NULL DEFAULT '';   -- '': not known
UPDATE api_token SET role = 3; -- until now each could do all
