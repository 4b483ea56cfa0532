/* SPDX-License-Identifier: Apache-2.0 */
#include "ossl.h"

#include <limits.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct thread_ctx {
	EVP_CIPHER_CTX *cipher;
	EVP_MD_CTX *digest;
};

static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_key;
static bool is_thread_key_made;
/* Never freed: they live as long as the process. */
static EVP_CIPHER *aes_256_gcm;
static EVP_MD *sha256_md;

void ossl_bio_free(BIO **bio)
{
	BIO_free_all(*bio);
	*bio = NULL;
}

void ossl_key_free(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
	*key = NULL;
}

void ossl_cert_free(X509 **cert)
{
	X509_free(*cert);
	*cert = NULL;
}

void ossl_request_free(X509_REQ **request)
{
	X509_REQ_free(*request);
	*request = NULL;
}

void ossl_name_free(X509_NAME **name)
{
	X509_NAME_free(*name);
	*name = NULL;
}

void ossl_general_names_free(GENERAL_NAMES **names)
{
	GENERAL_NAMES_free(*names);
	*names = NULL;
}

void ossl_pkcs8_free(PKCS8_PRIV_KEY_INFO **pkcs8)
{
	PKCS8_PRIV_KEY_INFO_free(*pkcs8);
	*pkcs8 = NULL;
}

void ossl_pkcs12_free(PKCS12 **pkcs12)
{
	PKCS12_free(*pkcs12);
	*pkcs12 = NULL;
}

void ossl_pkcs7_free(PKCS7 **pkcs7)
{
	PKCS7_free(*pkcs7);
	*pkcs7 = NULL;
}

void ossl_cms_free(CMS_ContentInfo **cms)
{
	CMS_ContentInfo_free(*cms);
	*cms = NULL;
}

void ossl_crl_free(X509_CRL **crl)
{
	X509_CRL_free(*crl);
	*crl = NULL;
}

void ossl_time_free(ASN1_TIME **time)
{
	ASN1_TIME_free(*time);
	*time = NULL;
}

void ossl_store_ctx_free(X509_STORE_CTX **ctx)
{
	X509_STORE_CTX_free(*ctx);
	*ctx = NULL;
}

void ossl_certs_free(STACK_OF(X509) * *certs)
{
	sk_X509_pop_free(*certs, X509_free);
	*certs = NULL;
}

/* OpenSSL may take a short memory for a fault of the certificate; its own errors tell in part of the cases only. */
static _Thread_local bool was_refused;

static void *note_refusal(void *bytes)
{
	was_refused = was_refused || bytes == NULL;
	return bytes;
}

static void *allocate(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return size == 0 ? NULL : note_refusal(malloc(size));
}

static void release(void *bytes, const char *file, int line)
{
	(void)file;
	(void)line;
	free(bytes);
}

static void *reallocate(void *old, size_t size, const char *file, int line)
{
	if (size > 0)
		return note_refusal(realloc(old, size));
	release(old, file, line);
	return NULL;
}

/* Before its first request, or it takes none but the C library's. */
__attribute__((constructor)) static void watch_memory(void)
{
	(void)CRYPTO_set_mem_functions(allocate, reallocate, release);
}

void ossl_forget(void)
{
	was_refused = false;
	ERR_clear_error();
}

bool ossl_was_memory_short(void)
{
	bool was_short = was_refused;

	was_refused = false;
	unsigned long error;

	while ((error = ERR_get_error()) != 0)
		was_short = was_short || ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE;
	return was_short;
}

enum rc ossl_fault(struct err *err, enum rc rc, const char *format, ...)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());
	char text[ERR_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (ossl_was_memory_short())
		rc = RC_NO_MEMORY;
	return err_set(err, rc, "%s%s%s", text, reason == NULL ? "" : ": ", reason == NULL ? "" : reason);
}

BIO *ossl_bio_of(struct slice bytes)
{
	if (bytes.len > INT_MAX)
		return NULL;
	return BIO_new_mem_buf(bytes.len == 0 ? "" : (const void *)bytes.ptr, (int)bytes.len);
}

void ossl_bio_take(BIO *bio, struct buf *out)
{
	char *bytes = NULL;
	long len = BIO_get_mem_data(bio, &bytes);

	buf_append(out, slice_of(bytes, len < 0 ? 0 : (size_t)len));
}

static void free_thread_ctx(void *object)
{
	struct thread_ctx *ctx = object;

	EVP_CIPHER_CTX_free(ctx->cipher);
	EVP_MD_CTX_free(ctx->digest);
	free(ctx);
}

static void fetch(void)
{
	aes_256_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	sha256_md = EVP_MD_fetch(NULL, "SHA2-256", NULL);
	is_thread_key_made = pthread_key_create(&thread_key, free_thread_ctx) == 0;
}

static struct thread_ctx *thread_ctx(void)
{
	struct thread_ctx *ctx;

	(void)pthread_once(&fetch_once, fetch);
	if (!is_thread_key_made)
		return NULL;
	ctx = pthread_getspecific(thread_key);
	if (ctx != NULL)
		return ctx;
	ctx = calloc(1, sizeof(*ctx));
	if (ctx == NULL)
		return NULL;
	ctx->cipher = EVP_CIPHER_CTX_new();
	ctx->digest = EVP_MD_CTX_new();
	if (ctx->cipher == NULL || ctx->digest == NULL ||
		EVP_CipherInit_ex2(ctx->cipher, aes_256_gcm, NULL, NULL, 1, NULL) != 1 ||
		EVP_DigestInit_ex2(ctx->digest, sha256_md, NULL) != 1 ||
		pthread_setspecific(thread_key, ctx) != 0) {
		free_thread_ctx(ctx);
		return NULL;
	}
	return ctx;
}

EVP_CIPHER_CTX *ossl_aes_256_gcm(void)
{
	struct thread_ctx *ctx = thread_ctx();

	return ctx == NULL ? NULL : ctx->cipher;
}

EVP_MD_CTX *ossl_sha256(void)
{
	struct thread_ctx *ctx = thread_ctx();

	return ctx == NULL ? NULL : ctx->digest;
}
