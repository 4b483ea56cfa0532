/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "device.h"
#include "pomona/base/clock.h"
#include "pomona/base/file.h"

enum { FLEET = 40, FILE_BYTES_MAX = 1024 * 1024 };

/* A file of this test alone, gone when it ends. */
struct scratch {
	char path[64];
};

static int scratch_setup(void **state)
{
	static struct scratch scratch;

	(void)snprintf(scratch.path, sizeof(scratch.path), "/tmp/pomona-sim-test.%ld", (long)getpid());
	*state = &scratch;
	return 0;
}

static int scratch_teardown(void **state)
{
	const struct scratch *scratch = *state;

	(void)unlink(scratch->path);
	return 0;
}

static const char a_profile[] =
	"<plist version=\"1.0\"><dict><key>PayloadType</key><string>Configuration</string>"
	"<key>PayloadIdentifier</key><string>com.example.a</string><key>PayloadUUID</key><string>U"
	"</string><key>PayloadVersion</key><integer>1</integer><key>PayloadContent</key><array/>"
	"</dict></plist>";

static struct authority *make_authority(void)
{
	const struct authority_params params = {.key = KEY_P256,
		.common_name = "test",
		.now = clock_unix_s(clock_system()),
		.valid_s = 3600};
	struct authority *authority;

	assert_int_equal(authority_new(&params, &authority, NULL), RC_OK);
	return authority;
}

static void the_same_seed_gives_the_same_fleet_and_another_gives_another(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FLEET; i++) {
		struct device first, again, other;

		device_init(&first, i, 1);
		device_init(&again, i, 1);
		device_init(&other, i, 2);
		assert_ptr_equal(first.model, again.model);
		assert_string_equal(first.serial, again.serial);
		assert_string_equal(first.udid, again.udid);
		assert_ptr_equal(first.model, other.model);
		assert_string_not_equal(first.serial, other.serial);
		assert_string_not_equal(first.udid, other.udid);
	}
}

static void no_two_devices_of_a_fleet_are_the_same(void **state)
{
	struct device fleet[FLEET];

	(void)state;
	for (unsigned i = 0; i < FLEET; i++) {
		device_init(&fleet[i], i, 5);
		for (unsigned k = 0; k < i; k++) {
			assert_string_not_equal(device_id(&fleet[i]), device_id(&fleet[k]));
			assert_string_not_equal(fleet[i].serial, fleet[k].serial);
		}
	}
}

/* x: a hexadecimal digit, lower case; X: upper case; else itself. */
static bool matches(const char *text, const char *shape)
{
	if (strlen(text) != strlen(shape))
		return false;
	for (; *text != 0; text++, shape++) {
		const char *allowed = *shape == 'x' ? "0123456789abcdef" : "0123456789ABCDEF";

		if (*shape == 'x' || *shape == 'X') {
			if (strchr(allowed, *text) == NULL)
				return false;
		} else if (*text != *shape) {
			return false;
		}
	}
	return true;
}

static void each_model_has_udids_of_its_own_form(void **state)
{
	static const char *const shapes[] = {
		[UDID_HEX40] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
		[UDID_CHIP] = "XXXXXXXX-XXXXXXXXXXXXXXXX",
		[UDID_UUID] = "XXXXXXXX-XXXX-4XXX-XXXX-XXXXXXXXXXXX",
	};
	bool has_seen[COUNT_OF(shapes)] = {false};

	(void)state;
	for (unsigned i = 0; i < FLEET; i++) {
		struct device device;

		device_init(&device, i, 9);
		assert_true(matches(device.udid, shapes[device.model->udid]));
		has_seen[device.model->udid] = true;
	}
	for (size_t i = 0; i < COUNT_OF(shapes); i++)
		assert_true(has_seen[i]);
}

static void a_saved_device_is_loaded_as_it_was(void **state)
{
	const struct scratch *scratch = *state;
	AUTO(authority_free) struct authority *authority = make_authority();

	for (unsigned i = 0; i < 10; i++) {
		struct device saved, loaded;
		struct stat file;

		device_init(&saved, i, 3);
		assert_int_equal(device_renew(&saved, authority, clock_unix_s(clock_system()), NULL), RC_OK);
		saved.channels[0].is_authenticated = saved.channels[0].is_enrolled = true;
		saved.has_bootstrap_token = true;
		saved.is_clone = true;
		saved.channels[0].has_token_news = true;
		saved.channels[saved.channel_count - 1].is_logged_out = true;
		assert_null(profile_install(&saved.channels[0].profiles, slice_of_str(a_profile)).top);
		saved.channels[saved.channel_count - 1].unsent_status = ANSWER_NOT_NOW;
		saved.channels[saved.channel_count - 1].unsent_erases = true;
		buf_append_str(&saved.channels[saved.channel_count - 1].unsent, "<result\x01/>");
		assert_int_equal(device_save(scratch->path, &saved, NULL), RC_OK);
		assert_int_equal(stat(scratch->path, &file), 0);
		assert_int_equal(file.st_mode & 0777, 0600);

		device_init(&loaded, i, 4);
		assert_int_equal(device_load(scratch->path, &loaded, NULL), RC_OK);
		assert_ptr_equal(loaded.model, saved.model);
		assert_string_equal(device_id(&loaded), device_id(&saved));
		assert_string_equal(loaded.serial, saved.serial);
		assert_int_equal(loaded.is_shared, saved.is_shared);
		assert_true(loaded.has_bootstrap_token);
		assert_true(loaded.is_clone);
		assert_true(loaded.chance.state == saved.chance.state);
		assert_true(loaded.life.state == saved.life.state);
		assert_int_equal(loaded.channels[0].profiles.count, 1);
		assert_true(slice_is_str(buf_slice(&loaded.channels[0].profiles.payloads[0]), a_profile));
		assert_true(slice_is_equal(buf_slice(&loaded.key_pem), buf_slice(&saved.key_pem)));
		assert_true(slice_is_equal(buf_slice(&loaded.cert_pem), buf_slice(&saved.cert_pem)));
		assert_int_equal(loaded.channel_count, saved.channel_count);
		for (unsigned k = 0; k < saved.channel_count; k++) {
			const struct channel *was = &saved.channels[k], *is = &loaded.channels[k];

			assert_string_equal(is->user_id, was->user_id);
			assert_string_equal(is->short_name, was->short_name);
			assert_string_equal(is->long_name, was->long_name);
			assert_string_equal(is->push_magic, was->push_magic);
			assert_memory_equal(is->push_token, was->push_token, PUSH_TOKEN_BYTES);
			assert_int_equal(is->is_network_user, was->is_network_user);
			assert_int_equal(is->is_enrolled, was->is_enrolled);
			assert_int_equal(is->has_token_news, was->has_token_news);
			assert_int_equal(is->is_logged_out, was->is_logged_out);
			assert_true(slice_is_equal(buf_slice(&is->unsent), buf_slice(&was->unsent)));
			assert_int_equal(is->unsent_status, was->unsent_status);
			assert_int_equal(is->unsent_erases, was->unsent_erases);
		}
		device_fini(&saved);
		device_fini(&loaded);
	}
}

static void renewing_leaves_the_hardware_and_nothing_of_the_enrollment(void **state)
{
	AUTO(authority_free) struct authority *authority = make_authority();
	struct device device, before;
	struct buf old_cert;

	(void)state;
	device_init(&device, 1, 3); /* a Mac with a user */
	assert_int_equal(device_renew(&device, authority, clock_unix_s(clock_system()), NULL), RC_OK);
	before = device;
	buf_init(&old_cert, PEM_BYTES_MAX);
	buf_append(&old_cert, buf_slice(&device.cert_pem));
	for (unsigned i = 0; i < device.channel_count; i++) {
		struct channel *channel = &device.channels[i];

		channel->is_authenticated = channel->is_enrolled = channel->is_refused = true;
		channel->unsent_erases = true;
		channel->has_token_news = channel->is_logged_out = true;
		assert_null(profile_install(&channel->profiles, slice_of_str(a_profile)).top);
		(void)snprintf(channel->auth_token, sizeof(channel->auth_token), "token");
		buf_append_str(&channel->unsent, "result");
	}
	device.has_bootstrap_token = device.is_unenrolled = true;
	assert_int_equal(device_renew(&device, authority, clock_unix_s(clock_system()), NULL), RC_OK);

	assert_string_equal(device.udid, before.udid);
	assert_string_equal(device.serial, before.serial);
	assert_false(slice_is_equal(buf_slice(&device.cert_pem), buf_slice(&old_cert)));
	assert_false(device.has_bootstrap_token);
	assert_false(device.is_unenrolled);
	for (unsigned i = 0; i < device.channel_count; i++) {
		const struct channel *channel = &device.channels[i];

		assert_false(channel->is_authenticated || channel->is_enrolled || channel->is_refused);
		assert_false(channel->unsent_erases || channel->has_token_news || channel->is_logged_out);
		assert_int_equal(channel->profiles.count, 0);
		assert_string_equal(channel->auth_token, "");
		assert_int_equal(channel->unsent.len, 0);
		assert_string_not_equal(channel->push_magic, before.channels[i].push_magic);
		assert_string_equal(channel->user_id, before.channels[i].user_id);
	}
	buf_fini(&old_cert);
	device_fini(&device);
}

/* Saves a device, swaps one piece of its file for another, and gives what loading that says. */
static enum rc load_edited(const char *path, const char *from, const char *to, struct err *err)
{
	AUTO(authority_free) struct authority *authority = make_authority();
	struct device device;
	struct buf text, edited;
	const char *at;
	enum rc rc;

	device_init(&device, 0, 3);
	assert_int_equal(device_renew(&device, authority, clock_unix_s(clock_system()), NULL), RC_OK);
	assert_int_equal(device_save(path, &device, NULL), RC_OK);
	device_fini(&device);
	buf_init(&text, FILE_BYTES_MAX);
	buf_init(&edited, FILE_BYTES_MAX);
	assert_int_equal(file_read(path, &text, NULL), RC_OK);
	at = strstr(buf_cstr(&text), from);
	assert_non_null(at);
	buf_append(&edited, slice_sub(buf_slice(&text), 0, (size_t)(at - (const char *)text.ptr)));
	buf_append_str(&edited, to);
	buf_append_str(&edited, at + strlen(from));
	assert_int_equal(file_replace(path, buf_slice(&edited), 0600, NULL), RC_OK);
	device_init(&device, 0, 3);
	rc = device_load(path, &device, err);
	device_fini(&device);
	buf_fini(&text);
	buf_fini(&edited);
	return rc;
}

static void a_file_that_does_not_read_back_is_named_with_its_key(void **state)
{
	static const struct {
		const char *from, *to, *says;
	} cases[] = {
		{"\"version\": 1", "\"version\": 2", "version"},
		{"\"serial\": ", "\"sreial\": ", "serial"},
		{"\"shared\": false", "\"shared\": 0", "shared"},
		{"\"product\": \"iPhone", "\"product\": \"iFoan", "product"},
		{"\"unsent_status\": \"Acknowledged\"", "\"unsent_status\": \"Fine\"", "unsent_status"},
		{"\"push_token\": \"", "\"push_token\": \"AAAA", "push_token"},
		{"\"name\": \"", "\"name\": \"0123456789012345678901234567890123456789012345678901234567890123",
			"name"},
		{"\"key\": ", "\"kez\": ", "key"},
		{"\"clone\": false", "\"clone\": 0", "clone"},
		{"\"logged_out\": false", "\"logged_out\": 0", "logged_out"},
		{"\"life\": \"", "\"life\": \"AAAA", "life"},
		{"\"profiles\": []", "\"profiles\": [{\"payload\": \"AAAA\"}]", "profiles"},
	};
	const struct scratch *scratch = *state;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct err err = {0};

		assert_int_equal(load_edited(scratch->path, cases[i].from, cases[i].to, &err), RC_CORRUPT);
		if (strstr(err.text, cases[i].says) == NULL || strstr(err.text, scratch->path) == NULL)
			fail_msg("'%s' names not '%s'", err.text, cases[i].says);
	}
}

static void a_file_of_before_profiles_and_clones_still_reads(void **state)
{
	static const char *const newer[] = {"\"clone\"", "\"chance\"", "\"life\"", "\"token_news\"",
		"\"logged_out\"", "\"profiles\""};
	const struct scratch *scratch = *state;

	for (size_t i = 0; i < COUNT_OF(newer); i++)
		assert_int_equal(load_edited(scratch->path, newer[i], "\"x\"", NULL), RC_OK);
}

static void a_clone_has_the_identity_of_another_until_it_is_renewed(void **state)
{
	AUTO(authority_free) struct authority *authority = make_authority();
	struct device original, clone;

	(void)state;
	device_init(&original, 0, 3);
	device_init(&clone, 1, 3);
	assert_int_equal(device_renew(&original, authority, clock_unix_s(clock_system()), NULL), RC_OK);
	assert_int_equal(device_renew(&clone, authority, clock_unix_s(clock_system()), NULL), RC_OK);
	assert_int_equal(device_copy_identity(&clone, &original, NULL), RC_OK);
	assert_true(clone.is_clone);
	assert_true(slice_is_equal(buf_slice(&clone.cert_pem), buf_slice(&original.cert_pem)));
	assert_true(slice_is_equal(buf_slice(&clone.key_pem), buf_slice(&original.key_pem)));
	assert_string_not_equal(device_id(&clone), device_id(&original));
	assert_int_equal(device_renew(&clone, authority, clock_unix_s(clock_system()), NULL), RC_OK);
	assert_false(clone.is_clone);
	assert_false(slice_is_equal(buf_slice(&clone.cert_pem), buf_slice(&original.cert_pem)));
	device_fini(&original);
	device_fini(&clone);
}

static void a_file_that_is_not_there_is_not_found(void **state)
{
	const struct scratch *scratch = *state;
	struct device device;

	device_init(&device, 0, 3);
	assert_int_equal(device_load(scratch->path, &device, NULL), RC_NOT_FOUND);
	device_fini(&device);
}

#define SCRATCH_TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

static struct management *make_management(const char *url)
{
	struct management *management = management_new_empty();

	assert_non_null(management);
	(void)snprintf(management->server_url, sizeof(management->server_url), "%s", url);
	(void)snprintf(management->check_in_url, sizeof(management->check_in_url), "%s/in", url);
	(void)snprintf(management->topic, sizeof(management->topic), "com.apple.mgmt.%s", url);
	(void)snprintf(management->identifier, sizeof(management->identifier), "id");
	management->rights = 3;
	management->is_message_signed = true;
	buf_append_str(&management->payload, "a profile\x01");
	buf_append_str(&management->anchors_pem, "anchors");
	return management;
}

static void take(struct device *device, const char *name, bool is_renewal)
{
	const struct device_identity identity = {.cert_pem = slice_of_str(name),
		.key_pem = slice_of_str(name),
		.management = make_management(name)};

	assert_int_equal(device_take_identity(device, &identity, is_renewal, NULL), RC_OK);
}

static void a_renewed_device_checks_in_anew_and_can_go_back_until_it_has_spoken(void **state)
{
	struct device device;

	(void)state;
	device_init(&device, 1, 1); /* a Mac with a user */
	take(&device, "old", false);
	assert_false(device_has_former(&device));
	for (unsigned i = 0; i < device.channel_count; i++)
		device.channels[i].is_authenticated = device.channels[i].is_enrolled = true;
	for (int is_good = 0; is_good < 2; is_good++) {
		take(&device, "new", true);
		assert_true(device_has_former(&device));
		assert_true(slice_is_str(buf_slice(&device.cert_pem), "new"));
		assert_string_equal(device.topic, "com.apple.mgmt.new");
		assert_false(device.channels[0].is_authenticated);
		assert_true(device.channels[1].is_authenticated);
		for (unsigned i = 0; i < device.channel_count; i++)
			assert_true(device.channels[i].is_enrolled && device.channels[i].has_token_news);
		if (is_good)
			device_forget_former(&device);
		else
			device_restore_former(&device);
		assert_false(device_has_former(&device));
		assert_true(slice_is_str(buf_slice(&device.key_pem), is_good ? "new" : "old"));
		assert_string_equal(device.management->server_url, is_good ? "new" : "old");
		assert_int_equal(device.channels[0].is_authenticated, !is_good);
		assert_int_equal(device.channels[1].has_token_news, is_good);
	}
	device_reset(&device);
	assert_null(device.management);
	assert_int_equal(device.cert_pem.len, 0);
	device_fini(&device);
}

static void a_person_s_own_device_has_an_enrollment_id_and_one_channel(void **state)
{
	struct device_identity identity = {.cert_pem = SLICE_LITERAL("c"), .key_pem = SLICE_LITERAL("k")};
	struct device device;

	(void)state;
	device_init(&device, 1, 1);
	identity.management = make_management("x");
	identity.management->is_byod = true;
	assert_int_equal(device_take_identity(&device, &identity, false, NULL), RC_OK);
	assert_int_equal(strlen(device_id(&device)), CHANCE_UUID_BYTES - 1);
	assert_string_equal(device_id(&device), device.enrollment_id);
	assert_int_equal(device.channel_count, 1);
	device_fini(&device);
}

static void what_a_profile_has_brought_is_loaded_as_it_was_saved(void **state)
{
	const struct scratch *scratch = *state;
	struct device saved, loaded;

	device_init(&saved, 2, 3);
	take(&saved, "url", false);
	(void)snprintf(saved.os_version, sizeof(saved.os_version), "99.1");
	(void)snprintf(saved.bearer, sizeof(saved.bearer), "token");
	assert_int_equal(device_save(scratch->path, &saved, NULL), RC_OK);
	device_init(&loaded, 2, 4);
	assert_int_equal(device_load(scratch->path, &loaded, NULL), RC_OK);
	assert_string_equal(loaded.os_version, "99.1");
	assert_string_equal(loaded.bearer, "token");
	assert_string_equal(loaded.topic, "com.apple.mgmt.url");
	assert_non_null(loaded.management);
	assert_string_equal(loaded.management->server_url, "url");
	assert_string_equal(loaded.management->check_in_url, "url/in");
	assert_string_equal(loaded.management->identifier, "id");
	assert_int_equal(loaded.management->rights, 3);
	assert_true(loaded.management->is_message_signed && !loaded.management->is_check_out_wanted);
	assert_true(slice_is_str(buf_slice(&loaded.management->payload), "a profile\x01"));
	assert_true(slice_is_str(buf_slice(&loaded.management->anchors_pem), "anchors"));
	device_fini(&saved);
	device_fini(&loaded);
}

static void a_device_that_has_still_to_enroll_is_kept_without_an_identity(void **state)
{
	const struct scratch *scratch = *state;
	struct device saved, loaded;
	struct err err = {0};

	for (int is_authenticated = 0; is_authenticated < 2; is_authenticated++) {
		device_init(&saved, 2, 3);
		saved.channels[0].is_authenticated = is_authenticated;
		assert_int_equal(device_save(scratch->path, &saved, NULL), RC_OK);
		device_init(&loaded, 2, 4);
		assert_int_equal(device_load(scratch->path, &loaded, &err),
			is_authenticated ? RC_CORRUPT : RC_OK);
		device_fini(&saved);
		device_fini(&loaded);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_seed_gives_the_same_fleet_and_another_gives_another),
		cmocka_unit_test(no_two_devices_of_a_fleet_are_the_same),
		cmocka_unit_test(a_renewed_device_checks_in_anew_and_can_go_back_until_it_has_spoken),
		cmocka_unit_test(a_person_s_own_device_has_an_enrollment_id_and_one_channel),
		cmocka_unit_test_setup_teardown(what_a_profile_has_brought_is_loaded_as_it_was_saved,
			scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(a_device_that_has_still_to_enroll_is_kept_without_an_identity,
			scratch_setup, scratch_teardown),
		cmocka_unit_test(each_model_has_udids_of_its_own_form),
		cmocka_unit_test(renewing_leaves_the_hardware_and_nothing_of_the_enrollment),
		cmocka_unit_test(a_clone_has_the_identity_of_another_until_it_is_renewed),
		SCRATCH_TEST(a_file_of_before_profiles_and_clones_still_reads),
		SCRATCH_TEST(a_saved_device_is_loaded_as_it_was),
		SCRATCH_TEST(a_file_that_does_not_read_back_is_named_with_its_key),
		SCRATCH_TEST(a_file_that_is_not_there_is_not_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
