/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* TLS contexts of a listener, and what a certificate says. TLS 1.2 and 1.3 with forward secrecy, no renegotiation, no early data. */

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "config/options.h"
#include "config/tls/tls.h"

/* For connections taken and for those made; the former also has the listener's further certificates, and chooses (config/tls/sni.h).
 * Counted by OpenSSL: whoever has one holds it by SSL_CTX_up_ref(). */
struct sl_tls_contexts {
	SSL_CTX *server, *client;
};

/* 0; or -EINVAL with text that names listener, file and remedy, and nothing is held. */
int sl_tls_contexts_make(const struct sl_conf_sip_listener *l, struct sl_tls_contexts *out, char *text, size_t text_len);
void sl_tls_contexts_free(struct sl_tls_contexts *c);

/* Whom the other side's verified certificate is of (RFC 5922 7.1): the domain of a "sip:" URI without user part, else the first DNS name;
 * in lower case. "" = no certificate, or no name that is fit for a header. */
void sl_tls_identity(const SSL *ssl, char out[SL_TLS_NAME_MAX]);
/* Is the certificate one of `name` (a domain, a host or an address)? A "sip:" URI, a DNS name (also *.example.com: RFC 5922 7.2 forbids it,
 * large carriers do it) or an address of it. */
bool sl_tls_is_named(const SSL *ssl, const char *name);
bool sl_tls_name_is_address(const char *name);
/* Why the last handshake or operation failed; for a log line and a Reason header. */
const char *sl_tls_why(const SSL *ssl, char *out, size_t room);
