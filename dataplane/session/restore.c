/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/session/alloc.h"

#include "dataplane/session/internal.h"
#include "dataplane/stream/stream.h"
#include "dataplane/wire/channel.h"

/* Taking up cold records at start. Whatever crashed the working half may have scribbled over them, so nothing that
 * would index, overlap or last longer than it can is believed. */

enum {
	GENERATION_LIMIT = 0x1000000,
	CLOCK_SLACK_S = 600, /* how far the clock of the process that died may have been ahead of ours */
};

static bool expiry_sane(uint32_t expires_s, uint32_t now_s)
{
	return expires_s <= now_s + SL_SESSIONS_MAX_LIFETIME_S + CLOCK_SLACK_S;
}

static bool ip_sane(const struct sl_ip *ip)
{
	static const struct sl_ip none;

	if (sl_ip_is_v4(ip))
		return ip->b[12] != 0 && ip->b[12] < 224;
	return !sl_ip_eq(ip, &none) && ip->b[0] != 0xff;
}

_Static_assert(SL_TURN_MAX_REALMS - 1 <= UINT8_MAX, "what a record says is an index");

static bool auth_sane(const struct sl_cold_auth *auth)
{
	return (auth->key_len == 16 || auth->key_len == 20 || auth->key_len == 32) && auth->username_len <= SL_COLD_USERNAME_MAX &&
		(auth->flags & ~(SL_ALLOC_IS_RESTRICTED | SL_ALLOC_IS_MOBILE)) == 0;
}

/* The listener that a record names by number; -1: it names none that is still there. */
static int listener_of(const struct sl_sessions *s, const struct sl_restore_ops *ops, uint16_t number, unsigned over,
	struct sl_endpoint *out)
{
	int listener = sl_cold_local_at(s->locals, number, out) ? ops->listener_of(ops->ctx, out, over) : -1;

	return listener >= 0 && (unsigned)listener < s->n_listeners ? listener : -1;
}

/* And a relay address. */
static int relay_of(const struct sl_sessions *s, const struct sl_restore_ops *ops, uint16_t number, struct sl_endpoint *out)
{
	int relay = sl_cold_local_at(s->locals, number, out) ? ops->relay_of(ops->ctx, &out->ip) : -1;

	return relay >= 0 && (unsigned)relay < s->ports.n_relay ? relay : -1;
}

/* A stream's connection died with the process, and with it goes the allocation; a mobile client may come back to his at another five-tuple. UDP clients
 * are where they were. False: not to be taken up. */
static bool client_flow(const struct sl_sessions *s, const struct sl_restore_ops *ops, const struct sl_cold_alloc *rec, uint32_t index, struct sl_flow *out)
{
	const struct sl_endpoint client = {rec->client, rec->client_port_be};
	struct sl_endpoint server;
	bool mobile = rec->auth.flags & SL_ALLOC_IS_MOBILE;
	int listener = rec->over < SL_TURN_N_TRANSPORTS ? listener_of(s, ops, rec->server, rec->over, &server) : -1;

	if (listener < 0 || sl_ip_is_v4(&client.ip) != sl_ip_is_v4(&server.ip))
		return false;
	*out = (struct sl_flow){.ip = client.ip, .port_be = client.port_be, .listener = (uint16_t)listener, .transport = IPPROTO_UDP};
	if (rec->over == SL_TURN_OVER_UDP)
		return mobile || ops->owner_of(ops->ctx, &client, &server) == s->worker;
	out->transport = sl_stream_transport(rec->over, SL_STREAM_MAX_THREADS, 0, 0);
	*out = sl_flow_lost(out, index);
	return mobile;
}

/* Its second relayed address, if it has one: the index, SL_NO_RELAY2, or negative when the record does not check. */
static int second_relay(const struct sl_sessions *s, const struct sl_restore_ops *ops, const struct sl_cold_alloc *rec, const struct sl_ip *first)
{
	struct sl_endpoint second;

	if (rec->relay2_port_be == 0)
		return SL_NO_RELAY2;
	int relay = relay_of(s, ops, rec->relay2, &second);
	return relay >= 0 && sl_ip_is_v4(&second.ip) != sl_ip_is_v4(first) ? relay : -1;
}

static bool claim_ports(struct sl_sessions *s, int relay, uint16_t port_be, int relay2, uint16_t port2_be)
{
	if (!sl_port_claim(&s->ports, (unsigned)relay, ntohs(port_be)))
		return false;
	if (relay2 == SL_NO_RELAY2 || sl_port_claim(&s->ports, (unsigned)relay2, ntohs(port2_be)))
		return true;
	sl_port_give_back(&s->ports, (unsigned)relay, ntohs(port_be));
	return false;
}

/* The hot form of rec at slot index, linked everywhere; false (and nothing changed) if rec does not check. */
static bool take_alloc(struct sl_sessions *s, const struct sl_restore_ops *ops, uint32_t now_s,
        const struct sl_cold_alloc *rec, uint32_t index)
{
	struct sl_alloc *a = &s->allocs[index];
	struct sl_endpoint relayed;
	struct sl_flow f;

	if (rec->valid == 0 || rec->valid > GENERATION_LIMIT || rec->expires_s <= now_s ||
		!expiry_sane(rec->expires_s, now_s) || rec->client_port_be == 0 || rec->relay_port_be == 0 ||
		!ip_sane(&rec->client) || !auth_sane(&rec->auth))
		return false;
	int relay = relay_of(s, ops, rec->relay, &relayed), relay2 = relay < 0 ? -1 : second_relay(s, ops, rec, &relayed.ip);
	if (relay < 0 || relay2 < 0 || !client_flow(s, ops, rec, index, &f) ||
		sl_alloc_find(s, &f, sl_hash_flow(&s->hash_key, &f)) != SL_NONE ||
		!claim_ports(s, relay, rec->relay_port_be, relay2, rec->relay2_port_be))
		return false;
	*a = (struct sl_alloc){
		.client = f,
		.expires_s = rec->expires_s,
		.relay_port_be = rec->relay_port_be,
		.relay = (uint8_t)relay,
		.flags = rec->auth.flags,
		.relay2 = (uint8_t)relay2,
		.relay2_port_be = rec->relay2_port_be,
		.realm = rec->auth.realm,
		.connections = SL_NONE,
		.peers = SL_NONE,
		.last_seen_s = now_s,
		.generation = rec->valid - 1,
		/* The clock of the process that died may have been ahead of ours. */
		.created_s = rec->created_s < now_s ? rec->created_s : now_s,
		.to_peer_bytes = rec->to_peer_bytes,
		.to_client_bytes = rec->to_client_bytes,
		.to_peer_packets_lo = rec->to_peer_packets_lo,
		.to_peer_packets_hi = rec->to_peer_packets_hi,
		.to_client_packets_lo = rec->to_client_packets_lo,
		.to_client_packets_hi = rec->to_client_packets_hi,
	};
	if (sl_alloc_link(s, index) == 0)
		return true;
	sl_port_give_back(&s->ports, (unsigned)relay, ntohs(rec->relay_port_be));
	if (relay2 != SL_NO_RELAY2)
		sl_port_give_back(&s->ports, (unsigned)relay2, ntohs(rec->relay2_port_be));
	a->expires_s = 0;
	return false;
}

/* Does the allocation hold a record that this one cannot stand beside? */
static bool peer_clashes(const struct sl_sessions *s, const struct sl_alloc *a, const struct sl_cold_peer *rec, const struct sl_ip *ip)
{
	for (uint32_t i = a->peers; i != SL_NONE; i = s->peers[i].next) {
		const struct sl_peer *p = &s->peers[i];
		if (rec->channel != 0 && p->channel == rec->channel)
			return true;
		if (sl_ip_eq(&p->ip, ip) &&
			(p->channel == 0 || rec->channel == 0 || p->port_be == rec->port_be))
			return true;
	}
	return false;
}

static bool take_peer(struct sl_sessions *s, const struct sl_restore_ops *ops, uint32_t now_s,
        const struct sl_cold_peer *rec, uint32_t alloc, uint32_t index)
{
	struct sl_alloc *a = &s->allocs[alloc];
	struct sl_endpoint seen;
	struct sl_ip ip;
	bool channel_ok = rec->channel == 0
		? rec->port_be == 0 && rec->channel_expires_s == 0
		: rec->channel >= SL_CHANNEL_MIN && rec->channel <= SL_CHANNEL_MAX_RFC5766 && rec->port_be != 0;

	memcpy(ip.b, rec->ip, sizeof ip.b);
	if (a->expires_s == 0 || rec->valid != a->generation + 1 || !channel_ok || !ip_sane(&ip) || !sl_alloc_relayed(s, a, &ip, &seen) ||
		!expiry_sane(rec->permission_expires_s, now_s) || !expiry_sane(rec->channel_expires_s, now_s) ||
		a->n_peers == UINT16_MAX || peer_clashes(s, a, rec, &ip))
		return false;
	s->peers[index] = (struct sl_peer){
		.ip = ip,
		.port_be = rec->port_be,
		.channel = rec->channel,
		.permission_expires_s = rec->permission_expires_s,
		.channel_expires_s = rec->channel_expires_s,
		.next = SL_NONE,
		.alloc = alloc,
		.own_address = ops->relay_of(ops->ctx, &ip) >= 0 || (ops->is_own && ops->is_own(ops->ctx, &ip)),
	};
	sl_peer_link(s, index);
	return true;
}

/* A reservation died with the process (its port is free again): its token must not be given once more. */
static void forget_token(struct sl_cold_alloc *rec)
{
	memset(rec->reservation_token, 0, sizeof rec->reservation_token);
}

static void take_allocs(struct sl_sessions *s, const struct sl_restore_ops *ops, uint32_t now_s)
{
	for (uint32_t i = 0; i < s->n_allocs; i++) {
		struct sl_cold_alloc rec;
		memcpy(&rec, &s->cold.allocs[i], sizeof rec);
		if (take_alloc(s, ops, now_s, &rec, i)) {
			forget_token(&s->cold.allocs[i]);
		} else if (rec.valid) {
			atomic_store_explicit(&s->cold.allocs[i].valid, 0, memory_order_release);
			explicit_bzero(&s->cold.allocs[i].auth, sizeof rec.auth);
		}
		explicit_bzero(&rec.auth, sizeof rec.auth);
	}
}

static void take_peers(struct sl_sessions *s, const struct sl_restore_ops *ops, uint32_t now_s)
{
	for (uint32_t i = 0; i < s->n_peers; i++) {
		struct sl_cold_peer rec;
		memcpy(&rec, &s->cold.peers[i], sizeof rec);
		if (rec.valid && (rec.alloc >= s->n_allocs || !take_peer(s, ops, now_s, &rec, rec.alloc, i)))
			atomic_store_explicit(&s->cold.peers[i].valid, 0, memory_order_release);
	}
}

uint32_t sl_sessions_restore(struct sl_sessions *s, const struct sl_restore_ops *ops, uint32_t now_s)
{
	take_allocs(s, ops, now_s);
	take_peers(s, ops, now_s);
	for (uint32_t i = 0; i < s->n_allocs; i++) {
		if (s->allocs[i].expires_s == 0)
			continue;
		sl_alloc_arm_by(s, i, sl_peers_expire(s, i, now_s));
		sl_channels_cache(s, i);
	}
	sl_sessions_chain_free(s);
	return s->n_active;
}
