-- SPDX-License-Identifier: Apache-2.0
-- What a device has put off, so that each of its answers need not look through all that is open.

CREATE INDEX queue_held ON queue (enrollment_id, batch_id, state) WHERE state = 3;
