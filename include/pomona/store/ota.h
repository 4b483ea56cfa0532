/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_OTA_H
#define POMONA_STORE_OTA_H

/*
 * Enrollments over the air: what ties the three phases of one device together. Each hangs on an intent of its own, which
 * says for whom it is and until when, and which SCEP does not know; phase 2 gives it another, which SCEP does.
 * Threading: the thread that has the txn.
 */

#include "pomona/store/intent.h"

struct ota {
	int64_t intent_id;
	char device_id[ENROLLMENT_DEVICE_ID_BYTES_MAX + 1]; /* whom it is for; "": whoever comes */
	char serial_number[INTENT_NAME_BYTES_MAX + 1];      /* likewise */
	char created_by[INTENT_NAME_BYTES_MAX + 1];
	uint8_t challenge_sha256[SHA256_BYTES];
	int64_t expires_at;
	int64_t
		begun_at; /* phase 2, for the first time; 0: not yet. Then by whom, as it is in the certificate of Apple's: */
	uint8_t signer_sha256[SHA256_BYTES];
	int64_t
		scep_intent_id; /* what it was answered with last; 0: nothing, or gone. And who it said to be: */
	char came_id[ENROLLMENT_DEVICE_ID_BYTES_MAX + 1];
	char came_serial[INTENT_NAME_BYTES_MAX + 1];
	int64_t finished_at; /* phase 3; 0: not yet */
};

/* `intent` as intent_add() wants it, but its challenge is that of phase 1. RC_EXISTS: the challenge is another's. */
enum rc ota_add(struct txn *txn, const struct intent_new *intent, int64_t *id_r, struct err *err)
	MUST_USE;
enum rc ota_find_by_challenge(struct txn *txn, const uint8_t challenge_sha256[static SHA256_BYTES],
	struct ota *ota_r, struct err *err) MUST_USE;
/* That whose phase 2 let this identity be issued. */
enum rc ota_find_by_identity(struct txn *txn, int64_t identity_id, struct ota *ota_r,
	struct err *err) MUST_USE;
/* Phase 2 was answered with this intent; what it was answered with before, and nobody used, is dropped. */
enum rc ota_begin(struct txn *txn, const struct ota *ota,
	const uint8_t signer_sha256[static SHA256_BYTES], int64_t scep_intent_id, struct err *err)
	MUST_USE;
/* Phase 3. RC_EXISTS: it was before. */
enum rc ota_finish(struct txn *txn, int64_t intent_id, struct err *err) MUST_USE;

#endif
