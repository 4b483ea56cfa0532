/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_NET_H2_FIELDS_H
#define POMONA_NET_H2_FIELDS_H

/*
 * A request's header fields on their way to nghttp2. Pure. Threading: any thread.
 */

#include <nghttp2/nghttp2.h>

#include "pomona/net/h2.h"

/* RC_LIMIT, or RC_OK and how many bytes of header fields there are. */
enum rc h2_fields_check(const struct h2_request *request, size_t *header_bytes_r, struct err *err)
	MUST_USE;
/* As many as the request has; they borrow its bytes. */
void h2_fields_lend(const struct h2_request *request, nghttp2_nv fields[static H2_FIELDS_MAX]);

#endif
