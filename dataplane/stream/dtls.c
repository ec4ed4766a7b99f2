/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* DTLS: one socket per thread and listener, connections by the client's address. A ClientHello without our cookie is answered with one and forgotten
 * (RFC 6347 4.2.1): whoever cannot read what comes to its address costs no memory. */

#include "dataplane/stream/internal.h"

#include <errno.h>
#include <string.h>

#include <netinet/in.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

enum {
	DATAGRAMS_A_TURN = 256,
	KEPT_BYTES = 4096,      /* of a handshake: a client's longest flight, sent twice */
	COOKIE_SLOT_MS = 30000, /* a cookie holds for one or two of these */
	RECORD_HEADER = 13, HANDSHAKE_HEADER = 12,
	HANDSHAKE = 22, CLIENT_HELLO = 1,
	RANDOM_AT = RECORD_HEADER + HANDSHAKE_HEADER + 2, RANDOM = 32,
	IPV6_OVERHEAD = 48,
};

/* ---- how OpenSSL reads and sends ---- */

static int bio_read(BIO *b, char *out, int room)
{
	struct sl_stream_link *link = BIO_get_data(b);
	size_t n = link->n < (size_t)room ? link->n : (size_t)room;

	BIO_clear_retry_flags(b);
	if (n == 0) {
		BIO_set_retry_read(b);
		return -1;
	}
	memcpy(out, link->in, n);
	link->n = 0;
	return (int)n;
}

/* What the kernel does not take is lost, as anywhere on the way. */
static int bio_write(BIO *b, const char *p, int n)
{
	struct sl_stream_link *link = BIO_get_data(b);
	struct sl_stream_thread *t = link->thread;
	struct sockaddr_storage to;
	socklen_t len = sl_stream_sockaddr(&link->remote, &to);

	BIO_clear_retry_flags(b);
	(void)!sendto(t->sockets[link->listener].h.fd, p, (size_t)n, MSG_NOSIGNAL, (struct sockaddr *)&to, len);
	if (!link->conn)
		sl_stream_count(t, SL_S_cookies, 1);
	return n;
}

static long bio_ctrl(BIO *b, int what, long number, void *p)
{
	(void)b, (void)number, (void)p;
	switch (what) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_DGRAM_QUERY_MTU:
	case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
		return SL_STREAM_MTU;
	case BIO_CTRL_DGRAM_GET_MTU_OVERHEAD:
		return IPV6_OVERHEAD;
	default:
		return 0;
	}
}

BIO_METHOD *sl_stream_datagram_bio(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams of one client");

	if (!m)
		return NULL;
	BIO_meth_set_read(m, bio_read);
	BIO_meth_set_write(m, bio_write);
	BIO_meth_set_ctrl(m, bio_ctrl);
	return m;
}

/* ---- cookies ---- */

static void cookie_of(const struct sl_stream_link *link, int64_t slot, uint8_t out[SL_STREAM_COOKIE])
{
	const struct sl_siphash_key *key = &link->thread->s->key;
	struct {
		struct sl_ip ip;
		uint64_t slot;
		uint32_t listener, half;
		uint32_t port, pad;
	} of = {.ip = link->remote.ip, .slot = (uint64_t)slot, .listener = link->listener, .port = link->remote.port_be};
	uint64_t half[2];

	half[0] = sl_siphash(key, &of, sizeof of);
	of.half = 1;
	half[1] = sl_siphash(key, &of, sizeof of);
	memcpy(out, half, SL_STREAM_COOKIE);
}

static int make_cookie(SSL *ssl, unsigned char *cookie, unsigned *len)
{
	const struct sl_stream_link *link = SSL_get_app_data(ssl);

	cookie_of(link, link->thread->now_ms / COOKIE_SLOT_MS, cookie);
	*len = SL_STREAM_COOKIE;
	return 1;
}

static int check_cookie(SSL *ssl, const unsigned char *cookie, unsigned len)
{
	const struct sl_stream_link *link = SSL_get_app_data(ssl);
	int64_t slot = link->thread->now_ms / COOKIE_SLOT_MS;
	uint8_t now[SL_STREAM_COOKIE], before[SL_STREAM_COOKIE];

	if (len != SL_STREAM_COOKIE)
		return 0;
	cookie_of(link, slot, now);
	cookie_of(link, slot - 1, before);
	return CRYPTO_memcmp(cookie, now, len) == 0 || CRYPTO_memcmp(cookie, before, len) == 0;
}

void sl_stream_set_cookies(SSL_CTX *ctx)
{
	SSL_CTX_set_cookie_generate_cb(ctx, make_cookie);
	SSL_CTX_set_cookie_verify_cb(ctx, check_cookie);
}

/* ---- connections by address ---- */

static struct sl_stream_conn **bucket_of(struct sl_stream_thread *t, unsigned listener, const struct sl_endpoint *remote)
{
	struct {
		struct sl_ip ip;
		uint32_t port, listener;
	} of = {remote->ip, remote->port_be, listener};

	return &t->datagram_table[sl_siphash(&t->s->key, &of, sizeof of) & t->datagram_mask];
}

static struct sl_stream_conn *find(struct sl_stream_thread *t, unsigned listener, const struct sl_endpoint *remote)
{
	struct sl_stream_conn *c = *bucket_of(t, listener, remote);

	while (c && !(c->link.listener == listener && sl_endpoint_eq(&c->link.remote, remote)))
		c = c->hash_next;
	return c;
}

void sl_stream_datagram_forget(struct sl_stream_thread *t, struct sl_stream_conn *c)
{
	struct sl_stream_conn **at = bucket_of(t, c->link.listener, &c->link.remote);

	while (*at && *at != c)
		at = &(*at)->hash_next;
	if (*at)
		*at = c->hash_next;
}

/* ---- datagrams ---- */

static bool is_hello(const uint8_t *p, size_t n)
{
	return n >= RANDOM_AT + RANDOM && p[0] == HANDSHAKE && p[3] == 0 && p[4] == 0 && p[RECORD_HEADER] == CLIENT_HELLO;
}

/* A client that has lost its connection begins anew from the same port (RFC 6347 4.2.8). One that we have heard before is late. */
static bool begins_anew(const struct sl_stream_conn *c, const uint8_t *p, size_t n)
{
	uint8_t random[RANDOM];

	return c->state == SL_STREAM_OPEN && is_hello(p, n) && SSL_get_client_random(c->ssl, random, RANDOM) == RANDOM &&
	       memcmp(random, p + RANDOM_AT, RANDOM) != 0;
}

static void feed(struct sl_stream_thread *t, struct sl_stream_conn *c, const uint8_t *p, size_t n)
{
	uint8_t *plain = t->scratch + SL_STREAM_DATAGRAM; /* before it lies the datagram */
	int rc = -EAGAIN;

	c->link.in = p;
	c->link.n = n;
	if (c->state == SL_STREAM_HANDSHAKE)
		sl_stream_tls_handshake(t, c);
	while (c->state == SL_STREAM_OPEN && (rc = sl_stream_recv(c, plain, SL_STREAM_DATAGRAM)) > 0)
		sl_stream_conn_frame(t, c, plain, (size_t)rc);
	c->link.n = 0;
	if (c->state == SL_STREAM_OPEN && rc != -EAGAIN)
		sl_stream_conn_end(t, c);
}

/* A datagram of a handshake waits for the time of newcomers, with its length before it. False: there is no room. */
static bool keep(struct sl_stream_thread *t, struct sl_stream_conn *c, const uint8_t *p, uint16_t n)
{
	uint8_t *room = sl_stream_buf_left(&c->in) < KEPT_BYTES ? sl_stream_buf_room(t, &c->in, sizeof n + n) : NULL;

	if (!room)
		return false;
	memcpy(room, &n, sizeof n);
	memcpy(room + sizeof n, p, n);
	c->in.n += (uint32_t)sizeof n + n;
	return true;
}

void sl_stream_datagrams_kept(struct sl_stream_thread *t, struct sl_stream_conn *c)
{
	struct sl_stream_buf kept = c->in;
	uint16_t n;

	c->in = (struct sl_stream_buf){0};
	if (c->state == SL_STREAM_HANDSHAKE && !sl_stream_buf_left(&kept))
		sl_stream_tls_handshake(t, c); /* OpenSSL has the ClientHello */
	for (; sl_stream_buf_left(&kept); kept.off += n) {
		memcpy(&n, kept.p + kept.off, sizeof n);
		kept.off += sizeof n;
		feed(t, c, kept.p + kept.off, n);
	}
	sl_stream_buf_free(t, &kept);
}

/* Of a connection that is there; what belongs to its handshake is done when clients have been served. */
static void take(struct sl_stream_thread *t, struct sl_stream_conn *c, const uint8_t *p, size_t n)
{
	if (c->state == SL_STREAM_HANDSHAKE && keep(t, c, p, (uint16_t)n)) {
		sl_stream_put_off(t, c);
		return;
	}
	if (sl_stream_buf_left(&c->in))
		sl_stream_datagrams_kept(t, c);
	feed(t, c, p, n);
}

/* The SSL that judges the next ClientHello, and becomes its connection's. */
static SSL *spare_of(struct sl_stream_thread *t, struct sl_stream_socket *l)
{
	SSL_CTX *ctx = sl_stream_context_hold(t->s, l->listener);
	BIO *bio;

	if (l->spare && l->spare_ctx == ctx) {
		SSL_CTX_free(ctx);
		return l->spare;
	}
	SSL_free(l->spare);
	SSL_CTX_free(l->spare_ctx);
	l->spare_ctx = ctx;
	l->spare = SSL_new(ctx);
	bio = l->spare ? BIO_new(t->s->datagram_bio) : NULL;
	if (!bio) {
		SSL_free(l->spare);
		l->spare = NULL;
		return NULL;
	}
	BIO_set_init(bio, 1);
	SSL_set_bio(l->spare, bio, bio);
	SSL_set_accept_state(l->spare);
	SSL_set_mtu(l->spare, SL_STREAM_MTU);
	return l->spare;
}

static void point(SSL *ssl, struct sl_stream_link *link)
{
	SSL_set_app_data(ssl, link);
	BIO_set_data(SSL_get_rbio(ssl), link);
}

static void begin(struct sl_stream_thread *t, struct sl_stream_socket *l, const struct sl_endpoint *remote)
{
	struct sl_stream_conn *c = sl_stream_conn_new(t, l->listener, -1, remote), **bucket;

	if (!c || !sl_stream_conn_admit(t, c, remote, &t->s->listeners[l->listener].address))
		return;
	if (!sl_stream_charge(t, SL_STREAM_TLS_BYTES)) {
		sl_stream_count(t, SL_S_connections_refused, 1);
		sl_stream_conn_end(t, c);
		return;
	}
	c->ssl = l->spare;
	l->spare = NULL;
	point(c->ssl, &c->link);
	bucket = bucket_of(t, l->listener, remote);
	c->hash_next = *bucket;
	*bucket = c;
	c->state = SL_STREAM_HANDSHAKE;
	c->is_shaking = true;
	TAILQ_INSERT_TAIL(&t->shaking, c, shaking);
	sl_stream_conn_wait(t, c);
	sl_stream_put_off(t, c);
}

static void hello(struct sl_stream_thread *t, struct sl_stream_socket *l, struct sl_stream_conn *old, const uint8_t *p, size_t n,
        const struct sl_endpoint *remote)
{
	SSL *ssl = is_hello(p, n) ? spare_of(t, l) : NULL;
	BIO_ADDR *nobody = ssl ? BIO_ADDR_new() : NULL;
	int rc;

	if (!nobody)
		return;
	t->listening = (struct sl_stream_link){.thread = t, .remote = *remote, .listener = l->listener, .in = p, .n = n};
	point(ssl, &t->listening);
	ERR_clear_error();
	rc = DTLSv1_listen(ssl, nobody);
	BIO_ADDR_free(nobody);
	if (rc <= 0)
		return;
	if (old)
		sl_stream_conn_end(t, old);
	begin(t, l, remote);
}

void sl_stream_datagrams(struct sl_stream_thread *t, struct sl_stream_socket *l)
{
	for (unsigned i = 0; i < DATAGRAMS_A_TURN; i++) {
		struct sockaddr_storage from;
		socklen_t len = sizeof from;
		struct sl_endpoint remote;
		struct sl_stream_conn *c;
		ssize_t n = recvfrom(l->h.fd, t->scratch, SL_STREAM_DATAGRAM, 0, (struct sockaddr *)&from, &len);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			continue;
		sl_stream_endpoint_of(&from, &remote);
		c = find(t, l->listener, &remote);
		if (c && !begins_anew(c, t->scratch, (size_t)n))
			take(t, c, t->scratch, (size_t)n);
		else
			hello(t, l, c, t->scratch, (size_t)n, &remote);
	}
}
