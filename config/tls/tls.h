/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What all listeners with TLS have in common, in both programs: contexts, certificates from files, names in certificates. TLS 1.2 and 1.3 (DTLS 1.2) with forward
 * secrecy, no renegotiation, no early data. */

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "config/options.h"

enum { SL_TLS_NAME_MAX = 128 };

/* Of one listener. */
struct sl_tls_files {
	const char *whose; /* for messages: "SIP listener 'access'" */
	const char *name;  /* that sessions are bound to */
	const char *certificate, *key;
	unsigned n_certificates;
	const struct sl_conf_certificate *certificates;
	bool datagrams;    /* DTLS */
};

/* NULL = no memory. */
SSL_CTX *sl_tls_context(const SSL_METHOD *method, bool datagrams);
/* Certificate and key: entry of the list "certificates", or -1 for the listener's own. 0; or -EINVAL with text that names listener, file and remedy. */
int sl_tls_load(SSL_CTX *c, const struct sl_tls_files *f, int entry, char *text, size_t text_len);
/* The further certificates, and the choice among all (sni.h); also(): whatever else must be set in their contexts; asked(): see sl_sni_new(). As sl_tls_load(). */
int sl_tls_add_further(SSL_CTX *server, const struct sl_tls_files *f, void (*also)(SSL_CTX *), void (*asked)(SSL *, const char *), char *text,
        size_t text_len);
/* Writes text and returns -EINVAL. what: "option 'key':". */
int sl_tls_fail(const struct sl_tls_files *f, const char *what, const char *file, const char *remedy, char *text, size_t text_len);
/* What OpenSSL says of the last failure; its queue is empty then. */
const char *sl_tls_openssl_text(char *out, size_t room);

/* A host name as it may stand in a header (letters, digits, dots, hyphens), in lower case; and the domain of a SAN that is a SIP URI of one. */
bool sl_tls_copy_name(const char *p, size_t n, char out[SL_TLS_NAME_MAX]);
bool sl_tls_uri_domain(const GENERAL_NAME *g, char out[SL_TLS_NAME_MAX]);
