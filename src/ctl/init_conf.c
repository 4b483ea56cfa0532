/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "init.h"
#include "pomona/base/file.h"
#include "pomona/config/config.h"

enum { CONF_BYTES_MAX = 65536, CONF_MODE = 0644 };

static const char head[] =
	"# The configuration of pomonad, made by `pomonactl init`. Keys that are commented out have the\n"
	"# value shown. `pomonad -t -c FILE` checks a file.\n";

bool init_is_service(const struct init *init)
{
	return strcmp(init->paths.conf, CTL_CONF_DEFAULT) == 0;
}

/* What init knows of a key; NULL: its default will do. */
static const char *value_of(const struct init *init, const struct config_key *key)
{
	const struct {
		const char *section, *name, *value;
	} values[] = {
		{"server", "hostname", init->hostname},
		{"server", "state_dir", init->paths.dir},
		{"device", "tls_certificate", init->paths.tls_cert},
		{"device", "tls_key", init->paths.tls_key},
		/* The default's folder is made for the service; who tries it out has a folder of his own. */
		{"admin", "socket", init_is_service(init) ? NULL : "${state_dir}/admin.sock"},
		{"admin", "socket_group", init->socket_group},
	};

	for (size_t i = 0; i < COUNT_OF(values); i++)
		if (strcmp(values[i].section, key->section) == 0 && strcmp(values[i].name, key->name) == 0)
			return values[i].value;
	return NULL;
}

static void write_key(const struct init *init, const struct config_key *key, struct buf *out)
{
	const char *value = value_of(init, key);

	buf_printf(out, "\n# %s\n", key->help);
	if (value != NULL)
		buf_printf(out, "%s = %s\n", key->name, value);
	else
		buf_printf(out, "#%s =%s%s\n", key->name,
			key->fallback != NULL && key->fallback[0] != '\0' ? " " : "",
			key->fallback != NULL ? key->fallback : "");
}

void init_conf_write(const struct init *init, struct buf *out)
{
	const char *section = "";
	size_t count;
	const struct config_key *keys = config_keys(&count);

	buf_append_str(out, head);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(section, keys[i].section) != 0)
			buf_printf(out, "\n[%s]\n", keys[i].section);
		section = keys[i].section;
		write_key(init, &keys[i], out);
	}
}

static enum rc load_text(struct slice text, struct err *err)
{
	AUTO(config_free) struct config *config = NULL;
	char path[] = "/tmp/pomona-conf-XXXXXX";
	const int fd = mkstemp(path);
	enum rc rc = RC_OK;

	if (fd < 0)
		return err_set(err, RC_IO, "a temporary file in /tmp cannot be made");
	if (write(fd, text.ptr, text.len) != (ssize_t)text.len)
		rc = err_set(err, RC_IO, "%s cannot be written", path);
	(void)close(fd);
	if (rc == RC_OK)
		rc = config_load(path, &config, NULL, err);
	(void)unlink(path);
	return rc;
}

enum rc init_conf_check(const struct init *init, struct err *err)
{
	struct buf text;
	enum rc rc;

	buf_init(&text, CONF_BYTES_MAX);
	init_conf_write(init, &text);
	rc = buf_status(&text, "conf", err);
	if (rc == RC_OK)
		rc = load_text(buf_slice(&text), err);
	buf_fini(&text);
	return rc == RC_OK ? RC_OK : err_context(err, "the conf that would be written is not sound");
}

enum rc init_conf_install(const struct init *init, struct err *err)
{
	struct buf text;
	enum rc rc;

	buf_init(&text, CONF_BYTES_MAX);
	init_conf_write(init, &text);
	rc = buf_status(&text, "conf", err);
	if (rc == RC_OK)
		rc = file_create(init->paths.conf, buf_slice(&text), CONF_MODE, err);
	buf_fini(&text);
	return rc;
}
