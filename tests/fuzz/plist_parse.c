/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/plist/plist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_BYTES_MAX = 512 << 20 };

/* What is written must read back, and be written the same. */
static void check_again(struct slice xml)
{
	AUTO(plist_doc_free) struct plist_doc *doc = NULL;
	AUTO(buf_fini) struct buf out = {.bound = OUT_BYTES_MAX};

	if (plist_parse(xml, &doc, NULL) != RC_OK || plist_write_xml(doc, &out, NULL) != RC_OK ||
		!slice_is_equal(xml, buf_slice(&out)))
		abort();
}

/* What passes our scan, libplist takes, too; and only text that XML cannot carry stops the writer. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(plist_doc_free) struct plist_doc *doc = NULL;
	AUTO(buf_fini) struct buf out = {.bound = OUT_BYTES_MAX};
	struct err err = {.text = ""};
	enum rc rc = plist_parse(slice_of(data, size), &doc, &err);

	if ((rc == RC_OK) != (doc != NULL) || strstr(err.text, "the library refuses") != NULL)
		abort();
	if (rc != RC_OK)
		return 0;
	rc = plist_write_xml(doc, &out, &err);
	if (rc == RC_OK)
		check_again(buf_slice(&out));
	else if (strstr(err.text, "that XML cannot carry") == NULL)
		abort();
	return 0;
}
