/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/provision/internal.h"

#include "dataplane/abi/log.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int sl_prov_check(const struct sl_config *c, char *text, size_t text_len)
{
	struct sl_resource_set set = {0};
	int rc = sl_load_config(c, &set, text, text_len);

	sl_set_clear(&set);
	return rc;
}

/* ---- begin, end, reload ---- */

static uint64_t highest_version(const struct sl_resource_set *s)
{
	uint64_t highest = 0;

	for (unsigned k = 0; k < SL_PROV_N_KINDS; k++) {
		for (size_t i = 0; i < s->kinds[k].n; i++)
			highest = s->kinds[k].v[i]->version > highest ? s->kinds[k].v[i]->version : highest;
	}
	return highest;
}

static int load(struct sl_prov *p, char *text, size_t text_len)
{
	struct sl_resource_set stored = {0};
	struct sl_rows rows = {.set = &stored};
	char why[SL_STORE_TEXT] = "";
	const struct sl_resource *bad;
	struct sl_field_error e;
	int rc = sl_load_config(p->config, &p->set, text, text_len);

	if (rc == 0 && p->store && sl_store_now(p->store, sl_rows_load, &rows, why) < 0) {
		snprintf(text, text_len, "%s: provisioned resources cannot be read: %s", p->config->control.database, why);
		rc = -EIO;
	}
	if (rc == 0)
		rc = sl_set_add(&p->set, &stored, p->config, text, text_len);
	sl_set_clear(&stored);
	if (rc == 0 && (rc = sl_set_check(&p->set, &p->users, p->config, true, &bad, &e)) < 0)
		snprintf(text, text_len, "no memory left for provisioned resources");
	return rc;
}

struct sl_prov *sl_prov_open(const struct sl_prov_options *o, char *text, size_t text_len)
{
	struct sl_prov *p = calloc(1, sizeof *p);

	snprintf(text, text_len, "no memory left");
	if (!p)
		return NULL;
	p->config = o->config;
	p->store = o->store;
	p->events = o->events;
	p->last = &p->waiting;
	p->generation = 1;
	if (sl_prov_users_init(&p->users) < 0 || load(p, text, text_len) < 0)
		goto err;
	p->version = highest_version(&p->set);
	if ((p->now = sl_snapshot_new(&p->set, p->generation)) == NULL)
		goto err;
	return p;
err:
	sl_prov_close(p);
	return NULL;
}

void sl_prov_close(struct sl_prov *p)
{
	if (!p)
		return;
	sl_changes_drop(p);
	sl_prov_unref(p->now);
	sl_prov_users_clear(&p->users);
	sl_set_clear(&p->set);
	free(p);
}

/* The configuration's resources with those of the store that are there now. 0, or -EINVAL with text: nothing to free. */
static int build(struct sl_prov *p, const struct sl_config *config, struct sl_resource_set *set, struct sl_prov_users *users, char *text,
        size_t text_len)
{
	const struct sl_resource *bad = NULL;
	struct sl_field_error e = {0};
	char what[320];

	*set = (struct sl_resource_set){0};
	*users = (struct sl_prov_users){0};
	if (p->flying) {
		snprintf(text, text_len, "a change of the provisioning is being stored; try again");
		return -EINVAL;
	}
	if (sl_load_config(config, set, text, text_len) < 0 || sl_set_add(set, &p->set, config, text, text_len) < 0)
		goto err;
	if (sl_prov_users_init(users) < 0 || sl_set_check(set, users, config, false, &bad, &e) < 0) {
		snprintf(text, text_len, "no memory left");
		if (bad) {
			sl_resource_message(bad->kind, bad->name, &e, what, sizeof what);
			snprintf(text, text_len, "%s: with this configuration the database's %s", config->path, what);
		}
		goto err;
	}
	return 0;
err:
	sl_prov_users_clear(users);
	sl_set_clear(set);
	sl_prov_users_alive(&p->users); /* some were in both tables */
	return -EINVAL;
}

int sl_prov_check_reload(struct sl_prov *p, const struct sl_config *config, char *text, size_t text_len)
{
	struct sl_resource_set set;
	struct sl_prov_users users;
	int rc = build(p, config, &set, &users, text, text_len);

	sl_prov_users_clear(&users);
	sl_set_clear(&set);
	sl_prov_users_alive(&p->users);
	return rc;
}

int sl_prov_reconfigure(struct sl_prov *p, const struct sl_config *config, char *text, size_t text_len)
{
	struct sl_resource_set set;
	struct sl_prov_users users;

	p->config = config; /* the one before may go, whatever comes of this */
	if (build(p, config, &set, &users, text, text_len) < 0)
		return -EINVAL;
	sl_prov_users_inherit(&users, &p->users);
	sl_prov_users_clear(&p->users);
	sl_prov_users_alive(&users);
	sl_set_clear(&p->set);
	p->users = users;
	p->set = set;
	sl_prov_changed(p, SL_PROV_N_KINDS, "", "configuration");
	return 0;
}

uint64_t sl_prov_next_version(struct sl_prov *p)
{
	struct timespec now;

	/* By the clock, so that a name that was deleted and made again never has a version it had before. */
	clock_gettime(CLOCK_REALTIME, &now);
	uint64_t ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	return p->version = ms > p->version ? ms : p->version + 1;
}

void sl_prov_changed(struct sl_prov *p, enum sl_prov_kind kind, const char *tenant, const char *name)
{
	p->generation++;
	if (kind != SL_PROV_USER && kind != SL_PROV_TOKEN)
		p->dirty = true;
	if (p->events)
		sl_call_event_publish(p->events, SL_CE_PROVISIONED, tenant, NULL, NULL, "%s%s%s", kind < SL_PROV_N_KINDS ? sl_kinds[kind].text : "",
		        kind < SL_PROV_N_KINDS ? " " : "", name);
	for (unsigned i = 0; i < p->n_watchers; i++)
		p->watchers[i].fn(p->watchers[i].ctx);
}

int sl_prov_watch(struct sl_prov *p, void (*fn)(void *ctx), void *ctx)
{
	if (p->n_watchers == SL_PROV_WATCHERS)
		return -ENOSPC;
	p->watchers[p->n_watchers].fn = fn;
	p->watchers[p->n_watchers++].ctx = ctx;
	return 0;
}

/* ---- looking ---- */

const struct sl_prov_snapshot *sl_prov_now(const struct sl_prov *prov)
{
	struct sl_prov *p = (struct sl_prov *)(uintptr_t)prov; /* what it is made of does not change by making it */

	if (p->dirty) {
		struct sl_prov_snapshot *s = sl_snapshot_new(&p->set, p->generation);

		if (s) {
			sl_prov_unref(p->now);
			p->now = s;
			p->dirty = false;
		} else {
			sl_log(SL_LOG_ERROR, "provision: no memory for generation %llu: the one before stays", (unsigned long long)p->generation);
		}
	}
	return p->now;
}

struct sl_prov_user *sl_prov_user(const struct sl_prov *p, const char *name, size_t name_len, const char *domain, size_t domain_len)
{
	return sl_prov_users_find(&p->users, name, name_len, domain, domain_len);
}

struct sl_prov_user *sl_prov_user_by_number(const struct sl_prov *p, const char *tenant, const char *number)
{
	return sl_prov_users_number(&p->users, tenant, number);
}

json_t *sl_prov_get(const struct sl_prov *p, enum sl_prov_kind kind, const char *name, char etag[24])
{
	char key[SL_PROV_FULL_NAME_MAX + 1];
	const struct sl_resource *r;

	if (strlen(name) >= sizeof key)
		return NULL;
	strcpy(key, name);
	for (char *at = kind == SL_PROV_USER ? strchr(key, '@') : kind == SL_PROV_DOMAIN ? key : NULL; at && *at; at++)
		*at = (char)tolower((unsigned char)*at);
	if ((r = sl_set_find(&p->set, kind, key)) == NULL)
		return NULL;
	if (etag)
		sl_resource_etag(r, etag);
	return sl_resource_show(r);
}

json_t *sl_prov_list(const struct sl_prov *p, enum sl_prov_kind kind, const char *tenant, size_t offset, size_t limit, size_t *total)
{
	const struct sl_resource_list *l = &p->set.kinds[kind];
	json_t *list = json_array();

	*total = 0;
	for (size_t i = 0; i < l->n; i++) {
		if (tenant && tenant[0] && strcmp(sl_resource_tenant(l->v[i]), tenant) != 0)
			continue;
		if (*total >= offset && *total - offset < limit)
			json_array_append_new(list, sl_resource_show(l->v[i]));
		++*total;
	}
	return list;
}
