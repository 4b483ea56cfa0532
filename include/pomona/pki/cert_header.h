/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PKI_CERT_HEADER_H
#define POMONA_PKI_CERT_HEADER_H

/*
 * A client certificate as a proxy that ends TLS hands it on in an HTTP header. Nothing about it is judged here: that
 * is trust_judge()'s.
 * Threading: any thread.
 */

#include "pomona/base/buf.h"
#include "pomona/base/err.h"
#include "pomona/base/slice.h"
#include "pomona/pki/cert.h"

enum { CERT_HEADER_BYTES_MAX = 32768 }; /* with every byte of the PEM text escaped, and room */

/*
 * Appends the DER of the one certificate to `der`. The value itself tells its form: ":base64:" (RFC 9440 2.2), PEM
 * text with percent escapes (nginx's $ssl_client_escaped_cert), or bare base64 of the DER (HAProxy's
 * ssl_c_der,base64). RC_INVALID, RC_LIMIT: it is none of them, or has two certificates.
 */
enum rc cert_header_parse(struct slice value, struct buf *der, struct err *err) MUST_USE;

#endif
