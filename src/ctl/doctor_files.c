/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor.h"

#include <errno.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>

#include "pomona/base/file.h"
#include "pomona/pki/authority.h"
#include "pomona/pki/seal.h"
#include "pomona/store/backup.h"

enum { PATH_BYTES = 4096, PEM_BYTES_MAX = 1048576, FREE_PERCENT_WARNED = 5 };

#define CREDENTIALS "/run/credentials/"

/* --- owners and modes */

struct place {
	const char *what, *path;
	mode_t forbidden; /* pomonad does not start with it */
	mode_t unwanted;
	bool is_owned; /* by whom the state directory belongs to */
};

static void look_at_mode(struct doctor *doctor, const struct place *place,
	const struct stat *status, uid_t owner)
{
	const mode_t wrong = place->forbidden | place->unwanted;
	char advice[PATH_BYTES + 64];

	if ((status->st_mode & wrong) != 0) {
		(void)snprintf(advice, sizeof(advice), "chmod %o %s", (unsigned)(status->st_mode & 0777 & ~wrong),
			place->path);
		doctor_find(doctor, (status->st_mode & place->forbidden) != 0 ? FINDING_FAULT : FINDING_WARNING,
			place->what, advice, "%s has mode %04o: others may use it", place->path,
			(unsigned)(status->st_mode & 07777));
	} else if (place->is_owned && status->st_uid != owner) {
		(void)snprintf(advice, sizeof(advice), "chown %u %s", (unsigned)owner, place->path);
		doctor_find(doctor, FINDING_FAULT, place->what, advice,
			"%s belongs to user %u, and the state directory to user %u", place->path,
			(unsigned)status->st_uid, (unsigned)owner);
	} else {
		doctor_find(doctor, FINDING_OK, place->what, NULL, "%s, mode %04o", place->path,
			(unsigned)(status->st_mode & 07777));
	}
}

static void look_at_place(struct doctor *doctor, const struct place *place, uid_t owner)
{
	struct stat status;

	if (stat(place->path, &status) == 0)
		look_at_mode(doctor, place, &status, owner);
	else if (errno == EACCES)
		doctor_find(doctor, FINDING_WARNING, place->what, "run pomonactl as root or as pomonad's user",
			"%s cannot be looked at: %s", place->path, strerrordesc_np(errno));
	else
		doctor_find(doctor, FINDING_FAULT, place->what,
			"restore it from a backup, or correct the conf; `pomonactl init` sets up a new server", "%s: %s",
			place->path, strerrordesc_np(errno));
}

static void look_at_places(struct doctor *doctor)
{
	const struct config *config = doctor->config;
	const struct place places[] = {
		{"state directory", config->server.state_dir, CONFIG_STATE_DIR_FORBIDDEN,
			CONFIG_STATE_DIR_UNWANTED, false},
		{"database file", config->server.database, S_IRWXG | S_IRWXO, 0, true},
		{"TLS key file", config->device.tls_key, CONFIG_TLS_KEY_FORBIDDEN, 0, false},
	};
	struct stat status;
	uid_t owner = stat(config->server.state_dir, &status) == 0 ? status.st_uid : 0;

	for (size_t i = 0; i < COUNT_OF(places); i++)
		look_at_place(doctor, &places[i], owner);
}

/* --- keys and certificates */

static void look_at_master_key(struct doctor *doctor)
{
	AUTO(keyring_free) struct keyring *keyring = NULL;
	const char *path = doctor->config->server.master_key;
	struct err err = {.rc = RC_OK};
	const enum rc rc = keyring_load(path, &keyring, &err);

	if (rc == RC_OK)
		doctor_find(doctor, FINDING_OK, "master key", NULL, "%s", path);
	else if (rc == RC_NOT_FOUND && strncmp(path, CREDENTIALS, strlen(CREDENTIALS)) == 0)
		doctor_find(doctor, FINDING_WARNING, "master key", "start pomonad, and look again",
			"%s: a credential of systemd, which is there only while the service runs", path);
	else
		doctor_find(doctor, FINDING_FAULT, "master key",
			"its mode must be 0600, its owner pomonad's user, and what is in it as it was made: else restore it "
			"from where it is kept",
			"%s", err.text);
}

#define TLS_ADVICE \
	"put a new certificate and its key in the place of the old ones and reload pomonad"

static void look_at_tls(struct doctor *doctor)
{
	const struct config *config = doctor->config;
	struct err err = {.rc = RC_OK};
	struct cert_facts leaf;
	struct buf chain, key;
	enum rc rc;

	buf_init(&chain, PEM_BYTES_MAX);
	buf_init(&key, PEM_BYTES_MAX);
	rc = file_read(config->device.tls_certificate, &chain, &err);
	if (rc == RC_OK && buf_reserve(&key, PATH_BYTES) != NULL)
		rc = file_read(config->device.tls_key, &key, &err);
	if (rc == RC_OK)
		rc = tls_pair_check(buf_slice(&chain), buf_slice(&key), &leaf, &err);
	buf_fini(&chain);
	buf_fini_secret(&key);
	if (rc != RC_OK) {
		doctor_find(doctor, FINDING_FAULT, "TLS certificate", TLS_ADVICE, "%s", err.text);
		return;
	}
	doctor_find_end(doctor, "TLS certificate", config->device.tls_certificate, leaf.not_after,
		TLS_ADVICE);
	if (doctor->ctl->now < leaf.not_before)
		doctor_find(doctor, FINDING_FAULT, "clock", "set the clock, or wait",
			"this machine's clock is before the beginning of the TLS certificate");
}

/* --- the machine */

static void look_at_clock(struct doctor *doctor)
{
	struct timex state = {.modes = 0};
	const int said = adjtimex(&state);
	const bool is_known = said >= 0;

	if (is_known && said != TIME_ERROR && (state.status & STA_UNSYNC) == 0)
		doctor_find(doctor, FINDING_OK, "clock", NULL, "synchronised");
	else
		doctor_find(doctor, FINDING_WARNING, "clock",
			"run a time service, such as systemd-timesyncd or chrony: certificates are judged by this clock",
			is_known ? "nobody keeps this machine's clock right" : "the kernel does not tell of its clock");
}

static int64_t database_bytes(const struct config *config)
{
	struct stat status;

	return stat(config->server.database, &status) == 0 ? (int64_t)status.st_size : 0;
}

static void look_at_disk(struct doctor *doctor)
{
	char folder[PATH_BYTES];
	const int64_t database = database_bytes(doctor->config);
	enum finding_level level = FINDING_OK;
	char free_text[TEXT_RELATIVE_BYTES];
	char need_text[TEXT_RELATIVE_BYTES];
	struct statvfs space;
	int64_t free_bytes;

	(void)snprintf(folder, sizeof(folder), "%s", doctor->config->server.database);
	if (statvfs(dirname(folder), &space) != 0)
		return; /* the state directory's finding says why */
	free_bytes = (int64_t)(space.f_bavail * space.f_frsize);
	if (free_bytes < BACKUP_RESERVE_BYTES)
		level = FINDING_FAULT;
	else if (free_bytes < database + BACKUP_RESERVE_BYTES ||
		space.f_bavail < space.f_blocks / 100 * FREE_PERCENT_WARNED)
		level = FINDING_WARNING;
	text_bytes(free_bytes, free_text);
	text_bytes(database + BACKUP_RESERVE_BYTES, need_text);
	doctor_find(doctor, level, "disk",
		"make room: devices are turned away with 503 when the disk is full, and a backup needs as much "
		"as the database has",
		"%s free beside the database; a backup needs %s", free_text, need_text);
}

void doctor_look_at_files(struct doctor *doctor)
{
	look_at_places(doctor);
	look_at_master_key(doctor);
	look_at_tls(doctor);
	look_at_clock(doctor);
	look_at_disk(doctor);
}
