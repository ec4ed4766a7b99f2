/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Connections come and go. One that ends is out of the tables at once and freed at the end of the turn, since events and callers may still
 * point to it. */

#include "controlplane/edge/thread.h"

#include "dataplane/abi/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>

enum {
	ACCEPTS_A_TURN = 64,
	LOG_EVERY_MS = 1000,
	V6_SITE_BYTES = 8,
	KEEP_IDLE_S = 60,
	KEEP_EVERY_S = 15,
	KEEP_TIMES = 4,
	UNACKNOWLEDGED_MS = 30000,
};

struct sl_edge_letter {
	struct sl_edge_letter *next;
	void (*closed)(void *ctx, uint32_t connection);
	void *ctx;
	uint32_t connection;
};

/* ---- sources ---- */

static struct sl_edge_source **source_bucket(struct sl_edge *e, const struct sl_ip *ip)
{
	return &e->sources[sl_siphash(&e->hash_key, ip, sizeof *ip) & (SL_EDGE_SOURCES - 1)];
}

/* One more of that source; NULL when it has enough. */
static struct sl_edge_source *source_take(struct sl_edge *e, const struct sl_ip *ip)
{
	struct sl_ip key = *ip;
	struct sl_edge_source **bucket, *s;

	if (!sl_ip_is_v4(ip))
		memset(key.b + V6_SITE_BYTES, 0, sizeof key.b - V6_SITE_BYTES);
	bucket = source_bucket(e, &key);
	for (s = *bucket; s && !sl_ip_eq(&s->ip, &key); s = s->next)
		;
	if (!s) {
		s = calloc(1, sizeof *s);
		if (!s)
			return NULL;
		s->ip = key;
		s->next = *bucket;
		*bucket = s;
	}
	if (s->n >= e->max_per_source)
		return NULL;
	s->n++;
	return s;
}

static void source_leave(struct sl_edge *e, struct sl_edge_source *s)
{
	struct sl_edge_source **at = source_bucket(e, &s->ip);

	if (--s->n)
		return;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	free(s);
}

/* ---- tables ---- */

static struct sl_edge_conn **target_bucket(struct sl_edge *e, const struct sl_endpoint *to)
{
	struct { struct sl_ip ip; uint64_t port; } key = {to->ip, to->port_be}; /* without padding: it is hashed */

	return &e->by_target[sl_siphash(&e->hash_key, &key, sizeof key) & e->mask];
}

struct sl_edge_conn *sl_edge_conn_find(struct sl_edge *e, uint32_t id)
{
	struct sl_edge_conn *c = e->by_id[id & e->mask];

	while (c && c->id != id)
		c = c->hash_next;
	return c;
}

static void enter(struct sl_edge *e, struct sl_edge_conn *c)
{
	struct sl_edge_conn **bucket;

	do
		c->id = ++e->next_id;
	while (c->id == 0 || sl_edge_conn_find(e, c->id));
	bucket = &e->by_id[c->id & e->mask];
	c->hash_next = *bucket;
	*bucket = c;
	if (c->made) {
		bucket = target_bucket(e, &c->remote);
		c->target_next = *bucket;
		*bucket = c;
	}
	c->next = e->all;
	if (c->next)
		c->next->prev = c;
	e->all = c;
	e->n_conns++;
}

static void leave(struct sl_edge *e, struct sl_edge_conn *c)
{
	struct sl_edge_conn **at = &e->by_id[c->id & e->mask];

	while (*at != c)
		at = &(*at)->hash_next;
	*at = c->hash_next;
	if (c->made) {
		for (at = target_bucket(e, &c->remote); *at != c; at = &(*at)->target_next)
			;
		*at = c->target_next;
	}
	if (c->next)
		c->next->prev = c->prev;
	if (c->prev)
		c->prev->next = c->next;
	else
		e->all = c->next;
	e->n_conns--;
}

static struct sl_edge_conn *conn_new(struct sl_edge *e, int fd, const struct sl_endpoint *remote, unsigned listener)
{
	struct sl_edge_conn *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->h = (struct sl_edge_handle){.what = SL_EDGE_CONN, .fd = fd};
	c->edge = e;
	c->remote = *remote;
	c->listener = (uint8_t)listener;
	c->since_ms = c->heard_ms = e->now_ms;
	c->last = &c->first;
	return c;
}

static void conn_free(struct sl_edge_conn *c)
{
	SSL_free(c->ssl);
	if (c->h.fd >= 0)
		close(c->h.fd);
	sl_edge_buf_free(&c->in);
	sl_edge_buf_free(&c->out);
	free(c->letter);
	free(c->flow);
	free(c->name);
	free(c);
}

/* ---- the end ---- */

static void run_letter(void *arg)
{
	struct sl_edge_letter *l = arg;

	l->closed(l->ctx, l->connection);
	free(l);
}

/* What the brain had no room for. */
void sl_edge_post_closed(struct sl_edge *e)
{
	struct sl_edge_letter *l;

	while ((l = e->unposted)) {
		struct sl_edge_letter *next = l->next;

		if (sl_mailbox_post(e->o.brain, run_letter, l))
			return;
		e->unposted = next;
	}
}

void sl_edge_tell_closed(struct sl_edge *e, struct sl_edge_letter *l)
{
	if (!l)
		return;
	l->next = e->unposted;
	e->unposted = l;
	sl_edge_post_closed(e);
}

void sl_edge_conn_end(struct sl_edge *e, struct sl_edge_conn *c, const char *why)
{
	bool was_open = c->state == SL_EDGE_OPEN;

	if (c->state == SL_EDGE_DEAD)
		return;
	c->state = SL_EDGE_DEAD;
	leave(e, c);
	if (c->source)
		source_leave(e, c->source);
	if (was_open) {
		ERR_clear_error();
		SSL_shutdown(c->ssl); /* close_notify, as far as the socket takes it */
		__atomic_store_n(&e->counts.open, e->counts.open - 1, __ATOMIC_RELAXED);
	}
	if (c->h.fd >= 0)
		close(c->h.fd);
	c->h.fd = -1;
	sl_edge_up_leave(e, c);
	c->next = e->graveyard;
	e->graveyard = c;
	sl_edge_pending_fail(e, c, why);
}

void sl_edge_bury(struct sl_edge *e)
{
	struct sl_edge_conn *c, **at = &e->again;

	if (!e->graveyard)
		return;
	while ((c = *at)) {
		if (c->state == SL_EDGE_DEAD)
			*at = c->again_next;
		else
			at = &c->again_next;
	}
	while ((c = e->graveyard)) {
		e->graveyard = c->next;
		conn_free(c);
	}
}

/* ---- the handshake ---- */

/* Anybody can fail at our door, and as often as he likes: one line a second tells. */
static void log_failure(struct sl_edge *e, const struct sl_edge_conn *c, const char *why)
{
	char remote[SL_ADDR_TEXT_MAX];

	if (!c->made && e->now_ms - e->logged_ms < LOG_EVERY_MS)
		return;
	e->logged_ms = e->now_ms;
	sl_log(c->made ? SL_LOG_WARNING : SL_LOG_INFO, "sip: TLS %s %s on listener '%s' failed: %s", c->made ? "to" : "from",
	        sl_endpoint_text(&c->remote, remote), e->listeners[c->listener].name, why);
}

static void handshake_failed(struct sl_edge *e, struct sl_edge_conn *c, bool certificate, const char *why)
{
	sl_edge_count(&e->counts.handshake_failed);
	if (certificate)
		sl_edge_count(&e->counts.certificate_refused);
	log_failure(e, c, why);
	sl_edge_conn_end(e, c, why);
}

/* All that its messages will be marked with, once. */
static bool prepare(struct sl_edge *e, struct sl_edge_conn *c)
{
	struct sl_edge_flow f = {.connection = c->id, .listener = (uint8_t)e->listeners[c->listener].index, .remote = c->remote};
	char line[SL_EDGE_FLOW_MAX] = SL_EDGE_FLOW_HEADER ": ";
	size_t at = strlen(line);
	int n;

	sl_tls_identity(c->ssl, f.identity);
	n = sl_edge_flow_write(&f, e->o.key, line + at, sizeof line - at - 2);
	if (n < 0)
		return false;
	memcpy(line + at + n, "\r\n", 3);
	c->flow = strdup(line);
	c->letter = malloc(sizeof *c->letter);
	if (!c->flow || !c->letter)
		return false;
	*c->letter = (struct sl_edge_letter){.closed = e->o.closed, .ctx = e->o.ctx, .connection = c->id};
	return true;
}

static void opened(struct sl_edge *e, struct sl_edge_conn *c)
{
	char why[192];

	if (c->made && c->name[0] && !sl_tls_is_named(c->ssl, c->name)) {
		snprintf(why, sizeof why, "certificate: it is not one of %s", c->name);
		handshake_failed(e, c, true, why);
		return;
	}
	if (!prepare(e, c)) {
		handshake_failed(e, c, false, "no memory");
		return;
	}
	c->state = SL_EDGE_OPEN;
	c->since_ms = c->heard_ms = e->now_ms;
	__atomic_store_n(&e->counts.open, e->counts.open + 1, __ATOMIC_RELAXED);
	sl_edge_count(c->made ? &e->counts.connected : &e->counts.accepted);
	if (sl_log_enabled(SL_LOG_DEBUG)) {
		const char *sni = c->made ? c->name : SSL_get_servername(c->ssl, TLSEXT_NAMETYPE_host_name);
		char remote[SL_ADDR_TEXT_MAX];

		sl_log(SL_LOG_DEBUG, "sip: TLS connection %x %s %s, %s %s%s, name \"%s\"", c->id, c->made ? "to" : "from",
		        sl_endpoint_text(&c->remote, remote), SSL_get_version(c->ssl), SSL_get_cipher_name(c->ssl),
		        SSL_session_reused(c->ssl) ? ", resumed" : "", sni ? sni : "");
	}
	sl_edge_pending_flush(e, c);
	sl_edge_conn_read(e, c); /* what came with the last flight */
}

static void handshake(struct sl_edge *e, struct sl_edge_conn *c)
{
	char why[192];
	int err;

	ERR_clear_error();
	errno = 0;
	err = SSL_do_handshake(c->ssl);
	if (err == 1) {
		opened(e, c);
		return;
	}
	err = SSL_get_error(c->ssl, err);
	if (err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE) {
		if (sl_edge_watch(e, &c->h, err == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT))
			handshake_failed(e, c, false, "no memory");
		return;
	}
	bool certificate = SSL_get_verify_result(c->ssl) != X509_V_OK ||
	                   ERR_GET_REASON(ERR_peek_error()) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE;

	sl_tls_why(c->ssl, why, sizeof why);
	handshake_failed(e, c, certificate, why);
}

static void connected(struct sl_edge *e, struct sl_edge_conn *c)
{
	socklen_t len = sizeof(int);
	int err = 0;

	getsockopt(c->h.fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (err) {
		log_failure(e, c, strerror(err));
		sl_edge_conn_end(e, c, strerror(err));
		return;
	}
	c->state = SL_EDGE_HANDSHAKE;
	handshake(e, c);
}

void sl_edge_conn_event(struct sl_edge *e, struct sl_edge_conn *c, uint32_t events)
{
	if (c->state == SL_EDGE_CONNECTING) {
		connected(e, c);
	} else if (c->state == SL_EDGE_HANDSHAKE) {
		handshake(e, c);
	} else if (c->state == SL_EDGE_OPEN) {
		if (events & EPOLLOUT)
			sl_edge_conn_write(e, c);
		if (c->state == SL_EDGE_OPEN && events & EPOLLIN)
			sl_edge_conn_read(e, c);
		else if (c->state == SL_EDGE_OPEN && events & (EPOLLERR | EPOLLHUP))
			sl_edge_conn_end(e, c, "the connection broke");
	}
}

/* ---- taken ---- */

static void tune(int fd)
{
	int one = 1, idle = KEEP_IDLE_S, every = KEEP_EVERY_S, times = KEEP_TIMES, lost = UNACKNOWLEDGED_MS;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof every);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof times);
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &lost, sizeof lost);
}

static SSL *ssl_new(struct sl_edge *e, struct sl_edge_conn *c)
{
	struct sl_tls_contexts contexts;
	SSL *ssl;

	sl_edge_contexts(e, c->listener, &contexts);
	ssl = SSL_new(c->made ? contexts.client : contexts.server);
	sl_tls_contexts_free(&contexts);
	if (ssl && SSL_set_fd(ssl, c->h.fd) != 1) {
		SSL_free(ssl);
		ssl = NULL;
	}
	if (ssl)
		SSL_set_app_data(ssl, c);
	return ssl;
}

static void take(struct sl_edge *e, struct sl_edge_listener *l, int fd, const struct sl_endpoint *remote)
{
	struct sl_edge_source *source = e->n_conns < e->max_connections ? source_take(e, &remote->ip) : NULL;
	struct sl_edge_conn *c;

	if (!source) {
		sl_edge_count(&e->counts.closed_limit);
		close(fd);
		return;
	}
	c = conn_new(e, fd, remote, (unsigned)(l - e->listeners));
	tune(fd);
	if (!c || !(c->ssl = ssl_new(e, c)) || sl_edge_watch(e, &c->h, EPOLLIN)) {
		source_leave(e, source);
		if (c)
			conn_free(c);
		else
			close(fd);
		return;
	}
	c->source = source;
	c->state = SL_EDGE_HANDSHAKE;
	SSL_set_accept_state(c->ssl);
	enter(e, c);
}

void sl_edge_accept(struct sl_edge *e, struct sl_edge_listener *l)
{
	for (unsigned i = 0; i < ACCEPTS_A_TURN; i++) {
		struct sockaddr_storage from;
		socklen_t len = sizeof from;
		struct sl_endpoint remote;
		int fd = accept4(l->h.fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
			/* It stays readable and would be asked again at once: until the next sweep nobody is taken. */
			sl_edge_count(&e->counts.closed_limit);
			sl_edge_watch(e, &l->h, 0);
			e->listening_paused = true;
		}
		if (fd < 0)
			return;
		sl_edge_endpoint_of(&from, &remote);
		take(e, l, fd, &remote);
	}
}

/* ---- made ---- */

static bool same_target(const struct sl_edge_conn *c, const struct sl_endpoint *to, const char *name, unsigned listener)
{
	return c->listener == listener && sl_endpoint_eq(&c->remote, to) && strcasecmp(c->name, name) == 0;
}

static struct sl_edge_session *session_of(struct sl_edge *e, const struct sl_edge_conn *c)
{
	for (unsigned i = 0; i < SL_EDGE_SESSIONS; i++) {
		if (e->sessions[i].session && same_target(c, &e->sessions[i].to, e->sessions[i].name, e->sessions[i].listener))
			return &e->sessions[i];
	}
	return NULL;
}

int sl_edge_session_new(SSL *ssl, SSL_SESSION *session)
{
	struct sl_edge_conn *c = SSL_get_app_data(ssl);
	struct sl_edge *e = c->edge;
	struct sl_edge_session *s = session_of(e, c);

	if (!c->name[0] || strlen(c->name) >= sizeof s->name)
		return 0;
	if (!s)
		s = &e->sessions[e->next_session++ % SL_EDGE_SESSIONS];
	SSL_SESSION_free(s->session);
	SSL_CTX_free(s->context);
	s->session = session;
	s->context = SSL_get_SSL_CTX(ssl);
	SSL_CTX_up_ref(s->context);
	s->to = c->remote;
	s->listener = c->listener;
	memcpy(s->name, c->name, strlen(c->name) + 1);
	return 1; /* kept */
}

/* Whose certificate is wanted, who we say we talk to, what may be resumed. */
static void aim(struct sl_edge *e, struct sl_edge_conn *c)
{
	struct sl_edge_session *s = session_of(e, c);

	SSL_set_connect_state(c->ssl);
	SSL_set_verify(c->ssl, c->name[0] ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	if (c->name[0] && !sl_tls_name_is_address(c->name))
		SSL_set_tlsext_host_name(c->ssl, c->name);
	if (s && s->context == SSL_get_SSL_CTX(c->ssl))
		SSL_set_session(c->ssl, s->session);
}

/* A socket on its way there, from the listener's address. */
static int connect_from(const struct sl_edge_listener *l, const struct sl_endpoint *to)
{
	struct sl_endpoint local = {.ip = l->address.ip};
	struct sockaddr_storage from, there;
	socklen_t from_len = sl_edge_sockaddr(&local, &from), len = sl_edge_sockaddr(to, &there);
	int fd = socket(there.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1, err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
	tune(fd);
	if (bind(fd, (struct sockaddr *)&from, from_len) == 0 &&
	        (connect(fd, (struct sockaddr *)&there, len) == 0 || errno == EINPROGRESS))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static struct sl_edge_conn *conn_make(struct sl_edge *e, const struct sl_endpoint *to, const char *name, unsigned slot, const char **why)
{
	struct sl_edge_conn *c;
	int fd = connect_from(&e->listeners[slot], to);

	if (fd < 0) {
		*why = strerror(-fd);
		return NULL;
	}
	*why = "no memory";
	c = conn_new(e, fd, to, slot);
	if (!c) {
		close(fd);
		return NULL;
	}
	c->made = true;
	c->name = strdup(name);
	c->ssl = c->name ? ssl_new(e, c) : NULL;
	if (!c->ssl || sl_edge_watch(e, &c->h, EPOLLOUT)) {
		conn_free(c);
		return NULL;
	}
	aim(e, c);
	c->state = SL_EDGE_CONNECTING;
	enter(e, c);
	return c;
}

struct sl_edge_conn *sl_edge_conn_to(struct sl_edge *e, const struct sl_endpoint *to, const char *name, unsigned listener, const char **why)
{
	struct sl_edge_conn *c;
	unsigned slot = 0;

	while (slot < e->n_listeners && e->listeners[slot].index != listener)
		slot++;
	*why = "the listener to connect from is none of TLS";
	if (slot == e->n_listeners)
		return NULL;
	*why = "the listener to connect from is of another address family";
	if (sl_ip_is_v4(&e->listeners[slot].address.ip) != sl_ip_is_v4(&to->ip))
		return NULL;
	for (c = *target_bucket(e, to); c; c = c->target_next) {
		if (same_target(c, to, name, slot))
			return c;
	}
	*why = "too many connections";
	return e->n_conns < e->max_connections ? conn_make(e, to, name, slot, why) : NULL;
}

/* ---- time ---- */

static void judge(struct sl_edge *e, struct sl_edge_conn *c)
{
	int64_t age = e->now_ms - c->since_ms;

	if (c->up)
		sl_edge_up_tick(e, c);
	if (c->state == SL_EDGE_DEAD)
		return;
	if (c->state != SL_EDGE_OPEN) {
		if (age > SL_EDGE_HANDSHAKE_MS)
			handshake_failed(e, c, false, "it took too long");
		return;
	}
	if ((!c->made && !c->spoke && age > SL_EDGE_FIRST_MS) || e->now_ms - c->heard_ms > SL_EDGE_IDLE_MS ||
	        (c->partial_ms && e->now_ms - c->partial_ms > SL_EDGE_MESSAGE_MS)) {
		sl_edge_count(&e->counts.closed_idle);
		sl_edge_conn_end(e, c, "nothing was heard for too long");
	}
}

void sl_edge_sweep(struct sl_edge *e)
{
	struct sl_edge_conn *c, *next;

	for (c = e->all; c; c = next) {
		next = c->next;
		judge(e, c);
	}
	sl_edge_links_sweep(e);
	for (unsigned i = 0; e->listening_paused && i < e->n_listeners; i++)
		sl_edge_watch(e, &e->listeners[i].h, EPOLLIN);
	e->listening_paused = false;
	sl_edge_post_closed(e);
}

void sl_edge_conns_free(struct sl_edge *e)
{
	while (e->all)
		sl_edge_conn_end(e, e->all, "closing");
	sl_edge_bury(e);
	while (e->unposted) {
		struct sl_edge_letter *l = e->unposted;

		e->unposted = l->next;
		free(l);
	}
	for (unsigned i = 0; i < SL_EDGE_SESSIONS; i++) {
		SSL_SESSION_free(e->sessions[i].session);
		SSL_CTX_free(e->sessions[i].context);
	}
}
