/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/wire/addr.h"

/* TURN's live settings: realms, peers, the restricted register, drain, credentials, load. */

/* ---- realms ---- */

static void quota_cell(struct ctl_table *t, unsigned column, long long n)
{
	if (n)
		ctl_cell(t, column, "%lld", n);
	else
		ctl_cell(t, column, "-");
}

int ctl_turn_realms(const struct ctl *c)
{
	static const char *const heads[] = {"REALM", "FROM", ">ALLOCATIONS", ">RESTRICTED", ">QUOTA", ">USER QUOTA", ">USERS", ">SECRETS"};
	struct ctl_table t;
	json_t *answer, *o;
	size_t i;
	int rc = ctl_get(c, "/v1/turn/realms", &answer);

	if (rc != CTL_OK || !answer)
		return rc;
	ctl_table_begin(&t, sizeof heads / sizeof heads[0], heads);
	json_array_foreach(json_object_get(answer, "realms"), i, o)
	{
		const json_t *users = json_object_get(o, "users");
		ctl_cell(&t, 0, "%s", ctl_text(o, "name"));
		ctl_cell(&t, 1, "%s", ctl_text(o, "origin"));
		ctl_cell(&t, 2, "%lld", ctl_int(o, "allocations"));
		ctl_cell(&t, 3, "%lld", ctl_int(o, "restricted_allocations"));
		quota_cell(&t, 4, ctl_int(o, "total_quota"));
		quota_cell(&t, 5, ctl_int(o, "user_quota"));
		ctl_cell(&t, 6, "%lld", ctl_int(users, "config") + ctl_int(users, "api") + ctl_int(users, "table"));
		ctl_cell(&t, 7, "%lld", ctl_int(o, "secrets"));
	}
	ctl_table_print(&t);
	json_decref(answer);
	return CTL_OK;
}

/* ---- peers ---- */

int ctl_turn_peers(const struct ctl *c)
{
	static const char *const heads[] = {"ACTION", "PREFIX", "REALM", "FROM"};
	struct ctl_table t;
	json_t *answer, *o;
	size_t i;
	int rc = ctl_get(c, "/v1/turn/peers", &answer);

	if (rc != CTL_OK || !answer)
		return rc;
	ctl_table_begin(&t, sizeof heads / sizeof heads[0], heads);
	json_array_foreach(json_object_get(answer, "peers"), i, o)
	{
		ctl_cell(&t, 0, "%s", ctl_text(o, "action"));
		ctl_cell(&t, 1, "%s", ctl_text(o, "prefix"));
		ctl_cell(&t, 2, "%s", ctl_text(o, "realm")[0] ? ctl_text(o, "realm") : "(all)");
		ctl_cell(&t, 3, "%s", ctl_text(o, "origin"));
	}
	ctl_table_print(&t);
	json_decref(answer);
	return CTL_OK;
}

/* What a body says of c's realm; takes o. */
static char *body_with_realm(const struct ctl *c, json_t *o)
{
	if (o && c->realm)
		json_object_set_new(o, "realm", json_string(c->realm));
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	if (!text)
		fputs("sluicectl: what you gave must be UTF-8\n", stderr);
	return text;
}

static int post_and_free(const struct ctl *c, const char *method, const char *path, char *body)
{
	if (!body)
		return CTL_USAGE;
	int rc = ctl_change(c, method, path, body, c->n_args ? c->args[0] : NULL);
	free(body);
	return rc;
}

static int add_rule(const struct ctl *c, const char *action)
{
	return post_and_free(c, "POST", "/v1/turn/peers", body_with_realm(c, json_pack("{s:s}", action, c->args[0])));
}

int ctl_turn_allow(const struct ctl *c)
{
	return add_rule(c, "allow");
}

int ctl_turn_deny(const struct ctl *c)
{
	return add_rule(c, "deny");
}

int ctl_turn_remove(const struct ctl *c)
{
	char path[4096];
	char *prefix = ctl_escape(c->args[0]), *realm = ctl_escape(c->realm ? c->realm : "");

	snprintf(path, sizeof path, "/v1/turn/peers?prefix=%s%s%s", prefix, c->realm ? "&realm=" : "", realm);
	free(prefix);
	free(realm);
	return ctl_change(c, "DELETE", path, NULL, c->args[0]);
}

/* ---- the restricted register ---- */

int ctl_turn_restricted(const struct ctl *c)
{
	static const char *const heads[] = {"KIND", "ENTRY", "REALM", "FROM"};
	struct ctl_table t;
	char *path = ctl_query(c, "/v1/turn/restricted");
	json_t *answer, *o;
	size_t i, shown;
	int rc = ctl_get(c, path, &answer);

	free(path);
	if (rc != CTL_OK || !answer)
		return rc;
	ctl_table_begin(&t, sizeof heads / sizeof heads[0], heads);
	json_array_foreach(json_object_get(answer, "restricted"), i, o)
	{
		bool account = json_object_get(o, "account") != NULL;
		ctl_cell(&t, 0, "%s", account ? "account" : "address");
		ctl_cell(&t, 1, "%s", ctl_text(o, account ? "account" : "address"));
		ctl_cell(&t, 2, "%s", !account ? "" : ctl_text(o, "realm")[0] ? ctl_text(o, "realm") : "(any)");
		ctl_cell(&t, 3, "%s", ctl_text(o, "origin"));
	}
	ctl_table_print(&t);
	shown = json_array_size(json_object_get(answer, "restricted"));
	if ((long long)shown < ctl_int(answer, "total"))
		printf("%zu of %lld; more with --limit and --offset\n", shown, ctl_int(answer, "total"));
	printf("%lld allocations of them now\n", ctl_int(answer, "allocations"));
	json_decref(answer);
	return CTL_OK;
}

/* An address, a prefix, or else an account's name. */
static int change_entry(const struct ctl *c, const char *method)
{
	struct sl_prefix prefix;
	json_t *o;

	if (sl_prefix_parse(c->args[0], &prefix) == 0)
		o = json_pack("{s:[s]}", "addresses", c->args[0]);
	else if (c->realm)
		o = json_pack("{s:[{s:s, s:s}]}", "accounts", "name", c->args[0], "realm", c->realm);
	else
		o = json_pack("{s:[{s:s}]}", "accounts", "name", c->args[0]);
	char *body = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	if (!body)
		fputs("sluicectl: what you gave must be UTF-8\n", stderr);
	return post_and_free(c, method, "/v1/turn/restricted", body);
}

int ctl_turn_restrict(const struct ctl *c)
{
	return change_entry(c, "POST");
}

int ctl_turn_unrestrict(const struct ctl *c)
{
	return change_entry(c, "DELETE");
}

/* ---- drain and load ---- */

static int show_drain(const struct ctl *c)
{
	char text[CTL_CELL_MAX];
	json_t *answer;
	int rc = ctl_get(c, "/v1/turn/drain", &answer);

	if (rc != CTL_OK || !answer)
		return rc;
	long long left = ctl_int(answer, "allocations");
	if (!json_is_true(json_object_get(answer, "draining")))
		printf("not draining; %lld allocations\n", left);
	else if (json_is_true(json_object_get(answer, "done")))
		printf("drained: no allocations left\n");
	else
		printf("draining: %lld of %lld allocations left, the oldest since %s\n", left, ctl_int(answer, "allocations_then"),
		        ctl_duration(ctl_int(answer, "oldest_s"), text));
	if (left && json_is_integer(json_object_get(answer, "estimate_s")))
		printf("at this pace done in %s\n", ctl_duration(ctl_int(answer, "estimate_s"), text));
	json_decref(answer);
	return CTL_OK;
}

int ctl_turn_drain(const struct ctl *c)
{
	const char *what = c->args[0];
	char body[64];

	if (strcmp(what, "status") == 0)
		return show_drain(c);
	if (strcmp(what, "off") == 0)
		return ctl_change(c, "DELETE", "/v1/turn/drain", NULL, "drain off");
	if (strcmp(what, "on") != 0) {
		fprintf(stderr, "sluicectl: 'turn drain' takes on, off or status, not '%s'\n", what);
		return CTL_USAGE;
	}
	char *end;
	long long seconds = c->ttl ? strtoll(c->ttl, &end, 10) : 0;
	if (c->ttl && (end == c->ttl || *end || seconds < 0)) {
		fprintf(stderr, "sluicectl: --ttl %s: seconds\n", c->ttl);
		return CTL_USAGE;
	}
	snprintf(body, sizeof body, "{\"max_lifetime_s\": %lld}", seconds);
	return ctl_change(c, "POST", "/v1/turn/drain", body, "drain on");
}

static void print_alternates(const json_t *answer)
{
	static const char *const heads[] = {"ALTERNATE", "TRANSPORT", ">WEIGHT", ">LOAD %", "STATE"};
	struct ctl_table t;
	json_t *a;
	size_t i;

	if (ctl_int(answer, "total") == 0)
		return;
	putchar('\n');
	ctl_table_begin(&t, sizeof heads / sizeof heads[0], heads);
	json_array_foreach(json_object_get(answer, "alternates"), i, a)
	{
		ctl_cell(&t, 0, "%s", ctl_text(a, "server"));
		ctl_cell(&t, 1, "%s", ctl_text(a, "transport"));
		ctl_cell(&t, 2, "%lld", ctl_int(a, "weight"));
		quota_cell(&t, 3, ctl_int(a, "percent"));
		ctl_cell(&t, 4, "%s", ctl_text(a, "trouble")[0] ? ctl_text(a, "trouble") : json_is_true(json_object_get(a, "draining")) ? "draining" :
		                !json_is_true(json_object_get(a, "polled")) ? "not asked for its load" : "ok");
	}
	ctl_table_print(&t);
}

int ctl_turn_load(const struct ctl *c)
{
	json_t *load = NULL, *alternates = NULL;
	int rc = ctl_get(c, "/v1/turn/load", &load);

	if (rc != CTL_OK || !load)
		return rc;
	printf("%lld %%: %lld of %lld allocations%s\n", ctl_int(load, "percent"), ctl_int(load, "allocations"), ctl_int(load, "capacity"),
	        json_is_true(json_object_get(load, "draining")) ? ", draining" : "");
	rc = ctl_get(c, "/v1/turn/alternates", &alternates);
	if (rc == CTL_OK)
		print_alternates(alternates);
	json_decref(load);
	json_decref(alternates);
	return rc;
}

/* ---- credentials ---- */

int ctl_turn_credentials(const struct ctl *c)
{
	json_t *o = json_object(), *answer, *url;
	size_t i;

	if (c->user)
		json_object_set_new(o, "user", json_string(c->user));
	if (c->ttl)
		json_object_set_new(o, "ttl", json_integer(atoll(c->ttl)));
	char *body = body_with_realm(c, o);
	if (!body)
		return CTL_USAGE;
	int rc = ctl_ask(c, "POST", "/v1/turn/credentials", body, NULL, &answer);
	free(body);
	if (rc != CTL_OK)
		return rc;
	if (!c->json) {
		printf("username    %s\ncredential  %s\nrealm       %s\n", ctl_text(answer, "username"), ctl_text(answer, "credential"), ctl_text(answer, "realm"));
		json_array_foreach(json_object_get(answer, "urls"), i, url)
			printf("%s%s\n", i ? "            " : "urls        ", json_string_value(url));
	}
	json_decref(answer);
	return CTL_OK;
}
