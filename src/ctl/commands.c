/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "ctl.h"

#define OPTIONS(table) .options = (table), .option_count = COUNT_OF(table)
#define WORDS(min, max) .words_min = (min), .words_max = (max)

static const struct option init_options[] = {{"--dir", true}, {"--hostname", true},
	{"--conf", true}, {"--tls-cert", true}, {"--tls-key", true}};
static const struct option refusals_options[] = {{"--limit", true}};
static const struct option page_options[] = {{"--limit", true}, {"--cursor", true}};
static const struct option devices_options[] = {{"--limit", true}, {"--cursor", true},
	{"--state", true}, {"--kind", true}, {"--serial", true}, {"--activity", true},
	{"--renewal", true}};
static const struct option commands_options[] = {{"--limit", true}, {"--cursor", true},
	{"--open", false}, {"--device", true}};
static const struct option send_options[] = {{"--all", false}, {"--uuid", true},
	{"--not-after", true}};
static const struct option command_options[] = {{"--limit", true}, {"--cursor", true},
	{"--device", true}};
static const struct option issue_options[] = {{"--csr", true}, {"--p12", true},
	{"--password-file", true}, {"--device", true}, {"--renewal", false}, {"--cn", true},
	{"--days", true}, {"--out", true}, {"--legacy", false}};
static const struct option revoke_options[] = {{"--cert", true}};

static const struct option challenge_options[] = {{"--device", true}, {"--serial", true},
	{"--expires", true}};
static const struct option profile_options[] = {{"--out", true}, {"--device", true},
	{"--serial", true}, {"--expires", true}, {"--identity", true}, {"--legacy", false},
	{"--password-file", true}, {"--client-identifier", true}, {"--encrypt-to", true}};
static const struct option apple_ca_options[] = {{"--fingerprint", true}};
static const struct option link_options[] = {{"--uses", true}, {"--expires", true},
	{"--login", false}, {"--user", true}, {"--note", true}, {"--qr", true}};
static const struct option qr_options[] = {{"--out", true}};
static const struct option push_options[] = {{"--all", false}, {"--filter", true},
	{"--urgent", false}};
static const struct option token_options[] = {{"--role", true}, {"--expires", true}};
static const struct option user_add_options[] = {{"--name", true}, {"--password-file", true}};
static const struct option user_passwd_options[] = {{"--password-file", true}};
static const struct option user_logout_options[] = {{"--device", true}};
static const struct option user_devices_options[] = {{"--user", true}, {"--limit", true},
	{"--cursor", true}};
static const struct option pushcert_options[] = {{"--password-file", true}, {"--force", false}};
static const struct option remove_options[] = {{"--yes", false}};

static const struct option backup_options[] = {{"--force", false}};
static const struct option restore_options[] = {{"--master-key", true}};

/* A name with several verbs stands once for each, together. */
static const struct command table[] = {
	{"init", NULL, "--dir DIR --hostname NAME [--conf FILE] [--tls-cert FILE --tls-key FILE]",
		"set up a new server in DIR", OPTIONS(init_options), WORDS(0, 0), .run = cmd_init},
	{"status", NULL, "", "how the server is", NULL, 0, WORDS(0, 0), .run = cmd_status},
	{"devices", NULL,
		"[--state STATE] [--kind KIND] [--serial NUMBER] [--activity active|inactive] [--renewal STATE] "
		"[--limit N] [--cursor C]",
		"list devices and their user channels", OPTIONS(devices_options), WORDS(0, 0),
		.run = cmd_devices},
	{"device", "show", "ID", "one device: what is known, its users, its open commands", NULL, 0,
		WORDS(1, 1), .run = cmd_device_show},
	{"device", "unenroll", "ID", "order its removal: it is told so at its next contact", NULL, 0,
		WORDS(1, 1), .run = cmd_device_unenroll},
	{"device", "keep", "ID", "withdraw such an order while it has not been told", NULL, 0, WORDS(1, 1),
		.run = cmd_device_keep},
	{"device", "forget", "ID", "delete all that is known of a device that is not enrolled", NULL, 0,
		WORDS(1, 1), .run = cmd_device_forget},
	{"send", NULL, "(FILE | TYPE [--Key VALUE]...) (ID... | --all) [--uuid UUID] [--not-after TIME]",
		"send a command: a property list or JSON (- reads standard input), or a RequestType",
		OPTIONS(send_options), WORDS(1, ARGS_MAX), .has_keys = true, .run = cmd_send},
	{"commands", NULL, "ID [--open] [--limit N] [--cursor C]", "the commands of one device",
		OPTIONS(commands_options), WORDS(0, 1), .run = cmd_commands},
	{"command", NULL, "UUID [--device ID] [--limit N] [--cursor C]",
		"one command: counts and results; with --device: that answer in full", OPTIONS(command_options),
		WORDS(1, 1), .run = cmd_command},
	{"cancel", NULL, "UUID [ID...]", "cancel a command that is still open, for all or some", NULL, 0,
		WORDS(1, ARGS_MAX), .run = cmd_cancel},
	{"push", NULL, "(ID... | --all | --filter KEY=VALUE...) [--urgent]",
		"wake devices; the keys are state, kind, serial, activity, renewal", OPTIONS(push_options),
		WORDS(0, ARGS_MAX), .run = cmd_push},
	{"pushcert", "set", "CERTIFICATE [KEY] [--password-file FILE] [--force]",
		"bring in a push certificate (PEM); the key may stand in the same file, and be encrypted",
		OPTIONS(pushcert_options), WORDS(1, 2), .run = cmd_pushcert_set},
	{"pushcert", "list", "", "the push certificates, and topics that have none", NULL, 0, WORDS(0, 0),
		.run = cmd_pushcert_list},
	{"pushcert", "remove", "TOPIC [--yes]", "forget a push certificate; asks where devices need it",
		OPTIONS(remove_options), WORDS(1, 1), .run = cmd_pushcert_remove},
	{"pushcert", "test", "ID", "send one push and explain the answer", NULL, 0, WORDS(1, 1),
		.run = cmd_pushcert_test},
	{"refusals", NULL, "[--limit N]", "the latest messages that were refused, why, and what to do",
		OPTIONS(refusals_options), WORDS(0, 0), .run = cmd_refusals},
	{"alarms", NULL, "", "what an administrator should look at", NULL, 0, WORDS(0, 0),
		.run = cmd_alarms},
	{"alarm", "clear", "KIND SUBJECT", "strike an alarm out", NULL, 0, WORDS(2, 2),
		.run = cmd_alarm_clear},
	{"identity", "issue",
		"(--csr FILE [--out FILE] | --p12 FILE --password-file FILE [--legacy]) [--device ID] [--renewal] "
		"[--cn NAME] [--days N]",
		"make a device certificate: sign a CSR, or make key and PKCS#12; --legacy: for older systems",
		OPTIONS(issue_options), WORDS(0, 0), .run = cmd_identity_issue},
	{"identity", "list", "[--limit N] [--cursor C]", "device certificates issued or seen",
		OPTIONS(page_options), WORDS(0, 0), .run = cmd_identity_list},
	{"identity", "revoke", "SHA256 | --cert FILE",
		"refuse a device certificate from now on; one that never came needs its file (PEM)",
		OPTIONS(revoke_options), WORDS(0, 1), .run = cmd_identity_revoke},
	{"enroll", "challenge", "[--device ID] [--serial NUMBER] [--expires TIME]",
		"make a challenge, with which one device gets its identity by SCEP; it is shown once",
		OPTIONS(challenge_options), WORDS(0, 0), .run = cmd_enroll_challenge},
	{"enroll", "profile",
		"--out FILE [--device ID] [--serial NUMBER] [--expires TIME] [--identity scep|pkcs12|acme] "
		"[--legacy] [--password-file FILE] [--client-identifier TEXT] [--encrypt-to FILE]",
		"make an enrollment profile for one device: who installs it is managed", OPTIONS(profile_options),
		WORDS(0, 0), .run = cmd_enroll_profile},
	{"enroll", "link", "[--uses N] [--expires TIME] [--login] [--user NAME] [--note TEXT] [--qr FILE]",
		"make a link by which people get devices in; --qr: its code as .svg or .png, - shows it here",
		OPTIONS(link_options), WORDS(0, 0), .run = cmd_enroll_link},
	{"enroll", "links", "[--limit N] [--cursor C]", "the links: state, uses, end",
		OPTIONS(page_options), WORDS(0, 0), .run = cmd_enroll_links},
	{"enroll", "unlink", "ID", "withdraw a link", NULL, 0, WORDS(1, 1), .run = cmd_enroll_unlink},
	{"enroll", "qr", "URL [--out FILE]", "the QR code of a link; - reads it from standard input",
		OPTIONS(qr_options), WORDS(1, 1), .run = cmd_enroll_qr},
	{"enroll", "renew", "ID...", "renew the identities of these devices now, whenever they end", NULL,
		0, WORDS(1, ARGS_MAX), .run = cmd_enroll_renew},
	{"enroll", "ota", "--out FILE [--device ID] [--serial NUMBER] [--expires TIME]",
		"make the profile with which one device of Apple's enrolls over the air, after it has shown who it is",
		OPTIONS(profile_options), WORDS(0, 0), .run = cmd_enroll_ota},
	{"ca", "add", "FILE", "trust the device CAs of a PEM file", NULL, 0, WORDS(1, 1),
		.run = cmd_ca_add},
	{"ca", "list", "", "the trusted device CAs", NULL, 0, WORDS(0, 0), .run = cmd_ca_list},
	{"ca", "remove", "SHA256", "trust a device CA no more", NULL, 0, WORDS(1, 1),
		.run = cmd_ca_remove},
	{"apple-ca", "import", "FILE [--fingerprint SHA256]...",
		"know Apple's devices by the certificates of a file (PEM, or one in DER); asks about what is not "
		"known as Apple's",
		OPTIONS(apple_ca_options), WORDS(1, 1), .run = cmd_apple_ca_import},
	{"apple-ca", "list", "", "the imported certificates of Apple's", NULL, 0, WORDS(0, 0),
		.run = cmd_apple_ca_list},
	{"apple-ca", "remove", "SHA256", "forget an imported certificate of Apple's", NULL, 0, WORDS(1, 1),
		.run = cmd_apple_ca_remove},
	{"token", "add", "NAME --role viewer|operator|admin [--expires TIME]",
		"make an API token; it is shown once. TIME: 12h, 90d, 26w, or 2027-01-31T12:00:00Z",
		OPTIONS(token_options), WORDS(1, 1), .run = cmd_token_add},
	{"token", "list", "", "the API tokens: role, maker, end, last use", NULL, 0, WORDS(0, 0),
		.run = cmd_token_list},
	{"token", "revoke", "NAME", "end an API token", NULL, 0, WORDS(1, 1), .run = cmd_token_revoke},
	{"key", "status", "", "the keys that secrets are sealed under, and how far re-sealing is", NULL, 0,
		WORDS(0, 0), .run = cmd_key_status},
	{"key", "rotate", "", "seal with a new key from now on, and re-seal the rest while serving", NULL,
		0, WORDS(0, 0), .run = cmd_key_rotate},
	{"key", "prune", "", "take keys that nothing is sealed under any more out of the key file", NULL,
		0, WORDS(0, 0), .run = cmd_key_prune},
	{"key", "count", "", "count anew what is sealed under each key", NULL, 0, WORDS(0, 0),
		.run = cmd_key_count},
	{"key", "new", "FILE", "add a new key to a key file that pomonad itself cannot write", NULL, 0,
		WORDS(1, 1), .run = cmd_key_new},
	{"user", "add", "NAME [--name DISPLAY-NAME] [--password-file FILE]",
		"let somebody log in: in the user file of the conf, without the server",
		OPTIONS(user_add_options), WORDS(1, 1), .run = cmd_user_add},
	{"user", "passwd", "NAME [--password-file FILE]", "give a user another password",
		OPTIONS(user_passwd_options), WORDS(1, 1), .run = cmd_user_passwd},
	{"user", "remove", "NAME", "let a user log in no more", NULL, 0, WORDS(1, 1),
		.run = cmd_user_remove},
	{"user", "devices", "[--user NAME] [--limit N] [--cursor CURSOR]",
		"devices that people enrolled with their account, and whether they are logged in",
		OPTIONS(user_devices_options), WORDS(0, 0), .run = cmd_user_devices},
	{"user", "logout", "NAME | --device ID",
		"end the access tokens of a user, or of one device: it asks for the password anew",
		OPTIONS(user_logout_options), WORDS(0, 1), .run = cmd_user_logout},
	{"user", "list", "", "the users of the user file", NULL, 0, WORDS(0, 0), .run = cmd_user_list},
	{"backup", NULL, "FILE [--force]",
		"write a snapshot of the database while it serves; the master key is not in it",
		OPTIONS(backup_options), WORDS(1, 1), .run = cmd_backup},
	{"restore", NULL, "FILE [--master-key FILE]",
		"put a backup in the place of the database of a pomonad that is stopped",
		OPTIONS(restore_options), WORDS(1, 1), .run = cmd_restore},
	{"doctor", NULL, "", "look for what is wrong, and say what to do", NULL, 0, WORDS(0, 0),
		.run = cmd_doctor},
	{"help", NULL, "[COMMAND]", "this text, or what one command wants", NULL, 0, WORDS(0, 2),
		.run = cmd_help},
	{"version", NULL, "", "the version", NULL, 0, WORDS(0, 0), .run = cmd_version},
};

const struct command *commands_table(size_t *count_r)
{
	*count_r = COUNT_OF(table);
	return table;
}

bool commands_is_group(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(table); i++)
		if (table[i].verb != NULL && strcmp(table[i].name, name) == 0)
			return true;
	return false;
}

const struct command *commands_find(int argc, char *const *argv, int *used_r)
{
	for (size_t i = 0; argc > 0 && i < COUNT_OF(table); i++) {
		if (strcmp(table[i].name, argv[0]) != 0)
			continue;
		*used_r = table[i].verb != NULL ? 2 : 1;
		if (table[i].verb == NULL || (argc > 1 && strcmp(table[i].verb, argv[1]) == 0))
			return &table[i];
	}
	return NULL;
}

static void print_name(const struct command *command, FILE *out)
{
	fprintf(out, "%s%s%s%s%s", command->name, command->verb != NULL ? " " : "",
		command->verb != NULL ? command->verb : "", command->usage[0] != '\0' ? " " : "", command->usage);
}

void commands_print_usage(const struct command *command, FILE *out)
{
	fprintf(out, "usage: pomonactl [option...] ");
	print_name(command, out);
	fprintf(out, "\n%s\n", command->help);
}

void commands_print_group(const char *name, FILE *out)
{
	for (size_t i = 0; i < COUNT_OF(table); i++)
		if (strcmp(table[i].name, name) == 0)
			commands_print_usage(&table[i], out);
}

void commands_print_help(FILE *out)
{
	fprintf(out, "usage: pomonactl [option...] command...\n\n");
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		fprintf(out, "  ");
		print_name(&table[i], out);
		fprintf(out, "\n        %s\n", table[i].help);
	}
	fprintf(out,
		"\noptions:\n"
		"  -c FILE            the conf of pomonad, which names its socket (" CTL_CONF_DEFAULT
		")\n"
		"  --socket PATH      that socket\n"
		"  --url URL          the admin API over TCP instead, with a token:\n"
		"  --token-file FILE  the token; or the variable " CTL_TOKEN_VARIABLE
		"\n"
		"  --allow-plain      send it over http to another machine, which all in between can read\n"
		"  --ca FILE          who signed the certificate of an https URL (PEM)\n"
		"  --json             print what the API answers, for programs\n"
		"\nexit status: 0 done; 1 refused, the reason is told; 64 wrong usage; 65 a file holds\n"
		"something else; 66 a file cannot be read; 69 pomonad does not answer; 71, 74 this host fails\n");
}

static bool is_name(const char *word)
{
	for (size_t i = 0; i < COUNT_OF(table); i++)
		if (strcmp(table[i].name, word) == 0)
			return true;
	return false;
}

int cmd_help(struct ctl *ctl, const struct args *args)
{
	if (args == NULL || args->word_count == 0)
		commands_print_help(ctl->out);
	else if (is_name(args->words[0]))
		commands_print_group(args->words[0], ctl->out);
	else
		return ctl_usage(ctl, "unknown command %s", args->words[0]);
	return 0;
}

int cmd_version(struct ctl *ctl, const struct args *args)
{
	(void)args;
	fprintf(ctl->out, "pomonactl " POMONA_VERSION "\n");
	return 0;
}
