/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A conversation: records of a control byte, a length and a message, all handled by one worker under a fake clock. So that
 * an input reaches the state behind authentication, hashes are zero, a nonce, a mobility ticket and a connection id of the right shape are replaced by
 * good ones, and a FINGERPRINT at the end is made right. A record may also be what a stream thread tells. */

#include "dataplane/path/turn_tcp.h"
#include "dataplane/wire/crc32.h"
#include "tests/fuzz/turn_check.h"

enum { FLOW_BITS = 3, WAIT_SHIFT = 2, WAIT_BITS = 7, TICK = 0x20, TOLD = 0x40, MORE_FLOWS = 0x80, NONCE_LEN = 37, TICKET_LEN = 32, MESSAGE_MAX = 2048 };
enum { CLIENTS = 8, CONNECTIONS = 4 };
static const uint16_t waits_s[] = {0, 0, 0, 1, 30, 299, 300, 601};

static struct rig r;
static struct client clients[CLIENTS];
static struct sl_turn_tcp tcp;
static uint8_t ticket[TICKET_LEN];
static unsigned orders;

static void zero_sha1(
        void *ctx, const uint8_t *key, size_t key_len, const struct sl_iov *iov, unsigned n, uint8_t *out)
{
	memset(out, 0, 20);
}

static void zero_sha256(
        void *ctx, const uint8_t *key, size_t key_len, const struct sl_iov *iov, unsigned n, uint8_t *out)
{
	memset(out, 0, 32);
}

/* Tokens are as if they were not encrypted. */
static bool no_gcm(void *ctx, const uint8_t *key, size_t key_len, const uint8_t nonce[12], const void *aad, size_t aad_len, const uint8_t *in, size_t len,
	uint8_t *out)
{
	memcpy(out, in, len - 16);
	return true;
}

/* A key of an authorisation server, and another realm with an ORIGIN. */
static void more(struct rig *rig)
{
	struct sl_command cmd = {.h.type = SL_CMD_TURN_REALM, .realm = rig->realm};
	cmd.realm.index = 1;
	cmd.realm.name[0] = 'x';
	rig_apply(rig, &cmd);
	cmd = (struct sl_command){.h.type = SL_CMD_OAUTH_KEY, .oauth_key = {.algorithm = SL_OAUTH_A256GCM, .kid_len = 3, .kid = "kid"}};
	rig_apply(rig, &cmd);
	cmd = (struct sl_command){.h.type = SL_CMD_REALM_NAME, .realm_name = {.realm = 1, .kind = SL_REALM_ORIGIN, .len = 1, .text = "o"}};
	rig_apply(rig, &cmd);
}

/* Now and then its ring is full. */
static bool order(void *ctx, const struct sl_stream_record *in)
{
	SL_FUZZ_CHECK(in->kind >= SL_STREAM_DO_SEND && in->kind <= SL_STREAM_DO_TCP_BIND && sl_flow_is_stream(&in->flow));
	return ++orders % 8 != 0;
}

static bool tell(void *ctx, const struct sl_flow *f, const uint8_t *msg, unsigned len, const struct sl_stream_record *then)
{
	struct sl_stun m;
	SL_FUZZ_CHECK(sl_flow_is_stream(f) && sl_stun_parse(msg, len, &m) == SL_STUN_OK && m.cls != SL_STUN_REQUEST);
	return !then || order(ctx, then);
}

static bool moved(void *ctx, const struct sl_flow *f, bool here)
{
	return true;
}

static void start(void)
{
	static const char *const from[CLIENTS] = {"198.51.100.1:1000", "198.51.100.2:1000", "198.51.100.2:1001", "[2001:db8:1::1]:1000",
		"198.51.100.3:1000", "198.51.100.3:1001", "198.51.100.3:1002", "198.51.100.3:1003"};
	static const unsigned over[CLIENTS] = {[4] = SL_TURN_OVER_TCP, SL_TURN_OVER_TLS, SL_TURN_OVER_TCP, SL_TURN_OVER_DTLS};
	rig_open(&r, 1);
	r.settings.mobility = r.settings.tcp_relay = r.settings.nat_discovery = 1;
	r.more = more;
	rig_provision(&r, "secret", (const char *const[]){"+10.5.0.0/16", "-203.0.113.128/25", NULL});
	r.turn[0].crypto = (struct sl_stun_crypto){NULL, zero_sha1, zero_sha256, no_gcm};
	r.turn[0].order = order;
	r.turn[0].tell = tell;
	r.turn[0].moved = moved;
	r.turn[0].tcp = &tcp;
	SL_FUZZ_CHECK(sl_turn_tcp_init(&tcp, CONNECTIONS, rig_zalloc) == 0);
	for (unsigned i = 0; i < CLIENTS; i++) {
		clients[i] = client_at(&r, from[i], i == 3);
		if (over[i])
			clients[i].flow.transport = sl_stream_transport(over[i], 0, 0, i);
	}
}

static void mend(struct client *c, uint8_t *msg, size_t len)
{
	uint8_t *nonce = (uint8_t *)memmem(msg, len, "\0\25\0\45obMatJos2", 13);

	if (nonce && (size_t)(msg + len - nonce) >= 4 + NONCE_LEN) {
		client_login(c);
		memcpy(nonce + 4, c->nonce, NONCE_LEN);
	}
	uint8_t *shown = (uint8_t *)memmem(msg, len, "\x80\x30\0\x20", 4);
	if (shown && (size_t)(msg + len - shown) >= 4 + TICKET_LEN)
		memcpy(shown + 4, ticket, TICKET_LEN);
	uint8_t *connection = (uint8_t *)memmem(msg, len, "\0\x2a\0\4", 4);
	if (connection && (size_t)(msg + len - connection) >= 8) {
		uint32_t id = htonl(tcp.connections[connection[4] % CONNECTIONS].id);
		memcpy(connection + 4, &id, 4);
	}
	if (len >= 28 && memcmp(msg + len - 8, "\x80\x28\0\4", 4) == 0) {
		uint32_t crc = htonl(sl_crc32(msg, len - 8) ^ 0x5354554e);
		memcpy(msg + len - 4, &crc, 4);
	}
}

static void say(struct client *c, const uint8_t *msg, size_t len)
{
	struct sl_turn_verdict v =
	        sl_turn_handle(&r.turn[0], &c->flow, msg, (unsigned)len, &r.now, r.reply, sizeof r.reply);

	if (v.action == SL_TURN_DROP)
		SL_FUZZ_CHECK(v.drop <= SL_N_DROPS && v.drop != SL_DROP_internal);
	if (v.action == SL_TURN_REPLY) {
		struct sl_stun m;
		SL_FUZZ_CHECK(v.reply_len <= sizeof r.reply && sl_stun_parse(r.reply, v.reply_len, &m) == SL_STUN_OK);
		SL_FUZZ_CHECK(m.cls == SL_STUN_SUCCESS || m.cls == SL_STUN_ERROR);
		if (m.mobility_ticket.len == TICKET_LEN)
			memcpy(ticket, sl_span_at(&m, m.mobility_ticket), TICKET_LEN);
	}
	if (v.action == SL_TURN_RELAY)
		SL_FUZZ_CHECK(v.data.off + v.data.len <= len && r.sessions[0].peers[v.peer].alloc == v.alloc);
}

/* What a stream thread tells of a client: kind, whose connection, error, port of the peer. */
static void told(struct client *c, const uint8_t *in, size_t len)
{
	static const uint8_t none[4];
	const uint8_t *v = len >= sizeof none ? in : none;
	uint32_t alloc = client_alloc(c);
	struct sl_stream_record record = {.kind = (uint16_t)(SL_STREAM_IN_CLOSED + v[0] % 6),
		.flow = c->flow,
		.allocation = alloc == SL_NONE ? v[1] : sl_turn_id(&r.turn[0], alloc),
		.connection = v[1] & 0x80 ? v[1] : tcp.connections[v[1] % CONNECTIONS].id,
		.error = v[2] & 1 ? -1 : 0,
		.peer = {r.own_extra, (uint16_t)(v[3] + 1)}};

	if (!sl_flow_is_stream(&c->flow)) /* threads know of no others */
		return;
	if (v[2] & 2)
		record.peer.ip = rig_ip("203.0.113.1");
	sl_turn_stream_input(&r.turn[0], &record, &r.now, r.reply, sizeof r.reply);
}

static void check_connections(void)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < r.sessions[0].n_allocs; i++) {
		const struct sl_alloc *a = &r.sessions[0].allocs[i];
		for (uint32_t k = a->expires_s ? a->connections : SL_NONE; k != SL_NONE; k = tcp.connections[k].next, n++)
			SL_FUZZ_CHECK(n < CONNECTIONS && tcp.connections[k].alloc == i && tcp.connections[k].state != SL_TCP_FREE);
	}
	SL_FUZZ_CHECK(n == tcp.n_active);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;

	if (!started)
		start();
	started = true;
	while (size >= 3) {
		uint8_t control = data[0];
		size_t len = (size_t)data[1] << 8 | data[2];
		data += 3;
		size -= 3;
		len = len < size ? len : size;
		len = len < MESSAGE_MAX ? len : MESSAGE_MAX;
		uint8_t *msg = (uint8_t *)malloc(len ? len : 1); /* exactly as long, so that ASan sees an over-read */
		SL_FUZZ_CHECK(msg != NULL);
		memcpy(msg, data, len);
		struct client *c = &clients[(control & FLOW_BITS) + (control & MORE_FLOWS ? FLOW_BITS + 1 : 0)];
		rig_wait(&r, waits_s[control >> WAIT_SHIFT & WAIT_BITS]);
		if (control & TICK)
			rig_tick(&r);
		if (control & TOLD) {
			told(c, msg, len);
		} else {
			mend(c, msg, len);
			say(c, msg, len);
		}
		free(msg);
		data += len;
		size -= len;
	}
	check_worker(&r, 0);
	check_connections();
	check_empties(&r, 0);
	return 0;
}
