-- SPDX-License-Identifier: Apache-2.0
-- Devices that come by themselves are looked up among those that an administrator named.

CREATE INDEX intent_by_device ON intent (device_id, way) WHERE device_id <> '';
CREATE INDEX intent_by_serial ON intent (serial_number) WHERE serial_number <> '';
