/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/stream_rig.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static const uint8_t answer[20] = {1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static SSL_CTX *client_context(unsigned listener)
{
	SSL_CTX *c = SSL_CTX_new(listener == DTLS ? DTLS_client_method() : TLS_client_method());

	assert_non_null(c);
	SSL_CTX_set_verify(c, SSL_VERIFY_NONE, NULL);
	return c;
}

static SSL *secure(SSL_CTX *ctx, unsigned listener, const char *host, SSL_SESSION *resume)
{
	SSL *ssl = SSL_new(ctx);
	int fd = rig_dial(listener, listener == DTLS ? SOCK_DGRAM : SOCK_STREAM);

	if (listener == DTLS) {
		BIO *bio = BIO_new_dgram(fd, BIO_CLOSE);
		struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(rig_ports[listener])};
		struct timeval limit = {.tv_sec = WAIT_MS / 1000};

		BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_CONNECTED, 0, &peer);
		BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &limit);
		SSL_set_bio(ssl, bio, bio);
	} else {
		SSL_set_fd(ssl, fd);
	}
	if (host)
		SSL_set_tlsext_host_name(ssl, host);
	if (resume)
		SSL_set_session(ssl, resume);
	return ssl;
}

static void hang_up(SSL *ssl)
{
	int fd = SSL_get_fd(ssl);
	bool closes = BIO_method_type(SSL_get_rbio(ssl)) == BIO_TYPE_DGRAM;

	SSL_shutdown(ssl);
	SSL_free(ssl);
	if (!closes)
		close(fd);
}

static void check_host(SSL *ssl, const char *host)
{
	X509 *x = SSL_get1_peer_certificate(ssl);

	assert_non_null(x);
	assert_int_equal(X509_check_host(x, host, 0, 0, NULL), 1);
	X509_free(x);
}

/* A rig_request through, an answer back. */
static struct sl_flow talk(SSL *ssl, unsigned listener)
{
	struct sl_stream_record r;
	uint8_t bytes[BIG];

	assert_int_equal(SSL_write(ssl, rig_request, sizeof rig_request), sizeof rig_request);
	rig_expect(SL_STREAM_IN_FRAME, &r, bytes);
	assert_int_equal(r.len, sizeof rig_request);
	assert_memory_equal(bytes, rig_request, sizeof rig_request);
	assert_int_equal(r.flow.listener, listener);
	assert_int_equal(sl_flow_over(&r.flow), rig_config.turn.more[listener].transport);
	assert_true(sl_endpoint_eq(&r.server, &rig_config.turn.listeners[listener]));
	rig_order(&r.flow, SL_STREAM_DO_SEND, 0, answer, sizeof answer);
	assert_int_equal(SSL_read(ssl, bytes, sizeof bytes), sizeof answer);
	assert_memory_equal(bytes, answer, sizeof answer);
	return r.flow;
}

/* ---- tests ---- */

static void tls_with_server_names_and_protocols(void **state)
{
	SSL_CTX *ctx = client_context(TLS);
	struct sl_stream_record r;
	const unsigned char *protocol;
	unsigned n;
	SSL *a = secure(ctx, TLS, NULL, NULL), *b = secure(ctx, TLS, "OTHER.example.net", NULL), *c = secure(ctx, TLS, "turn.example.com", NULL);
	struct sl_flow flow;

	assert_int_equal(SSL_connect(a), 1);
	check_host(a, "turn.example.com");
	assert_int_equal(SSL_set_alpn_protos(b, (const unsigned char *)"\x02h2\x09stun.turn", 13), 0);
	assert_int_equal(SSL_connect(b), 1);
	check_host(b, "other.example.net");
	SSL_get0_alpn_selected(b, &protocol, &n);
	assert_int_equal(n, 9);
	assert_memory_equal(protocol, "stun.turn", 9);
	assert_int_equal(SSL_set_alpn_protos(c, (const unsigned char *)"\x02h2", 3), 0);
	assert_int_equal(SSL_connect(c), -1); /* speaks something else */
	flow = talk(a, TLS);
	talk(b, TLS);
	SSL_free(c);
	hang_up(a);
	rig_expect(SL_STREAM_IN_CLOSED, &r, NULL);
	assert_true(sl_flow_eq(&r.flow, &flow));
	hang_up(b);
	rig_expect(SL_STREAM_IN_CLOSED, &r, NULL);
	assert_int_equal(rig_counter(SL_S_handshakes), 2);
	assert_int_equal(rig_counter(SL_S_handshakes_failed), 1);
	rig_wait_for(SL_S_connections_active, 0);
	SSL_CTX_free(ctx);
}

static uint16_t realm_asked_for(SSL_CTX *ctx, unsigned listener, const char *host, SSL_SESSION *resume)
{
	SSL *ssl = secure(ctx, listener, host, resume);
	struct sl_stream_record r;
	uint16_t realm;

	if (resume)
		SSL_set_max_proto_version(ssl, SSL_SESSION_get_protocol_version(resume));
	assert_int_equal(SSL_connect(ssl), 1);
	assert_int_equal(SSL_session_reused(ssl), resume != NULL);
	assert_int_equal(SSL_write(ssl, rig_request, sizeof rig_request), sizeof rig_request);
	rig_expect(SL_STREAM_IN_FRAME, &r, NULL);
	realm = r.realm;
	hang_up(ssl);
	rig_expect(SL_STREAM_IN_CLOSED, &r, NULL);
	return realm;
}

static SSL_SESSION *session_of(SSL_CTX *ctx, const char *host, int max_version);

static void the_realm_goes_by_the_server_name(void **state)
{
	SSL_CTX *tls = client_context(TLS), *dtls = client_context(DTLS);
	SSL_SESSION *session = session_of(tls, "other.example.net", TLS1_2_VERSION);

	assert_int_equal(realm_asked_for(tls, TLS, "Other.Example.NET", NULL), 1);
	assert_int_equal(realm_asked_for(tls, TLS, "turn.example.com", NULL), SL_TURN_ANY_REALM);
	assert_int_equal(realm_asked_for(tls, TLS, NULL, NULL), SL_TURN_ANY_REALM);
	assert_int_equal(realm_asked_for(tls, TLS, "other.example.net", session), 1);
	assert_int_equal(realm_asked_for(dtls, DTLS, "other.example.net", NULL), 1);
	SSL_SESSION_free(session);
	SSL_CTX_free(tls);
	SSL_CTX_free(dtls);
}

/* What comes before TURN is provisioned waits for it: a request over TCP is not sent again. */
static void nobody_is_heard_before_there_is_a_policy(void **state)
{
	struct sl_stream_record r;
	int fd = rig_dial(TCP, SOCK_STREAM);

	assert_int_equal(send(fd, rig_request, sizeof rig_request, 0), sizeof rig_request);
	poll(NULL, 0, 300);
	assert_int_equal(rig_counter(SL_S_connections_taken), 0);
	rig_provision();
	rig_expect(SL_STREAM_IN_FRAME, &r, NULL);
	close(fd);
	rig_expect(SL_STREAM_IN_CLOSED, &r, NULL);
}

static SSL_SESSION *session_of(SSL_CTX *ctx, const char *host, int max_version)
{
	SSL *ssl = secure(ctx, TLS, host, NULL);
	SSL_SESSION *session;
	struct sl_stream_record r;

	SSL_set_max_proto_version(ssl, max_version);
	assert_int_equal(SSL_connect(ssl), 1);
	talk(ssl, TLS); /* with TLS 1.3 the ticket comes after the handshake */
	session = SSL_get1_session(ssl);
	hang_up(ssl);
	rig_expect(SL_STREAM_IN_CLOSED, &r, NULL);
	return session;
}

static void check_resumes(SSL_CTX *ctx, int max_version)
{
	SSL_SESSION *session = session_of(ctx, "turn.example.com", max_version);
	struct sl_stream_record r;

	for (unsigned i = 0; i < 8; i++) { /* by either thread */
		SSL *ssl = secure(ctx, TLS, "turn.example.com", session);

		SSL_set_max_proto_version(ssl, max_version);
		assert_int_equal(SSL_connect(ssl), 1);
		assert_true(SSL_session_reused(ssl));
		talk(ssl, TLS);
		hang_up(ssl);
		rig_expect(SL_STREAM_IN_CLOSED, &r, NULL);
	}
	SSL_SESSION_free(session);
}

static void sessions_are_resumed_on_any_thread(void **state)
{
	SSL_CTX *ctx = client_context(TLS);

	check_resumes(ctx, TLS1_3_VERSION);
	check_resumes(ctx, TLS1_2_VERSION);
	assert_int_equal(rig_counter(SL_S_handshakes_resumed), 16);
	SSL_CTX_free(ctx);
}

static unsigned n_tickets;

static int count_ticket(SSL *ssl, SSL_SESSION *session)
{
	n_tickets += SSL_SESSION_has_ticket(session) != 0;
	return 0;
}

/* It costs no packet of its own; and with the server's close comes its word that nothing was cut off. */
static void a_ticket_comes_with_the_first_answer(void **state)
{
	SSL_CTX *ctx = client_context(TLS);
	SSL *ssl = secure(ctx, TLS, NULL, NULL);
	struct sl_stream_record r;
	struct sl_flow flow;
	char byte;

	n_tickets = 0;
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(ctx, count_ticket);
	SSL_set_min_proto_version(ssl, TLS1_3_VERSION);
	assert_int_equal(SSL_connect(ssl), 1);
	rig_wait_for(SL_S_handshakes, 1);
	assert_int_equal(recv(SSL_get_fd(ssl), &byte, 1, MSG_PEEK | MSG_DONTWAIT), -1);
	flow = talk(ssl, TLS);
	assert_int_equal(n_tickets, 1);
	talk(ssl, TLS);
	assert_int_equal(n_tickets, 1);
	rig_order(&flow, SL_STREAM_DO_CLOSE, 0, NULL, 0);
	assert_int_equal(SSL_read(ssl, &byte, 1), 0);
	assert_int_equal(SSL_get_error(ssl, 0), SSL_ERROR_ZERO_RETURN);
	rig_expect(SL_STREAM_IN_CLOSED, &r, NULL);
	hang_up(ssl);
	SSL_CTX_free(ctx);
}

static int option_of(int fd, int level, int option)
{
	int value = -1;
	socklen_t len = sizeof value;

	assert_int_equal(getsockopt(fd, level, option, &value, &len), 0);
	return value;
}

/* The server's end of a client's connection: it is in this process, too. */
static int other_end(int client)
{
	struct sockaddr_in mine, theirs;
	socklen_t len = sizeof mine;

	assert_int_equal(getsockname(client, (struct sockaddr *)&mine, &len), 0);
	for (int fd = 0; fd < 1024; fd++) {
		len = sizeof theirs;
		if (fd != client && getpeername(fd, (struct sockaddr *)&theirs, &len) == 0 && theirs.sin_family == AF_INET && theirs.sin_port == mine.sin_port)
			return fd;
	}
	return -1;
}

/* They are the listening socket's: nothing is set for each connection. */
static void a_connection_has_its_options(void **state)
{
	SSL_CTX *ctx = client_context(TLS);
	SSL *ssl = secure(ctx, TLS, NULL, NULL);
	struct sl_stream_record r;
	int fd;

	assert_int_equal(SSL_connect(ssl), 1);
	talk(ssl, TLS);
	fd = other_end(SSL_get_fd(ssl));
	assert_true(fd >= 0);
	assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 65536);
	assert_int_equal(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), 60);
	hang_up(ssl);
	rig_expect(SL_STREAM_IN_CLOSED, &r, NULL);
	SSL_CTX_free(ctx);
}

static void a_reload_drops_nobody(void **state)
{
	SSL_CTX *ctx = client_context(TLS);
	SSL *before = secure(ctx, TLS, NULL, NULL), *after;
	char text[512], *kept = rig_config.turn.more[TLS].certificate;

	assert_int_equal(SSL_connect(before), 1);
	talk(before, TLS);
	rig_config.turn.more[TLS].certificate = rig_path_of("absent", "pem");
	assert_int_equal(sl_streams_reload(rig_streams, &rig_config, text, sizeof text), -EINVAL);
	assert_non_null(strstr(text, "option 'certificate'"));
	assert_non_null(strstr(text, "tls:127.0.0.1:"));
	talk(before, TLS);
	free(rig_config.turn.more[TLS].certificate);
	free(kept);
	free(rig_config.turn.more[TLS].key);
	rig_make_certificate("new", "new.example.org");
	rig_config.turn.more[TLS].certificate = rig_path_of("new", "pem");
	rig_config.turn.more[TLS].key = rig_path_of("new", "key");
	assert_int_equal(sl_streams_reload(rig_streams, &rig_config, text, sizeof text), 0);
	talk(before, TLS);
	check_host(before, "turn.example.com");
	after = secure(ctx, TLS, NULL, NULL);
	assert_int_equal(SSL_connect(after), 1);
	check_host(after, "new.example.org");
	talk(after, TLS);
	talk(before, TLS);
	hang_up(before);
	hang_up(after);
	SSL_CTX_free(ctx);
}

static void dtls_behind_a_cookie(void **state)
{
	SSL_CTX *ctx = client_context(DTLS);
	SSL *ssl = secure(ctx, DTLS, "other.example.net", NULL);
	struct sl_stream_record r;
	uint8_t bytes[BIG];
	struct sl_flow flow;

	assert_int_equal(SSL_connect(ssl), 1);
	check_host(ssl, "other.example.net");
	assert_int_equal(rig_counter(SL_S_cookies), 1);
	flow = talk(ssl, DTLS);
	/* Padding is not needed, and not handed on. */
	rig_order(&flow, SL_STREAM_DO_KNOWN, 1, NULL, 0);
	assert_int_equal(SSL_write(ssl, "\x40\x00\x00\x01x", 5), 5);
	rig_expect(SL_STREAM_IN_FRAME, &r, bytes);
	assert_int_equal(r.len, 5);
	assert_int_equal(SSL_write(ssl, "\x40\x00\x00\x01x\0\0\0", 8), 8);
	rig_expect(SL_STREAM_IN_FRAME, &r, bytes);
	assert_int_equal(r.len, 5);
	assert_int_equal(SSL_write(ssl, "\x40\x00\x00\x02x", 5), 5); /* shorter than it says: dropped */
	rig_wait_for(SL_S_malformed, 1);
	talk(ssl, DTLS);
	hang_up(ssl);
	rig_expect(SL_STREAM_IN_CLOSED, &r, NULL);
	assert_true(sl_flow_eq(&r.flow, &flow));
	SSL_CTX_free(ctx);
}

/* Somebody without an address of his own learns nothing, and costs nothing. */
static void a_hello_without_a_cookie_leaves_nothing(void **state)
{
	SSL_CTX *ctx = client_context(DTLS);
	uint64_t memory = rig_counter(SL_S_memory_bytes);

	for (unsigned i = 0; i < 50; i++) {
		SSL *ssl = SSL_new(ctx);
		int fd = rig_dial(DTLS, SOCK_DGRAM);
		BIO *out = BIO_new(BIO_s_mem());
		char *p;
		long n;

		SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
		SSL_connect(ssl);
		n = BIO_get_mem_data(out, &p);
		assert_true(n > 0);
		assert_int_equal(send(fd, p, (size_t)n, 0), n);
		SSL_free(ssl);
		close(fd);
	}
	rig_wait_for(SL_S_cookies, 50);
	assert_int_equal(rig_counter(SL_S_memory_bytes), memory);
	assert_int_equal(rig_counter(SL_S_connections_taken), 0);
	SSL_CTX_free(ctx);
}

static void strangers_have_a_time_and_a_size(void **state)
{
	struct sl_stream_record r;
	uint8_t byte;
	int idle = rig_dial(TCP, SOCK_STREAM), big = rig_dial(TCP, SOCK_STREAM), other = rig_dial(TCP, SOCK_STREAM), known = rig_dial(TCP, SOCK_STREAM);

	assert_int_equal(send(known, rig_request, sizeof rig_request, 0), sizeof rig_request);
	rig_expect(SL_STREAM_IN_FRAME, &r, NULL);
	rig_order(&r.flow, SL_STREAM_DO_KNOWN, 1, NULL, 0);
	assert_int_equal(send(big, "\x40\x00\xff\xff", 4, 0), 4);
	assert_int_equal(recv(big, &byte, 1, 0), 0);
	assert_int_equal(send(other, "GET / HTTP/1.1\r\n", 16, 0), 16);
	assert_true(recv(other, &byte, 1, 0) <= 0);
	assert_int_equal(rig_counter(SL_S_malformed), 2);
	assert_int_equal(recv(idle, &byte, 1, 0), 0);
	assert_int_equal(rig_counter(SL_S_connections_idle), 1);
	rig_wait_for(SL_S_connections_active, 1); /* the one with an allocation stays */
	rig_order(&r.flow, SL_STREAM_DO_KNOWN, 0, NULL, 0);
	assert_int_equal(recv(known, &byte, 1, 0), 0);
	rig_expect(SL_STREAM_IN_CLOSED, &r, NULL);
	close(idle), close(big), close(other), close(known);
	rig_wait_for(SL_S_connections_active, 0);
	rig_wait_for(SL_S_memory_bytes, 0);
}

static void a_source_has_its_share(void **state)
{
	int fds[50];
	uint8_t byte;

	for (unsigned i = 0; i < SL_COUNT(fds); i++)
		fds[i] = rig_dial(TCP, SOCK_STREAM);
	rig_wait_for(SL_S_connections_refused, 10);
	assert_int_equal(rig_counter(SL_S_connections_taken), 40);
	for (unsigned i = 0; i < SL_COUNT(fds); i++)
		close(fds[i]);
	rig_wait_for(SL_S_connections_active, 0);
	fds[0] = rig_dial(TCP, SOCK_STREAM);
	assert_int_equal(send(fds[0], rig_request, 3, 0), 3);
	rig_wait_for(SL_S_connections_taken, 41);
	assert_int_equal(recv(fds[0], &byte, 1, MSG_DONTWAIT), -1);
	close(fds[0]);
}

static void behind_a_proxy_the_client_is_who_it_says(void **state)
{
	static const uint8_t header[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x02\x30\x39\x0d\x96";
	struct sl_stream_record r;
	char text[SL_ADDR_TEXT_MAX];
	uint8_t byte, bytes[BIG];
	int fd = rig_dial(PROXIED, SOCK_STREAM), without = rig_dial(PROXIED, SOCK_STREAM), from_nobody = rig_dial(TCP, SOCK_STREAM);

	for (unsigned i = 0; i < sizeof header - 1; i++) { /* byte by byte */
		assert_int_equal(send(fd, header + i, 1, 0), 1);
		poll(NULL, 0, i % 8 == 0);
	}
	assert_int_equal(send(fd, rig_request, sizeof rig_request, 0), sizeof rig_request);
	rig_expect(SL_STREAM_IN_FRAME, &r, bytes);
	assert_memory_equal(bytes, rig_request, sizeof rig_request);
	assert_string_equal(sl_endpoint_text(&(struct sl_endpoint){r.flow.ip, r.flow.port_be}, text), "192.0.2.1:12345");
	assert_string_equal(sl_endpoint_text(&r.server, text), "198.51.100.2:3478");
	assert_int_equal(send(without, rig_request, sizeof rig_request, 0), sizeof rig_request);
	assert_true(recv(without, &byte, 1, 0) <= 0);
	assert_int_equal(send(from_nobody, header, sizeof header - 1, 0), sizeof header - 1);
	assert_true(recv(from_nobody, &byte, 1, 0) <= 0);
	rig_wait_for(SL_S_malformed, 2);
	/* The guard has to know the address that its packets come from. */
	rig_order(&r.flow, SL_STREAM_DO_KNOWN, 1, NULL, 0);
	rig_expect(SL_STREAM_IN_REMOTE, &r, NULL);
	assert_int_equal(r.on, 1);
	assert_int_equal(sl_ip_v4_be(&r.peer.ip), htonl(INADDR_LOOPBACK));
	close(fd), close(without), close(from_nobody);
	rig_expect(SL_STREAM_IN_CLOSED, &r, NULL);
	assert_int_equal(sl_ip_v4_be(&r.peer.ip), htonl(INADDR_LOOPBACK));
}

/* Relayed data for a client that does not read is dropped, an answer still fits, memory is bounded; then it is cut off. */
static void a_client_that_does_not_read_costs_little(void **state)
{
	uint8_t data[1004] = {0x40, 0, 0x03, 0xe8};
	struct sl_stream_record r;
	int fd = rig_dial(TCP, SOCK_STREAM), small = 4096;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	assert_int_equal(send(fd, rig_request, sizeof rig_request, 0), sizeof rig_request);
	rig_expect(SL_STREAM_IN_FRAME, &r, NULL);
	rig_order(&r.flow, SL_STREAM_DO_KNOWN, 1, NULL, 0);
	for (int64_t end = rig_now_ms() + WAIT_MS; rig_counter(SL_S_slow_dropped) < 100 && rig_now_ms() < end;) {
		struct sl_byte_ring *ring = sl_streams_out(rig_streams, sl_flow_thread(&r.flow), 0);

		if (sl_byte_ring_room(ring) > 4096)
			rig_order(&r.flow, SL_STREAM_DO_SEND, 0, data, sizeof data);
	}
	assert_true(rig_counter(SL_S_slow_dropped) >= 100);
	assert_true(rig_counter(SL_S_memory_bytes) < 4 * 64 * 1024);
	rig_expect(SL_STREAM_IN_CLOSED, &r, NULL);
	assert_int_equal(rig_counter(SL_S_slow_ended), 1);
	rig_wait_for(SL_S_memory_bytes, 0);
	close(fd);
}

/* A worker that takes nothing: the client is not read, nothing is lost, nothing grows. */
static void a_busy_worker_holds_the_client_back(void **state)
{
	enum { FRAMES = 20000, ROOM = 256 };
	static uint8_t block[ROOM * sizeof rig_request];
	struct sl_stream_record r;
	unsigned sent = 0, heard = 0;
	int fd = rig_dial(TCP, SOCK_STREAM);

	for (unsigned i = 0; i < ROOM; i++)
		memcpy(block + i * sizeof rig_request, rig_request, sizeof rig_request);
	assert_int_equal(send(fd, rig_request, sizeof rig_request, 0), sizeof rig_request);
	rig_expect(SL_STREAM_IN_FRAME, &r, NULL);
	rig_order(&r.flow, SL_STREAM_DO_KNOWN, 1, NULL, 0);
	for (; sent < FRAMES; sent += ROOM) {
		size_t at = 0;

		for (ssize_t n; at < sizeof block; at += (size_t)n) {
			n = send(fd, block + at, sizeof block - at, MSG_DONTWAIT);
			if (n >= 0)
				continue;
			n = 0;
			assert_true(rig_hear(&r, NULL)); /* the socket is full, so the ring must have been */
			heard++;
		}
	}
	for (int64_t end = rig_now_ms() + WAIT_MS; rig_counter(SL_S_paused) == 0 && rig_now_ms() < end;)
		poll(NULL, 0, 2);
	assert_true(rig_counter(SL_S_paused) > 0);
	assert_true(rig_counter(SL_S_memory_bytes) < 128 * 1024);
	for (; heard < sent; heard++)
		rig_expect(SL_STREAM_IN_FRAME, &r, NULL);
	close(fd);
	rig_expect(SL_STREAM_IN_CLOSED, &r, NULL);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, rig_start, rig_stop)
	const struct CMUnitTest tests[] = {
	        T(tls_with_server_names_and_protocols),
	        T(the_realm_goes_by_the_server_name),
	        cmocka_unit_test_setup_teardown(nobody_is_heard_before_there_is_a_policy, rig_start_unprovisioned, rig_stop),
	        T(sessions_are_resumed_on_any_thread),
	        T(a_ticket_comes_with_the_first_answer),
	        T(a_connection_has_its_options),
	        T(a_reload_drops_nobody),
	        T(dtls_behind_a_cookie),
	        T(a_hello_without_a_cookie_leaves_nothing),
	        T(strangers_have_a_time_and_a_size),
	        T(a_source_has_its_share),
	        T(behind_a_proxy_the_client_is_who_it_says),
	        T(a_client_that_does_not_read_costs_little),
	        T(a_busy_worker_holds_the_client_back),
	};
	signal(SIGPIPE, SIG_IGN); /* of the clients here; the threads look after themselves */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
