/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"
#include "pomona/store/apple_anchor.h"

/* What Apple's devices are known by: the certificates that were imported, as a snapshot. */

enum { ARENA_BYTES_MAX = 1048576 }; /* APPLE_CERTS_MAX of CERT_DER_BYTES_MAX, and room */

static enum rc make_chain(const struct apple_anchor *anchors, size_t count,
	struct apple_chain **chain_r, struct err *err)
{
	struct slice ders[APPLE_CERTS_MAX];

	if (count > APPLE_CERTS_MAX)
		return err_set(err, RC_EXISTS, "more than %d certificates of Apple's", APPLE_CERTS_MAX);
	for (size_t i = 0; i < count; i++)
		ders[i] = anchors[i].der;
	return apple_chain_new(ders, count, chain_r, err);
}

enum rc enroll_read_apple(struct txn *txn, struct apple_chain **chain_r, struct err *err)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES_MAX);
	struct apple_anchor *anchors = NULL;
	size_t count = 0;
	enum rc rc;

	*chain_r = NULL;
	if (arena == NULL)
		return err_set(err, RC_NO_MEMORY, "Apple's certificates");
	rc = apple_anchor_list(txn, arena, &anchors, &count, err);
	return rc == RC_OK ? make_chain(anchors, count, chain_r, err) : rc;
}

void enroll_set_apple(struct enroll *enroll, struct apple_chain **chain)
{
	struct apple_chain *former;

	(void)pthread_rwlock_wrlock(&enroll->lock);
	former = enroll->apple;
	enroll->apple = *chain;
	(void)pthread_rwlock_unlock(&enroll->lock);
	*chain = NULL; /* moved to the room */
	apple_chain_unref(&former);
}

struct apple_chain *enroll_apple(struct enroll *enroll)
{
	struct apple_chain *chain;

	(void)pthread_rwlock_rdlock(&enroll->lock);
	chain = apple_chain_ref(enroll->apple);
	(void)pthread_rwlock_unlock(&enroll->lock);
	return chain;
}
