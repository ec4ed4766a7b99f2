/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/stream_rig.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* RFC 6062: sockets of relayed addresses, on loopback, as a worker orders them. */

enum { PIECE = 1 << 16, PIECES = 64 };

static const uint8_t first[7] = "\xff first";
static const uint8_t bound[20] = {1, 0x0b, 0, 0, 0x21, 0x12, 0xa4, 0x42};

static struct sl_endpoint loopback(uint16_t port)
{
	struct sl_endpoint ep = {.port_be = htons(port)};

	sl_ip_set_v4(&ep.ip, htonl(INADDR_LOOPBACK));
	return ep;
}

static int listener_of(struct sl_endpoint *at)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*at = loopback(ntohs(a.sin_port));
	return fd;
}

static int limited(int fd)
{
	struct timeval limit = {.tv_sec = WAIT_MS / 1000};

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	return fd;
}

/* A client on thread `thread`, or on any (-1), that has sent a request: which one the kernel gives it to is not ours to say. */
static int client_on(int thread, struct sl_flow *flow)
{
	struct sl_stream_record r;

	for (unsigned i = 0; i < 64; i++) {
		int fd = rig_dial(TCP, SOCK_STREAM);

		assert_int_equal(send(fd, rig_request, sizeof rig_request, 0), sizeof rig_request);
		rig_expect(SL_STREAM_IN_FRAME, &r, NULL);
		*flow = r.flow;
		if (thread < 0 || (int)sl_flow_thread(flow) == thread)
			return fd;
		close(fd);
		rig_expect(SL_STREAM_IN_CLOSED, &r, NULL);
	}
	fail_msg("no connection came to thread %d", thread);
	return -1;
}

static void check_read(int fd, const void *bytes, size_t n)
{
	uint8_t got[BIG];
	size_t at = 0;

	while (at < n) {
		ssize_t rc = recv(fd, got + at, n - at, 0);

		assert_true(rc > 0);
		at += (size_t)rc;
	}
	assert_memory_equal(got, bytes, n);
}

static void check_end(int fd)
{
	uint8_t byte;

	assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

/* A connection to a peer on the thread of the control connection, by order. */
static int connect_peer(const struct sl_flow *control, uint32_t connection, const struct sl_endpoint *local)
{
	struct sl_stream_record r = {.kind = SL_STREAM_DO_TCP_CONNECT, .flow = *control, .allocation = 77, .connection = connection, .local = *local};
	int listener = listener_of(&r.peer), fd;

	rig_put(&r, NULL);
	fd = limited(accept(listener, NULL, NULL));
	close(listener);
	rig_expect(SL_STREAM_IN_TCP_CONNECTED, &r, NULL);
	assert_int_equal(r.error, 0);
	assert_int_equal(r.connection, connection);
	return fd;
}

static void check_remote(int fd, const struct sl_endpoint *told)
{
	struct sockaddr_in a;
	socklen_t len = sizeof a;

	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	assert_int_equal(told->port_be, a.sin_port);
	assert_int_equal(sl_ip_v4_be(&told->ip), a.sin_addr.s_addr);
}

/* The client has its answer and says something before the thread has the order. */
static void bind_to(int fd, const struct sl_flow *data, const struct sl_flow *control, uint32_t connection, int expected)
{
	struct sl_stream_record r = {.kind = SL_STREAM_DO_TCP_BIND, .flow = *data, .allocation = 77, .connection = connection,
		.peer_thread = (uint16_t)sl_flow_thread(control)};

	rig_order(data, SL_STREAM_DO_SEND, 0, bound, sizeof bound);
	check_read(fd, bound, sizeof bound);
	assert_int_equal(send(fd, first, sizeof first, 0), sizeof first);
	poll(NULL, 0, 20);
	rig_put(&r, NULL);
	rig_expect(SL_STREAM_IN_TCP_BOUND, &r, NULL);
	assert_int_equal(r.error, expected);
	if (expected)
		return;
	/* The guard is to know the address that its packets come from. */
	rig_expect(SL_STREAM_IN_REMOTE, &r, NULL);
	assert_int_equal(r.on, 1);
	assert_true(sl_flow_eq(&r.flow, data));
	check_remote(fd, &r.peer);
}

/* The data connection is on the same thread, and on the other one; ends are passed on, one direction at a time. */
static void check_splice(bool other_thread)
{
	const struct sl_endpoint local = loopback(0);
	struct sl_flow control, data;
	struct sl_stream_record r;
	int control_fd = client_on(-1, &control), data_fd, peer;

	peer = connect_peer(&control, 5, &local);
	data_fd = client_on((int)(sl_flow_thread(&control) ^ other_thread), &data);
	assert_int_equal(send(peer, "early", 5, 0), 5);
	bind_to(data_fd, &data, &control, 5, 0);
	check_read(data_fd, "early", 5);
	check_read(peer, first, sizeof first);
	assert_int_equal(send(data_fd, "\xff\x00 no message", 13, 0), 13);
	check_read(peer, "\xff\x00 no message", 13);
	shutdown(peer, SHUT_WR);
	check_end(data_fd);
	assert_int_equal(send(data_fd, "still", 5, 0), 5);
	check_read(peer, "still", 5);
	shutdown(data_fd, SHUT_WR);
	check_end(peer);
	/* Both records, in whatever order. */
	for (unsigned i = 0; i < 2; i++) {
		assert_true(rig_hear(&r, NULL));
		assert_true(r.kind == SL_STREAM_IN_TCP_CLOSED ? r.connection == 5 : r.kind == SL_STREAM_IN_CLOSED && sl_flow_eq(&r.flow, &data));
	}
	close(peer), close(data_fd), close(control_fd);
	rig_expect(SL_STREAM_IN_CLOSED, &r, NULL);
	rig_wait_for(SL_S_connections_active, 0);
	rig_wait_for(SL_S_peers_active, 0);
	rig_wait_for(SL_S_memory_bytes, 0);
}

static void a_data_connection_of_the_same_thread(void **state)
{
	check_splice(false);
}

static void a_data_connection_of_the_other_thread(void **state)
{
	check_splice(true);
}

static void peers_are_announced_and_wait(void **state)
{
	struct sl_stream_record r = {.kind = SL_STREAM_DO_TCP_LISTEN, .allocation = 77};
	struct sl_flow control, data;
	int control_fd = client_on(-1, &control), data_fd, probe = listener_of(&r.local), peer, refused;
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = r.local.port_be};

	r.flow = control;
	close(probe);
	rig_put(&r, NULL);
	rig_expect(SL_STREAM_IN_TCP_LISTENING, &r, NULL);
	assert_int_equal(r.error, 0);
	peer = limited(socket(AF_INET, SOCK_STREAM, 0));
	assert_int_equal(connect(peer, (struct sockaddr *)&a, sizeof a), 0);
	rig_expect(SL_STREAM_IN_TCP_INCOMING, &r, NULL);
	assert_int_equal(r.allocation, 77);
	r.kind = SL_STREAM_DO_TCP_ACCEPT;
	r.incoming = r.connection;
	r.connection = 9;
	rig_put(&r, NULL);
	refused = limited(socket(AF_INET, SOCK_STREAM, 0));
	assert_int_equal(connect(refused, (struct sockaddr *)&a, sizeof a), 0);
	rig_expect(SL_STREAM_IN_TCP_INCOMING, &r, NULL);
	r.kind = SL_STREAM_DO_TCP_CLOSE;
	r.incoming = r.connection;
	r.connection = 0;
	rig_put(&r, NULL);
	check_end(refused);
	data_fd = client_on(-1, &data);
	bind_to(data_fd, &data, &control, 9, 0);
	check_read(peer, first, sizeof first);
	assert_int_equal(send(peer, "hello", 5, 0), 5);
	check_read(data_fd, "hello", 5);
	/* The allocation ends, and all that it had. */
	rig_put(&(struct sl_stream_record){.kind = SL_STREAM_DO_TCP_UNLISTEN, .flow = control, .allocation = 77}, NULL);
	check_end(data_fd);
	check_end(peer);
	rig_expect(SL_STREAM_IN_TCP_CLOSED, &r, NULL); /* for the guard */
	assert_int_equal(r.connection, 9);
	rig_expect(SL_STREAM_IN_CLOSED, &r, NULL);
	rig_wait_for(SL_S_peers_active, 0);
	close(peer), close(refused), close(data_fd), close(control_fd);
}

static void what_cannot_be_is_told(void **state)
{
	const struct sl_endpoint local = loopback(0);
	struct sl_stream_record r = {.kind = SL_STREAM_DO_TCP_CONNECT, .allocation = 77, .connection = 3, .local = local};
	struct sl_flow control, data;
	int control_fd = client_on(-1, &control), probe = listener_of(&r.peer), data_fd;
	uint8_t byte;

	close(probe);
	r.flow = control;
	rig_put(&r, NULL);
	rig_expect(SL_STREAM_IN_TCP_CONNECTED, &r, NULL);
	assert_int_equal(r.error, -ECONNREFUSED);
	assert_int_equal(r.connection, 3);
	data_fd = client_on(-1, &data);
	bind_to(data_fd, &data, &control, 3, -ENOENT); /* it is gone: so is the client's connection */
	assert_true(recv(data_fd, &byte, 1, 0) <= 0);
	close(data_fd), close(control_fd);
}

/* One side writes, the other does not read: what waits here is a piece each way. */
static void a_side_that_does_not_read_holds_the_other_back(void **state)
{
	static uint8_t piece[PIECE];
	const struct sl_endpoint local = loopback(0);
	struct sl_flow control, data;
	int control_fd = client_on(-1, &control), peer = connect_peer(&control, 5, &local), data_fd = client_on(-1, &data);
	size_t sent = 0, got = 0;

	bind_to(data_fd, &data, &control, 5, 0);
	for (unsigned i = 0; i < PIECES; i++) {
		ssize_t n = send(peer, piece, sizeof piece, MSG_DONTWAIT);

		sent += n > 0 ? (size_t)n : 0;
		poll(NULL, 0, n <= 0);
	}
	assert_true(rig_counter(SL_S_memory_bytes) < 128 * 1024);
	shutdown(peer, SHUT_WR);
	for (ssize_t n; (n = recv(data_fd, piece, sizeof piece, 0)) > 0;)
		got += (size_t)n;
	assert_int_equal(got, sent);
	close(peer), close(data_fd), close(control_fd);
}

static void a_data_connection_behind_a_proxy(void **state)
{
	static const uint8_t header[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x02\x30\x39\x0d\x96";
	const struct sl_endpoint local = loopback(0);
	struct sl_flow control;
	struct sl_stream_record r;
	int control_fd = client_on(-1, &control), peer = connect_peer(&control, 5, &local), fd = rig_dial(PROXIED, SOCK_STREAM);

	(void)state;
	assert_int_equal(send(fd, header, sizeof header - 1, 0), sizeof header - 1);
	assert_int_equal(send(fd, rig_request, sizeof rig_request, 0), sizeof rig_request);
	rig_expect(SL_STREAM_IN_FRAME, &r, NULL);
	assert_int_equal(r.flow.port_be, htons(12345));
	bind_to(fd, &r.flow, &control, 5, 0);
	rig_put(&(struct sl_stream_record){.kind = SL_STREAM_DO_TCP_CLOSE, .flow = control, .allocation = 77, .connection = 5}, NULL);
	rig_expect(SL_STREAM_IN_CLOSED, &r, NULL);
	check_remote(fd, &r.peer);
	close(peer), close(fd), close(control_fd);
}

static struct sl_endpoint listen_for(const struct sl_flow *control, uint64_t allocation)
{
	struct sl_stream_record r = {.kind = SL_STREAM_DO_TCP_LISTEN, .flow = *control, .allocation = allocation};
	int probe = listener_of(&r.local);

	close(probe);
	rig_put(&r, NULL);
	rig_expect(SL_STREAM_IN_TCP_LISTENING, &r, NULL);
	assert_int_equal(r.error, 0);
	return r.local;
}

static void dial(int fd, const struct sl_endpoint *to)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = to->port_be};

	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
}

/* An allocation's end takes what is its own, of many. */
static void each_allocation_has_its_own(void **state)
{
	enum { N = 12 };
	const struct sl_stream_record close_all = {.kind = SL_STREAM_DO_TCP_UNLISTEN};
	struct sl_flow control;
	struct sl_stream_record r;
	int control_fd = client_on(-1, &control), fds[N];

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		struct sl_endpoint at = listen_for(&control, UINT64_C(1) << 40 | i);

		fds[i] = limited(socket(AF_INET, SOCK_STREAM, 0));
		dial(fds[i], &at);
		rig_expect(SL_STREAM_IN_TCP_INCOMING, &r, NULL);
		assert_int_equal(r.allocation, UINT64_C(1) << 40 | i);
	}
	for (unsigned i = 0; i < N; i++) {
		uint8_t byte;

		r = close_all;
		r.flow = control;
		r.allocation = UINT64_C(1) << 40 | i;
		rig_put(&r, NULL);
		check_end(fds[i]);
		if (i + 1 < N)
			assert_int_equal(recv(fds[i + 1], &byte, 1, MSG_DONTWAIT), -1);
		close(fds[i]);
		rig_wait_for(SL_S_peers_active, N - 1 - i);
	}
	close(control_fd);
}

/* No descriptor for a peer that comes: the thread waits before it tries again, and has not forgotten. */
static void descriptors_run_out(void **state)
{
	struct rlimit before, none;
	struct sl_flow control;
	struct sl_stream_record r;
	int control_fd = client_on(-1, &control), peer = limited(socket(AF_INET, SOCK_STREAM, 0)), next;
	struct sl_endpoint at = listen_for(&control, 77);

	(void)state;
	next = dup(peer); /* the lowest that is free */
	assert_true(next > peer);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){(rlim_t)next, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	const int64_t began = rig_now_ms();
	dial(peer, &at);
	for (int64_t end = began + WAIT_MS; rig_counter(SL_S_connections_refused) < 3 && rig_now_ms() < end;)
		poll(NULL, 0, 2);
	const uint64_t refused = rig_counter(SL_S_connections_refused);
	assert_true(refused >= 3);
	assert_true((int64_t)refused <= (rig_now_ms() - began) / 100 + 2); /* one in 100 ms, not one in each turn */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	rig_expect(SL_STREAM_IN_TCP_INCOMING, &r, NULL);
	close(peer), close(control_fd);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, rig_start, rig_stop)
	const struct CMUnitTest tests[] = {
	        T(a_data_connection_of_the_same_thread),
	        T(a_data_connection_of_the_other_thread),
	        T(peers_are_announced_and_wait),
	        T(what_cannot_be_is_told),
	        T(a_side_that_does_not_read_holds_the_other_back),
	        T(a_data_connection_behind_a_proxy),
	        T(each_allocation_has_its_own),
	        T(descriptors_run_out),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
