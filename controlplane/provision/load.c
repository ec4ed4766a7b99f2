/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Whole sets: the configuration's, and the configuration's with the store's. */

#include "controlplane/provision/internal.h"

#include "dataplane/abi/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

/* Lines are not for keeping. */
static void strip_lines(json_t *v)
{
	const char *name;
	json_t *member;
	size_t i;

	json_object_del(v, "_line");
	if (json_is_object(v)) {
		json_object_foreach(v, name, member)
			strip_lines(member);
	} else {
		json_array_foreach(v, i, member)
			strip_lines(member);
	}
}

static unsigned line_of(const json_t *object)
{
	json_int_t line = json_integer_value(json_object_get(object, "_line"));

	return line > 0 ? (unsigned)line : 1;
}

static int add_one(const struct sl_config *c, enum sl_prov_kind kind, size_t i, json_t *object, struct sl_resource_set *s, char *text,
        size_t text_len)
{
	struct sl_field_error e;
	struct sl_resource *r = sl_resource_parse(kind, object, line_of(object), &e);
	const char *name = json_string_value(json_object_get(object, "name"));

	if (r && sl_resource_keep_secret(r, NULL, object, &e) < 0) {
		sl_resource_unref(r);
		r = NULL;
	}
	if (!r) {
		snprintf(text, text_len, "%s:%u: option 'provision.%s[%zu]%s%s' (\"%.63s\"): %s", c->path, e.line, sl_kinds[kind].text, i,
		        e.field[0] ? "." : "", e.field, name ? name : "", e.text);
		return -EINVAL;
	}
	strip_lines(object);
	if (sl_resource_seal(r, object) < 0 || sl_set_append(s, r) < 0) {
		sl_resource_unref(r);
		snprintf(text, text_len, "%s: no memory left for the group provision", c->path);
		return -EINVAL;
	}
	return 0;
}

static int add_kind(const struct sl_config *c, const char *name, json_t *list, unsigned line, struct sl_resource_set *s, char *text,
        size_t text_len)
{
	int kind = sl_prov_kind_of(name);
	json_t *object;
	size_t i;

	if (kind < 0) {
		snprintf(text, text_len, "%s:%u: option 'provision.%.40s': is not known here; known are tenants, domains, users, trunks, routes, tokens",
		        c->path, line, name);
		return -EINVAL;
	}
	if (!json_is_array(list)) {
		snprintf(text, text_len, "%s:%u: option 'provision.%s': must be a list of groups: %s = ( { name = \"...\"; }, ... );", c->path,
		        line, name, name);
		return -EINVAL;
	}
	json_array_foreach(list, i, object) {
		if (add_one(c, (enum sl_prov_kind)kind, i, object, s, text, text_len) < 0)
			return -EINVAL;
	}
	return 0;
}

static int check_alone(const struct sl_config *c, struct sl_resource_set *s, char *text, size_t text_len)
{
	struct sl_prov_users users;
	struct sl_field_error e = {0};
	const struct sl_resource *bad = sl_set_twice(s);
	char what[320];

	if (bad) {
		snprintf(text, text_len, "%s:%u: option 'provision.%s': \"%s\" is there twice", c->path, bad->line, sl_kinds[bad->kind].text, bad->name);
		return -EINVAL;
	}
	int rc = sl_prov_users_init(&users);
	if (rc == 0)
		rc = sl_set_check(s, &users, c, false, &bad, &e);
	sl_prov_users_clear(&users);
	for (size_t i = 0; i < s->kinds[SL_PROV_USER].n; i++) /* that table was only for looking */
		sl_resource_user(s->kinds[SL_PROV_USER].v[i])->gone = false;
	if (rc == -EINVAL) {
		sl_resource_message(bad->kind, bad->name, &e, what, sizeof what);
		snprintf(text, text_len, "%s:%u: option 'provision': %s", c->path, bad->line, what);
	} else if (rc < 0) {
		snprintf(text, text_len, "%s: no memory left for the group provision", c->path);
	}
	return rc < 0 ? -EINVAL : 0;
}

/* The tree of the configuration holds passwords until they are read: those behind an error too. */
static void wipe(json_t *v)
{
	const char *name;
	json_t *member;
	size_t i;

	if (json_is_string(v))
		OPENSSL_cleanse((char *)json_string_value(v), json_string_length(v));
	json_object_foreach(v, name, member)
		wipe(member);
	json_array_foreach(v, i, member)
		wipe(member);
}

int sl_load_config(const struct sl_config *c, struct sl_resource_set *s, char *text, size_t text_len)
{
	json_error_t error;
	json_t *all = c->provision ? json_loads(c->provision, 0, &error) : json_object(), *list;
	const char *name;
	int rc = 0;

	if (!all) {
		snprintf(text, text_len, "%s: option 'provision': %s", c->path, error.text);
		return -EINVAL;
	}
	unsigned line = line_of(all);
	json_object_foreach(all, name, list) {
		if (rc == 0 && strcmp(name, "_line") != 0)
			rc = add_kind(c, name, list, line, s, text, text_len);
	}
	wipe(all);
	json_decref(all);
	sl_set_sort(s);
	if (rc == 0)
		rc = check_alone(c, s, text, text_len);
	if (rc < 0)
		sl_set_clear(s);
	return rc;
}

int sl_set_add(struct sl_resource_set *s, const struct sl_resource_set *more, const struct sl_config *c, char *text, size_t text_len)
{
	for (unsigned k = 0; k < SL_PROV_N_KINDS; k++) {
		for (size_t i = 0; i < more->kinds[k].n; i++) {
			struct sl_resource *r = more->kinds[k].v[i];

			if (r->config)
				continue;
			if (sl_set_append(s, sl_resource_ref(r)) < 0) {
				sl_resource_unref(r);
				snprintf(text, text_len, "no memory left");
				return -EINVAL;
			}
		}
	}
	sl_set_sort(s);
	const struct sl_resource *both = sl_set_twice(s);
	if (both) {
		const struct sl_resource_list *l = &s->kinds[both->kind];
		unsigned line = 0;

		for (size_t i = 0; i < l->n; i++)
			line = strcmp(l->v[i]->name, both->name) == 0 && l->v[i]->line ? l->v[i]->line : line;
		snprintf(text, text_len, "%s:%u: option 'provision.%s': \"%s\" is in the database too; take it out of one of them", c->path, line,
		        sl_kinds[both->kind].text, both->name);
		return -EINVAL;
	}
	return 0;
}

int sl_set_check(struct sl_resource_set *s, struct sl_prov_users *users, const struct sl_config *config, bool drop,
        const struct sl_resource **bad, struct sl_field_error *e)
{
	char text[320];

	/* In the order of kinds: what is named stands before who names it. */
	for (unsigned k = 0; k < SL_PROV_N_KINDS; k++) {
		struct sl_resource_list *l = &s->kinds[k];
		size_t kept = 0;
		int rc = 0;

		for (size_t i = 0; i < l->n; i++) {
			struct sl_resource *r = l->v[i];

			*e = (struct sl_field_error){0};
			rc = sl_references_check(s, users, config, r, e);
			if (rc == 0 && k == SL_PROV_USER)
				rc = sl_prov_users_put(users, sl_resource_user(r));
			if (rc == 0 || !drop || r->config) {
				l->v[kept++] = r;
				if (rc < 0) {
					*bad = r;
					return rc; /* nothing was left out yet: drop is false */
				}
				continue;
			}
			sl_resource_message(r->kind, r->name, e, text, sizeof text);
			sl_log(SL_LOG_ERROR, "provision: left out, though the database has it: %s", text);
			sl_resource_unref(r);
		}
		l->n = kept;
	}
	return 0;
}
