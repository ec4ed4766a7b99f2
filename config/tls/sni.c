/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "config/tls/sni.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "config/tls/tls.h"

enum {
	CERTIFICATES = 1 + SL_CONF_MAX_CERTIFICATES,
	NAMES_STEP = 16,
	DIGEST = 32,
	LISTENER_MAX = 80, /* a name, or an address and a transport */
	HOST_NAME = 0, /* RFC 6066 3: the only type of name */
};

struct name {
	char text[SL_TLS_NAME_MAX]; /* "*.example.com" as it stands there */
	unsigned certificate;
};

struct sl_sni {
	unsigned n;
	struct {
		SSL_CTX *ctx;           /* NULL for [0], the default: it is what this belongs to */
		uint8_t digest[DIGEST]; /* of certificate and listener */
	} certificates[CERTIFICATES];
	char listener[LISTENER_MAX];
	void (*asked)(SSL *ssl, const char *host);
	struct name *names; /* sorted, each once */
	size_t n_names, room;
};

/* ---- names of a certificate ---- */

static int add_name(struct sl_sni *sni, const char *text, unsigned certificate)
{
	if (sni->n_names == sni->room) {
		struct name *more = realloc(sni->names, (sni->room + NAMES_STEP) * sizeof *more);

		if (!more)
			return -ENOMEM;
		sni->names = more;
		sni->room += NAMES_STEP;
	}
	struct name *n = &sni->names[sni->n_names++];

	memcpy(n->text, text, strlen(text) + 1);
	n->certificate = certificate;
	return 0;
}

/* A host, or a wildcard for its whole left-most label (RFC 6125 6.4.3); false for anything else. */
static bool host_name(const ASN1_STRING *s, char out[SL_TLS_NAME_MAX])
{
	const char *p = (const char *)ASN1_STRING_get0_data(s);
	size_t n = (size_t)ASN1_STRING_length(s);
	char rest[SL_TLS_NAME_MAX];

	if (n < 3 || p[0] != '*' || p[1] != '.')
		return sl_tls_copy_name(p, n, out);
	if (n >= SL_TLS_NAME_MAX || !sl_tls_copy_name(p + 2, n - 2, rest))
		return false;
	out[0] = '*';
	out[1] = '.';
	memcpy(out + 2, rest, n - 1);
	return true;
}

/* RFC 6125 6.4.4: the subject counts only where there are no alternative names. */
static int add_subject(struct sl_sni *sni, X509 *cert, unsigned certificate)
{
	const X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	char text[SL_TLS_NAME_MAX];

	if (at < 0 || !host_name(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), text))
		return 0;
	return add_name(sni, text, certificate);
}

static int add_names(struct sl_sni *sni, X509 *cert, unsigned certificate)
{
	GENERAL_NAMES *list = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	char text[SL_TLS_NAME_MAX];
	int err = 0;

	if (!list)
		return add_subject(sni, cert, certificate);
	for (int i = 0; !err && i < sk_GENERAL_NAME_num(list); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(list, i);

		if ((g->type == GEN_DNS && host_name(g->d.dNSName, text)) || sl_tls_uri_domain(g, text))
			err = add_name(sni, text, certificate);
	}
	GENERAL_NAMES_free(list);
	return err;
}

static int add(struct sl_sni *sni, SSL_CTX *ctx, unsigned certificate)
{
	X509 *cert = SSL_CTX_get0_certificate(ctx);
	uint8_t both[DIGEST + LISTENER_MAX] = {0};
	unsigned n = DIGEST;

	memcpy(both + DIGEST, sni->listener, sizeof sni->listener);
	if (!cert || X509_digest(cert, EVP_sha256(), both, &n) != 1 ||
	        EVP_Digest(both, sizeof both, sni->certificates[certificate].digest, NULL, EVP_sha256(), NULL) != 1)
		return -ENOMEM;
	return add_names(sni, cert, certificate);
}

/* ---- who asks for which ---- */

static int by_text(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

static int by_text_and_place(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	int order = by_text(x, y);

	return order ? order : (x->certificate > y->certificate) - (x->certificate < y->certificate);
}

static const struct name *find(const struct sl_sni *sni, const struct name *asked)
{
	return sni->n_names ? bsearch(asked, sni->names, sni->n_names, sizeof *asked, by_text) : NULL;
}

static const struct name *choose(const struct sl_sni *sni, const char *host)
{
	struct name asked = {0};
	const struct name *found;
	const char *dot = strchr(host, '.');

	memcpy(asked.text, host, strlen(host) + 1);
	found = find(sni, &asked);
	if (found || !dot || dot == host)
		return found;
	asked.text[0] = '*';
	memcpy(asked.text + 1, dot, strlen(dot) + 1);
	return find(sni, &asked);
}

/* The host that a ClientHello names. What is malformed is no name here: OpenSSL answers it with an alert when it comes to it. */
static void host_asked(SSL *ssl, char out[SL_TLS_NAME_MAX])
{
	const unsigned char *p;
	size_t n, len;

	out[0] = '\0';
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n) != 1 || n < 5 || p[2] != HOST_NAME)
		return;
	len = (size_t)p[3] << 8 | p[4];
	if (len > n - 5 || len == 0)
		return;
	if (p[5 + len - 1] == '.') /* of the root: it must not be there, and sometimes is */
		len--;
	if (!sl_tls_copy_name((const char *)p + 5, len, out))
		out[0] = '\0';
}

/* Before anything else of the ClientHello is looked at: a ticket is judged by the session id context before OpenSSL asks its servername callback.
 * The context covers the host: with another name there is a whole handshake (RFC 6066 3). */
static int on_client_hello(SSL *ssl, int *alert, void *arg)
{
	const struct sl_sni *sni = arg;
	struct {
		uint8_t digest[DIGEST];
		char host[SL_TLS_NAME_MAX];
	} session = {0};
	uint8_t id[DIGEST];
	const struct name *found;
	unsigned certificate;
	bool ok;

	host_asked(ssl, session.host);
	if (sni->asked)
		sni->asked(ssl, session.host);
	found = choose(sni, session.host);
	certificate = found ? found->certificate : 0;
	memcpy(session.digest, sni->certificates[certificate].digest, DIGEST);
	ok = EVP_Digest(&session, sizeof session, id, NULL, EVP_sha256(), NULL) == 1;
	if (ok && certificate > 0)
		ok = SSL_set_SSL_CTX(ssl, sni->certificates[certificate].ctx) != NULL;
	if (ok && SSL_set_session_id_context(ssl, id, sizeof id) == 1)
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_INTERNAL_ERROR;
	return SSL_CLIENT_HELLO_ERROR;
}

/* The client is told that its name was understood (RFC 6066 3), also where the default is for it. */
static int on_servername(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	char host[SL_TLS_NAME_MAX];

	(void)alert;
	return name && sl_tls_copy_name(name, strlen(name), host) && choose(arg, host) ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/* ---- coming and going ---- */

static int slot = -1; /* of ours in each SSL_CTX */
static pthread_once_t slot_once = PTHREAD_ONCE_INIT;

static void on_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
	struct sl_sni *sni = ptr;

	(void)parent, (void)ad, (void)index, (void)argl, (void)argp;
	if (!sni)
		return;
	for (unsigned i = 1; i < sni->n; i++)
		SSL_CTX_free(sni->certificates[i].ctx);
	free(sni->names);
	free(sni);
}

static void take_slot(void)
{
	slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, on_free);
}

struct sl_sni *sl_sni_new(SSL_CTX *server, const char *name, void (*asked)(SSL *, const char *))
{
	struct sl_sni *sni = calloc(1, sizeof *sni);

	pthread_once(&slot_once, take_slot);
	if (!sni || slot < 0 || SSL_CTX_set_ex_data(server, slot, sni) != 1) {
		free(sni);
		return NULL;
	}
	strncpy(sni->listener, name, sizeof sni->listener - 1);
	sni->asked = asked;
	sni->n = 1;
	if (add(sni, server, 0))
		return NULL; /* goes with the server */
	SSL_CTX_set_client_hello_cb(server, on_client_hello, sni);
	SSL_CTX_set_tlsext_servername_callback(server, on_servername);
	SSL_CTX_set_tlsext_servername_arg(server, sni);
	return sni;
}

int sl_sni_add(struct sl_sni *sni, SSL_CTX *further)
{
	size_t before = sni->n_names;
	unsigned certificate = sni->n;
	int err;

	SSL_CTX_up_ref(further);
	sni->certificates[sni->n++].ctx = further;
	err = add(sni, further, certificate);
	return err ? err : sni->n_names > before ? 0 : -ENOENT;
}

void sl_sni_ready(struct sl_sni *sni)
{
	size_t n = 0;

	if (sni->n_names == 0)
		return;
	qsort(sni->names, sni->n_names, sizeof *sni->names, by_text_and_place);
	for (size_t i = 1; i < sni->n_names; i++) {
		if (strcmp(sni->names[i].text, sni->names[n].text) != 0)
			sni->names[++n] = sni->names[i];
	}
	sni->n_names = n + 1;
}
