/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "config/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A text loads, or it has faults: each in a line of its own. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_source source = {.text = slice_of(data, size), .name = "x.conf", .folder = "/etc"};
	AUTO(config_free) struct config *config = NULL;
	AUTO(buf_fini) struct buf faults;
	struct err err;
	enum rc rc;

	buf_init(&faults, 1U << 20);
	rc = config_parse(&source, &config, &faults, &err);
	if ((rc == RC_OK) != (config != NULL) || (rc == RC_OK) != (faults.len == 0 && faults.rc == RC_OK))
		abort();
	if (config != NULL && config->server.state_dir[0] != '/')
		abort();
	return 0;
}
