/* SPDX-License-Identifier: Apache-2.0 */
#include "h2_certs.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DAY_S = 86400 };

struct maker {
	EVP_PKEY *key;
	X509 *cert;
};

struct wish {
	const char *name;
	const char *alt_names; /* NULL: a CA, which needs none */
	long from_s, until_s;  /* from now */
};

static void must(int is_fine, const char *what)
{
	if (!is_fine) {
		(void)fprintf(stderr, "certs: %s\n", what);
		abort();
	}
}

static void add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	must(extension != NULL && X509_add_ext(cert, extension, -1) == 1, value);
	X509_EXTENSION_free(extension);
}

static struct maker make(const struct maker *issuer, const struct wish *wish)
{
	static long serial = 1;
	struct maker made = {.key = EVP_EC_gen("P-256"), .cert = X509_new()};
	X509_NAME *name;

	must(made.key != NULL && made.cert != NULL, "key");
	name = X509_get_subject_name(made.cert);
	(void)X509_set_version(made.cert, X509_VERSION_3);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(made.cert), serial++);
	(void)X509_gmtime_adj(X509_getm_notBefore(made.cert), wish->from_s);
	(void)X509_gmtime_adj(X509_getm_notAfter(made.cert), wish->until_s);
	(void)X509_set_pubkey(made.cert, made.key);
	(void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)wish->name, -1,
		-1, 0);
	(void)X509_set_issuer_name(made.cert, issuer != NULL ? X509_get_subject_name(issuer->cert) : name);
	if (wish->alt_names == NULL)
		add_extension(made.cert, NID_basic_constraints, "critical,CA:TRUE");
	else
		add_extension(made.cert, NID_subject_alt_name, wish->alt_names);
	must(X509_sign(made.cert, issuer != NULL ? issuer->key : made.key, EVP_sha256()) > 0, "sign");
	return made;
}

static void maker_free(struct maker *maker)
{
	EVP_PKEY_free(maker->key);
	X509_free(maker->cert);
}

static void take_text(BIO *bio, struct pem *pem)
{
	size_t at = strlen(pem->text);
	int len = BIO_read(bio, pem->text + at, (int)(sizeof(pem->text) - at - 1));

	must(len > 0 && BIO_pending(bio) == 0, "PEM");
	BIO_free(bio);
}

static void write_cert(const struct maker *maker, struct pem *pem)
{
	BIO *bio = BIO_new(BIO_s_mem());

	must(PEM_write_bio_X509(bio, maker->cert) == 1, "PEM");
	take_text(bio, pem);
}

static void write_key(const struct maker *maker, struct pem *pem)
{
	BIO *bio = BIO_new(BIO_s_mem());

	must(PEM_write_bio_PrivateKey(bio, maker->key, NULL, NULL, 0, NULL, NULL) == 1, "PEM");
	take_text(bio, pem);
}

static void make_identity(const struct maker *issuer, const struct wish *wish,
	struct identity *identity)
{
	struct maker made = make(issuer, wish);

	write_cert(&made, &identity->cert);
	write_key(&made, &identity->key);
	maker_free(&made);
}

void certs_make(struct certs *certs)
{
	const struct wish ca_wish = {"Test CA", NULL, -DAY_S, DAY_S};
	const struct wish sub_wish = {"Test CA of clients", NULL, -DAY_S, DAY_S};
	const struct wish other_wish = {"Other CA", NULL, -DAY_S, DAY_S};
	const char here[] = "DNS:localhost,IP:127.0.0.1,IP:::1";
	struct maker ca = make(NULL, &ca_wish);
	struct maker other_ca = make(NULL, &other_wish);
	struct maker sub_ca = make(&ca, &sub_wish);

	memset(certs, 0, sizeof(*certs));
	write_cert(&ca, &certs->ca);
	write_cert(&other_ca, &certs->other_ca);
	make_identity(&ca, &(struct wish){"server", here, -DAY_S, DAY_S}, &certs->server);
	make_identity(&ca, &(struct wish){"elsewhere", "DNS:elsewhere.example", -DAY_S, DAY_S},
		&certs->elsewhere);
	make_identity(&ca, &(struct wish){"expired", here, -2L * DAY_S, -DAY_S}, &certs->expired);
	make_identity(&other_ca, &(struct wish){"server", here, -DAY_S, DAY_S}, &certs->of_other_ca);
	make_identity(&sub_ca, &(struct wish){"client", "DNS:client", -DAY_S, DAY_S}, &certs->client);
	write_cert(&sub_ca, &certs->client.cert);
	make_identity(&other_ca, &(struct wish){"client", "DNS:client", -DAY_S, DAY_S},
		&certs->other_client);
	maker_free(&ca);
	maker_free(&sub_ca);
	maker_free(&other_ca);
}
