/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The program's own malloc() and its kin, before those of the C library, for all its libraries too: requests fail
 * as short_memory.h says. Freeing stays where it is.
 */
#include "short_memory.h"

#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "panel.h"
#include "pomona/base/compiler.h"

/* A sanitizer's stands before the C library's; this file is compiled without any, for it runs before they are ready. */
#define REAL(type, name, params, args) \
	type __interceptor_##name params __attribute__((weak)); \
	type __libc_##name params; \
	static type real_##name params \
	{ \
		return __interceptor_##name == NULL ? __libc_##name args : __interceptor_##name args; \
	}
REAL(void *, malloc, (size_t size), (size))
REAL(void *, calloc, (size_t count, size_t size), (count, size))
REAL(void *, realloc, (void *old, size_t size), (old, size))

#define CALLER __builtin_return_address(0)

static atomic_long countdown; /* requests until the one that fails; 0: none */
static atomic_bool is_lasting_on, has_failed;
static atomic_llong requests;

void short_memory_fail(long nth, bool is_lasting)
{
	atomic_store(&countdown, 0);
	atomic_store(&has_failed, false);
	atomic_store(&is_lasting_on, is_lasting);
	atomic_store(&countdown, nth);
}

bool short_memory_has_failed(void)
{
	return atomic_load(&has_failed);
}

/*
 * These write through what malloc() gave without a look, or end the program where it gives nothing. Their requests are
 * spared: nothing of ours can be shown where they fail. For libplist our code asks for the room beforehand; the others
 * are GnuTLS and what is below it.
 */
static const char *const spared_names[] = {"/libplist-", "/libgnutls", "/libtasn1", "/libgmp",
	"/libhogweed", "/libnettle"};
static struct span {
	uintptr_t begin, end;
} spared[COUNT_OF(spared_names)];

static int find_spared(struct dl_phdr_info *info, size_t size, void *ctx)
{
	(void)size;
	(void)ctx;
	for (size_t i = 0; i < COUNT_OF(spared_names); i++) {
		if (strstr(info->dlpi_name, spared_names[i]) == NULL)
			continue;
		spared[i].begin = info->dlpi_addr;
		for (int k = 0; k < info->dlpi_phnum; k++)
			if (info->dlpi_phdr[k].p_type == PT_LOAD)
				spared[i].end = info->dlpi_addr + info->dlpi_phdr[k].p_vaddr + info->dlpi_phdr[k].p_memsz;
	}
	return 0;
}

__attribute__((constructor)) static void know_spared(void)
{
	(void)dl_iterate_phdr(find_spared, NULL);
}

static bool is_spared(const void *caller)
{
	for (size_t i = 0; i < COUNT_OF(spared); i++)
		if ((uintptr_t)caller >= spared[i].begin && (uintptr_t)caller < spared[i].end)
			return true;
	return false;
}

static bool is_counted_out(void)
{
	long left = atomic_load(&countdown);

	if (left <= 0)
		return false;
	left = atomic_fetch_sub(&countdown, 1);
	if (left > 1)
		return false;
	if (atomic_load(&is_lasting_on))
		atomic_store(&countdown, 1);
	atomic_store(&has_failed, true);
	return true;
}

static bool is_turn(void)
{
	long long every = atomic_load_explicit(&panel()->memory_every, memory_order_relaxed);

	if (every == 0 || (atomic_fetch_add(&requests, 1) + 1) % every != 0)
		return false;
	atomic_fetch_add(&panel()->memory_hits, 1);
	return true;
}

static bool is_on(void)
{
	return atomic_load_explicit(&countdown, memory_order_relaxed) > 0 ||
		atomic_load_explicit(&panel()->memory_every, memory_order_relaxed) > 0;
}

static bool is_short(const void *caller)
{
	if (!is_on() || is_spared(caller) || (!is_counted_out() && !is_turn()))
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return is_short(CALLER) ? NULL : real_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return is_short(CALLER) ? NULL : real_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	return is_short(CALLER) ? NULL : real_realloc(old, size);
}

void *reallocarray(void *old, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes) || is_short(CALLER)) {
		errno = ENOMEM;
		return NULL;
	}
	return real_realloc(old, bytes);
}

char *strndup(const char *text, size_t most)
{
	size_t len = strnlen(text, most);
	char *copy = is_short(CALLER) ? NULL : real_malloc(len + 1);

	if (copy == NULL)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *strdup(const char *text)
{
	size_t bytes = strlen(text) + 1;
	char *copy = is_short(CALLER) ? NULL : real_malloc(bytes);

	return copy == NULL ? NULL : memcpy(copy, text, bytes);
}
