/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/media/plan.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

/* ---- beginning ---- */

static bool is_name(struct sl_slice s, bool needed)
{
	return s.n <= SL_MEDIA_ID_MAX && (s.n || !needed) && !(s.n && memchr(s.p, '\0', s.n));
}

void sl_plan_begin(struct sl_media *m, const struct sl_media_request *q)
{
	struct sl_plan *plan = m->plan;

	plan->q = q;
	plan->session = NULL;
	plan->fresh = false;
	plan->dscp = (uint8_t)m->conf->dscp;
	plan->from.party = plan->to.party = NULL;
	plan->from.n = plan->to.n = 0;
	plan->from.fresh = plan->to.fresh = false;
	plan->reader = &plan->to;
	plan->base = 0;
	plan->suites = SL_NEGO_ALL_SUITES;
	plan->sdp.n_media = 0;
	memset(&plan->edit, 0, sizeof plan->edit);
}

enum sl_media_result sl_plan_parse(struct sl_plan *plan, struct sl_slice sdp, struct sl_media_error *e)
{
	char why[120];

	if (sl_sdp_parse(&plan->sdp, sdp.p, sdp.n, why, sizeof why) == 0)
		return SL_MEDIA_OK;
	plan->sdp.n_media = 0;
	return sl_media_fail(e, SL_MEDIA_ERR_SYNTAX, "SDP: %s", why);
}

enum sl_media_result sl_plan_read(
        struct sl_media *m, const struct sl_media_request *q, bool has_from, struct sl_media_error *e)
{
	sl_plan_begin(m, q);
	if (!is_name(q->call_id, true) || !is_name(q->from_tag, has_from) || !is_name(q->to_tag, false) ||
	        !is_name(q->via_branch, false))
		return sl_media_fail(e, SL_MEDIA_ERR_SYNTAX,
		        "call-id, from-tag, to-tag or via-branch is empty, longer than %d bytes or has a "
		        "zero byte",
		        SL_MEDIA_ID_MAX);
	return sl_plan_parse(m->plan, q->sdp, e);
}

enum sl_media_result sl_plan_side(struct sl_plan *plan, struct sl_plan_side *side, struct party *party,
        unsigned n, struct sl_slice tag, struct sl_slice via_branch, struct sl_media_error *e)
{
	memset(side->drawn, 0, sizeof side->drawn);
	memset(side->family_asked, 0, sizeof side->family_asked);
	side->fresh = !party;
	if (!party && plan->session->pub.n_parties == SL_MEDIA_MAX_PARTIES)
		return sl_media_fail(
		        e, SL_MEDIA_ERR_STATE, "the call has %d parties already", SL_MEDIA_MAX_PARTIES);
	if (!party)
		party = sl_party_new(plan->session, tag, via_branch);
	if (!party)
		return sl_media_fail(e, SL_MEDIA_ERR_NO_MEMORY, "no memory");
	side->party = party;
	/* RFC 3264 8: a section never goes away; one that is missing is taken for rejected. */
	unsigned total = n > party->pub.n_sections ? n : party->pub.n_sections;
	for (unsigned i = 0; i < total; i++) {
		const struct section *x = sl_party_section(party, i);
		if (!x)
			return sl_media_fail(e, SL_MEDIA_ERR_NO_MEMORY, "no memory");
		side->next[i] = *x;
		side->n = i + 1;
		if (!section_has_leg(x))
			side->next[i].pub.leg.set =
			        (struct sl_cmd_leg){.dscp = plan->dscp, .learn = SL_LEARN_IMMEDIATE};
		if (i >= n)
			sl_plan_reject(&side->next[i]);
	}
	return SL_MEDIA_OK;
}

enum sl_media_result sl_plan_interface(
        const struct sl_media *m, struct party *p, struct sl_slice wish, struct sl_media_error *e)
{
	for (unsigned i = 0; i < m->conf->n_addresses; i++) {
		const char *name = m->conf->addresses[i].interface;
		if (wish.n && !sl_slice_eq(wish, name))
			continue;
		memcpy(p->interface, name, sizeof p->interface);
		return SL_MEDIA_OK;
	}
	return sl_media_fail(e, SL_MEDIA_ERR_SYNTAX, "direction: no interface '%.*s' in media.addresses",
	        (int)(wish.n < 40 ? wish.n : 40), wish.p);
}

static enum sl_media_result may_begin(const struct sl_media *m, struct sl_media_error *e)
{
	if (m->n_sessions >= m->session_limit || m->n_free_sessions == 0)
		return sl_media_fail(e, SL_MEDIA_ERR_SESSIONS, "Parallel session limit reached");
	if (!m->attached && (m->away_since_ms < 0 || m->now_ms - m->away_since_ms > SL_MEDIA_AWAY_GRACE_MS))
		return sl_media_fail(e, SL_MEDIA_ERR_AWAY, "the dataplane is away");
	return SL_MEDIA_OK;
}

/* The worker with the fewest legs; of equals, any. */
static unsigned least_loaded(struct sl_media *m)
{
	unsigned best = (unsigned)(sl_prng_next(&m->prng) % m->n_workers);

	for (unsigned w = 0; w < m->n_workers; w++) {
		if (m->worker_legs[w] < m->worker_legs[best])
			best = w;
	}
	return best;
}

/* Room for the large keys that a call between two may take, both directions of both legs: else it gets
 * others. */
enum { LARGE_OF_A_CALL = 4 };

void sl_plan_suites(const struct sl_media *m, struct sl_plan *plan)
{
	if (m->worker_large[plan->session->worker % m->n_workers] + LARGE_OF_A_CALL > m->max_worker_large)
		plan->suites &= ~SL_NEGO_LARGE_SUITES;
}

enum sl_media_result sl_plan_session(struct sl_media *m, struct sl_plan *plan, struct sl_media_error *e)
{
	struct session *s = plan->session = sl_session_find(m, plan->q->call_id);

	if (!s) {
		enum sl_media_result rc = may_begin(m, e);
		if (rc)
			return rc;
		s = plan->session = sl_session_new(m, plan->q->call_id);
		plan->fresh = true;
		if (!s)
			return sl_media_fail(e, SL_MEDIA_ERR_NO_MEMORY, "no memory");
	}
	if (s->worker >= m->n_workers)
		s->worker = (uint8_t)least_loaded(m);
	sl_plan_suites(m, plan);
	return SL_MEDIA_OK;
}

/* ---- one section ---- */

static bool is_zero(const struct sl_ip *ip)
{
	return (ip->q[0] | ip->q[1]) == 0;
}

static bool is_unicast(const struct sl_ip *ip)
{
	return sl_ip_is_v4(ip) ? ip->b[12] != 0 && ip->b[12] < 224 : ip->b[0] != 0xff;
}

/* Where its party wants media, as given; who may teach us better. On hold by address (0.0.0.0) both stay as
 * they were: the party may still send, and what it gets when it resumes it says then. */
static enum sl_media_result set_remote(
        struct sl_plan *plan, unsigned i, struct section *x, struct sl_media_error *e)
{
	const struct sl_media_options *o = &plan->q->options;
	const struct sl_sdp_media *md = &plan->sdp.media[i];
	struct sl_cmd_leg *set = &x->pub.leg.set;
	struct sl_ip ip = md->connection;

	x->muted = is_zero(&ip);
	if (x->muted)
		return SL_MEDIA_OK;
	if (o->flags & SL_MF_SIP_SOURCE && !is_zero(&o->received_from))
		ip = o->received_from;
	if (!is_unicast(&ip))
		return sl_media_fail(
		        e, SL_MEDIA_ERR_SYNTAX, "SDP: media section %u: not a unicast address", i + 1);
	set->remote_rtp = (struct sl_endpoint){ip, htons(md->port)};
	set->remote_rtcp = md->rtcp;
	if (md->rtcp.port_be == 0 || (md->rtcp_mux && set->flags & SL_LEG_RTCP_MUX)) /* muxed, and stays so */
		set->remote_rtcp = (struct sl_endpoint){0};
	else if (!is_unicast(&md->rtcp.ip) || is_zero(&md->rtcp.ip) || o->flags & SL_MF_SIP_SOURCE)
		set->remote_rtcp.ip = ip;

	struct sl_nego_source source = sl_nego_source(o, &md->connection);
	const uint32_t mask = SL_LEG_STRICT_SOURCE | SL_LEG_LEARN_ANY | SL_LEG_RELEARN;
	set->flags = (set->flags & ~mask) | source.flags;
	set->learn = source.learn;
	set->learn_ip = is_zero(&source.learn_ip) || is_unicast(&source.learn_ip) ? source.learn_ip
	                                                                          : (struct sl_ip){0};
	return SL_MEDIA_OK;
}

enum sl_media_result sl_plan_said(
        struct sl_plan *plan, unsigned i, struct section *x, struct sl_media_error *e)
{
	const struct sl_media_options *o = &plan->q->options;
	const struct sl_sdp_media *md = &plan->sdp.media[i];
	struct sl_cmd_leg *set = &x->pub.leg.set;
	enum sl_media_result rc = set_remote(plan, i, x, e);

	if (rc)
		return rc;
	x->pub.rejected = 0;
	x->pub.direction = (uint8_t)md->direction;
	sl_nego_codec_text(md, x->pub.codec, sizeof x->pub.codec);
	sl_nego_types(md, &x->types);
	if (o->flags & SL_MF_STABLE_SSRC && x->kind == SL_NEGO_RTP)
		set->flags |= SL_LEG_REWRITE_SSRC;
	if (o->dscp >= 0)
		set->dscp = (uint8_t)o->dscp;
	return SL_MEDIA_OK;
}

void sl_plan_mux(struct section *x, bool muxed)
{
	struct sl_media_leg *leg = &x->pub.leg;

	leg->set.flags =
	        muxed ? leg->set.flags | SL_LEG_RTCP_MUX : leg->set.flags & ~(uint32_t)SL_LEG_RTCP_MUX;
	leg->set.rtcp_port = leg->rtcp_port = muxed ? 0 : (uint16_t)(leg->ref.port + 1);
	if (muxed)
		leg->set.remote_rtcp = (struct sl_endpoint){0};
}

void sl_plan_reject(struct section *x)
{
	x->pub.rejected = 1;
	x->pub.bundled = 0;
}

void sl_plan_bundle(struct section *x, unsigned with)
{
	x->pub.rejected = 0;
	x->pub.bundled = 1;
	x->pub.bundle = (uint8_t)with;
}

/* A leg that carries several sections knows the clocks of all, and their SSRCs stay apart. */
void sl_plan_shared(struct sl_plan_side *side)
{
	for (unsigned i = 0; i < side->n; i++) {
		const struct section *x = &side->next[i];
		if (!x->pub.bundled)
			continue;
		struct sl_cmd_leg *set = &side->next[x->pub.bundle].pub.leg.set;
		sl_nego_add_clocks(&x->types, set);
		set->flags &= ~(uint32_t)SL_LEG_REWRITE_SSRC;
	}
}

/* ---- legs ---- */

/* The address of an interface and family with most ports left; -1 = it has none of that family. */
static int pick_address(const struct sl_media *m, const char *interface, int family, unsigned worker)
{
	size_t most = 0;
	int best = -1;

	for (unsigned i = 0; i < m->conf->n_addresses; i++) {
		const struct sl_conf_media_address *a = &m->conf->addresses[i];
		if (strcmp(a->interface, interface) != 0 || sl_ip_is_v4(&a->ip) != (family == AF_INET))
			continue;
		size_t n = sl_port_pool_n_free(m->ports, i, worker);
		if (best < 0 || n > most) {
			best = (int)i;
			most = n;
		}
	}
	return best;
}

static enum sl_media_result draw(
        struct sl_media *m, struct sl_plan_side *side, unsigned i, unsigned worker, struct sl_media_error *e)
{
	struct section *x = &side->next[i];
	struct sl_cmd_leg asked = x->pub.leg.set;
	int family = side->family[i], at = pick_address(m, side->party->interface, family, worker);

	if (at < 0 && !side->family_asked[i])
		at = pick_address(m, side->party->interface, family == AF_INET ? AF_INET6 : AF_INET, worker);
	if (at < 0)
		return sl_media_fail(e, SL_MEDIA_ERR_UNSUPPORTED,
		        "interface '%s' has no %s address in media.addresses", side->party->interface,
		        family == AF_INET ? "IPv4" : "IPv6");
	int port = sl_port_pool_draw(m->ports, (unsigned)at, worker, m->now_ms);
	if (port < 0)
		return sl_media_fail(e, SL_MEDIA_ERR_PORTS, "Ran out of ports");
	if (sl_leg_new(m, x, side->party, (unsigned)at, (uint16_t)port) < 0) {
		sl_port_pool_undo(m->ports, (unsigned)at, (uint16_t)port);
		return sl_media_fail(
		        e, SL_MEDIA_ERR_SESSIONS, "Parallel session limit reached: media.max_legs");
	}
	asked.leg = x->pub.leg.set.leg;
	asked.rtcp_port = x->pub.leg.set.rtcp_port;
	asked.out_ssrc = x->pub.leg.set.out_ssrc;
	x->pub.leg.set = asked;
	sl_plan_mux(x, asked.flags & SL_LEG_RTCP_MUX);
	side->drawn[i] = true;
	return SL_MEDIA_OK;
}

static void undo_draws(struct sl_media *m, struct sl_plan_side *side)
{
	for (unsigned i = 0; i < side->n; i++) {
		struct sl_cmd_leg asked = side->next[i].pub.leg.set;
		if (!side->drawn[i])
			continue;
		sl_leg_forget(m, &side->next[i], false);
		side->next[i].pub.leg.set = asked;
		side->drawn[i] = false;
	}
}

static enum sl_media_result draw_side(
        struct sl_media *m, struct sl_plan_side *side, unsigned worker, struct sl_media_error *e)
{
	for (unsigned i = 0; i < side->n; i++) {
		struct section *x = &side->next[i];
		if (!sl_section_wants_leg(x) || section_has_leg(x))
			continue;
		enum sl_media_result rc = draw(m, side, i, worker, e);
		if (rc)
			return rc;
	}
	return SL_MEDIA_OK;
}

/* All legs of a call on one worker, so that no packet has to change hands; when its ports are used up, the
 * next one's. */
enum sl_media_result sl_plan_legs(struct sl_media *m, struct sl_plan *plan, struct sl_media_error *e)
{
	unsigned first = plan->session->worker % m->n_workers;
	enum sl_media_result rc = SL_MEDIA_OK;

	for (unsigned i = 0; i < m->n_workers; i++) {
		unsigned worker = (first + i) % m->n_workers;
		rc = draw_side(m, &plan->from, worker, e);
		if (!rc)
			rc = draw_side(m, &plan->to, worker, e);
		if (rc == SL_MEDIA_OK) {
			if (plan->fresh)
				plan->session->worker = (uint8_t)worker;
			*e = (struct sl_media_error){0}; /* a worker before may have had none */
			return rc;
		}
		undo_draws(m, &plan->from);
		undo_draws(m, &plan->to);
		if (rc != SL_MEDIA_ERR_PORTS && rc != SL_MEDIA_ERR_SESSIONS)
			return rc;
	}
	return rc;
}

/* A leg has one address family; its party cannot leave it. */
enum sl_media_result sl_plan_families(
        const struct sl_media *m, const struct sl_plan *plan, struct sl_media_error *e)
{
	for (unsigned i = 0; i < plan->from.n; i++) {
		const struct sl_media_leg *leg = &plan->from.next[i].pub.leg;
		if (leg->ref.id == 0 || leg->set.remote_rtp.port_be == 0)
			continue;
		bool v4 = sl_ip_is_v4(&m->conf->addresses[leg->ref.address].ip);
		if (v4 != sl_ip_is_v4(&leg->set.remote_rtp.ip))
			return sl_media_fail(e, SL_MEDIA_ERR_UNSUPPORTED,
			        "SDP: media section %u: an %s address where our port is %s", i + 1,
			        v4 ? "IPv6" : "IPv4", v4 ? "IPv4" : "IPv6");
	}
	return SL_MEDIA_OK;
}

/* ---- writing ---- */

static struct sl_endpoint advertised(
        const struct sl_media *m, const struct sl_plan *plan, const struct section *x)
{
	const struct sl_leg_ref *ref = &x->pub.leg.ref;
	const struct sl_ip *asked = &plan->q->options.media_address;

	return (struct sl_endpoint){
	        is_zero(asked) ? m->conf->addresses[ref->address].advertised : *asked, htons(ref->port)};
}

/* Is DTLS nobody's any more in what is sent on? Then neither is what the session says of it. */
static bool is_without_dtls(const struct sl_plan *plan)
{
	bool any = false;

	for (unsigned i = 0; i < plan->sdp.n_media; i++) {
		const struct sl_sdp_media_edit *me = &plan->edit.media[i];
		if (!me->remove_dtls && plan->sdp.media[i].port && !me->reject)
			return false;
		any |= me->remove_dtls;
	}
	return any;
}

enum sl_media_result sl_plan_write(
        struct sl_media *m, struct sl_plan *plan, struct sl_media_reply *r, struct sl_media_error *e)
{
	const struct sl_media_options *o = &plan->q->options;
	const struct sl_plan_side *to = plan->reader;
	struct sl_sdp_edit *edit = &plan->edit;
	bool any = false;

	for (unsigned i = 0; i < sl_plan_sections(plan); i++) {
		struct sl_sdp_media_edit *me = &edit->media[i];
		if (!me->relay)
			continue;
		const struct section *x = &to->next[plan->base + i],
		                     *holder = x->pub.bundled ? &to->next[x->pub.bundle] : x;
		if (!section_has_leg(holder))
			return sl_media_fail(e, SL_MEDIA_ERR_SYNTAX,
			        "SDP: media section %u: bundled with one that has no port", i + 1);
		me->local_rtp = advertised(m, plan, holder);
		if (is_zero(&plan->sdp.media[i].connection))
			me->local_rtp.ip = (struct sl_ip){0}; /* hold by address goes through */
		if (me->local_rtcp_port)
			me->local_rtcp_port = (uint16_t)(holder->pub.leg.ref.port + 1);
		me->ice = o->ice;
		me->no_rtcp_attribute = o->flags & SL_MF_NO_RTCP_ATTRIBUTE;
		if (!any)
			edit->session_ip = advertised(m, plan, holder).ip;
		any = true;
	}
	edit->ice = o->ice;
	edit->remove_dtls = is_without_dtls(plan);
	edit->replace_origin = any && (edit->replace_origin || o->flags & SL_MF_REPLACE_ORIGIN);
	edit->replace_session_connection = any && o->flags & SL_MF_REPLACE_CONNECTION;
	edit->add_session_attribute = o->flags & SL_MF_LOOP_PROTECT ? m->loop_mark : NULL;
	int n = sl_sdp_rewrite(&plan->sdp, edit, r->sdp, r->sdp_room);
	if (n < 0)
		return sl_media_fail(e, SL_MEDIA_ERR_SYNTAX, "the SDP becomes too long");
	r->sdp_len = (size_t)n;
	return SL_MEDIA_OK;
}

/* ---- the end of it ---- */

static void end_legs(struct sl_media *m, struct sl_plan *plan, struct sl_plan_side *side)
{
	for (unsigned i = 0; i < side->n; i++) {
		struct section *now = section_at(side->party, i);
		if (!section_has_leg(now) || sl_section_wants_leg(&side->next[i]))
			continue;
		sl_leg_post(m, plan->session, SL_CMD_LEG_DELETE, now, 0);
		sl_leg_forget(m, now, true);
		sl_section_wipe(&side->next[i]);
	}
}

/* A copy takes its original's place. */
static void settle(struct sl_media *m, struct sl_plan_side *side, unsigned i)
{
	struct section *now = section_at(side->party, i), *next = &side->next[i];

	next->dirty |=
	        side->drawn[i] || memcmp(&now->pub.leg.set, &next->pub.leg.set, sizeof now->pub.leg.set) != 0;
	*now = *next;
	if (side->drawn[i])
		sl_leg_moved(m, now);
}

static void wipe(struct sl_plan *plan)
{
	sl_sdp_wipe(&plan->sdp);
	OPENSSL_cleanse(plan->from.next, sizeof plan->from.next[0] * plan->from.n);
	OPENSSL_cleanse(plan->to.next, sizeof plan->to.next[0] * plan->to.n);
}

static void keep_sdp(struct party *p, struct sl_slice sdp)
{
	char *copy = sdp.n && sdp.n <= SL_MEDIA_SDP_KEPT ? malloc(sdp.n) : NULL;

	sl_party_forget_sdp(p);
	if (!copy)
		return;
	memcpy(copy, sdp.p, sdp.n);
	p->sdp = copy;
	p->sdp_len = sdp.n;
}

void sl_plan_commit(struct sl_media *m, struct sl_plan *plan, struct sl_slice sdp)
{
	struct sl_plan_side *sides[2] = {&plan->from, &plan->to};
	struct session *s = plan->session;

	if (plan->fresh)
		sl_session_enter(m, s);
	for (unsigned k = 0; k < 2; k++) {
		if (!sides[k]->party)
			continue;
		end_legs(m, plan, sides[k]);
		for (unsigned i = 0; i < sides[k]->n; i++)
			settle(m, sides[k], i);
		sides[k]->party->pub.n_sections = sides[k]->n;
	}
	if (plan->reader->party)
		keep_sdp(plan->reader->party, sdp);
	s->pub.last_signal_unix_ms = sl_unix_ms();
	wipe(plan);
	sl_session_changed(m, s);
}

void sl_plan_abandon(struct sl_media *m, struct sl_plan *plan)
{
	undo_draws(m, &plan->from);
	undo_draws(m, &plan->to);
	wipe(plan);
	if (!plan->session)
		return;
	if (plan->fresh) {
		sl_session_free(plan->session);
		return;
	}
	if (plan->from.fresh && plan->from.party)
		sl_party_remove(plan->from.party);
	if (plan->to.fresh && plan->to.party)
		sl_party_remove(plan->to.party);
}
