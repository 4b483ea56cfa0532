/* SPDX-License-Identifier: Apache-2.0 */
#include "txn.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct place place_of(const char *format, ...)
{
	struct place place;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(place.text, sizeof(place.text), format, args);
	va_end(args);
	return place;
}

enum rc txn_seal(struct txn *txn, const struct place *place, struct slice plain, struct buf *out,
	struct err *err)
{
	buf_init(out, plain.len + SEAL_OVERHEAD_BYTES);
	return seal(txn->keyring, slice_of_str(place->text), plain, out, err);
}

enum rc txn_unseal(struct txn *txn, const struct place *place, struct slice sealed, struct buf *out,
	struct err *err)
{
	struct err fault = {.rc = RC_OK, .text = ""};
	enum rc rc = unseal(txn->keyring, slice_of_str(place->text), sealed, out, &fault);

	if (rc == RC_NOT_FOUND) /* neither a missing row nor a lost one: the key may come back */
		return err_set(err, RC_IO, "%s: %s: put its line back into the key file", place->text,
			fault.text);
	return rc == RC_OK ? RC_OK : err_set(err, rc, "%s: %s", place->text, fault.text);
}

void *list_next(struct arena *arena, void **list, size_t *count, size_t element_bytes)
{
	enum { FIRST = 16 };
	bool is_full = *count >= FIRST ? (*count & (*count - 1)) == 0 : *count == 0;

	if (is_full) {
		void *grown = arena_alloc(arena, element_bytes * (*count == 0 ? FIRST : *count * 2));

		if (grown == NULL)
			return NULL;
		if (*count > 0)
			memcpy(grown, *list, element_bytes * *count);
		*list = grown;
	}
	return (char *)*list + element_bytes * (*count)++;
}

enum rc limit_check(int limit, struct err *err)
{
	enum { LIST_MAX = 1000 };

	if (limit < 1 || limit > LIST_MAX)
		return err_set(err, RC_INVALID, "limit: %d, want 1..%d", limit, LIST_MAX);
	return RC_OK;
}

enum rc bytes_check(const char *what, struct slice s, size_t max, struct err *err)
{
	if (s.len > max)
		return err_set(err, RC_LIMIT, "%s: %zu bytes, want at most %zu", what, s.len, max);
	return RC_OK;
}
