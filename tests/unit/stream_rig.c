/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/stream_rig.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <sys/socket.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "dataplane/path/turn_conf.h"

struct sl_config rig_config;
static struct sl_dataplane dp;
struct sl_streams *rig_streams;
static char folder[64];
uint16_t rig_ports[N_LISTENERS];
const uint8_t rig_request[28] = {0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x80, 0x22, 0, 4, 'a', 'b', 'c', 'd'};

/* ---- certificates ---- */

char *rig_path_of(const char *name, const char *suffix)
{
	char *p;

	assert_true(asprintf(&p, "%s/%s.%s", folder, name, suffix) > 0);
	return p;
}

void rig_make_certificate(const char *name, const char *host)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	char *pem = rig_path_of(name, "pem"), *key_file = rig_path_of(name, "key"), san[80];
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

/* ---- configuration ---- */

static void apply(struct sl_turn_conf_builder *b, struct sl_command cmd)
{
	struct sl_turn_conf *publish = NULL;
	char text[128];

	if (sl_turn_conf_apply(b, &cmd, &publish, text, sizeof text) != 0)
		fail_msg("%s", text);
	if (publish)
		__atomic_store_n(&dp.turn_conf, publish, __ATOMIC_RELEASE);
}

void rig_provision(void)
{
	struct sl_turn_conf_builder *b = sl_turn_conf_builder_new();
	struct sl_command cmd = {.h.type = SL_CMD_TURN_CONFIG,
		.turn = {.default_lifetime_s = 600, .permission_lifetime_s = 300, .channel_lifetime_s = 600, .nonce_lifetime_s = 3600, .channel_max = 0x4fff}};

	assert_non_null(b);
	apply(b, (struct sl_command){.h.type = SL_CMD_CONFIG_BEGIN});
	apply(b, cmd);
	for (uint16_t i = 0; i < 2; i++) {
		cmd = (struct sl_command){.h.type = SL_CMD_TURN_REALM, .realm = {.index = i, .max_lifetime_s = 3600, .max_permissions = 64}};
		snprintf(cmd.realm.name, sizeof cmd.realm.name, "realm %u", i);
		apply(b, cmd);
	}
	cmd = (struct sl_command){.h.type = SL_CMD_REALM_NAME, .realm_name = {.realm = 1, .kind = SL_REALM_SERVER_NAME, .len = 17}};
	memcpy(cmd.realm_name.text, "other.example.net", 17);
	apply(b, cmd);
	apply(b, (struct sl_command){.h.type = SL_CMD_CONFIG_COMMIT});
	sl_turn_conf_builder_free(b);
	assert_non_null(dp.turn_conf);
}

int rig_start_unprovisioned(void **state)
{
	static const unsigned over[N_LISTENERS] = {SL_TURN_OVER_TCP, SL_TURN_OVER_TLS, SL_TURN_OVER_DTLS, SL_TURN_OVER_TCP};
	const uint8_t key[SL_TOEPLITZ_KEY_BYTES] = {1, 2, 3};
	struct sl_conf_turn *c = &rig_config.turn;
	char text[512] = "", address[64];

	strcpy(folder, "/tmp/sluice-test-stream-XXXXXX");
	assert_non_null(mkdtemp(folder));
	rig_make_certificate("default", "turn.example.com");
	rig_make_certificate("other", "other.example.net");
	memset(&rig_config, 0, sizeof rig_config);
	memset(&dp, 0, sizeof dp);
	c->n_listeners = N_LISTENERS;
	for (unsigned i = 0; i < N_LISTENERS; i++) {
		rig_ports[i] = free_port(i == DTLS ? SOCK_DGRAM : SOCK_STREAM);
		snprintf(address, sizeof address, "127.0.0.1:%u", rig_ports[i]);
		assert_int_equal(sl_endpoint_parse(address, &c->listeners[i]), 0);
		c->more[i].transport = over[i];
		if (i != TLS && i != DTLS)
			continue;
		c->more[i].certificate = rig_path_of("default", "pem");
		c->more[i].key = rig_path_of("default", "key");
		c->more[i].n_certificates = 1;
		c->more[i].certificates[0] = (struct sl_conf_certificate){rig_path_of("other", "pem"), rig_path_of("other", "key")};
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
	dp.config = &rig_config;
	dp.n_workers = rig_config.dataplane.n_workers = 1;
	rig_config.dataplane.worker_cores[0] = UINT8_MAX;
	sl_owner_init(&dp.owner, key, 1);
	if (sl_streams_start(&dp, &rig_streams, text, sizeof text))
		fail_msg("%s", text);
	return 0;
}

int rig_start(void **state)
{
	rig_start_unprovisioned(state);
	rig_provision();
	return 0;
}

int rig_stop(void **state)
{
	static const char *const names[] = {"default.pem", "default.key", "other.pem", "other.key", "new.pem", "new.key"};
	char path[128];

	sl_streams_stop(rig_streams);
	sl_turn_conf_free((struct sl_turn_conf *)dp.turn_conf);
	for (unsigned i = 0; i < N_LISTENERS; i++) {
		free(rig_config.turn.more[i].certificate);
		free(rig_config.turn.more[i].key);
		free(rig_config.turn.more[i].certificates[0].certificate);
		free(rig_config.turn.more[i].certificates[0].key);
	}
	for (unsigned i = 0; i < SL_COUNT(names); i++) {
		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
	return 0;
}

int64_t rig_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool rig_hear(struct sl_stream_record *r, uint8_t *bytes)
{
	for (int64_t end = rig_now_ms() + WAIT_MS; rig_now_ms() < end; poll(NULL, 0, 1)) {
		for (unsigned t = 0; t < sl_streams_threads(rig_streams); t++) {
			struct sl_byte_ring *ring = sl_streams_in(rig_streams, t, 0);
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

void rig_expect(uint16_t kind, struct sl_stream_record *r, uint8_t *bytes)
{
	assert_true(rig_hear(r, bytes));
	assert_int_equal(r->kind, kind);
}

void rig_put(const struct sl_stream_record *r, const void *bytes)
{
	struct sl_byte_ring *ring = sl_streams_out(rig_streams, sl_flow_thread(&r->flow), 0);
	struct sl_stream_record *to = sl_byte_ring_reserve(ring, sizeof *to + r->len);

	assert_non_null(to);
	*to = *r;
	if (r->len)
		memcpy(to + 1, bytes, r->len);
	sl_byte_ring_put(ring, sizeof *to + r->len);
}

void rig_order(const struct sl_flow *f, uint16_t kind, uint16_t on, const void *bytes, uint32_t len)
{
	rig_put(&(struct sl_stream_record){.kind = kind, .flow = *f, .on = on, .len = len}, bytes);
}

uint64_t rig_counter(enum sl_stream_counter c)
{
	uint64_t counts[SL_N_STREAM_COUNTERS];

	sl_streams_count(rig_streams, counts);
	return counts[c];
}

void rig_wait_for(enum sl_stream_counter c, uint64_t value)
{
	for (int64_t end = rig_now_ms() + WAIT_MS; rig_counter(c) != value && rig_now_ms() < end;)
		poll(NULL, 0, 2);
	assert_int_equal(rig_counter(c), value);
}

int rig_dial(unsigned listener, int type)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(rig_ports[listener])};
	struct timeval limit = {.tv_sec = WAIT_MS / 1000};
	int fd = socket(AF_INET, type, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}
