/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor.h"

#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_BYTES = 4096 };

#define WHAT "admin socket"

static bool may_enter(const struct stat *folder, gid_t gid)
{
	if (folder->st_gid == gid)
		return (folder->st_mode & S_IXGRP) != 0;
	return (folder->st_mode & S_IXOTH) != 0;
}

/* Cuts `path` down to the folder that is closed to the group; false: it can get through all of them. */
static bool find_closed(char path[static PATH_BYTES], gid_t gid)
{
	struct stat folder;

	while (strcmp(path, "/") != 0 && strcmp(path, ".") != 0) {
		(void)dirname(path);
		if (stat(path, &folder) == 0 && !may_enter(&folder, gid))
			return true;
	}
	return false;
}

static void look_at_group(struct doctor *doctor, const struct stat *file, const char *path)
{
	const char *name = doctor->config->admin.socket_group;
	const struct group *group = getgrnam(name);
	char folder[PATH_BYTES];

	(void)snprintf(folder, sizeof(folder), "%s", path);
	if (group == NULL)
		doctor_find(doctor, FINDING_FAULT, WHAT, "make the group, or correct [admin] socket_group",
			"there is no group %s", name);
	else if (file->st_gid != group->gr_gid)
		doctor_find(doctor, FINDING_FAULT, WHAT,
			"restart pomonad; its user has to be a member of that group (SupplementaryGroups= of the unit)",
			"%s does not belong to the group %s", path, name);
	else if (find_closed(folder, group->gr_gid))
		doctor_find(doctor, FINDING_WARNING, WHAT,
			"take a folder that all may enter: [admin] socket = /run/pomona/admin.sock",
			"the group %s cannot reach %s through %s", name, path, folder);
	else
		doctor_find(doctor, FINDING_OK, WHAT, NULL, "%s, for root, the server's user and the group %s",
			path, name);
}

static void tell_absent(struct doctor *doctor, const char *path)
{
	char folder[PATH_BYTES];
	struct stat status;

	(void)snprintf(folder, sizeof(folder), "%s", path);
	if (stat(dirname(folder), &status) != 0)
		doctor_find(doctor, FINDING_FAULT, WHAT,
			"`systemd-tmpfiles --create` makes /run/pomona, and the unit does, or name another [admin] socket",
			"%s: %s", folder, strerrordesc_np(errno));
}

void doctor_look_at_socket(struct doctor *doctor)
{
	const char *path = doctor->config->admin.socket;
	char advice[PATH_BYTES + 64];
	struct stat file;

	if (path[0] == '\0')
		return;
	if (stat(path, &file) != 0) { /* whether pomonad runs is told elsewhere */
		tell_absent(doctor, path);
	} else if ((file.st_mode & S_IRWXO) != 0) {
		(void)snprintf(advice, sizeof(advice), "chmod 660 %s", path);
		doctor_find(doctor, FINDING_FAULT, WHAT, advice, "%s has mode %04o: everybody may connect", path,
			(unsigned)(file.st_mode & 07777));
	} else if (doctor->config->admin.socket_group[0] != '\0') {
		look_at_group(doctor, &file, path);
	} else {
		doctor_find(doctor, FINDING_OK, WHAT, NULL, "%s, for root and the server's user", path);
	}
}
