/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_ENROLL_PROFILE_H
#define POMONA_ENROLL_PROFILE_H

/*
 * The enrollment profile: what a device installs to be managed by us. Certificates that it is to trust, the identity
 * that it is to use, and where its server is. Its identifiers and UUIDs follow from params.identifier alone, so that
 * a newer profile takes the place of the older one on the device.
 * Threading: any thread; no I/O.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/buf.h"
#include "pomona/base/err.h"
#include "pomona/pki/cert.h"

#define PROFILE_MEDIA_TYPE "application/x-apple-aspen-config"

enum {
	PROFILE_BYTES_MAX = 1048576,
	PROFILE_TEXT_BYTES_MAX = 256, /* names, identifiers, topics */
	PROFILE_DESCRIPTION_BYTES_MAX = 4096,
	PROFILE_URL_BYTES_MAX = 1024,
	PROFILE_CHALLENGE_BYTES_MAX = 256,
	PROFILE_PKCS12_BYTES_MAX = 65536,
	PROFILE_CERTS_MAX = 8,
	PROFILE_COMMON_NAME_BYTES_MAX = 64, /* RFC 5280 ub-common-name */
	PROFILE_RIGHTS_ALL = 8191,
};

/* Rights that another one needs, of the 13 that there are. */
enum profile_right {
	PROFILE_RIGHT_INSPECT_PROFILES = 1,
	PROFILE_RIGHT_CHANGE_PROFILES = 2, /* needs the one before */
	PROFILE_RIGHT_INSPECT_PROVISIONING = 64,
	PROFILE_RIGHT_CHANGE_PROVISIONING = 128, /* likewise */
};

enum profile_capability { /* of the server; bits */
	PROFILE_PER_USER_CONNECTIONS = 1,
	PROFILE_BOOTSTRAP_TOKEN = 2,
	PROFILE_GET_TOKEN = 4,
};

enum profile_mode { /* EnrollmentMode: that of an enrollment with an account of the user */
	PROFILE_MODE_NONE,
	PROFILE_MODE_BYOD, /* rights are fixed then, and AccessRights must not be there */
	PROFILE_MODE_ADDE,
};

enum profile_kind {
	PROFILE_KIND_ENROLLMENT,
	/* The two of enrolling over the air (Profile Service) that come before it; neither is replaced by it: */
	PROFILE_KIND_SERVICE,        /* asks a device to come and say who it is */
	PROFILE_KIND_IDENTITY_ALONE, /* gives it an identity by SCEP */
};

enum profile_identity { PROFILE_IDENTITY_SCEP, PROFILE_IDENTITY_PKCS12, PROFILE_IDENTITY_ACME };

struct profile_scep {
	const char *url;         /* https, or http: SCEP seals by itself */
	const char *name;        /* of the CA; NULL: none */
	const char *common_name; /* of the subject, 1 to 64 bytes; the organization stands before it */
	struct slice challenge;  /* empty: none */
	struct slice ca_sha1;    /* CAFingerprint: SHA1_BYTES, or empty: none */
	int64_t key_bits;        /* 2048 or 4096 */
};

struct profile_pkcs12 {
	struct slice content;
	struct slice password; /* goes into the profile; empty: the device asks for it */
};

/* The device makes a key in its Secure Enclave, proves that, and gets its certificate from an ACME server. */
struct profile_acme {
	const char *directory_url;
	const char *common_name;        /* as with SCEP */
	struct slice client_identifier; /* by which that server knows the device; 1 to 256 bytes */
};

struct profile_cert {
	struct slice der;
	bool is_root; /* else one between */
};

struct profile_params {    /* all borrowed for the call; texts are UTF-8 that XML can carry */
	enum profile_kind kind;   /* a kind's check passes over what it has no use for */
	const char *identifier;   /* reverse DNS, of A-Z a-z 0-9 . - _ */
	const char *organization; /* may be empty, as the next */
	const char *description;  /* for the person who installs it */
	const char *display_name;
	const char *server_url, *check_in_url; /* https */
	const char *service_url;               /* of PROFILE_KIND_SERVICE: https, with scep.challenge */
	const char *topic;                     /* of the push certificate: com.apple.mgmt. ... */
	int64_t access_rights;                 /* 1 to PROFILE_RIGHTS_ALL; PROFILE_MODE_BYOD: 0 */
	enum profile_mode mode;
	const char *managed_id;   /* AssignedManagedAppleID; NULL with PROFILE_MODE_NONE */
	unsigned capabilities;    /* of enum profile_capability */
	bool is_message_signed;   /* SignMessage: the header Mdm-Signature */
	bool is_check_out_wanted; /* CheckOutWhenRemoved */
	bool is_removal_disallowed;
	bool is_apns_development; /* UseDevelopmentAPNS */
	enum profile_identity identity;
	struct profile_scep scep; /* by `identity` one of the three */
	struct profile_pkcs12 pkcs12;
	struct profile_acme acme;
	const struct profile_cert *certs;
	size_t cert_count;
};

/* What profile_write() checks of access rights. RC_INVALID names the rule. */
enum rc profile_check_rights(int64_t rights, struct err *err) MUST_USE;
/* RC_INVALID unless it is a https URL with a host, of printable ASCII without blanks; `what` begins the text. */
enum rc profile_check_url(const char *what, const char *url, struct err *err) MUST_USE;
/* RC_INVALID unless it can be a profile's identifier. */
enum rc profile_check_identifier(const char *identifier, struct err *err) MUST_USE;
/* RC_INVALID unless it is a topic for device management. */
enum rc profile_check_topic(const char *topic, struct err *err) MUST_USE;
/* The identifier of a server that was not given one: its host name's labels in reverse, then "pomona". */
void profile_identifier_of(const char *hostname, char out[static PROFILE_TEXT_BYTES_MAX + 1]);
/*
 * Appends the profile as XML. It holds a secret: `out` should have been reserved, and is to be wiped. RC_INVALID names
 * the payload's key and its rule.
 */
enum rc profile_write(const struct profile_params *params, struct buf *out, struct err *err)
	MUST_USE;
/*
 * Appends a profile that says the same, with its payloads sealed to the holder of the certificate: for one device, to
 * be signed after it. RC_INVALID: `profile` is none, or has no payloads, or the certificate is none; RC_UNSUPPORTED: its
 * key can only sign.
 */
enum rc profile_encrypt(struct slice profile, struct slice cert_der, struct buf *out,
	struct err *err) MUST_USE;

/* The name in the subject of an identity for that device: its id, where that is known and short enough. */
void profile_common_name(struct slice device_id,
	char out[static PROFILE_COMMON_NAME_BYTES_MAX + 1]);

#endif
