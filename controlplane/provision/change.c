/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Changes: checked against what is in force, committed, then in force, then answered. What could make the check of another one wrong while
 * it is with the store waits its turn: users and tokens go side by side (so a commit's price is shared), everything else goes alone. */

#include "controlplane/provision/change.h"

#include "dataplane/abi/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

void sl_change_free(struct sl_change *c)
{
	sl_resource_unref(c->r);
	json_decref(c->body);
	sl_prov_text_free(c->text, c->text_len);
	sl_prov_users_clear(&c->users);
	sl_set_clear(&c->set);
	OPENSSL_cleanse(c, sizeof *c);
	free(c);
}

int sl_change_refuse(struct sl_change *c, int status, const char *field, const char *text)
{
	c->status = status;
	sl_field_fail(&c->e, field, "%s", text);
	return -EINVAL;
}

void sl_change_finish(struct sl_change *c)
{
	struct sl_prov_result r = {.status = c->status};
	struct sl_resource *now = c->p && c->what == SL_CHANGE_PUT && c->status < 300 ? sl_set_find(&c->p->set, c->kind, c->name) : NULL;

	if (c->status >= 400) {
		snprintf(r.field, sizeof r.field, "%s", c->e.field);
		if (c->what == SL_CHANGE_IMPORT && !c->bad_name[0])
			snprintf(r.text, sizeof r.text, "%.79s%s%.150s", c->e.field, c->e.field[0] ? ": " : "", c->e.text);
		else
			sl_resource_message(c->what == SL_CHANGE_IMPORT ? c->bad_kind : c->kind,
			        c->what == SL_CHANGE_IMPORT ? c->bad_name : c->name, &c->e, r.text, sizeof r.text);
	}
	if (now) {
		sl_resource_etag(now, r.etag);
		r.body = sl_resource_show(now);
		if (c->secret[0])
			json_object_set_new(r.body, "secret", json_string(c->secret));
	}
	if (c->done)
		c->done(c->ctx, &r);
	if (c->secret[0] && r.body)
		sl_wipe_member(r.body, "secret");
	json_decref(r.body);
	sl_change_free(c);
}

/* ---- in force ---- */

static int apply_put(struct sl_prov *p, struct sl_change *c)
{
	int rc = c->kind == SL_PROV_USER ? sl_prov_users_put(&p->users, sl_resource_user(c->r)) : 0;

	if (rc == 0)
		rc = sl_set_put(&p->set, c->r);
	if (rc < 0) {
		sl_log(SL_LOG_ERROR, "provision: %s \"%s\" is stored, but there was no memory to use it: restart the control plane",
		        sl_kinds[c->kind].text, c->name);
		return sl_change_refuse(c, 500, "", "is stored, but there was no memory to use it");
	}
	sl_prov_changed(p, c->kind, sl_resource_tenant(c->r), c->name);
	c->r = NULL; /* the set's */
	return 0;
}

static void apply_delete(struct sl_prov *p, struct sl_change *c)
{
	struct sl_resource *before = sl_set_find(&p->set, c->kind, c->name);
	char tenant[SL_PROV_NAME_MAX + 1];

	snprintf(tenant, sizeof tenant, "%s", sl_resource_tenant(before));
	if (c->kind == SL_PROV_USER)
		sl_prov_users_remove(&p->users, sl_resource_user(before));
	sl_set_remove(&p->set, c->kind, c->name);
	sl_prov_changed(p, c->kind, tenant, c->name);
}

/* ---- with the store ---- */

int sl_change_work(struct sl_store_db *db, void *arg, char *text)
{
	struct sl_change *c = arg;
	struct sl_row row = {c->kind, c->name, c->r ? c->r->text : NULL, c->r ? c->r->version : 0};

	return c->what == SL_CHANGE_IMPORT ? sl_rows_replace(db, &c->set, text) : sl_rows_write(db, &row, text);
}

void sl_change_unlink(struct sl_prov *p, const struct sl_change *c)
{
	struct sl_change **at = &p->flying;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
}

void sl_change_committed(void *arg, int error, const char *text)
{
	struct sl_change *c = arg;
	struct sl_prov *p = c->p;
	char what[SL_STORE_TEXT + 40];

	if (!p) {
		sl_change_free(c);
		return;
	}
	sl_change_unlink(p, c);
	if (error) {
		snprintf(what, sizeof what, "was not stored: %s", text[0] ? text : strerror(-error));
		sl_change_refuse(c, 500, "", what);
	} else if (c->what == SL_CHANGE_PUT) {
		apply_put(p, c);
	} else if (c->what == SL_CHANGE_DELETE) {
		apply_delete(p, c);
	} else {
		sl_import_apply(p, c);
	}
	sl_change_finish(c);
	sl_changes_pump(p);
}

int sl_change_submit(struct sl_prov *p, struct sl_change *c, sl_store_work w, sl_store_done then)
{
	int rc = p->store ? sl_store_submit(p->store, w, then, c) : -ENODEV;

	if (rc < 0)
		return sl_change_refuse(c, rc == -ENOBUFS ? 503 : 500, "", rc == -ENODEV ? "cannot be stored: there is no database" :
		        rc == -ENOBUFS ? "cannot be stored now: the database is far behind" : "no memory left");
	c->next = p->flying;
	p->flying = c;
	return 0;
}

/* ---- checks, against what is in force ---- */

static int check_match(struct sl_change *c, const struct sl_resource *before)
{
	char etag[24];

	if (!c->if_match[0])
		return 0;
	if (before && strcmp(c->if_match, "*") == 0)
		return 0;
	if (before)
		sl_resource_etag(before, etag);
	if (!before || strcmp(etag, c->if_match) != 0)
		return sl_change_refuse(c, 412, "", before ? "has changed since: its ETag is not that of If-Match"
		                                           : "does not exist, and If-Match wants it");
	return 0;
}

static int check_config(struct sl_change *c, const struct sl_resource *before)
{
	return before && before->config ? sl_change_refuse(c, 403, "", "is the configuration's: change it there, and reload") : 0;
}

static int check_unused(struct sl_prov *p, struct sl_change *c, const struct sl_resource *before, const char *then)
{
	const struct sl_resource *who = sl_references_of(&p->set, before);
	char text[200];

	if (!who)
		return 0;
	snprintf(text, sizeof text, "is named by %s \"%s\"%s", sl_kinds[who->kind].text, who->name, then);
	return sl_change_refuse(c, 409, "", text);
}

/* To a tenant's account another's name is none, and it makes nothing for others. */
static bool is_others(const struct sl_change *c, const struct sl_resource *r)
{
	return c->account[0] && r && strcmp(sl_resource_tenant(r), c->account) != 0;
}

/* The longer prefix gets a request (routing/index.c): so none within another tenant's, or around it, is taken by a tenant itself. */
static int check_networks(const struct sl_prov *p, struct sl_change *c)
{
	const struct sl_prov_trunk *t = c->kind == SL_PROV_TRUNK && c->account[0] ? &((const struct sl_res_trunk *)c->r->raw)->t : NULL;
	const struct sl_resource_list *l = &p->set.kinds[SL_PROV_TRUNK];
	char field[24];

	for (size_t i = 0; t && i < l->n; i++) {
		const struct sl_prov_trunk *o = &((const struct sl_res_trunk *)l->v[i]->raw)->t;

		if (strcmp(sl_resource_tenant(l->v[i]), c->account) == 0)
			continue;
		for (unsigned j = 0; j < t->n_sources * o->n_sources; j++) {
			const struct sl_prefix *a = &t->sources[j / o->n_sources], *b = &o->sources[j % o->n_sources];

			if (!sl_prefix_contains(a, &b->ip) && !sl_prefix_contains(b, &a->ip))
				continue;
			snprintf(field, sizeof field, "sources[%u]", j / o->n_sources);
			return sl_change_refuse(c, 403, field, "has addresses of another tenant's trunk: an administrator may share them out");
		}
	}
	return 0;
}

static int make_secret(struct sl_change *c)
{
	struct sl_res_token *t = c->r->raw;
	char hex[65];

	if (sl_token_new(c->secret, sizeof c->secret) < 0)
		return sl_change_refuse(c, 500, "secret", "no random numbers");
	sl_token_hash(c->secret, strlen(c->secret), t->sha256);
	sl_hex(t->sha256, sizeof t->sha256, hex);
	json_object_set_new(c->body, "sha256", json_string(hex));
	c->r->keeps_secret = false;
	return 0;
}

static int start_put(struct sl_prov *p, struct sl_change *c)
{
	struct sl_resource *before = sl_set_find(&p->set, c->kind, c->name);

	if (is_others(c, before))
		return sl_change_refuse(c, 404, "", "does not exist");
	if (check_networks(p, c) < 0 || check_config(c, before) < 0 || check_match(c, before) < 0)
		return -EINVAL;
	if (c->kind == SL_PROV_TOKEN && !before && c->r->keeps_secret && make_secret(c) < 0)
		return -EINVAL;
	c->status = 400;
	if (sl_resource_keep_secret(c->r, before, c->body, &c->e) < 0 || sl_references_check(&p->set, &p->users, p->config, c->r, &c->e) < 0)
		return -EINVAL;
	if (is_others(c, c->r))
		return sl_change_refuse(c, 403, c->kind == SL_PROV_USER ? "domain" : "tenant", "is another tenant's");
	if (before && strcmp(sl_resource_tenant(before), sl_resource_tenant(c->r)) != 0 &&
	        check_unused(p, c, before, ": its tenant cannot change") < 0)
		return -EINVAL;
	if (sl_resource_seal(c->r, c->body) < 0)
		return sl_change_refuse(c, 500, "", "no memory left");
	json_decref(c->body);
	c->body = NULL;
	c->r->version = sl_prov_next_version(p);
	c->status = before ? 200 : 201;
	return sl_change_submit(p, c, sl_change_work, sl_change_committed);
}

static int start_delete(struct sl_prov *p, struct sl_change *c)
{
	const struct sl_resource *before = sl_set_find(&p->set, c->kind, c->name);

	if (!before || is_others(c, before))
		return sl_change_refuse(c, 404, "", "does not exist");
	if (check_config(c, before) < 0 || check_match(c, before) < 0 || check_unused(p, c, before, "") < 0)
		return -EINVAL;
	c->status = 204;
	return sl_change_submit(p, c, sl_change_work, sl_change_committed);
}

/* ---- turns ---- */

static bool is_light(const struct sl_change *c)
{
	return c->what != SL_CHANGE_IMPORT && (c->kind == SL_PROV_USER || c->kind == SL_PROV_TOKEN);
}

static bool share_a_number(const struct sl_change *a, const struct sl_change *b)
{
	const struct sl_prov_user *u = a->r ? a->r->raw : NULL, *v = b->r ? b->r->raw : NULL;

	if (!u || !v || a->kind != SL_PROV_USER || b->kind != SL_PROV_USER)
		return false;
	for (unsigned i = 0; i < u->n_numbers; i++) {
		for (unsigned j = 0; j < v->n_numbers; j++) {
			if (strcmp(u->numbers[i] + (u->numbers[i][0] == '+'), v->numbers[j] + (v->numbers[j][0] == '+')) == 0)
				return true;
		}
	}
	return false;
}

static bool must_wait(const struct sl_prov *p, const struct sl_change *c)
{
	for (const struct sl_change *f = p->flying; f; f = f->next) {
		if (!is_light(f) || !is_light(c) || (f->kind == c->kind && strcmp(f->name, c->name) == 0) || share_a_number(f, c))
			return true;
	}
	return false;
}

static void start(struct sl_prov *p, struct sl_change *c)
{
	int rc = c->what == SL_CHANGE_PUT ? start_put(p, c) : c->what == SL_CHANGE_DELETE ? start_delete(p, c)
	                                                                                 : sl_import_start(p, c);

	if (rc < 0)
		sl_change_finish(c);
}

void sl_changes_pump(struct sl_prov *p)
{
	while (p->waiting && !must_wait(p, p->waiting)) {
		struct sl_change *c = p->waiting;

		if ((p->waiting = c->next) == NULL)
			p->last = &p->waiting;
		start(p, c);
	}
}

void sl_change_enqueue(struct sl_prov *p, struct sl_change *c)
{
	c->next = NULL;
	*p->last = c;
	p->last = &c->next;
	sl_changes_pump(p);
}

void sl_changes_drop(struct sl_prov *p)
{
	for (struct sl_change *c = p->flying; c; c = c->next)
		c->p = NULL; /* the store still has them */
	while (p->waiting) {
		struct sl_change *c = p->waiting;

		p->waiting = c->next;
		sl_change_free(c);
	}
}

struct sl_change *sl_change_new(struct sl_prov *p, enum sl_change_what what, enum sl_prov_kind kind, const char *name, const char *if_match,
        sl_prov_done done, void *ctx)
{
	static const struct sl_prov_result no_memory = {.status = 500, .text = "no memory left"};
	struct sl_change *c = calloc(1, sizeof *c);

	if (!c) {
		done(ctx, &no_memory);
		return NULL;
	}
	c->p = p;
	c->what = what;
	c->kind = kind;
	c->done = done;
	c->ctx = ctx;
	snprintf(c->name, sizeof c->name, "%s", name);
	/* One that is too long is no version of ours. */
	snprintf(c->if_match, sizeof c->if_match, "%s", !if_match ? "" : strlen(if_match) < sizeof c->if_match ? if_match : "?");
	for (char *at = kind == SL_PROV_USER ? strchr(c->name, '@') : kind == SL_PROV_DOMAIN ? c->name : NULL; at && *at; at++) {
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at - 'A' + 'a');
	}
	return c;
}

/* The path says the name; the body may, and then it is the same. */
static int name_body(struct sl_change *c, json_t *body)
{
	const char *at = c->kind == SL_PROV_USER ? strchr(c->name, '@') : c->name + strlen(c->name);

	if (!json_is_object(body))
		return sl_change_refuse(c, 400, "", "is no JSON object");
	if (!at || at == c->name || (c->kind == SL_PROV_USER && !at[1]))
		return sl_change_refuse(c, 400, "name", c->kind == SL_PROV_USER ? "must be NAME@DOMAIN" : "is missing");
	if (!json_object_get(body, "name"))
		json_object_set_new(body, "name", json_stringn(c->name, (size_t)(at - c->name)));
	if (c->kind == SL_PROV_USER && !json_object_get(body, "domain"))
		json_object_set_new(body, "domain", json_string(at + 1));
	return 0;
}

void sl_prov_put(struct sl_prov *p, enum sl_prov_kind kind, const char *name, json_t *body, const char *if_match, const char *account,
        sl_prov_done done, void *ctx)
{
	struct sl_change *c = sl_change_new(p, SL_CHANGE_PUT, kind, name, if_match, done, ctx);

	if (!c)
		return;
	snprintf(c->account, sizeof c->account, "%s", account);
	c->status = 400;
	if (strlen(name) > SL_PROV_FULL_NAME_MAX)
		sl_change_refuse(c, 400, "name", "is too long");
	else if (name_body(c, body) == 0 && (c->r = sl_resource_parse(kind, body, 0, &c->e)) != NULL && strcmp(c->r->name, c->name) != 0)
		sl_change_refuse(c, 400, "name", "is another one in the body than in the path");
	if (c->e.text[0]) {
		sl_change_finish(c);
		return;
	}
	c->body = json_incref(body);
	sl_change_enqueue(p, c);
}

void sl_prov_delete(struct sl_prov *p, enum sl_prov_kind kind, const char *name, const char *if_match, const char *account, sl_prov_done done,
        void *ctx)
{
	struct sl_change *c = sl_change_new(p, SL_CHANGE_DELETE, kind, name, if_match, done, ctx);

	if (c)
		snprintf(c->account, sizeof c->account, "%s", account);
	if (c && strlen(name) > SL_PROV_FULL_NAME_MAX) {
		sl_change_refuse(c, 404, "", "does not exist");
		sl_change_finish(c);
	} else if (c) {
		sl_change_enqueue(p, c);
	}
}
