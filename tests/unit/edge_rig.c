/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include "tests/unit/edge_rig.h"

#include "controlplane/edge/frame.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

/* ---- certificates ---- */

const char *rig_path(const struct rig *r, const char *name)
{
	static char ring[16][128];
	static unsigned next;
	char *out = ring[next++ % 16];

	snprintf(out, sizeof ring[0], "%s/%s", r->folder, name);
	return out;
}

static EVP_PKEY *read_key(const char *path)
{
	FILE *f = fopen(path, "r");
	EVP_PKEY *k = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;

	if (f)
		fclose(f);
	return k;
}

static X509 *read_certificate(const char *path)
{
	FILE *f = fopen(path, "r");
	X509 *x = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;

	if (f)
		fclose(f);
	return x;
}

static void extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(e);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
}

/* issuer NULL: signs itself. */
static void make(struct rig *r, const char *name, const char *names, const char *issuer_name)
{
	char file[64];
	EVP_PKEY *key = EVP_EC_gen("P-256"), *issuer_key = key;
	X509 *x = X509_new(), *issuer = x;
	static long serial = 1;
	FILE *f;

	snprintf(file, sizeof file, "%s.pem", issuer_name ? issuer_name : "");
	if (issuer_name) {
		issuer = read_certificate(rig_path(r, file));
		snprintf(file, sizeof file, "%s.key", issuer_name);
		issuer_key = read_key(rig_path(r, file));
	}
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(issuer));
	X509_set_pubkey(x, key);
	if (names && *names)
		extension(x, issuer, NID_subject_alt_name, names);
	else if (!names)
		extension(x, issuer, NID_basic_constraints, "critical,CA:TRUE");
	assert_true(X509_sign(x, issuer_key, EVP_sha256()) > 0);
	snprintf(file, sizeof file, "%s.pem", name);
	f = fopen(rig_path(r, file), "w");
	assert_non_null(f);
	PEM_write_X509(f, x);
	if (issuer != x && strcmp(issuer_name, "ca") != 0)
		PEM_write_X509(f, issuer); /* the chain */
	fclose(f);
	snprintf(file, sizeof file, "%s.key", name);
	f = fopen(rig_path(r, file), "w");
	assert_non_null(f);
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	if (issuer != x) {
		X509_free(issuer);
		EVP_PKEY_free(issuer_key);
	}
	X509_free(x);
	EVP_PKEY_free(key);
}

void rig_certificate(struct rig *r, const char *name, const char *names)
{
	make(r, name, names, "middle");
}

/* ---- sockets ---- */

static int listen_any(struct sl_endpoint *at)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof sin;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&sin, sizeof sin) == 0 && listen(fd, 16) == 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	sl_ip_set_v4(&at->ip, sin.sin_addr.s_addr);
	at->port_be = sin.sin_port;
	return fd;
}

static int connect_to(const struct sl_endpoint *to, uint16_t *own_port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = sl_ip_v4_be(&to->ip), .sin_port = to->port_be};
	socklen_t len = sizeof sin;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof sin), 0);
	getsockname(fd, (struct sockaddr *)&sin, &len);
	if (own_port)
		*own_port = ntohs(sin.sin_port);
	return fd;
}

/* Readable within the test's patience? */
static bool readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

static int accept_one(int listener)
{
	int fd;

	assert_true(readable(listener, RIG_WAIT_MS));
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* ---- the edge ---- */

static void told_closed(void *ctx, uint32_t connection)
{
	struct rig *r = ctx;

	r->closed++;
	r->last_closed = connection;
}

void rig_open(struct rig *r, unsigned client_certificates, unsigned max_connections)
{
	struct sl_conf_sip_listener *l = &r->config.sip.listeners[1];
	struct sl_endpoint free_port;
	char text[256] = "";

	memset(r, 0, sizeof *r);
	r->down = -1;
	for (unsigned i = 0; i < RIG_NTA_LINKS; i++)
		r->up[i].fd = -1;
	strcpy(r->folder, "/tmp/sluice-edge-XXXXXX");
	assert_non_null(mkdtemp(r->folder));
	make(r, "ca", NULL, NULL);
	make(r, "middle", NULL, "ca");
	rig_certificate(r, "server", "DNS:sip.example.com,IP:127.0.0.1");

	r->nta_listener = listen_any(&r->o.nta);
	close(listen_any(&free_port)); /* a port that was free a moment ago */
	r->config.sip.n_listeners = 2; /* the first is none of TLS */
	r->config.sip.max_connections = max_connections;
	strcpy(l->name, "secure");
	l->transport = SL_CONF_SIP_TLS;
	l->address = free_port;
	sl_endpoint_parse("192.0.2.9:5061", &l->advertised);
	l->certificate = strdup(rig_path(r, "server.pem"));
	l->key = strdup(rig_path(r, "server.key"));
	l->ca_file = strdup(rig_path(r, "ca.pem"));
	l->client_certificates = client_certificates;
	r->at = free_port;
	r->o.config = &r->config;
	memset(r->o.key, 7, sizeof r->o.key);
	r->o.brain = sl_mailbox_new(64);
	r->o.closed = told_closed;
	r->o.ctx = r;
	r->edge = sl_edge_open(&r->o, text, sizeof text);
	if (!r->edge)
		fail_msg("%s", text);
	struct sl_endpoint own = sl_edge_endpoint(r->edge);

	sl_endpoint_text(&own, r->edge_text);
}

void rig_close(struct rig *r)
{
	char command[96];

	sl_edge_close(r->edge);
	sl_mailbox_run(r->o.brain, 64);
	sl_mailbox_free(r->o.brain);
	close(r->nta_listener);
	rig_nta_break(r);
	if (r->down >= 0)
		close(r->down);
	free(r->config.sip.listeners[1].certificate);
	free(r->config.sip.listeners[1].key);
	free(r->config.sip.listeners[1].ca_file);
	snprintf(command, sizeof command, "rm -r %s", r->folder);
	assert_int_equal(system(command), 0);
}

/* ---- messages ---- */

/* One whole message off the front of a buffer. */
static bool take(char *text, size_t *n, char out[RIG_TEXT])
{
	struct sl_frame f = {0};
	enum sl_frame_kind kind = sl_frame_next(text, *n, &f);

	if (*n == 2 && memcmp(text, "\r\n", 2) == 0) { /* the answer to a keep-alive */
		kind = SL_FRAME_SKIP;
		f.total = 2;
	}
	if (kind == SL_FRAME_INCOMPLETE)
		return false;
	assert_int_not_equal(kind, SL_FRAME_INVALID);
	assert_true(f.total < RIG_TEXT);
	memcpy(out, text, f.total);
	out[f.total] = '\0';
	memmove(text, text + f.total, *n - f.total);
	*n -= f.total;
	return true;
}

static void receive(int fd, char *text, size_t *n, size_t room, char out[RIG_TEXT])
{
	while (!take(text, n, out)) {
		assert_true(readable(fd, RIG_WAIT_MS));
		ssize_t got = recv(fd, text + *n, room - *n, 0);

		assert_true(got > 0);
		*n += (size_t)got;
	}
}

static void send_all(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* One that is there, whole. */
static bool take_up(struct rig *r, char out[RIG_TEXT])
{
	for (unsigned i = 0; i < RIG_NTA_LINKS; i++) {
		while (r->up[i].fd >= 0 && take(r->up[i].text, &r->up[i].n, out)) {
			if (strcmp(out, "\r\n\r\n") == 0) { /* does nta live? */
				send_all(r->up[i].fd, "\r\n");
				continue;
			}
			r->last_up = i;
			return true;
		}
	}
	return false;
}

static void accept_up(struct rig *r)
{
	unsigned i = 0;

	while (i < RIG_NTA_LINKS && r->up[i].fd >= 0)
		i++;
	assert_true(i < RIG_NTA_LINKS);
	r->up[i].fd = accept_one(r->nta_listener);
	r->up[i].n = 0;
}

static void read_up(struct rig *r, unsigned i)
{
	ssize_t got = recv(r->up[i].fd, r->up[i].text + r->up[i].n, sizeof r->up[i].text - r->up[i].n, 0);

	if (got > 0) {
		r->up[i].n += (size_t)got;
		return;
	}
	close(r->up[i].fd); /* its client has gone */
	r->up[i].fd = -1;
}

/* Links that come, bytes that come, links that end. */
static void attend(struct rig *r, int ms)
{
	struct pollfd p[1 + RIG_NTA_LINKS];

	p[0] = (struct pollfd){.fd = r->nta_listener, .events = POLLIN};
	for (unsigned i = 0; i < RIG_NTA_LINKS; i++)
		p[1 + i] = (struct pollfd){.fd = r->up[i].fd, .events = POLLIN};
	poll(p, 1 + RIG_NTA_LINKS, ms);
	for (unsigned i = 0; i < RIG_NTA_LINKS; i++) {
		if (r->up[i].fd >= 0 && p[1 + i].revents)
			read_up(r, i);
	}
	if (p[0].revents)
		accept_up(r);
}

void rig_nta_receive(struct rig *r, char out[RIG_TEXT])
{
	int64_t until = now_ms() + RIG_WAIT_MS;

	while (!take_up(r, out)) {
		assert_true(now_ms() < until);
		attend(r, 100);
	}
}

void rig_nta_answer(struct rig *r, const char *text)
{
	send_all(r->up[r->last_up].fd, text);
}

void rig_nta_break(struct rig *r)
{
	for (unsigned i = 0; i < RIG_NTA_LINKS; i++) {
		if (r->up[i].fd >= 0)
			close(r->up[i].fd);
		r->up[i].fd = -1;
	}
}

void rig_nta_send(struct rig *r, const char *text)
{
	struct sl_endpoint to = sl_edge_endpoint(r->edge);

	if (r->down < 0)
		r->down = connect_to(&to, NULL);
	send_all(r->down, text);
}

void rig_nta_hear(struct rig *r, char out[RIG_TEXT])
{
	receive(r->down, r->down_text, &r->down_n, sizeof r->down_text, out);
}

bool rig_header(const char *message, const char *name, char out[RIG_TEXT])
{
	size_t n = strlen(name);

	for (const char *line = strstr(message, "\r\n"); line && line[2] != '\r' && line[2]; line = strstr(line + 2, "\r\n")) {
		const char *value = line + 2 + n + 1, *end = strstr(line + 2, "\r\n");

		if (strncasecmp(line + 2, name, n) != 0 || line[2 + n] != ':')
			continue;
		while (*value == ' ')
			value++;
		memcpy(out, value, (size_t)(end - value));
		out[end - value] = '\0';
		return true;
	}
	return false;
}

void rig_wait_closed(struct rig *r, unsigned n)
{
	int64_t until = now_ms() + RIG_WAIT_MS;

	while (r->closed < n && now_ms() < until) {
		attend(r, 10);
		sl_mailbox_run(r->o.brain, 64);
	}
	assert_int_equal(r->closed, n);
}

void rig_wait_count(struct rig *r, size_t member, uint64_t want)
{
	int64_t until = now_ms() + RIG_WAIT_MS;
	struct sl_edge_counts c;
	uint64_t have;

	do {
		sl_edge_counts(r->edge, &c);
		memcpy(&have, (char *)&c + member, sizeof have);
		if (have != want)
			poll(NULL, 0, 1);
	} while (have != want && now_ms() < until);
	assert_int_equal(have, want);
}

/* ---- TLS clients and servers ---- */

static struct rig_client *client_new(SSL_CTX *ctx, int fd)
{
	struct timeval patience = {.tv_sec = RIG_WAIT_MS / 1000};
	struct rig_client *c = calloc(1, sizeof *c);

	assert_non_null(c);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	c->fd = fd;
	c->ctx = ctx;
	c->ssl = SSL_new(ctx);
	SSL_set_fd(c->ssl, fd);
	return c;
}

void rig_client_free(struct rig_client *c)
{
	SSL_shutdown(c->ssl);
	SSL_free(c->ssl);
	SSL_CTX_free(c->ctx);
	close(c->fd);
	free(c);
}

static void use(SSL_CTX *ctx, struct rig *r, const char *certificate)
{
	char file[64];

	snprintf(file, sizeof file, "%s.pem", certificate);
	assert_int_equal(SSL_CTX_use_certificate_chain_file(ctx, rig_path(r, file)), 1);
	snprintf(file, sizeof file, "%s.key", certificate);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, rig_path(r, file), SSL_FILETYPE_PEM), 1);
}

static struct rig_client *connect_as(struct rig *r, const char *certificate, const char *host, int max_version, SSL_SESSION *resume)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct rig_client *c;
	uint16_t port;

	if (*certificate)
		use(ctx, r, certificate);
	assert_int_equal(SSL_CTX_load_verify_locations(ctx, rig_path(r, "ca.pem"), NULL), 1);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL); /* so the chain must have come */
	SSL_CTX_set_max_proto_version(ctx, max_version);
	SSL_CTX_set_security_level(ctx, 0); /* what the edge refuses must not be refused here */
	c = client_new(ctx, connect_to(&r->at, &port));
	c->port = port;
	if (resume)
		SSL_set_session(c->ssl, resume);
	if (host)
		SSL_set_tlsext_host_name(c->ssl, host);
	if (SSL_connect(c->ssl) != 1) {
		ERR_clear_error();
		rig_client_free(c);
		return NULL;
	}
	return c;
}

struct rig_client *rig_connect(struct rig *r, const char *certificate, int max_version, SSL_SESSION *resume)
{
	return connect_as(r, certificate, NULL, max_version, resume);
}

struct rig_client *rig_connect_to(struct rig *r, const char *host, int max_version, SSL_SESSION *resume)
{
	return connect_as(r, "", host, max_version, resume);
}

void rig_client_send(struct rig_client *c, const char *text)
{
	assert_int_equal(SSL_write(c->ssl, text, (int)strlen(text)), (int)strlen(text));
}

bool rig_client_receive(struct rig_client *c, char out[RIG_TEXT])
{
	while (!take(c->text, &c->n, out)) {
		ERR_clear_error();
		int n = SSL_read(c->ssl, c->text + c->n, (int)(sizeof c->text - c->n));

		if (n <= 0) {
			assert_int_not_equal(SSL_get_error(c->ssl, n), SSL_ERROR_WANT_READ); /* nothing came in time */
			ERR_clear_error();
			return false;
		}
		c->n += (size_t)n;
	}
	return true;
}

void rig_server_open(struct rig *r, struct rig_server *s, const char *certificate)
{
	s->ctx = SSL_CTX_new(TLS_server_method());
	use(s->ctx, r, certificate);
	s->fd = listen_any(&s->at);
}

struct rig_client *rig_server_accept(struct rig_server *s)
{
	struct rig_client *c;

	SSL_CTX_up_ref(s->ctx);
	c = client_new(s->ctx, accept_one(s->fd));
	if (SSL_accept(c->ssl) == 1)
		return c;
	ERR_clear_error();
	rig_client_free(c);
	return NULL;
}

void rig_server_close(struct rig_server *s)
{
	close(s->fd);
	SSL_CTX_free(s->ctx);
}
