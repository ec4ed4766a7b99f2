/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/edge/tls.h"

#include "controlplane/edge/sni.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

/* TLS 1.2: forward secrecy, no CBC with SHA-1 but for telephones that have nothing better. TLS 1.3 has its own list. */
static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:ECDHE+AES:!aNULL:!eNULL:!PSK:!SRP";

static const char *openssl_text(char *out, size_t room)
{
	unsigned long code = ERR_peek_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	if (code && ERR_SYSTEM_ERROR(code))
		reason = strerror(ERR_GET_REASON(code));
	snprintf(out, room, "%s", reason ? reason : "unknown error");
	ERR_clear_error();
	return out;
}

static int fail(const struct sl_conf_sip_listener *l, const char *what, const char *file, const char *remedy, char *text, size_t text_len)
{
	char why[128];

	snprintf(text, text_len, "SIP listener '%s': %s %s: %s; %s", l->name, what, file, openssl_text(why, sizeof why), remedy);
	return -EINVAL;
}

static SSL_CTX *context(const SSL_METHOD *method)
{
	SSL_CTX *c = SSL_CTX_new(method);

	if (!c)
		return NULL;
	SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
	SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION);
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

/* entry: of the list "certificates", or -1 for the listener's own. */
static int load_certificate(SSL_CTX *c, const struct sl_conf_sip_listener *l, int entry, char *text, size_t text_len)
{
	const char *certificate = entry < 0 ? l->certificate : l->certificates[entry].certificate;
	const char *key = entry < 0 ? l->key : l->certificates[entry].key;
	char of[32] = "", option[64];

	if (entry >= 0)
		snprintf(of, sizeof of, "certificates[%d].", entry);
	ERR_clear_error();
	SSL_CTX_set_default_passwd_cb(c, no_passphrase);
	snprintf(option, sizeof option, "option '%scertificate':", of);
	if (SSL_CTX_use_certificate_chain_file(c, certificate) != 1)
		return fail(l, option, certificate, "it must be a readable PEM file, the certificate first and its chain after it", text, text_len);
	snprintf(option, sizeof option, "option '%skey':", of);
	if (SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) != 1)
		return fail(l, option, key, "it must be a readable PEM file without passphrase, of the certificate's key", text, text_len);
	if (SSL_CTX_check_private_key(c) != 1)
		return fail(l, option, key, "it must be the key of the certificate", text, text_len);
	return 0;
}

/* The same certificate both ways: a peer that asks us for one gets it. */
static int load(SSL_CTX *c, const struct sl_conf_sip_listener *l, char *text, size_t text_len)
{
	int err = load_certificate(c, l, -1, text, text_len);

	if (!err && l->ca_file && SSL_CTX_load_verify_locations(c, l->ca_file, NULL) != 1)
		return fail(l, "option 'ca_file':", l->ca_file, "it must be a readable PEM file of CA certificates", text, text_len);
	return err;
}

static int set_up_server(SSL_CTX *c, const struct sl_conf_sip_listener *l, char *text, size_t text_len)
{
	int mode = SSL_VERIFY_NONE;

	/* Sessions are resumed by tickets, whose key dies with the context: after a reload everybody is verified again. Whose they are, sni.c says. */
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	if (l->client_certificates == SL_CERT_OFF)
		return 0;
	mode = SSL_VERIFY_PEER | (l->client_certificates == SL_CERT_REQUIRED ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
	SSL_CTX_set_verify(c, mode, NULL);
	if (!l->ca_file) {
		snprintf(text, text_len, "SIP listener '%s': option 'client_certificates' needs 'ca_file': the CAs that they must be of", l->name);
		return -EINVAL;
	}
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(l->ca_file);

	if (!names)
		return fail(l, "option 'ca_file':", l->ca_file, "it must be a readable PEM file of CA certificates", text, text_len);
	SSL_CTX_set_client_CA_list(c, names);
	return 0;
}

/* A context with another certificate, and all else of the listener's: one store of CAs, which may be large. */
static SSL_CTX *further(SSL_CTX *server, const struct sl_conf_sip_listener *l, int entry, char *text, size_t text_len)
{
	SSL_CTX *c = context(TLS_server_method());
	const STACK_OF(X509_NAME) *names = SSL_CTX_get_client_CA_list(server);
	STACK_OF(X509_NAME) *copy = names ? SSL_dup_CA_list(names) : NULL;

	if (!c || (names && !copy)) {
		snprintf(text, text_len, "SIP listener '%s': no memory for TLS", l->name);
		sk_X509_NAME_pop_free(copy, X509_NAME_free);
		SSL_CTX_free(c);
		return NULL;
	}
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set1_cert_store(c, SSL_CTX_get_cert_store(server));
	SSL_CTX_set_verify(c, SSL_CTX_get_verify_mode(server), NULL);
	SSL_CTX_set_client_CA_list(c, copy);
	if (load_certificate(c, l, entry, text, text_len) == 0)
		return c;
	SSL_CTX_free(c);
	return NULL;
}

static int add_further(SSL_CTX *server, const struct sl_conf_sip_listener *l, char *text, size_t text_len)
{
	struct sl_sni *sni = sl_sni_new(server, l->name);
	int err = sni ? 0 : -ENOMEM;

	for (unsigned i = 0; !err && i < l->n_certificates; i++) {
		SSL_CTX *c = further(server, l, (int)i, text, text_len);

		if (!c)
			return -EINVAL;
		err = sl_sni_add(sni, c);
		SSL_CTX_free(c);
		if (err == -ENOENT) {
			snprintf(text, text_len, "SIP listener '%s': option 'certificates[%u].certificate': %s: it is for no host, so no client could ask for it; "
			        "it must have a DNS name", l->name, i, l->certificates[i].certificate);
			return -EINVAL;
		}
	}
	if (err) {
		snprintf(text, text_len, "SIP listener '%s': no memory for TLS", l->name);
		return -EINVAL;
	}
	sl_sni_ready(sni);
	return 0;
}

int sl_tls_contexts_make(const struct sl_conf_sip_listener *l, struct sl_tls_contexts *out, char *text, size_t text_len)
{
	int err;

	out->server = context(TLS_server_method());
	out->client = context(TLS_client_method());
	if (!out->server || !out->client) {
		snprintf(text, text_len, "SIP listener '%s': no memory for TLS", l->name);
		sl_tls_contexts_free(out);
		return -EINVAL;
	}
	err = load(out->server, l, text, text_len);
	if (!err)
		err = load(out->client, l, text, text_len);
	if (!err)
		err = set_up_server(out->server, l, text, text_len);
	if (!err)
		err = add_further(out->server, l, text, text_len);
	/* The system's folder, looked into when a certificate is verified: its bundle would take 60 ms of a reload to read. */
	if (!err && !l->ca_file)
		SSL_CTX_set_default_verify_dir(out->client);
	SSL_CTX_set_session_cache_mode(out->client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	if (err)
		sl_tls_contexts_free(out);
	return err;
}

void sl_tls_contexts_free(struct sl_tls_contexts *c)
{
	SSL_CTX_free(c->server);
	SSL_CTX_free(c->client);
	c->server = c->client = NULL;
}

/* ---- names ---- */

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

static bool dns_name(const GENERAL_NAME *g, char out[SL_TLS_NAME_MAX])
{
	return g->type == GEN_DNS &&
	       sl_tls_copy_name((const char *)ASN1_STRING_get0_data(g->d.dNSName), (size_t)ASN1_STRING_length(g->d.dNSName), out);
}

void sl_tls_identity(const SSL *ssl, char out[SL_TLS_NAME_MAX])
{
	X509 *cert = SSL_get_verify_result(ssl) == X509_V_OK ? SSL_get0_peer_certificate(ssl) : NULL;
	GENERAL_NAMES *names = cert ? X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL) : NULL;
	bool found = false;

	out[0] = '\0';
	if (!(SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER))
		cert = NULL;
	for (int i = 0; cert && !found && i < sk_GENERAL_NAME_num(names); i++)
		found = sl_tls_uri_domain(sk_GENERAL_NAME_value(names, i), out);
	for (int i = 0; cert && !found && i < sk_GENERAL_NAME_num(names); i++)
		found = dns_name(sk_GENERAL_NAME_value(names, i), out);
	if (!found)
		out[0] = '\0';
	GENERAL_NAMES_free(names);
}

bool sl_tls_name_is_address(const char *name)
{
	struct sl_ip ip;

	return sl_ip_parse(name, &ip) == 0;
}

bool sl_tls_is_named(const SSL *ssl, const char *name)
{
	X509 *cert = SSL_get0_peer_certificate(ssl);
	GENERAL_NAMES *names;
	char domain[SL_TLS_NAME_MAX];
	bool found = false;

	if (!cert)
		return false;
	if (sl_tls_name_is_address(name))
		return X509_check_ip_asc(cert, name, 0) == 1;
	names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; !found && i < sk_GENERAL_NAME_num(names); i++)
		found = sl_tls_uri_domain(sk_GENERAL_NAME_value(names, i), domain) && strcasecmp(domain, name) == 0;
	GENERAL_NAMES_free(names);
	return found || X509_check_host(cert, name, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

const char *sl_tls_why(const SSL *ssl, char *out, size_t room)
{
	long verify = SSL_get_verify_result(ssl);

	if (verify != X509_V_OK) {
		ERR_clear_error();
		snprintf(out, room, "certificate: %s", X509_verify_cert_error_string(verify));
		return out;
	}
	if (ERR_peek_error() == 0) {
		snprintf(out, room, "%s", errno ? strerror(errno) : "connection closed");
		return out;
	}
	return openssl_text(out, room);
}
