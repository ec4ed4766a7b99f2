/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/turn/source_set.h"

#include "controlplane/secret.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

struct sl_source_set *sl_source_set_new(void)
{
	struct sl_source_set *s = calloc(1, sizeof *s);

	if (s)
		atomic_init(&s->refs, 1);
	return s;
}

struct sl_source_set *sl_source_set_ref(struct sl_source_set *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

static void free_realm(struct sl_source_realm *r)
{
	for (unsigned i = 0; i < r->n_secrets; i++)
		sl_secret_free_text(r->secrets[i]);
	for (unsigned i = 0; i < r->n_origins; i++)
		free(r->origins[i]);
	for (unsigned i = 0; i < r->n_oauth_keys; i++)
		free(r->oauth_keys[i].kid);
	free(r->secrets);
	free(r->origins);
	free(r->peer_rules);
	sl_secret_free(r->oauth_keys, r->n_oauth_keys * sizeof *r->oauth_keys);
}

void sl_source_set_unref(struct sl_source_set *s)
{
	if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
		return;
	for (unsigned i = 0; i < s->n_realms; i++)
		free_realm(&s->realms[i]);
	sl_secret_free(s->users, s->n_users * sizeof *s->users);
	free(s->text);
	free(s->realms);
	free(s->peer_rules);
	free(s);
}

/* ---- sorting ---- */

static int by_realm_name(const void *a, const void *b)
{
	const struct sl_source_realm *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int compare_names(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int c = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return c ? c : (a_len > b_len) - (a_len < b_len);
}

static bool same_name(const struct sl_source_set *s, const struct sl_source_user *a, const struct sl_source_user *b)
{
	return a->realm == b->realm && compare_names(s->text + a->name_at, a->name_len, s->text + b->name_at, b->name_len) == 0;
}

/* By index of users. Realms are in order, so their index is. */
static int by_name(const void *a, const void *b, void *set)
{
	const struct sl_source_set *s = set;
	const struct sl_source_user *x = &s->users[*(const uint32_t *)a], *y = &s->users[*(const uint32_t *)b];

	if (x->realm != y->realm)
		return x->realm < y->realm ? -1 : 1;
	int c = compare_names(s->text + x->name_at, x->name_len, s->text + y->name_at, y->name_len);
	return c ? c : (x->name_at > y->name_at) - (x->name_at < y->name_at); /* which came first */
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Allowed ones go before denied ones (coturn asks them first); among each other their order means nothing. */
static int by_precedence(const void *a, const void *b)
{
	const struct sl_conf_peer_rule *x = a, *y = b;

	if (x->allow != y->allow)
		return x->allow ? -1 : 1;
	int c = memcmp(x->prefix.ip.b, y->prefix.ip.b, sizeof x->prefix.ip.b);
	return c ? c : (int)x->prefix.len - (int)y->prefix.len;
}

static void sort(void *base, size_t n, size_t size, int (*compare)(const void *, const void *))
{
	if (n > 1)
		qsort(base, n, size, compare);
}

/* A prefix that comes twice (tables may overlap) is one rule. */
static unsigned sort_rules(struct sl_conf_peer_rule *rules, unsigned n)
{
	unsigned kept = 0;

	sort(rules, n, sizeof *rules, by_precedence);
	for (unsigned i = 0; i < n; i++) {
		if (kept == 0 || by_precedence(&rules[kept - 1], &rules[i]) != 0)
			rules[kept++] = rules[i];
	}
	return kept;
}

static void sort_realms(struct sl_source_set *s)
{
	uint16_t index[SL_TURN_MAX_REALMS];
	struct sl_source_realm *before = s->n_realms ? malloc(s->n_realms * sizeof *before) : NULL;

	if (!before) {
		s->no_memory |= s->n_realms > 0;
		return;
	}
	memcpy(before, s->realms, s->n_realms * sizeof *before);
	sort(s->realms, s->n_realms, sizeof *s->realms, by_realm_name);
	for (unsigned i = 0; i < s->n_realms; i++) {
		const struct sl_source_realm *now = bsearch(&before[i], s->realms, s->n_realms, sizeof *s->realms, by_realm_name);
		index[i] = (uint16_t)(now - s->realms);
	}
	for (size_t i = 0; i < s->n_users; i++)
		s->users[i].realm = index[s->users[i].realm];
	free(before);
}

/* Sorted are their numbers: qsort_r() would leave copies of keys in what it frees. Of those that come twice the first stays. */
static bool sort_users(struct sl_source_set *s)
{
	size_t n = s->n_users, kept = 0;
	uint32_t *order = malloc((n + 1) * sizeof *order);
	struct sl_source_user *sorted = malloc((n + 1) * sizeof *sorted);

	if (!order || !sorted) {
		free(order);
		free(sorted);
		return false;
	}
	for (size_t i = 0; i < n; i++)
		order[i] = (uint32_t)i;
	qsort_r(order, n, sizeof *order, by_name, s);
	for (size_t i = 0; i < n; i++) {
		const struct sl_source_user *u = &s->users[order[i]];
		if (kept == 0 || !same_name(s, &sorted[kept - 1], u))
			sorted[kept++] = *u;
	}
	free(order);
	sl_secret_free(s->users, n * sizeof *s->users);
	s->users = sorted;
	s->n_users = kept;
	s->room_users = n + 1;
	return true;
}

bool sl_source_finish(struct sl_source_set *s)
{
	sort_realms(s);
	if (s->no_memory)
		return false;
	for (unsigned i = 0; i < s->n_realms; i++) {
		struct sl_source_realm *r = &s->realms[i];
		sort(r->secrets, r->n_secrets, sizeof *r->secrets, by_text);
		sort(r->origins, r->n_origins, sizeof *r->origins, by_text);
		r->n_peer_rules = sort_rules(r->peer_rules, r->n_peer_rules);
	}
	s->n_peer_rules = sort_rules(s->peer_rules, s->n_peer_rules);
	return sort_users(s);
}

/* ---- comparing ---- */

static bool texts_same(char *const *a, unsigned n_a, char *const *b, unsigned n_b)
{
	if (n_a != n_b)
		return false;
	for (unsigned i = 0; i < n_a; i++) {
		if (strcmp(a[i], b[i]) != 0)
			return false;
	}
	return true;
}

static bool rules_same(const struct sl_conf_peer_rule *a, unsigned n_a, const struct sl_conf_peer_rule *b, unsigned n_b)
{
	if (n_a != n_b)
		return false;
	for (unsigned i = 0; i < n_a; i++) {
		if (by_precedence(&a[i], &b[i]) != 0)
			return false;
	}
	return true;
}

static bool keys_same(const struct sl_source_realm *a, const struct sl_source_realm *b)
{
	if (a->n_oauth_keys != b->n_oauth_keys)
		return false;
	for (unsigned i = 0; i < a->n_oauth_keys; i++) {
		const struct sl_conf_oauth_key *x = &a->oauth_keys[i], *y = &b->oauth_keys[i];
		if (strcmp(x->kid, y->kid) != 0 || x->algorithm != y->algorithm || x->not_before_unix_s != y->not_before_unix_s ||
		        x->not_after_unix_s != y->not_after_unix_s || CRYPTO_memcmp(x->key, y->key, sizeof x->key) != 0)
			return false;
	}
	return true;
}

static bool realms_same(const struct sl_source_realm *a, const struct sl_source_realm *b)
{
	return strcmp(a->name, b->name) == 0 && a->user_quota == b->user_quota && a->total_quota == b->total_quota && a->max_kbps == b->max_kbps &&
	       texts_same(a->secrets, a->n_secrets, b->secrets, b->n_secrets) && texts_same(a->origins, a->n_origins, b->origins, b->n_origins) &&
	       rules_same(a->peer_rules, a->n_peer_rules, b->peer_rules, b->n_peer_rules) && keys_same(a, b);
}

bool sl_source_settings_same(const struct sl_source_set *a, const struct sl_source_set *b)
{
	static const struct sl_source_set nothing;

	a = a ? a : &nothing;
	b = b ? b : &nothing;
	if (a->n_realms != b->n_realms || !rules_same(a->peer_rules, a->n_peer_rules, b->peer_rules, b->n_peer_rules))
		return false;
	for (unsigned i = 0; i < a->n_realms; i++) {
		if (!realms_same(&a->realms[i], &b->realms[i]))
			return false;
	}
	return true;
}

static int compare_users(const struct sl_source_set *a, const struct sl_source_user *x, const struct sl_source_set *b, const struct sl_source_user *y)
{
	int c = strcmp(a->realms[x->realm].name, b->realms[y->realm].name);

	return c ? c : compare_names(a->text + x->name_at, x->name_len, b->text + y->name_at, y->name_len);
}

static bool add_step(struct sl_source_diff *d, size_t *room, size_t user, bool gone)
{
	if (d->n == *room) {
		size_t more = *room ? 2 * *room : 1024;
		struct sl_source_step *steps = realloc(d->steps, more * sizeof *steps);
		if (!steps)
			return false;
		d->steps = steps;
		*room = more;
	}
	d->steps[d->n++] = (struct sl_source_step){(uint32_t)user, gone};
	return true;
}

bool sl_source_diff(const struct sl_source_set *before, const struct sl_source_set *now, struct sl_source_diff *out)
{
	size_t n_before = before ? before->n_users : 0, n_now = now ? now->n_users : 0, room = 0, i = 0, k = 0;
	bool ok = true;

	*out = (struct sl_source_diff){0};
	while (ok && (i < n_before || k < n_now)) {
		const struct sl_source_user *old = i < n_before ? &before->users[i] : NULL, *new = k < n_now ? &now->users[k] : NULL;
		int c = !old ? 1 : !new ? -1 : compare_users(before, old, now, new);
		if (c < 0)
			ok = add_step(out, &room, i, true);
		else if (c > 0 || CRYPTO_memcmp(old->key_md5, new->key_md5, sizeof old->key_md5) != 0)
			ok = add_step(out, &room, k, false);
		i += c <= 0;
		k += c >= 0;
	}
	return ok;
}

void sl_source_diff_free(struct sl_source_diff *d)
{
	free(d->steps);
	*d = (struct sl_source_diff){0};
}
