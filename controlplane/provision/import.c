/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* All of the database's resources by others, or nothing: read on the store's thread, checked by the brain, written in one transaction. */

#include "controlplane/provision/change.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
			return sl_field_fail(&c->e, name, kind < 0 ? "is not known here; known are tenants, domains, users, trunks, routes, tokens"
			                                           : "must be a list");
		}
		json_array_foreach(list, i, object) {
			struct sl_resource *r = sl_resource_parse((enum sl_prov_kind)kind, object, 0, &c->e);

			if (!r || sl_resource_keep_secret(r, NULL, object, &c->e) < 0 || sl_resource_seal(r, object) < 0 ||
			        sl_set_append(&c->set, r) < 0) {
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
		return sl_change_refuse(c, 400, "name", "is there twice");
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
		return sl_change_refuse(c, 409, "", text);
	}
	sl_set_clear(&c->set);
	c->set = both;
	c->status = 400;
	if (rc == 0)
		rc = sl_prov_users_init(&c->users);
	if (rc == 0 && (rc = sl_set_check(&c->set, &c->users, p->config, false, &bad, &c->e)) == -EINVAL) {
		c->bad_kind = bad->kind;
		snprintf(c->bad_name, sizeof c->bad_name, "%s", bad->name);
		return rc;
	}
	return rc < 0 ? sl_change_refuse(c, 500, "", "no memory left") : 0;
}

static void was_read(void *arg, int error, const char *text)
{
	struct sl_change *c = arg;
	struct sl_prov *p = c->p;

	if (!p) {
		sl_change_free(c);
		return;
	}
	sl_change_unlink(p, c);
	c->status = 400;
	if (error && !c->e.text[0])
		sl_change_refuse(c, 500, "", text[0] ? text : "could not be read");
	if (error || check_import(p, c) < 0) {
		sl_change_finish(c);
	} else {
		json_decref(c->body);
		c->body = NULL;
		c->status = 200;
		if (sl_change_submit(p, c, sl_change_work, sl_change_committed) < 0)
			sl_change_finish(c);
	}
	sl_changes_pump(p);
}

int sl_import_start(struct sl_prov *p, struct sl_change *c)
{
	return sl_change_submit(p, c, read_all, was_read);
}

void sl_import_apply(struct sl_prov *p, struct sl_change *c)
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

void sl_prov_import_text(struct sl_prov *p, const char *text, size_t len, sl_prov_done done, void *ctx)
{
	struct sl_change *c = sl_change_new(p, SL_CHANGE_IMPORT, SL_PROV_N_KINDS, "", NULL, done, ctx);

	if (!c)
		return;
	if ((c->text = malloc(len + 1)) == NULL) {
		sl_change_refuse(c, 500, "", "no memory left");
		sl_change_finish(c);
		return;
	}
	memcpy(c->text, text, len);
	c->text_len = len;
	sl_change_enqueue(p, c);
}

void sl_prov_import(struct sl_prov *p, json_t *all, sl_prov_done done, void *ctx)
{
	struct sl_change *c = sl_change_new(p, SL_CHANGE_IMPORT, SL_PROV_N_KINDS, "", NULL, done, ctx);

	if (!c)
		return;
	if (!json_is_object(all)) {
		sl_change_refuse(c, 400, "", "is no JSON object");
		sl_change_finish(c);
		return;
	}
	c->body = json_incref(all);
	sl_change_enqueue(p, c);
}
