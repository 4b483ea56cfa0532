/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "h2_talk.h"

static struct ask one;

static struct slice text_of(const struct pem *pem)
{
	return slice_of_str(pem->text);
}

static void be_client(struct talk *talk, const struct identity *identity)
{
	talk->params.cert_pem = text_of(&identity->cert);
	talk->params.key_pem = text_of(&identity->key);
}

/* It must end before it is open, by TLS, and say this. */
static void check_refusal(struct talk *talk, struct peer_conf conf, const char *text)
{
	talk_listen(talk, conf);
	talk_open(talk);
	talk_wait(talk, talk_is_over);
	assert_int_equal(talk->opens, 0);
	if (talk->end != H2_END_TLS || strstr(talk->end_text, text) == NULL)
		fail_msg("ends by %s: %s", h2_end_name(talk->end), talk->end_text);
}

static void check_answer(struct talk *talk)
{
	talk_ask(talk, &one, "/", "x");
	talk_wait_answers(talk, 1);
	assert_int_equal(one.fate, H2_ANSWERED);
}

/* --- who the server is */

static void a_server_of_another_ca_is_not_trusted(void **state)
{
	check_refusal(*state, (struct peer_conf){.identity = &talk_certs.of_other_ca},
		"the server's certificate: unable to get local issuer certificate");
}

static void a_server_of_another_name_is_not_trusted(void **state)
{
	check_refusal(*state, (struct peer_conf){.identity = &talk_certs.elsewhere},
		"the server's certificate: hostname mismatch");
}

static void a_server_of_another_address_is_not_trusted(void **state)
{
	struct talk *talk = *state;

	talk->params.host = "127.0.0.1";
	check_refusal(talk, (struct peer_conf){.identity = &talk_certs.elsewhere},
		"the server's certificate: IP address mismatch");
}

static void an_expired_server_is_not_trusted(void **state)
{
	check_refusal(*state, (struct peer_conf){.identity = &talk_certs.expired},
		"the server's certificate: certificate has expired");
}

static void a_name_is_told_to_the_server(void **state)
{
	struct talk *talk = *state;

	talk_start(talk, (struct peer_conf){0});
	check_answer(talk);
	assert_string_equal(talk->peer.server_name, "localhost");
	assert_string_equal(talk->peer.client_subject, "");
}

static void an_address_is_checked_and_not_told(void **state)
{
	struct talk *talk = *state;

	talk->params.host = "127.0.0.1";
	talk_start(talk, (struct peer_conf){0});
	check_answer(talk);
	assert_string_equal(talk->peer.server_name, "");
}

/* One that is named is trusted though its issuer is not known. */
static void the_servers_own_certificate_may_be_the_trusted_one(void **state)
{
	struct talk *talk = *state;

	talk->params.ca_pem = text_of(&talk_certs.of_other_ca.cert);
	talk_start(talk, (struct peer_conf){.identity = &talk_certs.of_other_ca});
	check_answer(talk);
}

static void without_a_ca_the_systems_store_decides(void **state)
{
	struct talk *talk = *state;
	char path[] = "/tmp/pomona-ca-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, talk_certs.ca.text, strlen(talk_certs.ca.text)),
		strlen(talk_certs.ca.text));
	(void)close(fd);
	talk->params.ca_pem = slice_of(NULL, 0);
	check_refusal(talk, (struct peer_conf){0}, "unable to get local issuer certificate");
	h2_free(&talk->h2);
	assert_int_equal(setenv("SSL_CERT_FILE", path, 1), 0); /* what OpenSSL calls the system's */
	talk_open(talk);
	talk->ends = 0;
	talk_wait(talk, talk_is_open);
	(void)unsetenv("SSL_CERT_FILE");
	(void)unlink(path);
	assert_int_equal(talk->opens, 1);
}

/* --- who we are */

static void our_certificate_goes_out_with_its_chain(void **state)
{
	struct talk *talk = *state;

	be_client(talk, &talk_certs.client);
	talk_start(talk, (struct peer_conf){.client_ca = talk_certs.ca.text});
	check_answer(talk);
	assert_string_equal(talk->peer.client_subject, "/CN=client");
}

struct refusal {
	int version;
	const struct identity *identity; /* NULL: none */
	const char *text;
};

static void a_refusal_of_our_certificate_is_called_so(void **state)
{
	/* In TLS 1.3 it comes when the client's handshake is over. */
	const struct refusal refusals[] = {
		{TLS1_3_VERSION, NULL, "the server refuses our certificate: certificate required"},
		{TLS1_3_VERSION, &talk_certs.other_client, "the server refuses our certificate: unknown ca"},
		{TLS1_2_VERSION, NULL, "the server refuses: handshake failure"},
		{TLS1_2_VERSION, &talk_certs.other_client, "the server refuses our certificate: unknown ca"},
	};

	for (size_t i = 0; i < COUNT_OF(refusals); i++) {
		struct talk *talk = *state;

		if (refusals[i].identity != NULL)
			be_client(talk, refusals[i].identity);
		check_refusal(talk,
			(struct peer_conf){.client_ca = talk_certs.ca.text, .tls_version_max = refusals[i].version},
			refusals[i].text);
		(void)talk_teardown(state);
		assert_int_equal(talk_setup(state), 0);
	}
}

/* --- what is spoken */

static void tls_1_2_will_do(void **state)
{
	struct talk *talk = *state;

	be_client(talk, &talk_certs.client);
	talk_start(talk,
		(struct peer_conf){.client_ca = talk_certs.ca.text, .tls_version_max = TLS1_2_VERSION});
	check_answer(talk);
	assert_int_equal(SSL_version(talk->peer.lines[0]->ssl), TLS1_2_VERSION);
	assert_int_equal(SSL_CIPHER_is_aead(SSL_get_current_cipher(talk->peer.lines[0]->ssl)), 1);
}

static void tls_1_1_will_not(void **state)
{
	check_refusal(*state, (struct peer_conf){.tls_version_max = TLS1_1_VERSION}, "TLS: ");
}

static void a_server_without_alpn_does_not_speak_http_2(void **state)
{
	check_refusal(*state, (struct peer_conf){.alpn = ""}, "ALPN h2");
}

static void a_server_that_chooses_another_protocol_is_refused(void **state)
{
	check_refusal(*state, (struct peer_conf){.alpn = "http/1.1"}, "TLS: ");
}

static void renegotiate(struct peer_line *line)
{
	assert_int_equal(SSL_renegotiate(line->ssl), 1);
	(void)SSL_do_handshake(line->ssl);
}

static void the_server_may_not_negotiate_again(void **state)
{
	struct talk *talk = *state;

	talk_listen(talk,
		(struct peer_conf){.is_raw = true, .tls_version_max = TLS1_2_VERSION, .on_shaken = renegotiate});
	talk_open(talk);
	talk_wait(talk, talk_is_over); /* that peer gives up when the client declines */
	assert_int_equal(talk->opens, 0);
}

/* A client that offers tickets of before would be known again by them. */
static void tickets_are_taken_and_forgotten(void **state)
{
	struct talk *talk = *state;

	for (size_t i = 0; i < 2; i++) {
		talk->opens = talk->answers = 0;
		if (i == 0)
			talk_listen(talk, (struct peer_conf){0});
		talk_open(talk);
		talk_wait(talk, talk_is_open);
		check_answer(talk);
		assert_int_equal(SSL_session_reused(talk->peer.lines[i]->ssl), 0);
		h2_free(&talk->h2);
	}
}

/* --- credentials that cannot be used */

static void check_invalid(struct talk *talk, const char *text)
{
	struct err err = {.text = ""};

	talk->params.port = 443;
	assert_int_equal(h2_open(talk->loop, &talk->params, &talk->h2, &err), RC_INVALID);
	assert_null(talk->h2);
	if (strstr(err.text, text) == NULL)
		fail_msg("%s", err.text);
}

static void a_ca_that_is_no_certificate_is_refused(void **state)
{
	struct talk *talk = *state;
	char text[PEM_BYTES_MAX + 64];

	talk->params.ca_pem = SLICE_LITERAL("no PEM");
	check_invalid(talk, "CA certificates");
	(void)snprintf(text, sizeof(text),
		"%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		talk_certs.ca.text); /* the second of two */
	talk->params.ca_pem = slice_of_str(text);
	check_invalid(talk, "CA certificates");
}

static void a_client_certificate_that_is_none_is_refused(void **state)
{
	struct talk *talk = *state;

	be_client(talk, &talk_certs.client);
	talk->params.cert_pem = text_of(&talk_certs.client.key);
	check_invalid(talk, "client certificate");
}

static void a_key_that_is_missing_or_of_another_is_refused(void **state)
{
	struct talk *talk = *state;

	be_client(talk, &talk_certs.client);
	talk->params.key_pem = slice_of(NULL, 0);
	check_invalid(talk, "client key");
	talk->params.key_pem = text_of(&talk_certs.server.key);
	check_invalid(talk, "client key");
	talk->params.key_pem = SLICE_LITERAL(
		"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
		"MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAg=\n"
		"-----END ENCRYPTED PRIVATE KEY-----\n");
	check_invalid(talk, "client key");
}

#define TALK_TEST(name) cmocka_unit_test_setup_teardown(name, talk_setup, talk_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK_TEST(a_server_of_another_ca_is_not_trusted),
		TALK_TEST(a_server_of_another_name_is_not_trusted),
		TALK_TEST(a_server_of_another_address_is_not_trusted),
		TALK_TEST(an_expired_server_is_not_trusted),
		TALK_TEST(a_name_is_told_to_the_server),
		TALK_TEST(an_address_is_checked_and_not_told),
		TALK_TEST(the_servers_own_certificate_may_be_the_trusted_one),
		TALK_TEST(without_a_ca_the_systems_store_decides),
		TALK_TEST(our_certificate_goes_out_with_its_chain),
		TALK_TEST(a_refusal_of_our_certificate_is_called_so),
		TALK_TEST(tls_1_2_will_do),
		TALK_TEST(tls_1_1_will_not),
		TALK_TEST(a_server_without_alpn_does_not_speak_http_2),
		TALK_TEST(a_server_that_chooses_another_protocol_is_refused),
		TALK_TEST(the_server_may_not_negotiate_again),
		TALK_TEST(tickets_are_taken_and_forgotten),
		TALK_TEST(a_ca_that_is_no_certificate_is_refused),
		TALK_TEST(a_client_certificate_that_is_none_is_refused),
		TALK_TEST(a_key_that_is_missing_or_of_another_is_refused),
	};

	return cmocka_run_group_tests(tests, talk_group_setup, NULL);
}
