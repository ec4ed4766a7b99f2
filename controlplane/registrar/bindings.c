/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The bindings in memory: by user, by number. */

#include "controlplane/registrar/internal.h"

#include "controlplane/brain.h"
#include "controlplane/guard/warden.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS_FIRST = 4096, SWEEP_BUCKETS = 256 };

int sl_reg_table_init(struct sl_registrar *r)
{
	r->n_buckets = r->n_id_buckets = BUCKETS_FIRST;
	r->buckets = calloc(r->n_buckets, sizeof(struct sl_reg_aor *));
	r->id_buckets = calloc(r->n_id_buckets, sizeof(struct sl_reg_binding *));
	r->dirty_last = &r->dirty;
	return r->buckets && r->id_buckets ? 0 : -ENOMEM;
}

/* ---- users ---- */

static size_t key_of(char key[SL_REG_NAME_MAX], const char *name, size_t name_len, const char *domain)
{
	size_t domain_len = strlen(domain), n = name_len;

	if (name_len > SL_PROV_NAME_MAX || domain_len > SL_PROV_NAME_MAX)
		return 0;
	memcpy(key, name, name_len);
	key[n++] = '@';
	for (size_t i = 0; i < domain_len; i++)
		key[n++] = (char)tolower((unsigned char)domain[i]);
	key[n] = '\0';
	return n;
}

/* Twice the buckets, when there are more users than that; without memory it goes on slower. */
static void grow(struct sl_registrar *r)
{
	size_t n = r->n_buckets * 4;
	struct sl_reg_aor **bigger = r->n_aors < r->n_buckets ? NULL : calloc(n, sizeof(struct sl_reg_aor *));

	if (!bigger)
		return;
	for (size_t i = 0; i < r->n_buckets; i++) {
		for (struct sl_reg_aor *a = r->buckets[i], *next; a; a = next) {
			next = a->next;
			a->next = bigger[a->hash & (n - 1)];
			bigger[a->hash & (n - 1)] = a;
		}
	}
	free(r->buckets);
	r->buckets = bigger;
	r->n_buckets = n;
	r->sweep_left = r->sweep_left ? n : 0;
}

struct sl_reg_aor *sl_reg_aor(struct sl_registrar *r, const char *name, size_t name_len, const char *domain, bool make)
{
	char key[SL_REG_NAME_MAX] = "";
	size_t n = key_of(key, name, name_len, domain);
	uint64_t hash = sl_siphash(&r->hash_key, key, n);
	struct sl_reg_aor *a = n ? r->buckets[hash & (r->n_buckets - 1)] : NULL;

	while (a && (a->hash != hash || strcmp(a->name, key) != 0))
		a = a->next;
	if (a || !make || !n)
		return a;
	a = calloc(1, sizeof *a + n + 1);
	if (!a)
		return NULL;
	memcpy(a->name, key, n + 1);
	a->name_len = (uint16_t)name_len;
	a->hash = hash;
	r->n_aors++;
	grow(r);
	a->next = r->buckets[hash & (r->n_buckets - 1)];
	r->buckets[hash & (r->n_buckets - 1)] = a;
	return a;
}

struct sl_reg_aor *sl_reg_aor_of(const struct sl_registrar *r, const struct sl_prov_user *user)
{
	/* Nothing is changed without make. */
	return sl_reg_aor((struct sl_registrar *)r, user->name, strlen(user->name), user->domain, false);
}

void sl_reg_aor_release(struct sl_registrar *r, struct sl_reg_aor *a)
{
	if (a->bindings || a->change || a->watches)
		return;
	struct sl_reg_aor **at = &r->buckets[a->hash & (r->n_buckets - 1)];

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	r->n_aors--;
	free(a);
}

const char *sl_reg_tenant(const struct sl_registrar *r, const struct sl_reg_aor *a)
{
	const char *domain = a->name + a->name_len + 1;
	const struct sl_prov_domain *d = sl_prov_domain(sl_prov_now(r->o.prov), domain, strlen(domain));

	return d && d->tenant ? d->tenant->name : "";
}

/* ---- one binding ---- */

struct sl_reg_binding *sl_reg_binding_new(struct sl_registrar *r, const struct sl_binding *b, uint64_t id)
{
	const char *const from[] = { b->contact, b->path, b->instance, b->user_agent, b->call_id, b->pub_gruu };
	enum { N = sizeof from / sizeof from[0] };
	size_t len[N], total = 0;

	for (unsigned i = 0; i < N; i++)
		total += len[i] = strlen(from[i]) + 1;
	struct sl_reg_binding *x = malloc(sizeof *x + total);
	if (!x)
		return NULL;
	memset(x, 0, sizeof *x);
	x->b = *b;
	x->registrar = r;
	const char **const to[] = { &x->b.contact, &x->b.path, &x->b.instance, &x->b.user_agent, &x->b.call_id, &x->b.pub_gruu };
	char *p = x->text;

	for (unsigned i = 0; i < N; i++) {
		memcpy(p, from[i], len[i]);
		*to[i] = p;
		p += len[i];
	}
	x->id = id ? id : ++r->last_id;
	return x;
}

void sl_reg_binding_free(struct sl_reg_binding *x)
{
	free(x);
}

struct sl_reg_binding *sl_reg_binding_by_id(const struct sl_registrar *r, uint64_t id)
{
	struct sl_reg_binding *x = r->id_buckets[id & (r->n_id_buckets - 1)];

	while (x && x->id != id)
		x = x->next_id;
	return x;
}

static void grow_ids(struct sl_registrar *r)
{
	size_t n = r->n_id_buckets * 4;
	struct sl_reg_binding **bigger = r->n_bindings < r->n_id_buckets ? NULL : calloc(n, sizeof(struct sl_reg_binding *));

	if (!bigger)
		return;
	for (size_t i = 0; i < r->n_id_buckets; i++) {
		for (struct sl_reg_binding *x = r->id_buckets[i], *next; x; x = next) {
			next = x->next_id;
			x->next_id = bigger[x->id & (n - 1)];
			bigger[x->id & (n - 1)] = x;
		}
	}
	free(r->id_buckets);
	r->id_buckets = bigger;
	r->n_id_buckets = n;
}

void sl_reg_binding_clean(struct sl_registrar *r, struct sl_reg_binding *x)
{
	if (!x->dirty_at)
		return;
	*x->dirty_at = x->dirty_next;
	if (x->dirty_next)
		x->dirty_next->dirty_at = x->dirty_at;
	else
		r->dirty_last = x->dirty_at;
	x->dirty_at = NULL;
}

void sl_reg_binding_dirty(struct sl_registrar *r, struct sl_reg_binding *x, int64_t now_ms)
{
	if (x->dirty_at)
		return;
	x->dirty_ms = now_ms;
	x->dirty_next = NULL;
	x->dirty_at = r->dirty_last;
	*r->dirty_last = x;
	r->dirty_last = &x->dirty_next;
}

/* ---- trust: whoever is registered is no stranger to the guard ---- */

static uint32_t seconds_left(const struct sl_registrar *r, const struct sl_reg_binding *x)
{
	int64_t left_ms = x->b.expires_unix_ms - r->unix_ms();

	return left_ms > 0 ? (uint32_t)((left_ms + 999) / 1000) : 0;
}

/* A connection of the process before us has gone: nobody comes from there again. */
static void begin_trust(struct sl_registrar *r, struct sl_reg_binding *x)
{
	sl_warden_took(r->o.warden, SL_WARDEN_BINDING, &x->b.flow.remote.ip);
	x->held = x->b.flow.transport == SL_SIP_UDP || (r->sip && sl_sip_flow_is_open(r->sip, &x->b.flow));
	if (x->held)
		sl_warden_holds(r->o.warden, &x->b.flow, seconds_left(r, x), sl_now_ms());
}

static void end_trust(struct sl_registrar *r, struct sl_reg_binding *x)
{
	sl_warden_give(r->o.warden, SL_WARDEN_BINDING, &x->b.flow.remote.ip);
	if (x->held)
		sl_warden_distrusts(r->o.warden, &x->b.flow, sl_now_ms());
	x->held = false;
}

void sl_reg_binding_trust(struct sl_registrar *r, struct sl_reg_binding *x)
{
	if (x->held)
		sl_warden_renews(r->o.warden, &x->b.flow, seconds_left(r, x), sl_now_ms());
}

/* Out of all tables and lists. */
static void unlink_binding(struct sl_registrar *r, struct sl_reg_binding *x)
{
	struct sl_reg_binding **at = &x->aor->bindings;

	while (*at != x)
		at = &(*at)->next;
	*at = x->next;
	x->aor->n--;
	at = &r->id_buckets[x->id & (r->n_id_buckets - 1)];
	while (*at != x)
		at = &(*at)->next_id;
	*at = x->next_id;
	r->n_bindings--;
	sl_reg_binding_clean(r, x);
	sl_timer_stop(r->o.timers, &x->expiry);
	end_trust(r, x);
	x->aor = NULL;
}

void sl_reg_binding_drop(struct sl_registrar *r, struct sl_reg_binding *x)
{
	unlink_binding(r, x);
	sl_reg_binding_free(x);
}

static void expired(struct sl_timer *t)
{
	struct sl_reg_binding *x = (struct sl_reg_binding *)((char *)t - offsetof(struct sl_reg_binding, expiry));
	struct sl_registrar *r = x->registrar;
	struct sl_reg_aor *a = x->aor;
	int64_t left = x->b.expires_unix_ms - r->unix_ms();

	if (left > 0) {
		/* Refreshed meanwhile. Without memory for the timer it ends a little early rather than never. */
		if (sl_timer_set(r->o.timers, &x->expiry, sl_now_ms() + left) == 0)
			return;
	}
	r->counts.expiries++;
	sl_reg_binding_end(r, x, "expired", NULL);
	sl_reg_aor_release(r, a);
}

int sl_reg_binding_put(struct sl_registrar *r, struct sl_reg_aor *a, struct sl_reg_binding *x)
{
	struct sl_reg_binding *old = sl_reg_binding_by_id(r, x->id);

	x->expiry.fn = expired;
	int rc = sl_timer_set(r->o.timers, &x->expiry, sl_now_ms() + (x->b.expires_unix_ms - r->unix_ms()));
	if (rc < 0)
		return rc;
	begin_trust(r, x); /* before the old one's ends: they may share a mark */
	if (old)
		sl_reg_binding_drop(r, old);
	grow_ids(r);
	x->aor = a;
	x->next = a->bindings;
	a->bindings = x;
	a->n++;
	x->next_id = r->id_buckets[x->id & (r->n_id_buckets - 1)];
	r->id_buckets[x->id & (r->n_id_buckets - 1)] = x;
	r->n_bindings++;
	return 0;
}

bool sl_reg_flow_eq(const struct sl_sip_flow *a, const struct sl_sip_flow *b)
{
	return a->transport == b->transport && a->listener == b->listener && a->connection == b->connection &&
	       (a->connection == 0 || a->epoch == b->epoch) && sl_endpoint_eq(&a->remote, &b->remote) &&
	       sl_endpoint_eq(&a->local, &b->local);
}

/* ---- the end of a binding that is not its owner's doing ---- */

void sl_reg_binding_end(struct sl_registrar *r, struct sl_reg_binding *x, const char *why, struct sl_reg_change *into)
{
	struct sl_reg_aor *a = x->aor;
	struct sl_reg_op op = { SL_REG_REMOVE, x->id, NULL };

	sl_call_event_publish(r->o.events, SL_CE_UNREGISTERED, sl_reg_tenant(r, a), NULL, NULL, "%s %s: %s", a->name, x->b.contact, why);
	sl_reg_notify(r, x, strcmp(why, "expired") == 0 ? SL_REG_EV_EXPIRED : SL_REG_EV_DEACTIVATED);
	sl_reg_binding_drop(r, x);
	if (into) {
		into->ops[into->n++] = op;
		return;
	}
	/* Without memory the row stays, and goes at the next start because it has expired. */
	struct sl_reg_change *c = sl_reg_change_new(1);
	if (!c)
		return;
	c->ops[c->n++] = op;
	sl_reg_commit(r, c);
}

/* Users that were deleted or disabled lose their bindings: looked at some buckets a tick, so that 100,000 users hold nobody up. */
void sl_reg_sweep(struct sl_registrar *r)
{
	for (unsigned i = 0; i < SWEEP_BUCKETS && r->sweep_left; i++) {
		for (struct sl_reg_aor *a = r->buckets[r->sweep_at], *next; a; a = next) {
			const char *domain = a->name + a->name_len + 1;
			const struct sl_prov_user *u = sl_prov_user(r->o.prov, a->name, a->name_len, domain, strlen(domain));

			next = a->next;
			if (u && u->enabled)
				continue;
			while (a->bindings) {
				r->counts.removals++;
				sl_reg_binding_end(r, a->bindings, u ? "user disabled" : "user deleted", NULL);
			}
			sl_reg_aor_release(r, a);
		}
		r->sweep_at = (r->sweep_at + 1) & (r->n_buckets - 1);
		r->sweep_left--;
	}
}

void sl_reg_table_free(struct sl_registrar *r)
{
	for (size_t i = 0; r->buckets && i < r->n_buckets; i++) {
		for (struct sl_reg_aor *a = r->buckets[i], *next; a; a = next) {
			next = a->next;
			while (a->bindings)
				sl_reg_binding_drop(r, a->bindings);
			free(a);
		}
	}
	free(r->buckets);
	free(r->id_buckets);
}
