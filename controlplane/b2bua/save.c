/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The controller's part of a call's record: who of the legs is who, what each counts against, what it said last. Names are looked up again:
 * what was deleted meanwhile counts against nothing. */

#include "controlplane/b2bua/internal.h"

#include <errno.h>
#include <stdlib.h>

enum { RECORD_VERSION = 1 };
enum { ROLE_NONE, ROLE_CALLER, ROLE_CALLEE };
enum { HAS_TENANT = 1, COUNTED = 2, SECURE = 4, HELD = 8, ANONYMOUS = 16, TRUSTED = 32 };

static void save_side(const struct trunk_call *tc, const struct side *s, struct sl_blob_out *o)
{
	uint8_t role = s == tc->caller ? ROLE_CALLER : s == tc->callee ? ROLE_CALLEE : ROLE_NONE;
	bool heir = s == tc->caller && tc->use.counted; /* of the tenant's share, whose first owner has left */
	uint8_t bits = (uint8_t)((s->use.tenant || heir ? HAS_TENANT : 0) | (s->use.counted || heir ? COUNTED : 0) | (s->secure ? SECURE : 0) |
	                         (s->held ? HELD : 0) | (s->anonymous ? ANONYMOUS : 0) | (s->trusted ? TRUSTED : 0));

	sl_blob_put_var(o, s->leg->id);
	sl_blob_put_var(o, role);
	sl_blob_put_var(o, bits);
	sl_blob_put_var(o, s->origin);
	sl_blob_put_text(o, s->trunk ? s->trunk->name : "");
	sl_blob_put_text(o, s->use.route ? s->use.route->name : "");
	sl_blob_put_text(o, s->user ? s->user->name : "");
	sl_blob_put_text(o, s->user ? s->user->domain : "");
	sl_blob_put_text(o, s->number);
	sl_blob_put_slice(o, (struct sl_slice){s->sdp, tc->up ? s->sdp_len : 0});
}

static bool is_saved(const struct side *s)
{
	return s->leg->state < SL_LS_ENDING && !s->failed;
}

void sl_trunk_save(const struct sl_call *c, struct sl_blob_out *o)
{
	const struct trunk_call *tc = c->control;
	const struct side *s;
	uint8_t version = RECORD_VERSION, up = tc && tc->up, n = 0;

	if (tc) {
		LIST_FOREACH(s, &tc->sides, link)
			n = (uint8_t)(n + is_saved(s));
	}
	sl_blob_put_var(o, version);
	sl_blob_put_var(o, up);
	sl_blob_put_var(o, n);
	if (!tc)
		return;
	sl_blob_put_var(o, tc->branches);
	LIST_FOREACH(s, &tc->sides, link)
	{
		if (is_saved(s))
			save_side(tc, s, o);
	}
}

static struct sl_leg *leg_of(struct sl_call *c, const struct sl_id *id)
{
	for (unsigned i = 0; i < c->n_legs; i++) {
		if (sl_id_eq(&c->legs[i]->id, id))
			return c->legs[i];
	}
	return NULL;
}

static const struct sl_prov_route *route_of(const struct sl_prov_snapshot *p, const char *name)
{
	for (unsigned i = 0; name[0] && i < p->n_routes; i++) {
		if (strcmp(p->routes[i].name, name) == 0)
			return &p->routes[i];
	}
	return NULL;
}

static int restore_side(struct trunk_call *tc, struct sl_blob_in *in)
{
	const struct sl_prov_snapshot *p = sl_prov_now(tc->b->o.prov);
	char trunk[SL_PROV_NAME_MAX + 1], route[SL_PROV_NAME_MAX + 1], user[SL_PROV_NAME_MAX + 1], domain[SL_PROV_NAME_MAX + 1],
		number[SL_ROUTE_NUMBER_MAX];
	struct origin origin;
	struct sl_id id;
	uint8_t role, bits;

	sl_blob_get_var(in, id);
	sl_blob_get_var(in, role);
	sl_blob_get_var(in, bits);
	sl_blob_get_var(in, origin);
	sl_blob_get_text(in, trunk, sizeof trunk);
	sl_blob_get_text(in, route, sizeof route);
	sl_blob_get_text(in, user, sizeof user);
	sl_blob_get_text(in, domain, sizeof domain);
	sl_blob_get_text(in, number, sizeof number);
	struct sl_slice sdp = sl_blob_get_slice(in);
	struct sl_leg *l = in->bad ? NULL : leg_of(tc->call, &id);
	struct side *s = l ? sl_side_new(tc, l) : NULL;
	if (!s)
		return in->bad ? -EINVAL : l ? -ENOMEM : -ENOENT;
	struct sl_prov_user *u = user[0] ? sl_prov_user(tc->b->o.prov, user, strlen(user), domain, strlen(domain)) : NULL;
	sl_side_owner(s, p, trunk[0] ? sl_prov_trunk(p, trunk) : NULL, u);
	s->use.route = route_of(p, route);
	s->use.tenant = bits & HAS_TENANT ? sl_prov_tenant(p, tc->call->tenant) : NULL;
	s->trusted = bits & TRUSTED;
	s->anonymous = bits & ANONYMOUS;
	s->secure = bits & SECURE;
	s->held = bits & HELD;
	s->origin = origin;
	s->number = number[0] ? strdup(number) : NULL;
	if (sdp.n && (s->sdp = malloc(sdp.n))) {
		memcpy(s->sdp, sdp.p, sdp.n);
		s->sdp_len = sdp.n;
	}
	if (bits & COUNTED) { /* it is there: no limit ends it now */
		const struct sl_prov_limits *hit;
		const char *whose;
		sl_route_use_begin(tc->b->o.routing, &s->use, true, sl_b2bua_now_ms(), &hit, &whose);
	}
	if (role == ROLE_CALLER)
		tc->caller = s;
	else if (role == ROLE_CALLEE)
		tc->callee = s;
	return 0;
}

/* Who had no part yet in a transfer that was under way, or none any more. */
static void end_strays(struct sl_timer *t)
{
	struct trunk_call *tc = (struct trunk_call *)((char *)t - offsetof(struct trunk_call, later));
	struct side *s, *next;
	struct sl_cause cause;

	sl_cause_set(&cause, 500, SL_BY_US, "cut short by a restart");
	for (s = LIST_FIRST(&tc->sides); s; s = next) {
		next = LIST_NEXT(s, link);
		if (s == tc->caller || s == tc->callee || s->leg->state >= SL_LS_ENDING)
			continue;
		s->failed = s->stale = true;
		sl_side_release(s);
		sl_leg_hangup(s->leg, &cause, NULL);
	}
	sl_media_drop_stale(tc);
}

int sl_trunk_restore_in(struct sl_b2bua *b, struct sl_call *c, struct sl_blob_in *in)
{
	struct trunk_call *tc = sl_trunk_call_new(b, c);
	uint8_t version, up, n;
	int error = 0;

	if (!tc)
		return -ENOMEM;
	c->control = tc;
	sl_blob_get_var(in, version);
	sl_blob_get_var(in, up);
	sl_blob_get_var(in, n);
	if (version != RECORD_VERSION)
		error = -EINVAL;
	if (!error)
		sl_blob_get_var(in, tc->branches);
	for (unsigned i = 0; i < n && !error; i++)
		error = restore_side(tc, in);
	tc->up = up;
	tc->bridge = c->n_bridges ? c->bridges[0] : NULL;
	sl_media_restored(tc);
	if (error == 0 && (in->bad || (up && (!tc->caller || !tc->callee))))
		error = -EINVAL;
	if (error) {
		c->control = NULL;
		sl_trunk_call_free(tc);
	} else if (up && n > 2) {
		tc->later.fn = end_strays;
		sl_timer_set(sl_b2bua_timers(b), &tc->later, sl_b2bua_now_ms());
	}
	return error;
}
