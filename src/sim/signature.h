/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_SIGNATURE_H
#define POMONA_SIM_SIGNATURE_H

/*
 * How a device signs a message where its profile says SignMessage.
 * Threading: one thread at a time.
 */

#include "device.h"

enum { SIGNATURE_LINE_BYTES_MAX = 32768 };

/* Appends the header "Mdm-Signature: ...": the CMS signature of exactly these bytes by the device's identity. */
enum rc signature_write(const struct device *device, struct slice message, struct buf *line,
	struct err *err) MUST_USE;

#endif
