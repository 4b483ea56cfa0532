/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#include "pomona/base/file.h"

/* Messages of real devices, which are not ours to publish: they lie beside the sources, or nowhere. */
#define MESSAGES POMONA_SOURCE_DIR "/../shared/real-messages/*.plist"

static void check_message(const char *path)
{
	AUTO(buf_fini) struct buf bytes = {.bound = 1 << 20};
	AUTO(buf_fini) struct buf again = {.bound = 1 << 20};
	struct plist_doc *doc;
	char *xml;

	assert_int_equal(file_read(path, &bytes, NULL), RC_OK);
	doc = parse_as(buf_slice(&bytes), RC_OK, "");
	assert_int_equal(plist_kind(plist_root(doc)), PLIST_KIND_DICT);
	assert_true(plist_count(plist_root(doc)) > 0);
	assert_int_equal(plist_write_xml(doc, &again, NULL), RC_OK);
	xml = written(doc);
	assert_writes(buf_slice(&again), xml);
	free(xml);
	plist_doc_free(&doc);
}

static void what_real_devices_sent_is_read_and_written(void **state)
{
	glob_t found;

	(void)state;
	if (glob(MESSAGES, 0, NULL, &found) != 0) {
		print_message("skipped: no %s\n", MESSAGES);
		skip();
		return;
	}
	for (size_t i = 0; i < found.gl_pathc; i++)
		check_message(found.gl_pathv[i]);
	globfree(&found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_real_devices_sent_is_read_and_written),
	};

	return cmocka_run_group_tests_name("plist/real_messages", tests, NULL, NULL);
}
