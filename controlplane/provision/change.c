/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Changes: checked against what is in force, committed, then in force, then answered. What could make the check of another one wrong while it is
 * with the store waits its turn: users and tokens go side by side (so a commit's price is shared), everything else goes alone. */

#include "controlplane/provision/internal.h"

#include "dataplane/abi/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

enum what { PUT, DELETE, IMPORT };

struct sl_change {
	struct sl_change *next;
	struct sl_prov *p;        /* NULL: closed meanwhile */
	enum what what;
	enum sl_prov_kind kind;
	char name[SL_PROV_FULL_NAME_MAX + 1];
	char if_match[24];        /* "" = whatever is there */
	struct sl_resource *r;    /* PUT */
	json_t *body;             /* PUT: until it is sealed; IMPORT: until it is read */
	char *text;               /* IMPORT: what body is made from */
	size_t text_len;
	char secret[52];          /* of a token that we made up */
	struct sl_resource_set set;  /* IMPORT: of the store, then with the configuration's */
	struct sl_prov_users users;
	int status;               /* once it is known */
	struct sl_field_error e;
	enum sl_prov_kind bad_kind;
	char bad_name[SL_PROV_FULL_NAME_MAX + 1];
	sl_prov_done done;
	void *ctx;
};

static void pump(struct sl_prov *p);

static void free_change(struct sl_change *c)
{
	sl_resource_unref(c->r);
	json_decref(c->body);
	sl_prov_text_free(c->text, c->text_len);
	sl_prov_users_clear(&c->users);
	sl_set_clear(&c->set);
	OPENSSL_cleanse(c, sizeof *c);
	free(c);
}

static int refuse(struct sl_change *c, int status, const char *field, const char *text)
{
	c->status = status;
	sl_field_fail(&c->e, field, "%s", text);
	return -EINVAL;
}

static void finish(struct sl_change *c)
{
	struct sl_prov_result r = {.status = c->status};
	struct sl_resource *now = c->p && c->what == PUT && c->status < 300 ? sl_set_find(&c->p->set, c->kind, c->name) : NULL;

	if (c->status >= 400) {
		snprintf(r.field, sizeof r.field, "%s", c->e.field);
		if (c->what == IMPORT && !c->bad_name[0])
			snprintf(r.text, sizeof r.text, "%.79s%s%.150s", c->e.field, c->e.field[0] ? ": " : "", c->e.text);
		else
			sl_resource_message(c->what == IMPORT ? c->bad_kind : c->kind, c->what == IMPORT ? c->bad_name : c->name, &c->e, r.text,
			        sizeof r.text);
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
	free_change(c);
}

/* ---- in force ---- */

static int apply_put(struct sl_prov *p, struct sl_change *c)
{
	int rc = c->kind == SL_PROV_USER ? sl_prov_users_put(&p->users, sl_resource_user(c->r)) : 0;

	if (rc == 0)
		rc = sl_set_put(&p->set, c->r);
	if (rc < 0) {
		sl_log(SL_LOG_ERROR, "provision: %s \"%s\" is stored, but there was no memory to use it: restart the control plane", sl_kinds[c->kind].text,
		        c->name);
		return refuse(c, 500, "", "is stored, but there was no memory to use it");
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

static void apply_import(struct sl_prov *p, struct sl_change *c)
{
	struct sl_prov_users users = p->users;
	struct sl_resource_set set = p->set;

	sl_prov_users_inherit(&c->users, &p->users);
	p->users = c->users;
	p->set = c->set;
	c->users = users;
	c->set = set;
	sl_prov_users_clear(&c->users); /* the old objects are gone, unless they are the configuration's */
	sl_prov_users_alive(&p->users);
	sl_prov_changed(p, SL_PROV_N_KINDS, "", "everything");
}

/* ---- with the store ---- */

static int work(struct sl_store_db *db, void *arg, char *text)
{
	struct sl_change *c = arg;
	struct sl_row row = {c->kind, c->name, c->r ? c->r->text : NULL, c->r ? c->r->version : 0};

	return c->what == IMPORT ? sl_rows_replace(db, &c->set, text) : sl_rows_write(db, &row, text);
}

static void unlink_change(struct sl_prov *p, const struct sl_change *c)
{
	struct sl_change **at = &p->flying;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
}

static void committed(void *arg, int error, const char *text)
{
	struct sl_change *c = arg;
	struct sl_prov *p = c->p;
	char what[SL_STORE_TEXT + 40];

	if (!p) {
		free_change(c);
		return;
	}
	unlink_change(p, c);
	if (error) {
		snprintf(what, sizeof what, "was not stored: %s", text[0] ? text : strerror(-error));
		refuse(c, 500, "", what);
	} else if (c->what == PUT) {
		apply_put(p, c);
	} else if (c->what == DELETE) {
		apply_delete(p, c);
	} else {
		apply_import(p, c);
	}
	finish(c);
	pump(p);
}

static int submit(struct sl_prov *p, struct sl_change *c, sl_store_work w, sl_store_done then)
{
	int rc = p->store ? sl_store_submit(p->store, w, then, c) : -ENODEV;

	if (rc < 0)
		return refuse(c, rc == -ENOBUFS ? 503 : 500, "", rc == -ENODEV ? "cannot be stored: there is no database" :
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
		return refuse(c, 412, "", before ? "has changed since: its ETag is not that of If-Match" : "does not exist, and If-Match wants it");
	return 0;
}

static int check_config(struct sl_change *c, const struct sl_resource *before)
{
	return before && before->config ? refuse(c, 403, "", "is the configuration's: change it there, and reload") : 0;
}

static int check_unused(struct sl_prov *p, struct sl_change *c, const struct sl_resource *before, const char *then)
{
	const struct sl_resource *who = sl_references_of(&p->set, before);
	char text[200];

	if (!who)
		return 0;
	snprintf(text, sizeof text, "is named by %s \"%s\"%s", sl_kinds[who->kind].text, who->name, then);
	return refuse(c, 409, "", text);
}

static int make_secret(struct sl_change *c)
{
	struct sl_res_token *t = c->r->raw;
	char hex[65];

	if (sl_token_new(c->secret, sizeof c->secret) < 0)
		return refuse(c, 500, "secret", "no random numbers");
	sl_token_hash(c->secret, strlen(c->secret), t->sha256);
	sl_hex(t->sha256, sizeof t->sha256, hex);
	json_object_set_new(c->body, "sha256", json_string(hex));
	c->r->keeps_secret = false;
	return 0;
}

static int start_put(struct sl_prov *p, struct sl_change *c)
{
	struct sl_resource *before = sl_set_find(&p->set, c->kind, c->name);

	if (check_config(c, before) < 0 || check_match(c, before) < 0)
		return -EINVAL;
	if (c->kind == SL_PROV_TOKEN && !before && c->r->keeps_secret && make_secret(c) < 0)
		return -EINVAL;
	c->status = 400;
	if (sl_resource_keep_secret(c->r, before, c->body, &c->e) < 0 || sl_references_check(&p->set, &p->users, p->config, c->r, &c->e) < 0)
		return -EINVAL;
	if (before && strcmp(sl_resource_tenant(before), sl_resource_tenant(c->r)) != 0 &&
	        check_unused(p, c, before, ": its tenant cannot change") < 0)
		return -EINVAL;
	if (sl_resource_seal(c->r, c->body) < 0)
		return refuse(c, 500, "", "no memory left");
	json_decref(c->body);
	c->body = NULL;
	c->r->version = sl_prov_next_version(p);
	c->status = before ? 200 : 201;
	return submit(p, c, work, committed);
}

static int start_delete(struct sl_prov *p, struct sl_change *c)
{
	const struct sl_resource *before = sl_set_find(&p->set, c->kind, c->name);

	if (!before)
		return refuse(c, 404, "", "does not exist");
	if (check_config(c, before) < 0 || check_match(c, before) < 0 || check_unused(p, c, before, "") < 0)
		return -EINVAL;
	c->status = 204;
	return submit(p, c, work, committed);
}

/* ---- import: read on the store's thread, checked here, written there ---- */

static int read_text(struct sl_change *c)
{
	json_error_t error;

	c->body = json_loadb(c->text, c->text_len, JSON_REJECT_DUPLICATES, &error);
	if (json_is_object(c->body))
		return 0;
	return c->body ? sl_field_fail(&c->e, "", "is no JSON object") : sl_field_fail(&c->e, "", "line %d: %s", error.line, error.text);
}

static int read_all(struct sl_store_db *db, void *arg, char *text)
{
	struct sl_change *c = arg;
	const char *name;
	json_t *list, *object;
	size_t i;

	if (c->text && read_text(c) < 0)
		return -EINVAL;
	json_object_foreach(c->body, name, list) {
		int kind = sl_prov_kind_of(name);

		if (kind < 0 || !json_is_array(list)) {
			sl_field_fail(&c->e, name, kind < 0 ? "is not known here; known are tenants, domains, users, trunks, routes, tokens" : "must be a list");
			return -EINVAL;
		}
		json_array_foreach(list, i, object) {
			struct sl_resource *r = sl_resource_parse((enum sl_prov_kind)kind, object, 0, &c->e);

			if (!r || sl_resource_keep_secret(r, NULL, object, &c->e) < 0 || sl_resource_seal(r, object) < 0 || sl_set_append(&c->set, r) < 0) {
				const char *who = json_string_value(json_object_get(object, "name"));

				c->bad_kind = (enum sl_prov_kind)kind;
				snprintf(c->bad_name, sizeof c->bad_name, "%.63s", who ? who : "?");
				sl_resource_unref(r);
				return -EINVAL;
			}
		}
	}
	return 0;
}

static void stamp(struct sl_prov *p, struct sl_resource_set *s)
{
	for (unsigned k = 0; k < SL_PROV_N_KINDS; k++) {
		for (size_t i = 0; i < s->kinds[k].n; i++)
			s->kinds[k].v[i]->version = sl_prov_next_version(p);
	}
}

static int check_import(struct sl_prov *p, struct sl_change *c)
{
	struct sl_resource_set both = {0};
	const struct sl_resource *bad;
	char text[240];
	int rc = 0;

	sl_set_sort(&c->set);
	if ((bad = sl_set_twice(&c->set)) != NULL) {
		c->bad_kind = bad->kind;
		snprintf(c->bad_name, sizeof c->bad_name, "%s", bad->name);
		return refuse(c, 400, "name", "is there twice");
	}
	stamp(p, &c->set);
	for (unsigned k = 0; k < SL_PROV_N_KINDS && rc == 0; k++) {
		for (size_t i = 0; i < p->set.kinds[k].n && rc == 0; i++) {
			struct sl_resource *r = p->set.kinds[k].v[i];

			if (r->config && (rc = sl_set_append(&both, sl_resource_ref(r))) < 0)
				sl_resource_unref(r);
		}
	}
	if (rc == 0 && sl_set_add(&both, &c->set, p->config, text, sizeof text) < 0) {
		sl_set_clear(&both);
		return refuse(c, 409, "", text);
	}
	sl_set_clear(&c->set);
	c->set = both;
	c->status = 400;
	if (rc == 0 && (rc = sl_prov_users_init(&c->users)) == 0 && (rc = sl_set_check(&c->set, &c->users, p->config, false, &bad, &c->e)) == -EINVAL) {
		c->bad_kind = bad->kind;
		snprintf(c->bad_name, sizeof c->bad_name, "%s", bad->name);
		return rc;
	}
	return rc < 0 ? refuse(c, 500, "", "no memory left") : 0;
}

static void was_read(void *arg, int error, const char *text)
{
	struct sl_change *c = arg;
	struct sl_prov *p = c->p;

	if (!p) {
		free_change(c);
		return;
	}
	unlink_change(p, c);
	c->status = 400;
	if (error && !c->e.text[0])
		refuse(c, 500, "", text[0] ? text : "could not be read");
	if (error || check_import(p, c) < 0) {
		finish(c);
	} else {
		json_decref(c->body);
		c->body = NULL;
		c->status = 200;
		if (submit(p, c, work, committed) < 0)
			finish(c);
	}
	pump(p);
}

/* ---- turns ---- */

static bool is_light(const struct sl_change *c)
{
	return c->what != IMPORT && (c->kind == SL_PROV_USER || c->kind == SL_PROV_TOKEN);
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
	int rc = c->what == PUT ? start_put(p, c) : c->what == DELETE ? start_delete(p, c) : submit(p, c, read_all, was_read);

	if (rc < 0)
		finish(c);
}

static void pump(struct sl_prov *p)
{
	while (p->waiting && !must_wait(p, p->waiting)) {
		struct sl_change *c = p->waiting;

		if ((p->waiting = c->next) == NULL)
			p->last = &p->waiting;
		start(p, c);
	}
}

static void enqueue(struct sl_prov *p, struct sl_change *c)
{
	c->next = NULL;
	*p->last = c;
	p->last = &c->next;
	pump(p);
}

void sl_changes_drop(struct sl_prov *p)
{
	for (struct sl_change *c = p->flying; c; c = c->next)
		c->p = NULL; /* the store still has them */
	while (p->waiting) {
		struct sl_change *c = p->waiting;

		p->waiting = c->next;
		free_change(c);
	}
}

static struct sl_change *new_change(struct sl_prov *p, enum what what, enum sl_prov_kind kind, const char *name, const char *if_match,
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
		return refuse(c, 400, "", "is no JSON object");
	if (!at || at == c->name || (c->kind == SL_PROV_USER && !at[1]))
		return refuse(c, 400, "name", c->kind == SL_PROV_USER ? "must be NAME@DOMAIN" : "is missing");
	if (!json_object_get(body, "name"))
		json_object_set_new(body, "name", json_stringn(c->name, (size_t)(at - c->name)));
	if (c->kind == SL_PROV_USER && !json_object_get(body, "domain"))
		json_object_set_new(body, "domain", json_string(at + 1));
	return 0;
}

void sl_prov_put(struct sl_prov *p, enum sl_prov_kind kind, const char *name, json_t *body, const char *if_match, sl_prov_done done, void *ctx)
{
	struct sl_change *c = new_change(p, PUT, kind, name, if_match, done, ctx);

	if (!c)
		return;
	c->status = 400;
	if (strlen(name) > SL_PROV_FULL_NAME_MAX)
		refuse(c, 400, "name", "is too long");
	else if (name_body(c, body) == 0 && (c->r = sl_resource_parse(kind, body, 0, &c->e)) != NULL && strcmp(c->r->name, c->name) != 0)
		refuse(c, 400, "name", "is another one in the body than in the path");
	if (c->e.text[0]) {
		finish(c);
		return;
	}
	c->body = json_incref(body);
	enqueue(p, c);
}

void sl_prov_delete(struct sl_prov *p, enum sl_prov_kind kind, const char *name, const char *if_match, sl_prov_done done, void *ctx)
{
	struct sl_change *c = new_change(p, DELETE, kind, name, if_match, done, ctx);

	if (c && strlen(name) > SL_PROV_FULL_NAME_MAX) {
		refuse(c, 404, "", "does not exist");
		finish(c);
	} else if (c) {
		enqueue(p, c);
	}
}

void sl_prov_import_text(struct sl_prov *p, const char *text, size_t len, sl_prov_done done, void *ctx)
{
	struct sl_change *c = new_change(p, IMPORT, SL_PROV_N_KINDS, "", NULL, done, ctx);

	if (!c)
		return;
	if ((c->text = malloc(len + 1)) == NULL) {
		refuse(c, 500, "", "no memory left");
		finish(c);
		return;
	}
	memcpy(c->text, text, len);
	c->text_len = len;
	enqueue(p, c);
}

void sl_prov_import(struct sl_prov *p, json_t *all, sl_prov_done done, void *ctx)
{
	struct sl_change *c = new_change(p, IMPORT, SL_PROV_N_KINDS, "", NULL, done, ctx);

	if (!c)
		return;
	if (!json_is_object(all)) {
		refuse(c, 400, "", "is no JSON object");
		finish(c);
		return;
	}
	c->body = json_incref(all);
	enqueue(p, c);
}
