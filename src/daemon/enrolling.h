/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_DAEMON_ENROLLING_H
#define POMONA_DAEMON_ENROLLING_H

/*
 * What the conf says of enrolling, with the files that it names. Threading: main.
 */

#include "host.h"
#include "pomona/config/config.h"
#include "pomona/enroll/enroll.h"

/* Reads the challenge's file, whose last line break does not count. It holds a secret then: wipe it. */
enum rc enrolling_settings(const struct config *config, struct enroll_settings *settings_r,
	struct err *err) MUST_USE;

/* What the conf says of the policy service; its CAs are read into `ca_pem`, for which the policy's slice is borrowed. */
enum rc enrolling_policy(const struct config *config, struct buf *ca_pem,
	struct enroll_policy *policy_r, struct err *err) MUST_USE;

/* What signs profiles: the TLS certificate with its chain. */
enum rc enrolling_signer(const struct host_tls *tls, struct cms_signer **signer_r, struct err *err)
	MUST_USE;

#endif
