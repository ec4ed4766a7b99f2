/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/stream_rig.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <sys/socket.h>

#include "dataplane/stream/internal.h"

/* Between a stream thread and a worker when one of them has much to do: orders that were lost, records that wait, newcomers and clients that are there. */

/* A client that has sent a request, and its flow. */
static int speak(struct sl_flow *flow)
{
	struct sl_stream_record r;
	int fd = rig_dial(TCP, SOCK_STREAM);

	assert_int_equal(send(fd, rig_request, sizeof rig_request, 0), sizeof rig_request);
	rig_expect(SL_STREAM_IN_FRAME, &r, NULL);
	*flow = r.flow;
	return fd;
}

static void a_recall_asks_about_each_connection(void **state)
{
	enum { N = 6 };
	struct sl_flow flows[N];
	struct sl_stream_record r;
	unsigned asked[N] = {0};
	uint8_t byte;
	int fds[N], silent = rig_dial(TCP, SOCK_STREAM), two = 2;

	(void)state;
	for (unsigned i = 0; i < N; i++)
		fds[i] = speak(&flows[i]);
	rig_order(&flows[0], SL_STREAM_DO_KNOWN, 1, NULL, 0);
	rig_wait_for(SL_S_connections_active, N + 1);
	while (two--)
		rig_order(&(struct sl_flow){.transport = sl_stream_transport(0, (unsigned)two, 0, 0)}, SL_STREAM_DO_RECALL, 0, NULL, 0);
	for (unsigned n = 0; n < N; n++) {
		rig_expect(SL_STREAM_IN_ASK, &r, NULL);
		for (unsigned i = 0; i < N; i++)
			asked[i] += sl_flow_eq(&r.flow, &flows[i]);
	}
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(asked[i], 1);
	/* The answers: who has an allocation stays, the others' time does not begin again however often they are said to have none. */
	rig_order(&flows[0], SL_STREAM_DO_KNOWN, 1, NULL, 0);
	for (int64_t end = rig_now_ms() + WAIT_MS; rig_counter(SL_S_connections_active) > 1 && rig_now_ms() < end; poll(NULL, 0, 50)) {
		for (unsigned i = 1; i < N; i++)
			rig_order(&flows[i], SL_STREAM_DO_KNOWN, 0, NULL, 0);
	}
	assert_int_equal(rig_counter(SL_S_connections_active), 1);
	for (unsigned i = 1; i < N; i++) {
		rig_expect(SL_STREAM_IN_CLOSED, &r, NULL);
		close(fds[i]);
	}
	/* An allocation's end that was lost: the answer makes it a stranger. */
	rig_order(&flows[0], SL_STREAM_DO_KNOWN, 0, NULL, 0);
	assert_int_equal(recv(fds[0], &byte, 1, 0), 0);
	close(fds[0]), close(silent);
}

/* Until the worker's ring is full; returns frames that it has. */
static unsigned flood(int fd)
{
	static uint8_t block[256 * sizeof rig_request];
	unsigned frames = 0;

	for (unsigned i = 0; i < sizeof block / sizeof rig_request; i++)
		memcpy(block + i * sizeof rig_request, rig_request, sizeof rig_request);
	while (rig_counter(SL_S_paused) == 0) {
		size_t at = 0;

		while (at < sizeof block && rig_counter(SL_S_paused) == 0) {
			ssize_t n = send(fd, block + at, sizeof block - at, MSG_DONTWAIT);

			at += n > 0 ? (size_t)n : 0;
		}
		frames += (unsigned)(at / sizeof rig_request);
	}
	return frames;
}

/* Ends of connections that find no room at the worker wait, and are counted as memory. */
static void what_waits_for_a_worker_is_charged(void **state)
{
	enum { MOST = 30, WANTED = 4 };
	int fds[MOST], flooder;
	struct sl_flow flow, flows[MOST];
	struct sl_stream_record r;
	uint64_t before, each;
	unsigned n = 0, there = 0;

	(void)state;
	flooder = speak(&flow);
	before = rig_counter(SL_S_memory_bytes);
	for (; n < MOST && there < WANTED; n++) {
		fds[n] = speak(&flows[n]);
		there += sl_flow_thread(&flows[n]) == sl_flow_thread(&flow);
	}
	assert_int_equal(there, WANTED);
	each = (rig_counter(SL_S_memory_bytes) - before) / n;
	rig_order(&flow, SL_STREAM_DO_KNOWN, 1, NULL, 0);
	flood(flooder);
	before = rig_counter(SL_S_memory_bytes);
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
	rig_wait_for(SL_S_connections_active, 1);
	/* One may have fitted where a frame did not. */
	assert_true(rig_counter(SL_S_memory_bytes) >= before - n * each + (WANTED - 1) * sizeof r);
	for (unsigned closed = 0; closed < n;) {
		assert_true(rig_hear(&r, NULL));
		closed += r.kind == SL_STREAM_IN_CLOSED;
	}
	close(flooder);
	do
		assert_true(rig_hear(&r, NULL));
	while (r.kind != SL_STREAM_IN_CLOSED);
	rig_wait_for(SL_S_memory_bytes, 0);
}

/* ---- newcomers ---- */

struct newcomer {
	SSL *ssl;
	int fd;
	uint8_t last[BIG]; /* the end of its handshake, and its first request */
	size_t n;
};

static void move_in(struct newcomer *c)
{
	uint8_t bytes[4096];
	ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);

	assert_true(n > 0);
	assert_int_equal(BIO_write(SSL_get_rbio(c->ssl), bytes, (int)n), n);
}

static void move_out(struct newcomer *c)
{
	int n = BIO_read(SSL_get_wbio(c->ssl), c->last + c->n, (int)(sizeof c->last - c->n));

	c->n += n > 0 ? (size_t)n : 0;
}

/* All but the last flight. */
static void begin_handshake(SSL_CTX *ctx, struct newcomer *c)
{
	*c = (struct newcomer){.ssl = SSL_new(ctx), .fd = rig_dial(TLS, SOCK_STREAM)};
	SSL_set_bio(c->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	assert_int_equal(SSL_connect(c->ssl), -1);
	move_out(c);
	assert_int_equal(send(c->fd, c->last, c->n, 0), c->n);
	c->n = 0;
	while (SSL_connect(c->ssl) != 1)
		move_in(c);
	move_out(c);
	assert_int_equal(SSL_write(c->ssl, rig_request, sizeof rig_request), sizeof rig_request);
	move_out(c);
}

/* The kind of a thread's next record, and whose it is; nothing is waited for. */
static bool next_of(unsigned thread, struct sl_stream_record *r)
{
	struct sl_byte_ring *ring = sl_streams_in(rig_streams, thread, 0);
	size_t len;
	const void *p = sl_byte_ring_peek(ring, &len);

	if (!p)
		return false;
	memcpy(r, p, sizeof *r);
	sl_byte_ring_take(ring);
	return true;
}

/* The threads are held at the lock that a connection's taking needs, while handshakes and then a client's frame come in: the frame is first. */
static void who_is_there_comes_before_newcomers(void **state)
{
	enum { N = 12, HOLDERS = 24 /* the kernel deals them out: each thread has some */ };
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct newcomer c[N];
	struct sl_stream_record r;
	struct sl_flow there;
	int fd = speak(&there), holders[HOLDERS];
	unsigned heard = 0;

	(void)state;
	SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION);
	rig_order(&there, SL_STREAM_DO_KNOWN, 1, NULL, 0);
	for (unsigned i = 0; i < N; i++)
		begin_handshake(ctx, &c[i]);
	pthread_mutex_lock(&rig_streams->lock);
	for (unsigned i = 0; i < HOLDERS; i++)
		holders[i] = rig_dial(TLS, SOCK_STREAM);
	poll(NULL, 0, 1000); /* until both stand there, which takes them far less */
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(send(c[i].fd, c[i].last, c[i].n, 0), c[i].n);
	assert_int_equal(send(fd, rig_request, sizeof rig_request, 0), sizeof rig_request);
	pthread_mutex_unlock(&rig_streams->lock);
	rig_wait_for(SL_S_frames_in, 1 + N + 1);
	assert_true(next_of(sl_flow_thread(&there), &r));
	assert_true(sl_flow_eq(&r.flow, &there));
	while (next_of(0, &r) || next_of(1, &r))
		heard++;
	assert_int_equal(heard, N);
	for (unsigned i = 0; i < HOLDERS; i++)
		close(holders[i]);
	for (unsigned i = 0; i < N; i++) {
		SSL_free(c[i].ssl);
		close(c[i].fd);
	}
	close(fd);
	SSL_CTX_free(ctx);
}

/* At the process's end a worker may stand still, and go on later. */
static void rings_outlive_the_threads(void **state)
{
	struct sl_flow flow;
	struct sl_stream_record r;
	int fd = speak(&flow);

	(void)state;
	sl_streams_halt(rig_streams);
	rig_order(&flow, SL_STREAM_DO_KNOWN, 1, NULL, 0);
	assert_false(next_of(0, &r) || next_of(1, &r));
	close(fd);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, rig_start, rig_stop)
	const struct CMUnitTest tests[] = {
	        T(a_recall_asks_about_each_connection),
	        T(what_waits_for_a_worker_is_charged),
	        T(who_is_there_comes_before_newcomers),
	        T(rings_outlive_the_threads),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
