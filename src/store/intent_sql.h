/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_INTENT_SQL_H
#define POMONA_STORE_INTENT_SQL_H

/* The statements that devices run by themselves: a test looks at how they find their rows. */

/* Device id, serial number, two ways, now. */
#define SQL_INTENT_IS_LISTED \
	"SELECT 1 FROM intent WHERE device_id = ?1 AND device_id <> ''" \
	" AND way IN (?3, ?4) AND created_by <> '' AND renewal_of IS NULL AND expires_at > ?5" \
	" UNION ALL SELECT 1 FROM intent WHERE serial_number = ?2 AND serial_number <> ''" \
	" AND way IN (?3, ?4) AND created_by <> '' AND renewal_of IS NULL AND expires_at > ?5 LIMIT 1"

/* Device id, way, how many stay. */
#define SQL_INTENT_TRIM \
	"DELETE FROM intent WHERE id IN (SELECT id FROM intent WHERE device_id = ?1" \
	" AND device_id <> '' AND way = ?2 AND used_at = 0 ORDER BY id DESC LIMIT -1 OFFSET ?3)"

#endif
