/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "config/tls/tls.h"

#include "config/tls/sni.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/err.h>

/* TLS 1.2: forward secrecy, no CBC with SHA-1 but for telephones that have nothing better. TLS 1.3 has its own list. */
static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:ECDHE+AES:!aNULL:!eNULL:!PSK:!SRP";

const char *sl_tls_openssl_text(char *out, size_t room)
{
	unsigned long code = ERR_peek_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	if (code && ERR_SYSTEM_ERROR(code))
		reason = strerror(ERR_GET_REASON(code));
	snprintf(out, room, "%s", reason ? reason : "unknown error");
	ERR_clear_error();
	return out;
}

int sl_tls_fail(const struct sl_tls_files *f, const char *what, const char *file, const char *remedy, char *text, size_t text_len)
{
	char why[128];

	snprintf(text, text_len, "%s: %s %s: %s; %s", f->whose, what, file, sl_tls_openssl_text(why, sizeof why), remedy);
	return -EINVAL;
}

SSL_CTX *sl_tls_context(const SSL_METHOD *method, bool datagrams)
{
	SSL_CTX *c = SSL_CTX_new(method);

	if (!c)
		return NULL;
	SSL_CTX_set_min_proto_version(c, datagrams ? DTLS1_2_VERSION : TLS1_2_VERSION);
	SSL_CTX_set_max_proto_version(c, datagrams ? DTLS1_2_VERSION : TLS1_3_VERSION);
	SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	/* Memory of an idle connection, and writes that go on where they stopped. */
	SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_dh_auto(c, 1);
	if (SSL_CTX_set_cipher_list(c, ciphers) != 1) {
		SSL_CTX_free(c);
		return NULL;
	}
	return c;
}

/* A key with a passphrase is an error, not a question on somebody's terminal. */
static int no_passphrase(char *buf, int size, int writing, void *ctx)
{
	(void)buf, (void)size, (void)writing, (void)ctx;
	return 0;
}

int sl_tls_load(SSL_CTX *c, const struct sl_tls_files *f, int entry, char *text, size_t text_len)
{
	const char *certificate = entry < 0 ? f->certificate : f->certificates[entry].certificate;
	const char *key = entry < 0 ? f->key : f->certificates[entry].key;
	char of[32] = "", option[64];

	if (entry >= 0)
		snprintf(of, sizeof of, "certificates[%d].", entry);
	ERR_clear_error();
	SSL_CTX_set_default_passwd_cb(c, no_passphrase);
	snprintf(option, sizeof option, "option '%scertificate':", of);
	if (SSL_CTX_use_certificate_chain_file(c, certificate) != 1)
		return sl_tls_fail(f, option, certificate, "it must be a readable PEM file, the certificate first and its chain after it", text, text_len);
	snprintf(option, sizeof option, "option '%skey':", of);
	if (SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) != 1)
		return sl_tls_fail(f, option, key, "it must be a readable PEM file without passphrase, of the certificate's key", text, text_len);
	if (SSL_CTX_check_private_key(c) != 1)
		return sl_tls_fail(f, option, key, "it must be the key of the certificate", text, text_len);
	return 0;
}

/* A context with another certificate, and all else of the listener's: one store of CAs, which may be large. */
static SSL_CTX *further(SSL_CTX *server, const struct sl_tls_files *f, int entry, char *text, size_t text_len)
{
	SSL_CTX *c = sl_tls_context(SSL_CTX_get_ssl_method(server), f->datagrams);
	const STACK_OF(X509_NAME) *names = SSL_CTX_get_client_CA_list(server);
	STACK_OF(X509_NAME) *copy = names ? SSL_dup_CA_list(names) : NULL;

	if (!c || (names && !copy)) {
		snprintf(text, text_len, "%s: no memory for TLS", f->whose);
		sk_X509_NAME_pop_free(copy, X509_NAME_free);
		SSL_CTX_free(c);
		return NULL;
	}
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set1_cert_store(c, SSL_CTX_get_cert_store(server));
	SSL_CTX_set_verify(c, SSL_CTX_get_verify_mode(server), NULL);
	SSL_CTX_set_client_CA_list(c, copy);
	if (sl_tls_load(c, f, entry, text, text_len) == 0)
		return c;
	SSL_CTX_free(c);
	return NULL;
}

int sl_tls_add_further(SSL_CTX *server, const struct sl_tls_files *f, void (*also)(SSL_CTX *), void (*asked)(SSL *, const char *), char *text,
        size_t text_len)
{
	struct sl_sni *sni = sl_sni_new(server, f->name, asked);
	int err = sni ? 0 : -ENOMEM;

	for (unsigned i = 0; !err && i < f->n_certificates; i++) {
		SSL_CTX *c = further(server, f, (int)i, text, text_len);

		if (!c)
			return -EINVAL;
		if (also)
			also(c);
		err = sl_sni_add(sni, c);
		SSL_CTX_free(c);
		if (err == -ENOENT) {
			snprintf(text, text_len, "%s: option 'certificates[%u].certificate': %s: it is for no host, so no client could ask for it; "
			        "it must have a DNS name", f->whose, i, f->certificates[i].certificate);
			return -EINVAL;
		}
	}
	if (err) {
		snprintf(text, text_len, "%s: no memory for TLS", f->whose);
		return -EINVAL;
	}
	sl_sni_ready(sni);
	return 0;
}

bool sl_tls_copy_name(const char *p, size_t n, char out[SL_TLS_NAME_MAX])
{
	if (n == 0 || n >= SL_TLS_NAME_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)p[i]) && p[i] != '.' && p[i] != '-' && p[i] != '_')
			return false;
		out[i] = (char)tolower((unsigned char)p[i]);
	}
	out[n] = '\0';
	return true;
}

bool sl_tls_uri_domain(const GENERAL_NAME *g, char out[SL_TLS_NAME_MAX])
{
	const char *p;
	size_t n;

	if (g->type != GEN_URI)
		return false;
	p = (const char *)ASN1_STRING_get0_data(g->d.uniformResourceIdentifier);
	n = (size_t)ASN1_STRING_length(g->d.uniformResourceIdentifier);
	if (n > 4 && strncasecmp(p, "sip:", 4) == 0)
		return sl_tls_copy_name(p + 4, n - 4, out); /* an '@' is no character of a name */
	return n > 5 && strncasecmp(p, "sips:", 5) == 0 && sl_tls_copy_name(p + 5, n - 5, out);
}
