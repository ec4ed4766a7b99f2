/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* A node of up to two workers without packets, and clients that talk STUN to it; the clock is a variable. */

#define OPENSSL_SUPPRESS_DEPRECATED
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/md5.h>
#include <openssl/sha.h>

#include "dataplane/path/turn.h"
#include "dataplane/path/turn_quota.h"
#include "dataplane/path/turn_reservation.h"
#include "dataplane/session/owner.h"
#include "dataplane/wire/channel.h"

enum {
	RIG_WORKERS = 2,
	RIG_ALLOCS = 8, /* a worker */
	RIG_PEERS = 32,
	RIG_PORT_MIN = 50176, /* four blocks */
	RIG_PORT_MAX = 51199,
	RIG_UNIX_S = 1800000000,
	RIG_DROPPED = 1000, /* rig_send: 1000 + enum sl_drop */
	RIG_RELAYED = 2000,
};

struct rig {
	unsigned n_workers;
	struct sl_endpoint listeners[2];
	bool apart[2];   /* this listener takes one transport only: */
	uint8_t over[2];
	struct sl_ip relay[2], own_extra;
	struct sl_port_shared ports;
	struct sl_known known;
	struct sl_turn_quota quota, sources;
	struct sl_cmd_guard_policy guard; /* in force after rig_guard() */
	uint64_t would_drop[SL_N_DROPS];
	bool come_again, allowed; /* what the worker would say */
	struct sl_turn_reservations reservations;
	struct sl_cold *cold;
	struct sl_owner owner;
	struct sl_turn_conf_builder *builder;
	struct sl_turn_conf *conf;
	struct sl_cmd_turn settings;
	struct sl_cmd_realm realm; /* the default one */
	void (*more)(struct rig *r); /* applies further realms and what names realms, in a draft; NULL = there is nothing more */
	struct sl_sessions sessions[RIG_WORKERS];
	struct sl_turn turn[RIG_WORKERS];
	uint64_t counters[RIG_WORKERS][SL_N_WORKER_COUNTERS];
	struct sl_turn_now now;
	unsigned events[8], ends[8], resolved, handed;
	struct sl_evt_allocation last_event;
	uint8_t reply[1280];
	struct sl_stun answer; /* of the last rig_send that was answered */
	struct sl_turn_verdict verdict;
};

static inline void rig_hmac(const EVP_MD *md, const uint8_t *key, size_t key_len, const struct sl_iov *iov, unsigned n,
	uint8_t *out)
{
	static uint8_t whole[70000];
	size_t len = 0;

	for (unsigned i = 0; i < n; i++) {
		memcpy(whole + len, iov[i].base, iov[i].len);
		len += iov[i].len;
	}
	HMAC(md, key, (int)key_len, whole, len, out, NULL);
}

static inline void rig_sha1(void *ctx, const uint8_t *key, size_t key_len, const struct sl_iov *iov, unsigned n,
	uint8_t *out)
{
	rig_hmac(EVP_sha1(), key, key_len, iov, n, out);
}

static inline void rig_sha256(void *ctx, const uint8_t *key, size_t key_len, const struct sl_iov *iov, unsigned n,
	uint8_t *out)
{
	rig_hmac(EVP_sha256(), key, key_len, iov, n, out);
}

static inline bool rig_gcm_open(void *ctx, const uint8_t *key, size_t key_len, const uint8_t nonce[12], const void *aad, size_t aad_len,
	const uint8_t *in, size_t len, uint8_t *out)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t tag[16];
	int n;

	memcpy(tag, in + len - 16, 16);
	bool ok = EVP_DecryptInit_ex(c, key_len == 32 ? EVP_aes_256_gcm() : EVP_aes_128_gcm(), NULL, key, nonce) == 1 &&
		EVP_DecryptUpdate(c, NULL, &n, (const uint8_t *)aad, (int)aad_len) == 1 && EVP_DecryptUpdate(c, out, &n, in, (int)len - 16) == 1 &&
		EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, 16, tag) == 1 && EVP_DecryptFinal_ex(c, out + n, &n) == 1;
	EVP_CIPHER_CTX_free(c);
	return ok;
}

static const struct sl_stun_crypto rig_crypto = {NULL, rig_sha1, rig_sha256, rig_gcm_open};

static inline struct sl_ip rig_ip(const char *text)
{
	struct sl_ip ip = {0};

	if (sl_ip_parse(text, &ip) != 0)
		abort();
	return ip;
}

static inline struct sl_endpoint rig_endpoint(const char *text)
{
	struct sl_endpoint ep = {0};

	if (sl_endpoint_parse(text, &ep) != 0)
		abort();
	return ep;
}

/* ---- configuration ---- */

static inline void rig_apply(struct rig *r, const struct sl_command *cmd)
{
	struct sl_turn_conf *publish;
	char text[100];

	if (sl_turn_conf_apply(r->builder, cmd, &publish, text, sizeof text) != 0) {
		fprintf(stderr, "refused: %s\n", text);
		abort();
	}
	if (publish) {
		sl_turn_conf_free(r->conf);
		r->conf = publish;
		for (unsigned w = 0; w < r->n_workers; w++)
			sl_turn_use(&r->turn[w], publish);
	}
}

/* What quotas count the user of the default realm by. */
static inline uint64_t rig_quota_hash(const struct rig *r, const char *user)
{
	uint32_t tag = sl_turn_conf_realm_tag(r->conf, 0);
	uint8_t of[100];

	memcpy(of, &tag, 4);
	memcpy(of + 4, user, strlen(user));
	return sl_siphash(&r->cold->user_key, of, 4 + strlen(user));
}

/* What was changed outside of drafts is published. */
static inline void rig_flush(struct rig *r)
{
	struct sl_turn_conf *next = sl_turn_conf_builder_flush(r->builder);

	if (!next)
		return;
	sl_turn_conf_free(r->conf);
	r->conf = next;
	for (unsigned w = 0; w < r->n_workers; w++)
		sl_turn_use(&r->turn[w], next);
}

static inline struct sl_command rig_user(const char *name, const char *realm, const char *password)
{
	struct sl_command cmd = {.h.type = SL_CMD_USER_SET, .user.name_len = (uint16_t)strlen(name)};
	char text[600];
	int n = snprintf(text, sizeof text, "%s:%s:%s", name, realm, password);

	memcpy(cmd.user.name, name, strlen(name));
	MD5((uint8_t *)text, (size_t)n, cmd.user.key_md5);
	SHA256((uint8_t *)text, (size_t)n, cmd.user.key_sha256);
	n = snprintf(text, sizeof text, "%s:%s", name, realm);
	SHA256((uint8_t *)text, (size_t)n, cmd.user.userhash);
	return cmd;
}

/* Publish the settings with users alice and bob, the secret if any, and rules "+PREFIX" or "-PREFIX" ended by NULL. */
static inline void rig_provision(struct rig *r, const char *secret, const char *const *rules)
{
	struct sl_command cmd = {.h.type = SL_CMD_CONFIG_BEGIN};

	rig_apply(r, &cmd);
	cmd = (struct sl_command){.h.type = SL_CMD_TURN_CONFIG, .turn = r->settings};
	rig_apply(r, &cmd);
	cmd = (struct sl_command){.h.type = SL_CMD_TURN_REALM, .realm = r->realm};
	rig_apply(r, &cmd);
	if (r->more)
		r->more(r);
	for (; rules && *rules; rules++) {
		struct sl_prefix p;
		if (sl_prefix_parse(*rules + 1, &p) != 0)
			abort();
		cmd = (struct sl_command){.h.type = SL_CMD_PEER_RULE,
			.peer_rule = {.ip = p.ip, .prefix_len = p.len, .allow = **rules == '+', .realm = SL_TURN_ANY_REALM}};
		rig_apply(r, &cmd);
	}
	if (secret) {
		cmd = (struct sl_command){.h.type = SL_CMD_SECRET, .secret.len = (uint16_t)strlen(secret)};
		memcpy(cmd.secret.secret, secret, strlen(secret));
		rig_apply(r, &cmd);
	}
	cmd = rig_user("alice", "example.org", "wonderland");
	rig_apply(r, &cmd);
	cmd = rig_user("bob", "example.org", "builder");
	rig_apply(r, &cmd);
	cmd = (struct sl_command){.h.type = SL_CMD_CONFIG_COMMIT};
	rig_apply(r, &cmd);
}

/* ---- the node ---- */

static inline bool rig_is_own(const void *ctx, const struct sl_ip *ip)
{
	const struct rig *r = (const struct rig *)ctx;

	return sl_ip_eq(ip, &r->relay[0]) || sl_ip_eq(ip, &r->relay[1]) || sl_ip_eq(ip, &r->own_extra);
}

static inline void rig_resolve(void *ctx, const struct sl_ip *peer)
{
	((struct rig *)ctx)->resolved++;
}

static inline void rig_event(void *ctx, uint32_t alloc, unsigned change, unsigned end)
{
	struct rig *r = (struct rig *)ctx;

	r->events[change]++;
	r->ends[end]++;
}

static inline bool rig_comes_again(void *ctx, const struct sl_flow *f, uint64_t now_ms)
{
	return ((const struct rig *)ctx)->come_again;
}

static inline bool rig_is_allowed(const void *ctx, const struct sl_ip *ip)
{
	return ((const struct rig *)ctx)->allowed;
}

/* r->guard is in force. */
static inline void rig_guard(struct rig *r)
{
	for (unsigned w = 0; w < r->n_workers; w++) {
		r->turn[w].guard = &r->guard;
		r->turn[w].comes_again = rig_comes_again;
		r->turn[w].is_allowed = rig_is_allowed;
	}
}

static inline void rig_start_worker(struct rig *r, unsigned w)
{
	struct sl_sessions_params p = {
		.n_allocs = RIG_ALLOCS,
		.n_peers = RIG_PEERS,
		.worker = w,
		.n_workers = r->n_workers,
		.n_relay = 2,
		.port_min = RIG_PORT_MIN,
		.port_max = RIG_PORT_MAX,
		.cold = r->cold,
		.listeners = r->listeners,
		.n_listeners = 2,
		.relay = r->relay,
		.now_s = r->now.s,
		.known = &r->known,
		.port_shared = &r->ports,
		.seed = {w + 1, 2, 3, 4},
	};

	if (sl_sessions_init(&r->sessions[w], &p) != 0)
		abort();
	r->turn[w] = (struct sl_turn){
		.worker = w,
		.sessions = &r->sessions[w],
		.known = &r->known,
		.crypto = rig_crypto,
		.nonce_key = r->cold->nonce_key,
		.user_key = r->cold->user_key,
		.counters = r->counters[w],
		.n_listeners = 2,
		.listeners = r->listeners,
		.n_relay = 2,
		.relay = r->relay,
		.relay_port_min = RIG_PORT_MIN,
		.relay_port_max = RIG_PORT_MAX,
		.reservations = &r->reservations,
		.n_workers = r->n_workers,
		.ctx = r,
		.is_own = rig_is_own,
		.resolve = rig_resolve,
		.event = rig_event,
		.quota = &r->quota,
		.sources = &r->sources,
		.would_drop = r->would_drop,
	};
	sl_turn_use(&r->turn[w], r->conf);
}

static inline unsigned rig_owner_of(void *ctx, const struct sl_endpoint *client, const struct sl_endpoint *server)
{
	const struct rig *r = (const struct rig *)ctx;

	return sl_owner_of_hash(&r->owner, sl_owner_hash(&r->owner, client, server));
}

static inline int rig_listener_of(void *ctx, const struct sl_endpoint *server, unsigned over)
{
	const struct rig *r = (const struct rig *)ctx;

	for (int i = 0; i < 2; i++) {
		if (sl_endpoint_eq(server, &r->listeners[i]) && (!r->apart[i] || r->over[i] == over))
			return i;
	}
	return -1;
}

static inline int rig_relay_of(void *ctx, const struct sl_ip *ip)
{
	const struct rig *r = (const struct rig *)ctx;

	return sl_ip_eq(ip, &r->relay[0]) ? 0 : sl_ip_eq(ip, &r->relay[1]) ? 1 : -1;
}

static inline void *rig_zalloc(const char *what, size_t bytes)
{
	return calloc(1, bytes);
}

/* Everything but the cold memory, which must be there. */
static inline void rig_start(struct rig *r, unsigned n_workers)
{
	struct sl_hash_key key = {{5}};

	r->n_workers = n_workers;
	if (sl_port_shared_init(&r->ports, n_workers, 2, NULL) != 0 ||
		sl_known_init(&r->known, n_workers, 1000, &key, NULL) != 0 ||
		sl_turn_quota_init(&r->quota, 100, rig_zalloc) != 0 ||
		sl_turn_quota_init(&r->sources, 200, rig_zalloc) != 0 ||
		sl_turn_reservations_init(&r->reservations, n_workers, rig_zalloc) != 0 ||
		sl_cold_prepare(r->cold, n_workers) != 0)
		abort();
	sl_owner_init(&r->owner, r->cold->toeplitz_key, n_workers);
	struct sl_restore_ops ops = {r, rig_owner_of, rig_listener_of, rig_relay_of, NULL};
	for (unsigned w = 0; w < n_workers; w++) {
		rig_start_worker(r, w);
		sl_sessions_restore(&r->sessions[w], &ops, r->now.s);
		sl_turn_restored(&r->turn[w]);
	}
}

/* As if the working half had died: all but the cold memory and the configuration goes. */
static inline void rig_stop(struct rig *r)
{
	for (unsigned w = 0; w < r->n_workers; w++)
		sl_sessions_free(&r->sessions[w], free);
	free(r->ports.owner);
	free(r->known.slots);
	free(r->quota.words);
	free(r->sources.words);
	free(r->reservations.entries);
	memset(r->counters, 0, sizeof r->counters);
}

static inline void rig_open(struct rig *r, unsigned n_workers)
{
	size_t cold_bytes = sl_cold_size(RIG_WORKERS * RIG_ALLOCS, RIG_WORKERS * RIG_PEERS);

	memset(r, 0, sizeof *r);
	r->listeners[0] = rig_endpoint("192.0.2.1:3478");
	r->listeners[1] = rig_endpoint("[2001:db8::1]:3478");
	r->relay[0] = rig_ip("192.0.2.2");
	r->relay[1] = rig_ip("2001:db8::2");
	r->own_extra = rig_ip("192.0.2.1");
	r->now = (struct sl_turn_now){.ms = 5000000, .s = 5000, .unix_s = RIG_UNIX_S};
	r->realm = (struct sl_cmd_realm){.name = "example.org", .max_lifetime_s = 3600, .max_permissions = 8};
	r->settings = (struct sl_cmd_turn){
		.default_lifetime_s = 600,
		.permission_lifetime_s = 300,
		.channel_lifetime_s = 600,
		.nonce_lifetime_s = 1000,
		.offer_sha256 = 1,
		.channel_max = SL_CHANNEL_MAX,
		.software = "Sluice",
	};
	r->cold = (struct sl_cold *)aligned_alloc(64, cold_bytes);
	r->builder = sl_turn_conf_builder_new();
	if (!r->cold || !r->builder)
		abort();
	memset(r->cold, 0, cold_bytes);
	if (sl_cold_create(r->cold, RIG_WORKERS * RIG_ALLOCS, RIG_WORKERS * RIG_PEERS) != 0)
		abort();
	rig_start(r, n_workers);
	rig_provision(r, NULL, NULL);
}

static inline void rig_close(struct rig *r)
{
	rig_stop(r);
	sl_turn_conf_free(r->conf);
	sl_turn_conf_builder_free(r->builder);
	free(r->cold);
}

static inline void rig_wait(struct rig *r, uint32_t seconds)
{
	r->now.s += seconds;
	r->now.ms += 1000 * (uint64_t)seconds;
	r->now.unix_s += seconds;
}

static inline void rig_tick(struct rig *r)
{
	for (unsigned w = 0; w < r->n_workers; w++)
		sl_turn_tick(&r->turn[w], &r->now, 1000);
}

/* ---- a client ---- */

struct client {
	struct rig *r;
	unsigned w;
	struct sl_flow flow;
	const char *user, *realm;
	char password[64];
	bool sha1, sha256;   /* which integrity attributes it sends */
	bool algorithms;     /* echoes the offer and picks SHA-256 */
	bool userhash, fingerprint;
	const char *origin;         /* sent with each request; NULL = none */
	uint16_t realm_hint;        /* as a stream thread found it */
	const uint8_t *token;       /* ACCESS-TOKEN, sent with what is signed; NULL = none */
	unsigned token_len;
	const uint8_t *session_key; /* signs instead of a password's; NULL = none */
	unsigned session_key_len;
	char nonce[128];
	uint8_t nonce_len;
	uint32_t tid;
	/* the message being made */
	struct sl_stun_builder b;
	uint8_t msg[1500];
};

static inline struct client client_at(struct rig *r, const char *from, unsigned listener)
{
	struct sl_endpoint ep = rig_endpoint(from);
	struct client c = {
		.r = r,
		.flow = {.ip = ep.ip, .port_be = ep.port_be, .listener = (uint16_t)listener, .transport = 17},
		.user = "alice",
		.realm = "example.org",
		.password = "wonderland",
		.realm_hint = SL_TURN_ANY_REALM,
		.sha1 = true,
	};

	c.w = rig_owner_of(r, &ep, &r->listeners[listener]);
	return c;
}

static inline unsigned client_key(const struct client *c, uint8_t key[32])
{
	char text[700];
	int n = snprintf(text, sizeof text, "%s:%s:%s", c->user, c->realm, c->password);

	if (c->session_key) {
		memcpy(key, c->session_key, c->session_key_len);
		return c->session_key_len;
	}

	if (c->algorithms)
		SHA256((uint8_t *)text, (size_t)n, key);
	else
		MD5((uint8_t *)text, (size_t)n, key);
	return c->algorithms ? 32 : 16;
}

/* Begin a message under a new transaction id. */
static inline struct sl_stun_builder *client_begin(struct client *c, unsigned method, enum sl_stun_class cls)
{
	uint8_t tid[12] = {0};

	c->tid++;
	memcpy(tid, &c->tid, sizeof c->tid);
	sl_stun_begin(&c->b, c->msg, sizeof c->msg, (uint16_t)method, cls, tid);
	if (c->origin)
		sl_stun_add(&c->b, SL_ATTR_ORIGIN, c->origin, strlen(c->origin));
	return &c->b;
}

static inline struct sl_stun_builder *client_ask(struct client *c, unsigned method)
{
	return client_begin(c, method, SL_STUN_REQUEST);
}

static inline void client_sign(struct client *c)
{
	static const uint8_t offer[] = {0, 2, 0, 0, 0, 1, 0, 0};
	uint8_t key[32], hash[32];
	unsigned key_len = client_key(c, key);
	char text[600];

	if (c->userhash) {
		int n = snprintf(text, sizeof text, "%s:%s", c->user, c->realm);
		SHA256((uint8_t *)text, (size_t)n, hash);
		sl_stun_add(&c->b, SL_ATTR_USERHASH, hash, 32);
	} else {
		sl_stun_add(&c->b, SL_ATTR_USERNAME, c->user, strlen(c->user));
	}
	if (c->token)
		sl_stun_add(&c->b, SL_ATTR_ACCESS_TOKEN, c->token, c->token_len);
	sl_stun_add(&c->b, SL_ATTR_REALM, c->realm, strlen(c->realm));
	sl_stun_add(&c->b, SL_ATTR_NONCE, c->nonce, c->nonce_len);
	if (c->algorithms) {
		sl_stun_add(&c->b, SL_ATTR_PASSWORD_ALGORITHMS, offer, sizeof offer);
		sl_stun_add(&c->b, SL_ATTR_PASSWORD_ALGORITHM, offer, 4);
	}
	if (c->sha1)
		sl_stun_add_integrity(&c->b, &rig_crypto, false, key, key_len);
	if (c->sha256)
		sl_stun_add_integrity(&c->b, &rig_crypto, true, key, key_len);
}

/* Send the message as it is: 0 = success, an error code, RIG_DROPPED + reason, or RIG_RELAYED. */
static inline unsigned client_send(struct client *c)
{
	struct rig *r = c->r;

	if (c->fingerprint)
		sl_stun_add_fingerprint(&c->b);
	size_t len = sl_stun_end(&c->b);
	if (len == 0)
		abort();
	uint8_t *exact = (uint8_t *)malloc(len); /* so that ASan sees an over-read */
	if (!exact)
		abort();
	memcpy(exact, c->msg, len);
	memset(r->reply, 0xa5, sizeof r->reply);
	struct sl_turn_arrival from = {.flow = &c->flow, .realm_hint = c->realm_hint};
	r->verdict = sl_turn_handle_from(&r->turn[c->w], &from, exact, (unsigned)len, &r->now, r->reply, sizeof r->reply);
	if (r->verdict.action == SL_TURN_HAND) {
		r->handed++;
		c->w = r->verdict.owner;
		from.handed = true;
		r->verdict = sl_turn_handle_from(&r->turn[c->w], &from, exact, (unsigned)len, &r->now, r->reply, sizeof r->reply);
	}
	free(exact);
	if (r->verdict.action == SL_TURN_DROP)
		return RIG_DROPPED + r->verdict.drop;
	if (r->verdict.action == SL_TURN_RELAY)
		return RIG_RELAYED;
	if (sl_stun_parse(r->reply, r->verdict.reply_len, &r->answer) != SL_STUN_OK ||
		memcmp(r->answer.tid, c->msg + 8, 12) != 0)
		abort();
	if (r->answer.nonce.off) {
		c->nonce_len = (uint8_t)r->answer.nonce.len;
		memcpy(c->nonce, sl_span_at(&r->answer, r->answer.nonce), c->nonce_len);
	}
	return r->answer.error_code;
}

/* Sign and send. */
static inline unsigned client_go(struct client *c)
{
	client_sign(c);
	return client_send(c);
}

/* Does the last answer carry the integrity that the request used, and no other? */
static inline bool client_answer_authentic(const struct client *c)
{
	uint8_t key[32];
	unsigned key_len = client_key(c, key);
	const struct sl_stun *a = &c->r->answer;

	return (a->integrity.off != 0) == !c->sha256 && (a->integrity_sha256.off != 0) == c->sha256 &&
		sl_stun_integrity_ok(a, &rig_crypto, c->sha256, key, key_len);
}

static inline void add_transport(struct sl_stun_builder *b, uint8_t protocol)
{
	const uint8_t v[4] = {protocol};

	sl_stun_add(b, SL_ATTR_REQUESTED_TRANSPORT, v, 4);
}

static inline void add_family(struct sl_stun_builder *b, unsigned type, uint8_t family)
{
	const uint8_t v[4] = {family};

	sl_stun_add(b, (uint16_t)type, v, 4);
}

static inline void add_peer(struct sl_stun_builder *b, const char *peer)
{
	struct sl_endpoint ep = rig_endpoint(peer);

	sl_stun_add_xor_addr(b, SL_ATTR_XOR_PEER_ADDRESS, &ep);
}

/* Fetch a nonce. */
static inline void client_login(struct client *c)
{
	add_transport(client_ask(c, SL_TURN_ALLOCATE), 17);
	if (client_send(c) != 401)
		abort();
}

static inline unsigned client_allocate(struct client *c)
{
	if (c->nonce_len == 0)
		client_login(c);
	add_transport(client_ask(c, SL_TURN_ALLOCATE), 17);
	return client_go(c);
}

static inline unsigned client_refresh(struct client *c, uint32_t lifetime_s)
{
	sl_stun_add_u32(client_ask(c, SL_TURN_REFRESH), SL_ATTR_LIFETIME, lifetime_s);
	return client_go(c);
}

static inline unsigned client_permit(struct client *c, const char *peer)
{
	add_peer(client_ask(c, SL_TURN_CREATE_PERMISSION), peer);
	return client_go(c);
}

static inline unsigned client_bind(struct client *c, unsigned channel, const char *peer)
{
	sl_stun_add_u32(client_ask(c, SL_TURN_CHANNEL_BIND), SL_ATTR_CHANNEL_NUMBER, channel << 16);
	add_peer(&c->b, peer);
	return client_go(c);
}

static inline unsigned client_say(struct client *c, const char *peer, const char *data)
{
	add_peer(client_begin(c, SL_TURN_SEND, SL_STUN_INDICATION), peer);
	sl_stun_add(&c->b, SL_ATTR_DATA, data, strlen(data));
	return client_send(c);
}

/* The client's allocation, or SL_NONE. */
static inline uint32_t client_alloc(const struct client *c)
{
	const struct sl_sessions *s = &c->r->sessions[c->w];

	return sl_alloc_find(s, &c->flow, sl_hash_flow(&s->hash_key, &c->flow));
}
