/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/edge/tls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "config/tls/tls.h"

enum { WHOSE_MAX = 64 };

static struct sl_tls_files files_of(const struct sl_conf_sip_listener *l, char whose[WHOSE_MAX])
{
	snprintf(whose, WHOSE_MAX, "SIP listener '%s'", l->name);
	return (struct sl_tls_files){.whose = whose, .name = l->name, .certificate = l->certificate, .key = l->key, .n_certificates = l->n_certificates,
		.certificates = l->certificates};
}

/* The same certificate both ways: a peer that asks us for one gets it. */
static int load(SSL_CTX *c, const struct sl_conf_sip_listener *l, const struct sl_tls_files *f, char *text, size_t text_len)
{
	int err = sl_tls_load(c, f, -1, text, text_len);

	if (!err && l->ca_file && SSL_CTX_load_verify_locations(c, l->ca_file, NULL) != 1)
		return sl_tls_fail(f, "option 'ca_file':", l->ca_file, "it must be a readable PEM file of CA certificates", text, text_len);
	return err;
}

static int set_up_server(SSL_CTX *c, const struct sl_conf_sip_listener *l, const struct sl_tls_files *f, char *text, size_t text_len)
{
	int mode = SSL_VERIFY_NONE;

	/* Sessions are resumed by tickets, whose key dies with the context: after a reload everybody is verified again. Whose they are,
	 * sni.c says. */
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
		return sl_tls_fail(f, "option 'ca_file':", l->ca_file, "it must be a readable PEM file of CA certificates", text, text_len);
	SSL_CTX_set_client_CA_list(c, names);
	return 0;
}

int sl_tls_contexts_make(const struct sl_conf_sip_listener *l, struct sl_tls_contexts *out, char *text, size_t text_len)
{
	char whose[WHOSE_MAX];
	const struct sl_tls_files f = files_of(l, whose);
	int err;

	out->server = sl_tls_context(TLS_server_method(), false);
	out->client = sl_tls_context(TLS_client_method(), false);
	if (!out->server || !out->client) {
		snprintf(text, text_len, "SIP listener '%s': no memory for TLS", l->name);
		sl_tls_contexts_free(out);
		return -EINVAL;
	}
	err = load(out->server, l, &f, text, text_len);
	if (!err)
		err = load(out->client, l, &f, text, text_len);
	if (!err)
		err = set_up_server(out->server, l, &f, text, text_len);
	if (!err)
		err = sl_tls_add_further(out->server, &f, NULL, NULL, text, text_len);
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
	return sl_tls_openssl_text(out, room);
}
