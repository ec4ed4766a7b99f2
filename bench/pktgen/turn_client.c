/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/pktgen/turn_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/core_names.h>

#include <rte_cycles.h>

#include "bench/pktgen/frame.h"

enum {
	NONCE_MAX = 128,
	FIRST_RTO_MS = 500, /* RFC 8489 6.2.1 */
	SENDS_MAX = 7,
	ERRORS_MAX = 4, /* stale nonces and the like, in a row */
	SCAN_MS = 5,
	KEEP_S = 180, /* under the 300 s of a permission (RFC 8656 9), with room for retransmission */
	TRANSPORT_UDP = 17,
	SAMPLE_ANSWERS = 64,
};

enum op { OP_NONE, OP_PROBE, OP_ALLOCATE, OP_CLEAR, OP_BIND, OP_PERMIT, OP_REFRESH, OP_RELEASE };

static const struct {
	const char *name;
	uint16_t method;
} OPS[] = {
	[OP_NONE] = {"nothing", 0},
	[OP_PROBE] = {"Allocate", SL_TURN_ALLOCATE},
	[OP_ALLOCATE] = {"Allocate", SL_TURN_ALLOCATE},
	[OP_CLEAR] = {"Refresh", SL_TURN_REFRESH},
	[OP_BIND] = {"ChannelBind", SL_TURN_CHANNEL_BIND},
	[OP_PERMIT] = {"CreatePermission", SL_TURN_CREATE_PERMISSION},
	[OP_REFRESH] = {"Refresh", SL_TURN_REFRESH},
	[OP_RELEASE] = {"Refresh", SL_TURN_REFRESH},
};

struct turn_session {
	struct sl_endpoint relayed;
	uint32_t slot; /* in under_way */
	uint64_t tid;  /* the transaction's unpredictable part */
	uint64_t deadline, began;
	uint8_t op, sends, errors;
	uint8_t nonce_len;
	uint8_t nonce[NONCE_MAX];
};

/* One context for all: EVP_MAC_init with a new key reuses it. */
static void hmac_sha1(void *ctx, const uint8_t *key, size_t key_len, const struct sl_iov *iov, unsigned n, uint8_t *out)
{
	size_t out_len = 0;
	EVP_MAC_init(ctx, key, key_len, NULL);
	for (unsigned i = 0; i < n; i++)
		EVP_MAC_update(ctx, iov[i].base, iov[i].len);
	EVP_MAC_final(ctx, out, &out_len, 20);
}

static EVP_MAC_CTX *hmac_context(void)
{
	char digest[] = "SHA1";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
	EVP_MAC_free(mac);
	if (ctx != NULL && EVP_MAC_CTX_set_params(ctx, params) != 1) {
		EVP_MAC_CTX_free(ctx);
		ctx = NULL;
	}
	return ctx;
}

int turn_client_init(struct turn_client *c, const struct options *o, struct ports *ports, uint64_t hz)
{
	*c = (struct turn_client){
		/* Not of the seed: a transaction id used again would make this run's requests an earlier run's
		 * retransmissions, and the relay would answer them as such. */
		.o = o, .ports = ports, .hz = hz, .random = rte_rdtsc()};
	c->sessions = calloc(o->sessions + 1, sizeof *c->sessions);
	c->under_way = calloc(o->setup_window, sizeof *c->under_way);
	c->crypto.ctx = hmac_context();
	c->crypto.hmac_sha1 = hmac_sha1;
	if (c->sessions == NULL || c->under_way == NULL || c->crypto.ctx == NULL) {
		fprintf(stderr, "sluice-pktgen: no memory for %u sessions\n", o->sessions);
		turn_client_fini(c);
		return -1;
	}
	return 0;
}

void turn_client_fini(struct turn_client *c)
{
	EVP_MAC_CTX_free(c->crypto.ctx);
	c->crypto.ctx = NULL;
	free(c->sessions);
	free(c->under_way);
	c->sessions = NULL;
	c->under_way = NULL;
}

/* splitmix64: the generator's transaction ids need to differ, not to be unpredictable. */
static uint64_t next_random(struct turn_client *c)
{
	uint64_t z = c->random += 0x9E3779B97F4A7C15ull;
	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
	z = (z ^ z >> 27) * 0x94D049BB133111EBull;
	return z ^ z >> 31;
}

static void finish_session(struct turn_client *c, uint32_t i)
{
	struct turn_session *s = &c->sessions[i];
	uint32_t last = c->under_way[--c->n_under_way];
	c->under_way[s->slot] = last;
	c->sessions[last].slot = s->slot;
	s->op = OP_NONE;
	c->done++;
}

static bool is_counted(const struct turn_client *c)
{
	return c->goal >= GOAL_JOIN;
}

static void fail(struct turn_client *c, uint32_t i, const char *what, unsigned code)
{
	char at[SL_ADDR_TEXT_MAX];
	struct sl_endpoint client;

	if (is_counted(c)) {
		c->n_failed++;
		if (code < TURN_ERROR_CODES)
			c->errors[code]++;
		finish_session(c, i);
		return;
	}
	if (c->failed)
		return;
	session_client(c->o, i, &client);
	c->failed = true;
	if (code != 0)
		snprintf(c->error, sizeof c->error, "session %u (%s): %s answered %u %s", i,
			sl_endpoint_text(&client, at), what, code, sl_stun_error_reason(code));
	else
		snprintf(c->error, sizeof c->error, "session %u (%s): %s", i, sl_endpoint_text(&client, at), what);
}

static void add_peer(struct turn_client *c, struct sl_stun_builder *b, uint32_t i)
{
	struct sl_endpoint peer;
	session_peer(c->o, i, &peer);
	if (c->sessions[i].op == OP_BIND)
		sl_stun_add_u32(b, SL_ATTR_CHANNEL_NUMBER, (uint32_t)session_channel(i) << 16);
	sl_stun_add_xor_addr(b, SL_ATTR_XOR_PEER_ADDRESS, &peer);
}

static void add_allocate(struct turn_client *c, struct sl_stun_builder *b)
{
	sl_stun_add_u32(b, SL_ATTR_REQUESTED_TRANSPORT, (uint32_t)TRANSPORT_UDP << 24);
	/* Without the attribute the relay gives an IPv4 address (RFC 8656 7.2). */
	if (!sl_ip_is_v4(&c->o->peers.first))
		sl_stun_add_u32(b, SL_ATTR_REQUESTED_ADDRESS_FAMILY, 2u << 24);
}

static void add_credentials(struct turn_client *c, struct sl_stun_builder *b, const struct turn_session *s)
{
	sl_stun_add(b, SL_ATTR_USERNAME, c->o->user, strlen(c->o->user));
	sl_stun_add(b, SL_ATTR_REALM, c->realm, strlen(c->realm));
	sl_stun_add(b, SL_ATTR_NONCE, s->nonce, s->nonce_len);
	sl_stun_add_integrity(b, &c->crypto, false, c->key, sizeof c->key);
}

static size_t build(struct turn_client *c, uint32_t i, uint8_t *at, size_t cap)
{
	const struct turn_session *s = &c->sessions[i];
	struct sl_stun_builder b;
	uint8_t tid[SL_STUN_TID_BYTES];
	uint32_t number = htonl(i);
	uint16_t method = OPS[s->op].method;

	memcpy(tid, &number, 4);
	memcpy(tid + 4, &s->tid, 8);
	sl_stun_begin(&b, at, cap, method, SL_STUN_REQUEST, tid);
	if (s->op == OP_BIND || s->op == OP_PERMIT)
		add_peer(c, &b, i);
	else if (method == SL_TURN_ALLOCATE)
		add_allocate(c, &b);
	else if (s->op != OP_REFRESH)
		sl_stun_add_u32(&b, SL_ATTR_LIFETIME, 0);
	if (s->op != OP_PROBE)
		add_credentials(c, &b, s);
	return sl_stun_end(&b);
}

static void transmit(struct turn_client *c, uint32_t i, uint64_t now)
{
	struct turn_session *s = &c->sessions[i];
	uint8_t frame[FRAME_MAX];
	struct port *port = c->ports->side[CLIENT_TO_PEER];
	struct flow flow = {.src_mac = port->mac, .dst_mac = port->next_hop, .dst = c->o->server};

	session_client(c->o, i, &flow.src);
	unsigned header = frame_header_bytes(&flow.src.ip);
	size_t len = build(c, i, frame + header, sizeof frame - header);
	if (len == 0) {
		fail(c, i, "the request does not fit a frame", 0);
		return;
	}
	s->deadline = now + ((c->hz * FIRST_RTO_MS / 1000) << s->sends);
	s->sends++;
	/* A port that takes nothing now is a packet lost: the retransmission covers it. */
	port_send(c->ports, port, frame, frame_finish(frame, &flow, (unsigned)len));
}

static void begin_op(struct turn_client *c, uint32_t i, enum op op, uint64_t now)
{
	struct turn_session *s = &c->sessions[i];
	s->op = op;
	s->sends = 0;
	s->tid = next_random(c);
	c->transactions++;
	transmit(c, i, now);
}

/* The request that makes the relay take a session's packets. */
static enum op admit(const struct turn_client *c)
{
	return c->o->send ? OP_PERMIT : OP_BIND;
}

static enum op first_op(const struct turn_client *c, const struct turn_session *s)
{
	switch (c->goal) {
	case GOAL_AGAIN:
		return s->nonce_len != 0 ? OP_ALLOCATE : OP_PROBE;
	case GOAL_KEEP:
	case GOAL_REFRESH:
		return OP_REFRESH;
	case GOAL_PERMIT:
		return OP_PERMIT;
	case GOAL_BIND:
		return OP_BIND;
	case GOAL_RELEASE:
	case GOAL_DELETE:
		return OP_RELEASE;
	default:
		return OP_PROBE;
	}
}

static void start_session(struct turn_client *c, uint32_t i, uint64_t now)
{
	struct turn_session *s = &c->sessions[i];
	if (s->op != OP_NONE)
		return; /* keeping alive came round to a session still at it */
	s->slot = c->n_under_way;
	s->errors = 0;
	s->began = now;
	c->under_way[c->n_under_way++] = i;
	begin_op(c, i, first_op(c, s), now);
}

void turn_client_begin(struct turn_client *c, enum turn_goal goal, uint64_t now)
{
	c->goal = goal;
	c->next = 0;
	c->done = goal == GOAL_IDLE ? c->o->sessions : 0;
	c->keep_start = now;
	c->next_scan = now;
	c->n_failed = c->n_unanswered = 0;
	memset(c->errors, 0, sizeof c->errors);
	memset(&c->took, 0, sizeof c->took);
}

static void scan_deadlines(struct turn_client *c, uint64_t now)
{
	for (uint32_t k = 0; k < c->n_under_way && !c->failed; k++) {
		uint32_t i = c->under_way[k];
		struct turn_session *s = &c->sessions[i];
		if (s->deadline > now)
			continue;
		if (s->sends < SENDS_MAX) {
			c->retransmits++;
			transmit(c, i, now);
		} else if (c->goal == GOAL_SETUP) {
			char what[64];
			snprintf(what, sizeof what, "%s was never answered", OPS[s->op].name);
			fail(c, i, what, 0);
		} else {
			c->n_failed++;
			c->n_unanswered++;
			finish_session(c, i);
			k--; /* another took its place */
		}
	}
}

bool turn_client_step(struct turn_client *c, uint64_t now)
{
	uint32_t until = c->o->sessions;

	if (now >= c->next_scan) {
		c->next_scan = now + c->hz * SCAN_MS / 1000;
		scan_deadlines(c, now);
	}
	if (c->goal == GOAL_IDLE)
		return !c->failed;
	if (c->goal == GOAL_KEEP) {
		double due = (double)(now - c->keep_start) / (double)c->hz * c->o->sessions / KEEP_S;
		if (due < until)
			until = (uint32_t)due;
		else if (c->next == until)
			turn_client_begin(c, GOAL_KEEP, now);
	}
	if (is_counted(c) && now - c->keep_start < c->join_cycles)
		until = (uint32_t)((double)(now - c->keep_start) / (double)c->join_cycles * until);
	while (c->next < until && c->n_under_way < c->o->setup_window && !c->failed)
		start_session(c, c->next++, now);
	return !c->failed;
}

/* Take nonce and realm of a 401 or 438; the key is made once, of the first realm. */
static bool take_challenge(struct turn_client *c, struct turn_session *s, const struct sl_stun *m)
{
	char text[512];

	if (m->nonce.off == 0 || m->nonce.len > NONCE_MAX)
		return false;
	memcpy(s->nonce, sl_span_at(m, m->nonce), m->nonce.len);
	s->nonce_len = (uint8_t)m->nonce.len;
	if (c->has_key)
		return true;
	if (m->realm.off == 0 || m->realm.len >= sizeof c->realm)
		return false;
	memcpy(c->realm, sl_span_at(m, m->realm), m->realm.len);
	c->realm[m->realm.len] = '\0';
	int n = snprintf(text, sizeof text, "%s:%s:%s", c->o->user, c->realm, c->o->password);
	if (n < 0 || (size_t)n >= sizeof text)
		return false;
	c->has_key = EVP_Digest(text, (size_t)n, c->key, NULL, EVP_md5(), NULL) == 1;
	return c->has_key;
}

static void on_error(struct turn_client *c, uint32_t i, const struct sl_stun *m, uint64_t now)
{
	struct turn_session *s = &c->sessions[i];
	unsigned code = m->error_code;
	bool challenge = code == 438 || (code == 401 && s->op == OP_PROBE);

	if (challenge && ++s->errors <= ERRORS_MAX && take_challenge(c, s, m)) {
		begin_op(c, i, s->op == OP_PROBE ? OP_ALLOCATE : (enum op)s->op, now);
	} else if (code == 437 && s->op == OP_ALLOCATE && ++s->errors <= ERRORS_MAX) {
		/* An earlier run left an allocation on this five-tuple: end it and begin again. */
		begin_op(c, i, OP_CLEAR, now);
	} else if (s->op == OP_CLEAR || s->op == OP_RELEASE) {
		if (s->op == OP_CLEAR)
			begin_op(c, i, OP_ALLOCATE, now);
		else
			finish_session(c, i);
	} else {
		fail(c, i, OPS[s->op].name, code);
	}
}

static void on_success(struct turn_client *c, uint32_t i, const struct sl_stun *m, uint64_t now)
{
	struct turn_session *s = &c->sessions[i];

	switch (s->op) {
	case OP_PROBE: /* a relay without authentication */
	case OP_ALLOCATE:
		if (!m->has_relayed) {
			fail(c, i, "Allocate succeeded without XOR-RELAYED-ADDRESS", 0);
			return;
		}
		s->relayed = m->relayed;
		if (c->goal != GOAL_ALLOCATE && c->goal != GOAL_AGAIN) {
			begin_op(c, i, admit(c), now);
			return;
		}
		break;
	case OP_CLEAR:
		begin_op(c, i, OP_ALLOCATE, now);
		return;
	case OP_REFRESH:
		if (c->goal != GOAL_REFRESH) {
			begin_op(c, i, admit(c), now);
			return;
		}
		break;
	default:
		break;
	}
	histogram_add(&c->took, now - s->began);
	finish_session(c, i);
}

bool turn_client_input(struct turn_client *c, const uint8_t *msg, unsigned len, uint64_t now)
{
	struct sl_stun m;
	uint32_t i;

	if (len < SL_STUN_HEADER_BYTES || !sl_stun_looks_like(msg) || sl_stun_parse(msg, len, &m) != SL_STUN_OK)
		return false;
	memcpy(&i, m.tid, 4);
	i = ntohl(i);
	if (i >= c->o->sessions || c->sessions[i].op == OP_NONE || memcmp(&c->sessions[i].tid, m.tid + 4, 8) != 0)
		/* Or an answer to what was answered before. */
		return c->others == NULL || turn_client_input(c->others, msg, len, now);
	if (c->has_key && m.integrity.off != 0 && c->answers++ % SAMPLE_ANSWERS == 0)
		c->bad_integrity += !sl_stun_integrity_ok(&m, &c->crypto, false, c->key, sizeof c->key);
	if (m.cls == SL_STUN_ERROR)
		on_error(c, i, &m, now);
	else if (m.cls == SL_STUN_SUCCESS)
		on_success(c, i, &m, now);
	return true;
}

const struct sl_endpoint *turn_client_relayed(const struct turn_client *c, uint32_t i)
{
	return &c->sessions[i].relayed;
}
