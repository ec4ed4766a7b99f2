/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Contexts and handshakes. A listener has one context, which all threads use: a session that began on one is resumed on another. Sessions are kept by
 * clients, as tickets; the key of these goes with the context, so a reload begins them anew. */

#include "dataplane/stream/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <openssl/bio.h>
#include <openssl/err.h>

enum { WHOSE_MAX = 112, NAME_MAX_BYTES = 80 };

/* RFC 7443. */
static const unsigned char protocols[][20] = {"\x09stun.turn", "\x12stun.nat-discovery"};
static const char *const over_text[] = {
#define X(name, number, text) [number] = text,
	SL_TURN_TRANSPORTS(X)
#undef X
};

/* A client that offers none of these speaks something else (RFC 7301 3.2); one that offers nothing is welcome. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned in_len, void *arg)
{
	(void)ssl, (void)arg;
	for (unsigned at = 0; at < in_len && at + 1 + in[at] <= in_len; at += 1 + in[at]) {
		for (unsigned i = 0; i < sizeof protocols / sizeof protocols[0]; i++) {
			if (in[at] == protocols[i][0] && memcmp(in + at, protocols[i], 1 + (size_t)in[at]) == 0) {
				*out = in + at + 1;
				*out_len = in[at];
				return SSL_TLSEXT_ERR_OK;
			}
		}
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Of each certificate's context. */
static void set_up(SSL_CTX *c)
{
	SSL_CTX_set_alpn_select_cb(c, choose_protocol, NULL);
	sl_stream_set_cookies(c);
}

static void asked(SSL *ssl, const char *host)
{
	const struct sl_stream_link *link = SSL_get_app_data(ssl);

	const unsigned char *modes;
	size_t n;

	if (!link || !link->conn)
		return;
	/* One that names no mode could not use a ticket (RFC 8446 4.2.9). */
	link->conn->wants_ticket = SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_psk_kex_modes, &modes, &n) == 1;
	if (!host[0])
		return;
	free(link->conn->host);
	link->conn->host = strdup(host);
}

SSL_CTX *sl_stream_context(struct sl_streams *s, const struct sl_config *config, unsigned listener, char *text, size_t text_len)
{
	const struct sl_conf_turn_listener *l = &config->turn.more[listener];
	bool datagrams = l->transport == SL_TURN_OVER_DTLS;
	char whose[WHOSE_MAX], name[NAME_MAX_BYTES], address[SL_ADDR_TEXT_MAX];
	SSL_CTX *c = sl_tls_context(datagrams ? DTLS_server_method() : TLS_server_method(), datagrams);

	(void)s;
	snprintf(name, sizeof name, "%s:%s", over_text[l->transport], sl_endpoint_text(&config->turn.listeners[listener], address));
	snprintf(whose, sizeof whose, "turn.listeners: %s", name);
	const struct sl_tls_files f = {.whose = whose, .name = name, .certificate = l->certificate, .key = l->key, .n_certificates = l->n_certificates,
		.certificates = l->certificates, .datagrams = datagrams};

	if (!c) {
		snprintf(text, text_len, "%s: no memory for TLS", whose);
		return NULL;
	}
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(c, 0); /* of TLS 1.3, after the handshake: one comes with the first answer, see sl_stream_tls_ticket() */
	if (datagrams)
		SSL_CTX_set_options(c, SSL_OP_NO_QUERY_MTU | SSL_OP_COOKIE_EXCHANGE);
	else
		SSL_CTX_set_read_ahead(c, 1); /* many small records by one call of the kernel */
	set_up(c);
	if (sl_tls_load(c, &f, -1, text, text_len) == 0 && sl_tls_add_further(c, &f, set_up, asked, text, text_len) == 0)
		return c;
	SSL_CTX_free(c);
	return NULL;
}

SSL_CTX *sl_stream_context_hold(struct sl_streams *s, unsigned listener)
{
	SSL_CTX *c;

	pthread_mutex_lock(&s->lock);
	c = s->listeners[listener].ctx;
	SSL_CTX_up_ref(c);
	pthread_mutex_unlock(&s->lock);
	return c;
}

/* ---- how OpenSSL reads and sends ---- */

/* OpenSSL reads until there is nothing left. A socket that had less than it was asked for is not asked again before epoll says so. */
static int bio_read(BIO *b, char *out, int room)
{
	struct sl_stream_conn *c = BIO_get_data(b);
	ssize_t n = -1;

	BIO_clear_retry_flags(b);
	if (c->drained) {
		BIO_set_retry_read(b);
		return -1;
	}
	n = recv(c->h.fd, out, (size_t)room, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(b);
	c->drained = n > 0 && n < room;
	return (int)n;
}

int sl_stream_records_flush(struct sl_stream_thread *t, struct sl_stream_conn *c)
{
	const uint8_t *p = t->gathered;
	uint32_t n = t->gathering == c ? t->n_gathered : 0;
	uint8_t *room;
	ssize_t rc = 0;

	while (sl_stream_buf_left(&c->records) && (rc = send(c->h.fd, c->records.p + c->records.off, sl_stream_buf_left(&c->records), MSG_NOSIGNAL)) >= 0)
		c->records.off += (uint32_t)rc;
	if (!sl_stream_buf_left(&c->records)) {
		sl_stream_buf_free(t, &c->records);
		for (; n && (rc = send(c->h.fd, p, n, MSG_NOSIGNAL)) >= 0; p += rc)
			n -= (uint32_t)rc;
	}
	if (rc < 0 && errno != EAGAIN && errno != EINTR)
		return -errno;
	if (n) {
		room = sl_stream_buf_room(t, &c->records, n);
		if (!room)
			return -ENOMEM;
		memcpy(room, p, n);
		c->records.n += n;
	}
	if (t->gathering == c)
		t->n_gathered = 0;
	return sl_stream_buf_left(&c->records) ? -EAGAIN : 0;
}

/* Records follow each other: what waits goes first. */
static int bio_write(BIO *b, const char *p, int n)
{
	struct sl_stream_conn *c = BIO_get_data(b);
	struct sl_stream_thread *t = c->link.thread;
	bool gathers = t->gathering == c && n <= SL_STREAM_GATHER;
	ssize_t rc = 0;

	BIO_clear_retry_flags(b);
	if (sl_stream_buf_left(&c->records) || (gathers && t->n_gathered + (uint32_t)n > SL_STREAM_GATHER))
		rc = sl_stream_records_flush(t, c);
	if (rc == 0 && gathers) {
		memcpy(t->gathered + t->n_gathered, p, (size_t)n);
		t->n_gathered += (uint32_t)n;
		return n;
	}
	if (rc == 0) {
		rc = send(c->h.fd, p, (size_t)n, MSG_NOSIGNAL | (c->is_last ? MSG_MORE : 0));
		rc = rc < 0 ? -errno : rc;
	}
	if (rc >= 0)
		return (int)rc;
	if (rc == -EAGAIN || rc == -EINTR)
		BIO_set_retry_write(b);
	return -1;
}

static long bio_ctrl(BIO *b, int what, long number, void *p)
{
	(void)b, (void)number, (void)p;
	return what == BIO_CTRL_FLUSH;
}

BIO_METHOD *sl_stream_record_bio(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "records of one client");

	if (!m)
		return NULL;
	BIO_meth_set_read(m, bio_read);
	BIO_meth_set_write(m, bio_write);
	BIO_meth_set_ctrl(m, bio_ctrl);
	return m;
}

/* ---- handshakes ---- */

int sl_stream_tls_start(struct sl_stream_thread *t, struct sl_stream_conn *c)
{
	SSL_CTX *ctx;
	BIO *bio;

	if (!sl_stream_charge(t, SL_STREAM_TLS_BYTES)) {
		sl_stream_count(t, SL_S_connections_refused, 1);
		return -ENOMEM;
	}
	ctx = sl_stream_context_hold(t->s, c->link.listener);
	c->ssl = SSL_new(ctx); /* holds it */
	SSL_CTX_free(ctx);
	if (!c->ssl) {
		sl_stream_uncharge(t, SL_STREAM_TLS_BYTES);
		return -ENOMEM;
	}
	SSL_set_app_data(c->ssl, &c->link);
	SSL_set_accept_state(c->ssl);
	c->state = SL_STREAM_HANDSHAKE;
	bio = BIO_new(t->s->stream_bio);
	if (!bio)
		return -ENOMEM;
	BIO_set_data(bio, c);
	BIO_set_init(bio, 1);
	SSL_set_bio(c->ssl, bio, bio);
	return sl_stream_watch(t, &c->h, EPOLLIN);
}

static void wants(struct sl_stream_thread *t, struct sl_stream_conn *c, uint32_t events)
{
	if (c->h.fd >= 0 && sl_stream_watch(t, &c->h, events))
		sl_stream_conn_end(t, c);
}

void sl_stream_tls_handshake(struct sl_stream_thread *t, struct sl_stream_conn *c)
{
	int rc;

	ERR_clear_error();
	rc = SSL_do_handshake(c->ssl);
	if (rc == 1) {
		sl_stream_count(t, SL_S_handshakes, 1);
		if (SSL_session_reused(c->ssl))
			sl_stream_count(t, SL_S_handshakes_resumed, 1);
		sl_stream_conn_open(t, c);
		if (c->h.fd >= 0)
			sl_stream_conn_read(t, c); /* the first request may have come with the handshake's end */
		return;
	}
	switch (SSL_get_error(c->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		wants(t, c, EPOLLIN);
		return;
	case SSL_ERROR_WANT_WRITE:
		wants(t, c, EPOLLOUT);
		return;
	default:
		sl_stream_count(t, SL_S_handshakes_failed, 1);
		c->ssl_broken = true;
		sl_stream_conn_end(t, c);
	}
}

/* With an answer it costs neither a packet nor a call of the kernel; and who has had none needs no second handshake. */
void sl_stream_tls_ticket(struct sl_stream_conn *c)
{
	if (c->wants_ticket && SSL_version(c->ssl) == TLS1_3_VERSION)
		SSL_new_session_ticket(c->ssl);
	c->wants_ticket = false;
}
