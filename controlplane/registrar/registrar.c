/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Life of the registrar, and what others ask of it. */

#include "controlplane/registrar/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <sofia-sip/url.h>

enum { IDS_A_MS = 1024 };

static void provisioning_changed(void *ctx)
{
	struct sl_registrar *r = ctx;

	r->sweep_left = r->n_buckets; /* from where it is: a change each second must not keep it at the beginning */
}

struct sl_registrar *sl_registrar_open(const struct sl_registrar_options *o, char *text, size_t text_len)
{
	struct sl_registrar *r = calloc(1, sizeof *r);

	snprintf(text, text_len, "the registrar: no memory");
	if (!r)
		return NULL;
	r->o = *o;
	r->unix_ms = sl_call_unix_ms;
	r->queue_last = &r->queue;
	/* Numbers of bindings are not used again after a restart either: they name temporary GRUUs. */
	r->last_id = (uint64_t)r->unix_ms() * IDS_A_MS;
	if (RAND_bytes((unsigned char *)&r->hash_key, sizeof r->hash_key) == 1 &&
	        RAND_bytes((unsigned char *)&r->gruu_counter, sizeof r->gruu_counter) == 1 && sl_reg_table_init(r) == 0 &&
	        sl_nonces_init(&r->nonces, SL_REG_NONCE_SETS) == 0 && sl_lockout_init(&r->lockout, SL_REG_LOCKOUT_SETS) == 0 &&
	        sl_reg_load(r, text, text_len) == 0 && sl_prov_watch(o->prov, provisioning_changed, r) == 0)
		return r;
	sl_registrar_close(r);
	return NULL;
}

void sl_registrar_close(struct sl_registrar *r)
{
	if (!r)
		return;
	sl_registrar_set_sip(r, NULL);
	sl_reg_store_close(r);
	sl_reg_table_free(r);
	sl_nonces_free(&r->nonces);
	sl_lockout_free(&r->lockout);
	OPENSSL_cleanse(r, sizeof *r);
	free(r);
}

void sl_registrar_reconfigure(struct sl_registrar *r, const struct sl_config *config)
{
	r->o.config = config;
}

void sl_registrar_set_sip(struct sl_registrar *r, struct sl_sip *s)
{
	if (!r)
		return;
	if (!s && r->sip) {
		sl_reg_watch_close(r);
		sl_reg_store_forget(r);
	}
	r->sip = s;
}

void sl_registrar_tick(struct sl_registrar *r, int64_t now_ms)
{
	sl_reg_store_tick(r, now_ms);
	sl_reg_sweep(r);
}

/* ---- where is a user? ---- */

/* A connection that has gone, of a client that nothing else leads to, is no way any more. */
static bool is_reachable(const struct sl_registrar *r, const struct sl_binding *b)
{
	if (b->flow.transport == SL_SIP_UDP || (!b->nat && !b->reg_id))
		return true;
	return !r->sip || sl_sip_flow_is_open(r->sip, &b->flow);
}

static bool goes_before(const struct sl_binding *a, const struct sl_binding *b)
{
	return a->q != b->q ? a->q > b->q : a->updated_unix_ms > b->updated_unix_ms;
}

/* Several ways to one instance (RFC 5626 4.2.1): is there a newer one? */
static bool is_shadowed(const struct sl_registrar *r, const struct sl_reg_binding *x, int64_t now)
{
	for (const struct sl_reg_binding *y = x->aor->bindings; y && *x->b.instance; y = y->next) {
		if (y == x || strcmp(y->b.instance, x->b.instance) != 0 || y->b.expires_unix_ms <= now || !is_reachable(r, &y->b))
			continue;
		if (y->b.updated_unix_ms > x->b.updated_unix_ms || (y->b.updated_unix_ms == x->b.updated_unix_ms && y->id > x->id))
			return true;
	}
	return false;
}

unsigned sl_registrar_bindings(const struct sl_registrar *r, const struct sl_prov_user *user, const struct sl_binding **out, unsigned max)
{
	const struct sl_reg_aor *a = sl_reg_aor_of(r, user);
	int64_t now = r->unix_ms();
	unsigned n = 0;

	for (const struct sl_reg_binding *x = a ? a->bindings : NULL; x; x = x->next) {
		unsigned at = n;

		if (x->b.expires_unix_ms <= now || !is_reachable(r, &x->b) || is_shadowed(r, x, now))
			continue;
		while (at && goes_before(&x->b, out[at - 1]))
			at--;
		if (at == max)
			continue;
		n = n < max ? n + 1 : n;
		memmove(&out[at + 1], &out[at], (n - 1 - at) * sizeof out[0]);
		out[at] = &x->b;
	}
	return n;
}

static struct sl_prov_user *user_of_aor(const struct sl_registrar *r, const struct sl_reg_aor *a)
{
	const char *domain = a->name + a->name_len + 1;

	return sl_prov_user(r->o.prov, a->name, a->name_len, domain, strlen(domain));
}

/* By a public GRUU, the newest way to the instance (RFC 5627 5.1). */
static const struct sl_reg_binding *by_instance(const struct sl_registrar *r, const struct sl_prov_user *user, const char *instance, size_t len)
{
	const struct sl_reg_aor *a = sl_reg_aor_of(r, user);
	const struct sl_reg_binding *best = NULL;

	for (const struct sl_reg_binding *x = a ? a->bindings : NULL; x; x = x->next) {
		if (strlen(x->b.instance) == len && memcmp(x->b.instance, instance, len) == 0 && is_reachable(r, &x->b) &&
		        (!best || x->b.updated_unix_ms > best->b.updated_unix_ms))
			best = x;
	}
	return best;
}

/* The parameter gr, with or without a value. */
static bool find_gr(const url_t *uri, const char **value, size_t *len)
{
	const char *p = uri->url_params;

	while (p && *p) {
		size_t n = strcspn(p, ";");

		if (n >= 2 && (p[0] | 0x20) == 'g' && (p[1] | 0x20) == 'r' && (n == 2 || p[2] == '=')) {
			*value = p + (n == 2 ? 2 : 3);
			*len = n == 2 ? 0 : n - 3;
			return true;
		}
		p += n;
		if (*p == ';')
			p++;
	}
	return false;
}

static struct sl_prov_user *user_by_number(const struct sl_registrar *r, const struct sl_prov_domain *d, const char *user)
{
	char number[32];
	size_t n = strcspn(user, ";"); /* RFC 3261 19.1.6: a telephone-subscriber with parameters */

	if (!d->tenant || n == 0 || n >= sizeof number)
		return NULL;
	memcpy(number, user, n);
	number[n] = '\0';
	return sl_prov_user_by_number(r->o.prov, d->tenant->name, number);
}

struct sl_prov_user *sl_registrar_user_of(const struct sl_registrar *r, const url_t *uri, const struct sl_binding **binding)
{
	const struct sl_prov_domain *d =
	        uri->url_host ? sl_prov_domain(sl_prov_now(r->o.prov), uri->url_host, strlen(uri->url_host)) : NULL;
	const char *gr = NULL;
	size_t gr_len = 0;

	*binding = NULL;
	if (!d || !uri->url_user || !*uri->url_user)
		return NULL;
	bool is_gruu = find_gr(uri, &gr, &gr_len);
	if (is_gruu && gr_len == 0) {
		const struct sl_reg_binding *x = sl_gruu_temp_find(r, uri->url_user);

		if (!x || !is_reachable(r, &x->b))
			return NULL;
		*binding = &x->b;
		return user_of_aor(r, x->aor);
	}
	struct sl_prov_user *u = sl_prov_user(r->o.prov, uri->url_user, strlen(uri->url_user), d->name, strlen(d->name));
	if (!u)
		u = user_by_number(r, d, uri->url_user);
	if (u && is_gruu) {
		const struct sl_reg_binding *x = by_instance(r, u, gr, gr_len);

		*binding = x ? &x->b : NULL;
		return x ? u : NULL; /* a GRUU is one device or nobody */
	}
	return u;
}

bool sl_registrar_flow_is_of(const struct sl_registrar *r, const struct sl_sip_flow *flow, const struct sl_prov_user *user)
{
	const struct sl_reg_aor *a = sl_reg_aor_of(r, user);
	int64_t now = r->unix_ms();

	for (const struct sl_reg_binding *x = a ? a->bindings : NULL; x; x = x->next) {
		if (x->b.expires_unix_ms > now && sl_reg_flow_eq(&x->b.flow, flow))
			return true;
	}
	return false;
}

/* ---- from outside ---- */

unsigned sl_registrar_remove(struct sl_registrar *r, const struct sl_prov_user *user, const char *contact, const char *why, sl_store_done done,
        void *ctx)
{
	struct sl_reg_aor *a = sl_reg_aor_of(r, user);
	struct sl_reg_change *c = a && a->n ? sl_reg_change_new(a->n) : NULL;

	for (struct sl_reg_binding *x = c ? a->bindings : NULL, *next; x; x = next) {
		next = x->next;
		if (contact && strcmp(contact, x->b.contact) != 0)
			continue;
		sl_reg_binding_end(r, x, why, c);
		r->counts.removals++;
	}
	unsigned n = c ? c->n : 0;
	if (n) {
		c->done = done;
		c->done_ctx = ctx;
		sl_reg_commit(r, c);
		sl_reg_aor_release(r, a);
		return n;
	}
	if (c)
		sl_reg_change_free(c);
	if (done)
		done(ctx, -ENOENT, "no such binding");
	return 0;
}

void sl_registrar_flow_closed(struct sl_registrar *r, const struct sl_prov_user *user, const struct sl_sip_flow *flow)
{
	struct sl_reg_aor *a = sl_reg_aor_of(r, user);

	for (struct sl_reg_binding *x = a ? a->bindings : NULL, *next; x; x = next) {
		next = x->next;
		if (!sl_reg_flow_eq(&x->b.flow, flow))
			continue;
		r->counts.removals++;
		sl_reg_binding_end(r, x, "flow failed", NULL);
	}
	if (a)
		sl_reg_aor_release(r, a);
}

void sl_registrar_each(const struct sl_registrar *r, bool (*cb)(void *ctx, const struct sl_prov_user *user, const struct sl_binding *b), void *ctx)
{
	int64_t now = r->unix_ms();

	for (size_t i = 0; i < r->n_buckets; i++) {
		for (const struct sl_reg_aor *a = r->buckets[i]; a; a = a->next) {
			const struct sl_prov_user *u = a->bindings ? user_of_aor(r, a) : NULL;

			for (const struct sl_reg_binding *x = u ? a->bindings : NULL; x; x = x->next) {
				if (x->b.expires_unix_ms > now && !cb(ctx, u, &x->b))
					return;
			}
		}
	}
}

void sl_registrar_part(const struct sl_registrar *r, unsigned part, unsigned parts, void (*cb)(void *ctx, const struct sl_binding *b), void *ctx)
{
	int64_t now = r->unix_ms();

	for (size_t i = r->n_buckets * part / parts; i < r->n_buckets * (part + 1) / parts; i++) {
		for (const struct sl_reg_aor *a = r->buckets[i]; a; a = a->next) {
			for (const struct sl_reg_binding *x = a->bindings; x; x = x->next) {
				if (x->b.expires_unix_ms > now)
					cb(ctx, &x->b);
			}
		}
	}
}

void sl_registrar_counts(const struct sl_registrar *r, struct sl_registrar_counts *out)
{
	*out = r->counts;
	out->bindings = r->n_bindings;
	out->users = r->n_aors;
}
