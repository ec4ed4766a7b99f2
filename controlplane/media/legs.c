/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The dataplane's side of sections: ids, ports, and the commands that bring legs and routes to what the
 * engine wants. What a leg was told is in leg.set and in the routes of its section: replay sends the same
 * again. */

#include "controlplane/media/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#define ID_MASK ((UINT64_C(1) << SL_LEG_SLOT_SHIFT) - 1)
enum { TAG_BITS = SL_LEG_SLOT_SHIFT - 32 };
#define TAG_MASK ((UINT32_C(1) << TAG_BITS) - 1)
#define NO_LEG   UINT32_MAX

/* ---- ids and ports ---- */

int sl_legs_open(struct sl_media *m)
{
	m->legs = calloc(m->max_legs, sizeof *m->legs);
	if (!m->legs)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->max_legs; i++)
		m->legs[i].next_free = i + 1 < m->max_legs ? i + 1 : NO_LEG;
	m->first_free_leg = 0;
	return 0;
}

static unsigned worker_of(const struct sl_media *m, const struct section *x)
{
	return sl_media_port_worker(x->pub.leg.ref.port, m->n_workers);
}

uint64_t sl_leg_id(unsigned slot, uint64_t id)
{
	return (uint64_t)slot << SL_LEG_SLOT_SHIFT | (id & ID_MASK);
}

static void enter(struct sl_media *m, uint32_t at, uint32_t tag, struct section *x, struct party *p,
        unsigned address, uint16_t port)
{
	struct sl_media_leg *leg = &x->pub.leg;

	m->legs[at] = (struct leg_entry){.section = x, .party = p, .tag = tag};
	memset(leg, 0, sizeof *leg);
	leg->ref = (struct sl_leg_ref){.id = sl_leg_id(m->dp_slot, (uint64_t)tag << 32 | (at + 1)),
	        .port = port,
	        .address = (uint8_t)address};
	leg->set.leg = leg->ref;
	leg->set.rtcp_port = leg->rtcp_port = (uint16_t)(port + 1);
	while (leg->set.out_ssrc == 0) /* ours, so that it is the same after any restart */
		leg->set.out_ssrc = (uint32_t)sl_prng_next(&m->prng);
	m->n_legs++;
	m->worker_legs[worker_of(m, x)]++;
}

int sl_leg_new(struct sl_media *m, struct section *x, struct party *p, unsigned address, uint16_t port)
{
	uint32_t at = m->first_free_leg;

	if (at == NO_LEG || m->worker_legs[sl_media_port_worker(port, m->n_workers)] >= m->max_worker_legs)
		return -ENOSPC;
	m->first_free_leg = m->legs[at].next_free;
	enter(m, at, (uint32_t)sl_prng_next(&m->prng) & TAG_MASK, x, p, address, port);
	return 0;
}

struct leg_entry *sl_leg_entry(const struct sl_media *m, uint64_t id)
{
	uint64_t at = (id & UINT32_MAX) - 1;

	if (at >= m->max_legs || !m->legs[at].section || m->legs[at].section->pub.leg.ref.id != id)
		return NULL;
	return &m->legs[at];
}

/* A leg of the journal takes its place again, by its id. The free list is made anew when all have. */
int sl_leg_restore(struct sl_media *m, struct section *x, struct party *p)
{
	struct sl_leg_ref *ref = &x->pub.leg.ref;
	uint64_t at = (ref->id & UINT32_MAX) - 1;

	if (at >= m->max_legs || m->legs[at].section)
		return -EINVAL;
	/* Sessions written before and after a change of slots differ: attaching renames all of them from one.
	 */
	ref->id = x->pub.leg.set.leg.id = sl_leg_id(m->dp_slot, ref->id);
	int rc = sl_port_pool_take(m->ports, ref->address, ref->port);
	if (rc < 0)
		return rc;
	m->legs[at] =
	        (struct leg_entry){.section = x, .party = p, .tag = (uint32_t)(ref->id >> 32) & TAG_MASK};
	m->n_legs++;
	m->worker_legs[worker_of(m, x)]++;
	sl_leg_count_keys(m, x);
	return 0;
}

void sl_legs_relist(struct sl_media *m)
{
	m->first_free_leg = NO_LEG;
	for (uint32_t i = m->max_legs; i-- > 0;) {
		if (m->legs[i].section)
			continue;
		m->legs[i].next_free = m->first_free_leg;
		m->first_free_leg = i;
	}
}

/* A section that was copied elsewhere while it was planned: the entry follows. */
void sl_leg_moved(struct sl_media *m, struct section *x)
{
	uint64_t at = (x->pub.leg.ref.id & UINT32_MAX) - 1;

	m->legs[at].section = x;
}

void sl_leg_count_keys(struct sl_media *m, struct section *x)
{
	const struct sl_cmd_leg *set = &x->pub.leg.set;
	const unsigned suites[] = {set->key_in[0].suite, set->key_in[1].suite, set->key_out.suite};
	uint8_t n = 0;

	for (unsigned i = 0; i < sizeof suites / sizeof suites[0]; i++)
		n += SL_NEGO_LARGE_SUITES >> suites[i] & 1;
	m->worker_large[worker_of(m, x)] += (uint32_t)n - x->n_large;
	x->n_large = n;
}

void sl_leg_forget(struct sl_media *m, struct section *x, bool told)
{
	struct sl_media_leg *leg = &x->pub.leg;
	uint32_t at = (uint32_t)(leg->ref.id & UINT32_MAX) - 1;

	if (!section_has_leg(x))
		return;
	if (told)
		sl_port_pool_release(m->ports, leg->ref.address, leg->ref.port, m->now_ms);
	else
		sl_port_pool_undo(m->ports, leg->ref.address, leg->ref.port);
	m->n_legs--;
	m->worker_legs[worker_of(m, x)]--;
	m->worker_large[worker_of(m, x)] -= x->n_large;
	x->n_large = 0;
	m->legs[at] = (struct leg_entry){.next_free = m->first_free_leg};
	m->first_free_leg = at;
	leg->ref = (struct sl_leg_ref){0};
}

/* ---- commands ---- */

bool sl_session_is_live(const struct sl_media *m, const struct session *s)
{
	return m->attached && s->epoch == m->epoch;
}

/* seq 0 = nobody waits for an answer, but a refusal is to be told from others'. */
void sl_leg_command(struct sl_media *m, const struct session *s, struct sl_command *cmd,
        const struct sl_leg_ref *ref, uint32_t seq)
{
	if (!sl_session_is_live(m, s))
		return;
	cmd->h.seq = (uint32_t)SL_DP_MEDIA_SEQ | seq;
	/* Not sent: the attachment is at its end, and replay tells all of it. */
	sl_dp_worker_send(m->dp, sl_media_port_worker(ref->port, m->n_workers), cmd);
}

void sl_leg_post(
        struct sl_media *m, const struct session *s, uint32_t type, const struct section *x, uint32_t seq)
{
	struct sl_command cmd;

	if (!section_has_leg(x))
		return;
	memset(&cmd.h, 0, sizeof cmd.h);
	cmd.h.type = type;
	if (type == SL_CMD_LEG_SET)
		cmd.leg = x->pub.leg.set;
	else
		cmd.leg_ref = x->pub.leg.ref;
	if (type == SL_CMD_LEG_SET)
		cmd.leg.meter = s->meter;
	sl_leg_command(m, s, &cmd, &x->pub.leg.ref, seq);
	if (type == SL_CMD_LEG_SET)
		OPENSSL_cleanse(&cmd.leg, sizeof cmd.leg);
}

static void route(struct sl_media *m, const struct session *s, uint32_t type, const struct sl_leg_ref *from,
        const struct sl_leg_ref *to)
{
	struct sl_command cmd = {.h = {.type = type}, .route = {*from, *to}};

	sl_leg_command(m, s, &cmd, from, 0);
}

/* ---- routes ---- */

static struct section *leg_of(struct party *p, unsigned i)
{
	struct section *x = p && i < p->pub.n_sections ? section_at(p, i) : NULL;

	return x && section_has_leg(x) && !p->ending ? x : NULL;
}

/* Where what this section's leg receives shall go: its peer's leg of the same section, when one has answered
 * the other and the peer may be sent to. */
static struct section *wanted(struct party *p, unsigned i)
{
	struct party *q = p->peer;
	bool joined = q && q->peer == p && (p->pub.flags | q->pub.flags) & SL_PARTY_ANSWERED;
	struct section *x = joined ? leg_of(q, i) : NULL;

	return x && !x->muted && leg_of(p, i) ? x : NULL;
}

static bool same_ref(const struct sl_leg_ref *a, const struct sl_leg_ref *b)
{
	return a->id == b->id && a->port == b->port && a->address == b->address;
}

/* Bring one route from `from` to what *told shall become. */
static void set_route(struct sl_media *m, struct session *s, const struct sl_leg_ref *from,
        struct sl_leg_ref *told, const struct sl_leg_ref *wish)
{
	if (same_ref(told, wish))
		return;
	if (told->id)
		route(m, s, SL_CMD_ROUTE_DELETE, from, told);
	*told = *wish;
	if (wish->id)
		route(m, s, SL_CMD_ROUTE_ADD, from, told);
}

/* A subscriber's section hears one of its source: the route runs from there to here. */
static void set_heard(struct sl_media *m, struct session *s, struct party *p, unsigned i)
{
	const struct sl_leg_ref none = {0};
	struct section *x = leg_of(p, i), *from = x ? leg_of(x->source, x->source_at) : NULL;
	struct sl_leg_ref told;

	if (!x)
		return;
	const struct sl_leg_ref *wish =
	        from && !x->muted && p->pub.flags & SL_PARTY_ANSWERED ? &from->pub.leg.ref : &none;
	if (same_ref(&x->heard, wish))
		return;
	told = x->pub.leg.ref;
	if (x->heard.id)
		set_route(m, s, &x->heard, &told, &none);
	told = none;
	if (wish->id)
		set_route(m, s, wish, &told, &x->pub.leg.ref);
	x->heard = *wish;
}

static void set_routes(struct sl_media *m, struct session *s)
{
	const struct sl_leg_ref none = {0};

	for (unsigned k = 0; k < s->pub.n_parties; k++) {
		struct party *p = party_at(s, k);
		for (unsigned i = 0; i < p->pub.n_sections; i++) {
			struct section *x = leg_of(p, i), *to = wanted(p, i);
			if (x)
				set_route(m, s, &x->pub.leg.ref, &x->to, to ? &to->pub.leg.ref : &none);
			if (p->pub.flags & SL_PARTY_SUBSCRIBER)
				set_heard(m, s, p, i);
		}
	}
}

/* ---- hold ---- */

/* Does everybody who has section i want to speak and to hear there? *any: somebody has it. */
static bool is_open(const struct session *s, unsigned i, bool *any)
{
	bool found = false;

	for (unsigned k = 0; k < s->pub.n_parties; k++) {
		struct party *p = party_at(s, k);
		const struct section *x = p->pub.flags & SL_PARTY_SUBSCRIBER ? NULL : leg_of(p, i);
		if (!x)
			continue;
		found = *any = true;
		if (x->pub.direction != SL_SDP_SENDRECV || x->muted)
			return false;
	}
	return found;
}

/* On hold: in no section both ends want both directions. */
static bool is_held(const struct session *s)
{
	bool any = false;

	for (unsigned i = 0; i < SL_MEDIA_MAX_SECTIONS; i++) {
		if (is_open(s, i, &any))
			return false;
	}
	return any;
}

/* 0 = never. */
static uint32_t inactivity_ms(const struct sl_media *m, const struct session *s)
{
	return (s->on_hold ? m->conf->hold_inactivity_s : m->conf->inactivity_s) * SL_MEDIA_MS;
}

/* ---- all of it ---- */

#define BLOCK_FLAGS (uint32_t)(SL_LEG_BLOCK_MEDIA | SL_LEG_SILENCE_MEDIA | SL_LEG_BLOCK_DTMF)

static uint32_t block_flags(const struct party *p)
{
	return (p->pub.flags & SL_PARTY_BLOCKED ? SL_LEG_BLOCK_MEDIA : 0) |
	       (p->pub.flags & SL_PARTY_SILENCED ? SL_LEG_SILENCE_MEDIA : 0) |
	       (p->pub.flags & SL_PARTY_DTMF_BLOCKED ? SL_LEG_BLOCK_DTMF : 0);
}

void sl_session_changed(struct sl_media *m, struct session *s)
{
	s->on_hold = is_held(s);
	for (unsigned k = 0; k < s->pub.n_parties; k++) {
		for (unsigned i = 0; i < party_at(s, k)->pub.n_sections; i++) {
			struct section *x = section_at(party_at(s, k), i);
			struct sl_cmd_leg *set = &x->pub.leg.set;
			uint32_t ms = inactivity_ms(m, s),
			         flags = (set->flags & ~BLOCK_FLAGS) | block_flags(party_at(s, k));
			if (section_has_leg(x) && (set->inactivity_ms != ms || set->flags != flags)) {
				set->inactivity_ms = ms;
				set->flags = flags;
				x->dirty = true;
			}
			if (x->dirty && section_has_leg(x))
				sl_leg_count_keys(m, x);
			if (x->dirty)
				sl_leg_post(m, s, SL_CMD_LEG_SET, x, 0);
			x->dirty = false;
		}
	}
	set_routes(m, s);
	sl_recording_changed(m, s);
	sl_session_save(m, s);
}

/* Legs first, then what joins them. */
void sl_session_tell(struct sl_media *m, struct session *s)
{
	s->epoch = m->epoch;
	for (unsigned k = 0; k < s->pub.n_parties; k++) {
		struct party *p = party_at(s, k);
		for (unsigned i = 0; i < p->pub.n_sections; i++) {
			section_at(p, i)->to = section_at(p, i)->heard = (struct sl_leg_ref){0};
			sl_leg_post(m, s, SL_CMD_LEG_SET, section_at(p, i), 0);
			sl_play_again(m, s, section_at(p, i));
		}
	}
	set_routes(m, s);
	sl_recording_tell(m, s);
	sl_recording_changed(m, s);
}
