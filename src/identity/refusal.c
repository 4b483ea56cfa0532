/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/identity/refusal.h"

struct refusal_row {
	const char *name;
	unsigned http_status;
	const char *remedy;
};

static const struct refusal_row rows[REFUSAL_COUNT] = {
	[REFUSAL_NONE] = {"none", 200, "Nothing is to be done."},
	[REFUSAL_BAD_MESSAGE] = {"bad_message", 400,
		"The message breaks the protocol at the place that the text names. See which program sends "
		"it; a real device that does so is worth a bug report with the text."},
	[REFUSAL_NOT_OFFERED] = {"not_offered", 400,
		"This server does not offer that service yet. Leave it out of the enrollment profile's "
		"ServerCapabilities."},
	[REFUSAL_BAD_SIGNATURE] = {"bad_signature", 400,
		"The header Mdm-Signature is not the device's signature of this very body, as the text says. Look "
		"at what stands in between and changes bodies; if it is the time of signing, compare the clocks."},
	[REFUSAL_NO_CERTIFICATE] = {"no_certificate", 403,
		"The sender showed no certificate. Check that the enrollment profile has an identity "
		"(`pomonactl identity issue` makes one). If a proxy ends TLS in between, have it pass the "
		"certificate on in a header, and list its address as `proxies` in the conf."},
	[REFUSAL_PLAIN] = {"plain", 403,
		"The message came to the plain listener from an address that is no listed proxy. If it is your "
		"proxy, list it as `proxies` in the conf; devices themselves need the TLS listener."},
	[REFUSAL_CERTIFICATE_GARBLED] = {"certificate_garbled", 403,
		"What was shown is no X.509 certificate. Look at the proxy or program in between; issue a "
		"fresh one with `pomonactl identity issue`."},
	[REFUSAL_NOT_CHAINED] = {"not_chained", 403,
		"The certificate comes from a CA that is not trusted here. If it is yours, trust it with "
		"`pomonactl ca add FILE`; else issue an identity of this server with `pomonactl identity "
		"issue`."},
	[REFUSAL_EXPIRED] = {"expired", 403,
		"The certificate, or a CA above it, is out of date. Check the server's clock; then issue a "
		"new identity with `pomonactl identity issue` and install a new enrollment profile."},
	[REFUSAL_NOT_YET_VALID] = {"not_yet_valid", 403,
		"The certificate is not valid yet. Compare the clocks of this server and of the CA that "
		"issued it."},
	[REFUSAL_WRONG_PURPOSE] = {"wrong_purpose", 403,
		"The certificate may not be used for client authentication. Have the CA issue one with "
		"clientAuth, or use `pomonactl identity issue`."},
	[REFUSAL_REVOKED] = {"revoked", 403,
		"The certificate was revoked with `pomonactl identity revoke`. If the device is to stay, "
		"enroll it anew with another one (`pomonactl identity issue`)."},
	[REFUSAL_CERTIFICATE_TWIN] = {"certificate_twin", 403,
		"A certificate with the same content and another signature is known: somebody altered a "
		"certificate so that it looks like a new one, for instance after it was revoked. Trust neither; "
		"if the device is yours, enroll it with a fresh one (`pomonactl identity issue`)."},
	[REFUSAL_INTERIM] = {"interim_identity", 403,
		"The certificate is what a device has between the two visits of an enrollment over the air, and good for "
		"the second of them alone. Let the device finish that, or make a new file."},
	[REFUSAL_ISSUED_FOR_ANOTHER] = {"issued_for_another", 403,
		"The certificate was issued for another device: a profile may have been copied. Enroll this "
		"device with one of its own (`pomonactl identity issue`), and revoke the copied one with "
		"`pomonactl identity revoke`."},
	[REFUSAL_PINNED_TO_ANOTHER] = {"pinned_to_another", 403,
		"The certificate belongs to another device: two devices share one profile or identity. "
		"Enroll this one with its own (`pomonactl identity issue`); if the other device is gone for "
		"good, `pomonactl device forget ID` sets the certificate free."},
	[REFUSAL_NOT_PINNED] = {"not_pinned", 403,
		"This device is enrolled with another certificate. Install the enrollment profile again so "
		"that the device authenticates anew; `pomonactl device show ID` tells which one it has."},
	[REFUSAL_SUPERSEDED] = {"superseded", 403,
		"This was the device's certificate before it enrolled anew, or one of an enrollment that it "
		"never finished. If it still comes, two devices may use one id (a clone or a restored "
		"image): find both, and enroll the right one anew."},
	[REFUSAL_NOT_ENROLLED_YET] = {"not_enrolled_yet", 403,
		"The device authenticated but has sent no TokenUpdate yet. It normally follows within "
		"seconds; if not, install the enrollment profile again."},
	[REFUSAL_CHECKED_OUT] = {"checked_out", 403,
		"The device said CheckOut and still sends messages. Install the enrollment profile again, or "
		"remove it from the list with `pomonactl device forget ID`."},
	[REFUSAL_TOO_MANY_USERS] = {"too_many_users", 403,
		"The device has as many user channels as a device may have. If they are real users, unenroll the "
		"device, `pomonactl device forget ID`, and enroll it anew; else find out what makes them up."},
	[REFUSAL_USER_NOT_AUTHENTICATED] = {"user_not_authenticated", 403,
		"The user was asked for a password and has not given it, or the device sent another token than "
		"it was given. The next login on that Mac asks again."},
	[REFUSAL_ACCESS_TOKEN] = {"access_token", 403,
		"The device enrolled with an account of its user, and its access token is not good any more, as the "
		"text says. Nobody can log in here: set `account_byod` or `account_adde` to `on` in the conf, so that "
		"the user is asked to."},
	[REFUSAL_UNKNOWN_DEVICE] = {"unknown_device", 403,
		"The certificate is good but the device is unknown: the database may be older than the "
		"device. Restore the right database, or install the enrollment profile again; "
		"`unknown_device = unenroll` in the conf tells such devices to remove their management."},
	[REFUSAL_FUSE_BLOWN] = {"fuse_blown", 403,
		"More unknown devices came than may be unenrolled automatically, or the database has no "
		"enrollment at all: probably the wrong or an old database. Check it first; only if these "
		"devices shall really go, raise `unenroll_fuse` in the conf."},
	[REFUSAL_REMOVAL_ORDERED] = {"removal_ordered", 401,
		"As ordered with `pomonactl device unenroll ID`, the device was told to remove its "
		"management. `pomonactl device forget ID` deletes what is kept of it."},
	[REFUSAL_UNKNOWN_UNENROLLED] = {"unknown_unenrolled", 401,
		"An unknown device was told to remove its management, as `unknown_device = unenroll` in the "
		"conf says. Enroll it anew if it shall be managed."},
	[REFUSAL_LOGIN_REQUIRED] = {"login_required", 401,
		"The device enrolled with an account of its user, and its access token is not good any more, as the "
		"text says: it was told to ask the user to log in anew. It stays enrolled. If the user is gone for "
		"good, `pomonactl device unenroll ID`."},
	[REFUSAL_USER_NOT_MANAGED] = {"user_not_managed", 410,
		"Users of Macs are not managed here. Set `user_authenticate = digest` in the conf to "
		"manage those of the user file, or `empty_challenge` for all."},
	[REFUSAL_TOO_LARGE] = {"too_large", 413,
		"The message is larger than the conf allows. If a real device sends it, raise "
		"`checkin_bytes_max` or `result_bytes_max` in the conf."},
	[REFUSAL_STORE] = {"store", 503,
		"The database could not take the message; the device comes again. Look at `pomonactl status`, "
		"the log and the free disk space."},
};

static const struct refusal_row *row_of(enum refusal refusal)
{
	return &rows[(unsigned)refusal < REFUSAL_COUNT ? refusal : REFUSAL_BAD_MESSAGE];
}

const char *refusal_name(enum refusal refusal)
{
	return row_of(refusal)->name;
}

const char *refusal_remedy(enum refusal refusal)
{
	return row_of(refusal)->remedy;
}

unsigned refusal_http_status(enum refusal refusal)
{
	return row_of(refusal)->http_status;
}
