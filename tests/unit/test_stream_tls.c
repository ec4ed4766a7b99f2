/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include "dataplane/dataplane.h"
#include "dataplane/stream/stream.h"
#include "dataplane/abi/msg_turn.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* Real stream threads on loopback, real clients; the test itself is the one worker, and asks its rings. */

enum { TCP, TLS, DTLS, PROXIED, N_LISTENERS, WAIT_MS = 5000, BIG = 1200 };

static struct sl_config config;
static struct sl_dataplane dp;
static struct sl_streams *streams;
static char folder[64];
static uint16_t ports[N_LISTENERS];

/* ---- certificates ---- */

static char *path_of(const char *name, const char *suffix)
{
	char *p;

	assert_true(asprintf(&p, "%s/%s.%s", folder, name, suffix) > 0);
	return p;
}

static void make_certificate(const char *name, const char *host)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	char *pem = path_of(name, "pem"), *key_file = path_of(name, "key"), san[80];
	X509_EXTENSION *e;
	FILE *f;

	snprintf(san, sizeof san, "DNS:%s", host);
	e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)host, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_set_pubkey(x, key);
	X509_add_ext(x, e, -1);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	assert_non_null(f = fopen(pem, "w"));
	PEM_write_X509(f, x);
	fclose(f);
	assert_non_null(f = fopen(key_file, "w"));
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	X509_EXTENSION_free(e);
	X509_free(x);
	EVP_PKEY_free(key);
	free(pem);
	free(key_file);
}

/* ---- the rig ---- */

static uint16_t free_port(int type)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, type, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	close(fd);
	return ntohs(a.sin_port);
}

static int start(void **state)
{
	static const unsigned over[N_LISTENERS] = {SL_TURN_OVER_TCP, SL_TURN_OVER_TLS, SL_TURN_OVER_DTLS, SL_TURN_OVER_TCP};
	const uint8_t key[SL_TOEPLITZ_KEY_BYTES] = {1, 2, 3};
	struct sl_conf_turn *c = &config.turn;
	char text[512] = "", address[64];

	strcpy(folder, "/tmp/sluice-test-stream-XXXXXX");
	assert_non_null(mkdtemp(folder));
	make_certificate("default", "turn.example.com");
	make_certificate("other", "other.example.net");
	memset(&config, 0, sizeof config);
	memset(&dp, 0, sizeof dp);
	c->n_listeners = N_LISTENERS;
	for (unsigned i = 0; i < N_LISTENERS; i++) {
		ports[i] = free_port(i == DTLS ? SOCK_DGRAM : SOCK_STREAM);
		snprintf(address, sizeof address, "127.0.0.1:%u", ports[i]);
		assert_int_equal(sl_endpoint_parse(address, &c->listeners[i]), 0);
		c->more[i].transport = over[i];
		if (i != TLS && i != DTLS)
			continue;
		c->more[i].certificate = path_of("default", "pem");
		c->more[i].key = path_of("default", "key");
		c->more[i].n_certificates = 1;
		c->more[i].certificates[0] = (struct sl_conf_certificate){path_of("other", "pem"), path_of("other", "key")};
	}
	c->more[PROXIED].n_proxies = 1;
	assert_int_equal(sl_prefix_parse("127.0.0.0/8", &c->more[PROXIED].proxies[0]), 0);
	c->stream_threads = 2;
	c->max_connections = 64;
	c->connections_per_source = 40;
	c->stream_buffer_kb = 64;
	c->stream_memory_mb = 16;
	c->stream_wait_s = 3;
	c->stream_stall_s = 1;
	dp.config = &config;
	dp.n_workers = config.dataplane.n_workers = 1;
	config.dataplane.worker_cores[0] = UINT8_MAX;
	sl_owner_init(&dp.owner, key, 1);
	if (sl_streams_start(&dp, &streams, text, sizeof text))
		fail_msg("%s", text);
	return 0;
}

static int stop(void **state)
{
	static const char *const names[] = {"default.pem", "default.key", "other.pem", "other.key", "new.pem", "new.key"};
	char path[128];

	sl_streams_stop(streams);
	for (unsigned i = 0; i < N_LISTENERS; i++) {
		free(config.turn.more[i].certificate);
		free(config.turn.more[i].key);
		free(config.turn.more[i].certificates[0].certificate);
		free(config.turn.more[i].certificates[0].key);
	}
	for (unsigned i = 0; i < SL_COUNT(names); i++) {
		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The next record for the worker, with up to BIG bytes; false after WAIT_MS. */
static bool hear(struct sl_stream_record *r, uint8_t *bytes)
{
	for (int64_t end = now_ms() + WAIT_MS; now_ms() < end; poll(NULL, 0, 1)) {
		for (unsigned t = 0; t < sl_streams_threads(streams); t++) {
			struct sl_byte_ring *ring = sl_streams_in(streams, t, 0);
			size_t len;
			const uint8_t *p = sl_byte_ring_peek(ring, &len);

			if (!p)
				continue;
			memcpy(r, p, sizeof *r);
			assert_int_equal(len, sizeof *r + r->len);
			if (bytes)
				memcpy(bytes, p + sizeof *r, r->len < BIG ? r->len : BIG);
			sl_byte_ring_take(ring);
			return true;
		}
	}
	return false;
}

static void expect(uint16_t kind, struct sl_stream_record *r, uint8_t *bytes)
{
	assert_true(hear(r, bytes));
	assert_int_equal(r->kind, kind);
}

static void order(const struct sl_flow *f, uint16_t kind, uint16_t on, const void *bytes, uint32_t len)
{
	struct sl_byte_ring *ring = sl_streams_out(streams, sl_flow_thread(f), 0);
	struct sl_stream_record *r = sl_byte_ring_reserve(ring, sizeof *r + len);

	assert_non_null(r);
	*r = (struct sl_stream_record){.kind = kind, .flow = *f, .on = on, .len = len};
	if (len)
		memcpy(r + 1, bytes, len);
	sl_byte_ring_put(ring, sizeof *r + len);
}

static uint64_t counter(enum sl_stream_counter c)
{
	uint64_t counts[SL_N_STREAM_COUNTERS];

	sl_streams_count(streams, counts);
	return counts[c];
}

static void wait_for(enum sl_stream_counter c, uint64_t value)
{
	for (int64_t end = now_ms() + WAIT_MS; counter(c) != value && now_ms() < end;)
		poll(NULL, 0, 2);
	assert_int_equal(counter(c), value);
}

/* ---- clients ---- */

static const uint8_t request[28] = {0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x80, 0x22, 0, 4, 'a', 'b', 'c', 'd'};
static const uint8_t answer[20] = {1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static int dial(unsigned listener, int type)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(ports[listener])};
	struct timeval limit = {.tv_sec = WAIT_MS / 1000};
	int fd = socket(AF_INET, type, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

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
	int fd = dial(listener, listener == DTLS ? SOCK_DGRAM : SOCK_STREAM);

	if (listener == DTLS) {
		BIO *bio = BIO_new_dgram(fd, BIO_CLOSE);
		struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(ports[listener])};
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

/* A request through, an answer back. */
static struct sl_flow talk(SSL *ssl, unsigned listener)
{
	struct sl_stream_record r;
	uint8_t bytes[BIG];

	assert_int_equal(SSL_write(ssl, request, sizeof request), sizeof request);
	expect(SL_STREAM_IN_FRAME, &r, bytes);
	assert_int_equal(r.len, sizeof request);
	assert_memory_equal(bytes, request, sizeof request);
	assert_int_equal(r.flow.listener, listener);
	assert_int_equal(sl_flow_over(&r.flow), config.turn.more[listener].transport);
	assert_true(sl_endpoint_eq(&r.server, &config.turn.listeners[listener]));
	order(&r.flow, SL_STREAM_DO_SEND, 0, answer, sizeof answer);
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
	expect(SL_STREAM_IN_CLOSED, &r, NULL);
	assert_true(sl_flow_eq(&r.flow, &flow));
	hang_up(b);
	expect(SL_STREAM_IN_CLOSED, &r, NULL);
	assert_int_equal(counter(SL_S_handshakes), 2);
	assert_int_equal(counter(SL_S_handshakes_failed), 1);
	wait_for(SL_S_connections_active, 0);
	SSL_CTX_free(ctx);
}

static SSL_SESSION *session_of(SSL_CTX *ctx, int max_version)
{
	SSL *ssl = secure(ctx, TLS, "turn.example.com", NULL);
	SSL_SESSION *session;
	struct sl_stream_record r;

	SSL_set_max_proto_version(ssl, max_version);
	assert_int_equal(SSL_connect(ssl), 1);
	talk(ssl, TLS); /* with TLS 1.3 the ticket comes after the handshake */
	session = SSL_get1_session(ssl);
	hang_up(ssl);
	expect(SL_STREAM_IN_CLOSED, &r, NULL);
	return session;
}

static void check_resumes(SSL_CTX *ctx, int max_version)
{
	SSL_SESSION *session = session_of(ctx, max_version);
	struct sl_stream_record r;

	for (unsigned i = 0; i < 8; i++) { /* by either thread */
		SSL *ssl = secure(ctx, TLS, "turn.example.com", session);

		SSL_set_max_proto_version(ssl, max_version);
		assert_int_equal(SSL_connect(ssl), 1);
		assert_true(SSL_session_reused(ssl));
		talk(ssl, TLS);
		hang_up(ssl);
		expect(SL_STREAM_IN_CLOSED, &r, NULL);
	}
	SSL_SESSION_free(session);
}

static void sessions_are_resumed_on_any_thread(void **state)
{
	SSL_CTX *ctx = client_context(TLS);

	check_resumes(ctx, TLS1_3_VERSION);
	check_resumes(ctx, TLS1_2_VERSION);
	assert_int_equal(counter(SL_S_handshakes_resumed), 16);
	SSL_CTX_free(ctx);
}

static void a_reload_drops_nobody(void **state)
{
	SSL_CTX *ctx = client_context(TLS);
	SSL *before = secure(ctx, TLS, NULL, NULL), *after;
	char text[512], *kept = config.turn.more[TLS].certificate;

	assert_int_equal(SSL_connect(before), 1);
	talk(before, TLS);
	config.turn.more[TLS].certificate = path_of("absent", "pem");
	assert_int_equal(sl_streams_reload(streams, &config, text, sizeof text), -EINVAL);
	assert_non_null(strstr(text, "option 'certificate'"));
	assert_non_null(strstr(text, "tls:127.0.0.1:"));
	talk(before, TLS);
	free(config.turn.more[TLS].certificate);
	free(kept);
	free(config.turn.more[TLS].key);
	make_certificate("new", "new.example.org");
	config.turn.more[TLS].certificate = path_of("new", "pem");
	config.turn.more[TLS].key = path_of("new", "key");
	assert_int_equal(sl_streams_reload(streams, &config, text, sizeof text), 0);
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
	assert_int_equal(counter(SL_S_cookies), 1);
	flow = talk(ssl, DTLS);
	/* Padding is not needed, and not handed on. */
	order(&flow, SL_STREAM_DO_KNOWN, 1, NULL, 0);
	assert_int_equal(SSL_write(ssl, "\x40\x00\x00\x01x", 5), 5);
	expect(SL_STREAM_IN_FRAME, &r, bytes);
	assert_int_equal(r.len, 5);
	assert_int_equal(SSL_write(ssl, "\x40\x00\x00\x01x\0\0\0", 8), 8);
	expect(SL_STREAM_IN_FRAME, &r, bytes);
	assert_int_equal(r.len, 5);
	assert_int_equal(SSL_write(ssl, "\x40\x00\x00\x02x", 5), 5); /* shorter than it says: dropped */
	wait_for(SL_S_malformed, 1);
	talk(ssl, DTLS);
	hang_up(ssl);
	expect(SL_STREAM_IN_CLOSED, &r, NULL);
	assert_true(sl_flow_eq(&r.flow, &flow));
	SSL_CTX_free(ctx);
}

/* Somebody without an address of his own learns nothing, and costs nothing. */
static void a_hello_without_a_cookie_leaves_nothing(void **state)
{
	SSL_CTX *ctx = client_context(DTLS);
	uint64_t memory = counter(SL_S_memory_bytes);

	for (unsigned i = 0; i < 50; i++) {
		SSL *ssl = SSL_new(ctx);
		int fd = dial(DTLS, SOCK_DGRAM);
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
	wait_for(SL_S_cookies, 50);
	assert_int_equal(counter(SL_S_memory_bytes), memory);
	assert_int_equal(counter(SL_S_connections_taken), 0);
	SSL_CTX_free(ctx);
}

static void strangers_have_a_time_and_a_size(void **state)
{
	struct sl_stream_record r;
	uint8_t byte;
	int idle = dial(TCP, SOCK_STREAM), big = dial(TCP, SOCK_STREAM), other = dial(TCP, SOCK_STREAM), known = dial(TCP, SOCK_STREAM);

	assert_int_equal(send(known, request, sizeof request, 0), sizeof request);
	expect(SL_STREAM_IN_FRAME, &r, NULL);
	order(&r.flow, SL_STREAM_DO_KNOWN, 1, NULL, 0);
	assert_int_equal(send(big, "\x40\x00\xff\xff", 4, 0), 4);
	assert_int_equal(recv(big, &byte, 1, 0), 0);
	assert_int_equal(send(other, "GET / HTTP/1.1\r\n", 16, 0), 16);
	assert_true(recv(other, &byte, 1, 0) <= 0);
	assert_int_equal(counter(SL_S_malformed), 2);
	assert_int_equal(recv(idle, &byte, 1, 0), 0);
	assert_int_equal(counter(SL_S_connections_idle), 1);
	wait_for(SL_S_connections_active, 1); /* the one with an allocation stays */
	order(&r.flow, SL_STREAM_DO_KNOWN, 0, NULL, 0);
	assert_int_equal(recv(known, &byte, 1, 0), 0);
	expect(SL_STREAM_IN_CLOSED, &r, NULL);
	close(idle), close(big), close(other), close(known);
	wait_for(SL_S_connections_active, 0);
	wait_for(SL_S_memory_bytes, 0);
}

static void a_source_has_its_share(void **state)
{
	int fds[50];
	uint8_t byte;

	for (unsigned i = 0; i < SL_COUNT(fds); i++)
		fds[i] = dial(TCP, SOCK_STREAM);
	wait_for(SL_S_connections_refused, 10);
	assert_int_equal(counter(SL_S_connections_taken), 40);
	for (unsigned i = 0; i < SL_COUNT(fds); i++)
		close(fds[i]);
	wait_for(SL_S_connections_active, 0);
	fds[0] = dial(TCP, SOCK_STREAM);
	assert_int_equal(send(fds[0], request, 3, 0), 3);
	wait_for(SL_S_connections_taken, 41);
	assert_int_equal(recv(fds[0], &byte, 1, MSG_DONTWAIT), -1);
	close(fds[0]);
}

static void behind_a_proxy_the_client_is_who_it_says(void **state)
{
	static const uint8_t header[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x02\x30\x39\x0d\x96";
	struct sl_stream_record r;
	char text[SL_ADDR_TEXT_MAX];
	uint8_t byte, bytes[BIG];
	int fd = dial(PROXIED, SOCK_STREAM), without = dial(PROXIED, SOCK_STREAM), from_nobody = dial(TCP, SOCK_STREAM);

	for (unsigned i = 0; i < sizeof header - 1; i++) { /* byte by byte */
		assert_int_equal(send(fd, header + i, 1, 0), 1);
		poll(NULL, 0, i % 8 == 0);
	}
	assert_int_equal(send(fd, request, sizeof request, 0), sizeof request);
	expect(SL_STREAM_IN_FRAME, &r, bytes);
	assert_memory_equal(bytes, request, sizeof request);
	assert_string_equal(sl_endpoint_text(&(struct sl_endpoint){r.flow.ip, r.flow.port_be}, text), "192.0.2.1:12345");
	assert_string_equal(sl_endpoint_text(&r.server, text), "198.51.100.2:3478");
	assert_int_equal(send(without, request, sizeof request, 0), sizeof request);
	assert_true(recv(without, &byte, 1, 0) <= 0);
	assert_int_equal(send(from_nobody, header, sizeof header - 1, 0), sizeof header - 1);
	assert_true(recv(from_nobody, &byte, 1, 0) <= 0);
	wait_for(SL_S_malformed, 2);
	close(fd), close(without), close(from_nobody);
	expect(SL_STREAM_IN_CLOSED, &r, NULL);
}

/* Relayed data for a client that does not read is dropped, an answer still fits, memory is bounded; then it is cut off. */
static void a_client_that_does_not_read_costs_little(void **state)
{
	uint8_t data[1004] = {0x40, 0, 0x03, 0xe8};
	struct sl_stream_record r;
	int fd = dial(TCP, SOCK_STREAM), small = 4096;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	assert_int_equal(send(fd, request, sizeof request, 0), sizeof request);
	expect(SL_STREAM_IN_FRAME, &r, NULL);
	order(&r.flow, SL_STREAM_DO_KNOWN, 1, NULL, 0);
	for (int64_t end = now_ms() + WAIT_MS; counter(SL_S_slow_dropped) < 100 && now_ms() < end;) {
		struct sl_byte_ring *ring = sl_streams_out(streams, sl_flow_thread(&r.flow), 0);

		if (sl_byte_ring_room(ring) > 4096)
			order(&r.flow, SL_STREAM_DO_SEND, 0, data, sizeof data);
	}
	assert_true(counter(SL_S_slow_dropped) >= 100);
	assert_true(counter(SL_S_memory_bytes) < 4 * 64 * 1024);
	expect(SL_STREAM_IN_CLOSED, &r, NULL);
	assert_int_equal(counter(SL_S_slow_ended), 1);
	wait_for(SL_S_memory_bytes, 0);
	close(fd);
}

/* A worker that takes nothing: the client is not read, nothing is lost, nothing grows. */
static void a_busy_worker_holds_the_client_back(void **state)
{
	enum { FRAMES = 20000, ROOM = 256 };
	static uint8_t block[ROOM * sizeof request];
	struct sl_stream_record r;
	unsigned sent = 0, heard = 0;
	int fd = dial(TCP, SOCK_STREAM);

	for (unsigned i = 0; i < ROOM; i++)
		memcpy(block + i * sizeof request, request, sizeof request);
	assert_int_equal(send(fd, request, sizeof request, 0), sizeof request);
	expect(SL_STREAM_IN_FRAME, &r, NULL);
	order(&r.flow, SL_STREAM_DO_KNOWN, 1, NULL, 0);
	for (; sent < FRAMES; sent += ROOM) {
		size_t at = 0;

		for (ssize_t n; at < sizeof block; at += (size_t)n) {
			n = send(fd, block + at, sizeof block - at, MSG_DONTWAIT);
			if (n >= 0)
				continue;
			n = 0;
			assert_true(hear(&r, NULL)); /* the socket is full, so the ring must have been */
			heard++;
		}
	}
	for (int64_t end = now_ms() + WAIT_MS; counter(SL_S_paused) == 0 && now_ms() < end;)
		poll(NULL, 0, 2);
	assert_true(counter(SL_S_paused) > 0);
	assert_true(counter(SL_S_memory_bytes) < 128 * 1024);
	for (; heard < sent; heard++)
		expect(SL_STREAM_IN_FRAME, &r, NULL);
	close(fd);
	expect(SL_STREAM_IN_CLOSED, &r, NULL);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, start, stop)
	const struct CMUnitTest tests[] = {
	        T(tls_with_server_names_and_protocols),
	        T(sessions_are_resumed_on_any_thread),
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
