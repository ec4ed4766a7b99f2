/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>

/* TURN: records of allocations, what they add up to, and tables that users are read from. */

/* answer NULL: it was printed, or there is none. */
static int get(const struct ctl *c, const char *path, json_t **answer)
{
	const struct ctl_arg args[] = {{"limit", c->limit}, {"user", c->user}, {"realm", c->realm}, {"from", c->from}, {"to", c->to}, {"cursor", c->after},
	        {"state", c->open ? "open" : NULL}, {"format", c->csv ? "csv" : NULL}};
	char *query = ctl_query_of(path, args, sizeof args / sizeof args[0]);

	*answer = NULL;
	int rc = c->csv ? ctl_print_csv(c, query) : ctl_get(c, query, answer);
	free(query);
	return rc;
}

static void bytes_cell(struct ctl_table *t, unsigned column, const json_t *o, const char *member)
{
	char buf[CTL_CELL_MAX];

	ctl_cell(t, column, "%s", ctl_bytes((double)ctl_int(o, member), buf));
}

int ctl_turn_records(const struct ctl *c)
{
	static const char *const heads[] = {"BEGUN (UTC)", "USER", "REALM", "CLIENT", "BY", "RELAY", ">DURATION", ">TO PEERS", ">TO CLIENT", "END"};
	struct ctl_table t;
	char buf[CTL_CELL_MAX];
	json_t *answer, *o;
	size_t i;
	int rc = get(c, "/v1/turn/records", &answer);

	if (rc != CTL_OK || !answer)
		return rc;
	ctl_table_begin(&t, sizeof heads / sizeof heads[0], heads);
	json_array_foreach(json_object_get(answer, "records"), i, o)
	{
		bool ended = json_is_string(json_object_get(o, "end"));
		ctl_cell(&t, 0, "%s", ctl_clock(ctl_int(o, "start_unix_ms"), buf));
		ctl_cell(&t, 1, "%s", ctl_text(o, "user"));
		ctl_cell(&t, 2, "%s", ctl_text(o, "realm"));
		ctl_cell(&t, 3, "%s", ctl_text(o, "client"));
		ctl_cell(&t, 4, "%s", ctl_text(o, "transport"));
		ctl_cell(&t, 5, "%s", ctl_text(o, "relay"));
		ctl_cell(&t, 6, "%s", ctl_duration(ctl_int(o, "duration_ms") / 1000, buf));
		bytes_cell(&t, 7, o, "to_peer_bytes");
		bytes_cell(&t, 8, o, "to_client_bytes");
		ctl_cell(&t, 9, "%s%s", ended ? ctl_text(o, "end") : "running", json_is_true(json_object_get(o, "restricted")) ? ", restricted" : "");
	}
	ctl_table_print(&t);
	ctl_print_older(answer);
	json_decref(answer);
	return CTL_OK;
}

int ctl_turn_usage(const struct ctl *c)
{
	static const char *const heads[] = {"USER", "REALM", ">RECORDS", ">RUNNING", ">DURATION", ">TO PEERS", ">TO CLIENT"};
	struct ctl_table t;
	char buf[CTL_CELL_MAX];
	json_t *answer, *o;
	size_t i;
	int rc = get(c, "/v1/turn/usage", &answer);

	if (rc != CTL_OK || !answer)
		return rc;
	ctl_table_begin(&t, sizeof heads / sizeof heads[0], heads);
	json_array_foreach(json_object_get(answer, "usage"), i, o)
	{
		ctl_cell(&t, 0, "%s", ctl_text(o, "user"));
		ctl_cell(&t, 1, "%s", ctl_text(o, "realm"));
		ctl_cell(&t, 2, "%lld", ctl_int(o, "records"));
		ctl_cell(&t, 3, "%lld", ctl_int(o, "open"));
		ctl_cell(&t, 4, "%s", ctl_duration(ctl_int(o, "duration_ms") / 1000, buf));
		bytes_cell(&t, 5, o, "to_peer_bytes");
		bytes_cell(&t, 6, o, "to_client_bytes");
	}
	ctl_table_print(&t);
	size_t shown = json_array_size(json_object_get(answer, "usage"));
	if ((long long)shown < ctl_int(answer, "total"))
		printf("%zu of %lld; more with --limit\n", shown, ctl_int(answer, "total"));
	json_decref(answer);
	return CTL_OK;
}

static void print_sources(const json_t *answer)
{
	static const char *const heads[] = {"TABLE", "STATE", ">USERS", ">REALMS", ">LEFT OUT", "READ (UTC)", ">TOOK"};
	struct ctl_table t;
	char buf[CTL_CELL_MAX];
	json_t *o;
	size_t i;

	ctl_table_begin(&t, sizeof heads / sizeof heads[0], heads);
	json_array_foreach(json_object_get(answer, "sources"), i, o)
	{
		ctl_cell(&t, 0, "%s", ctl_text(o, "name"));
		ctl_cell(&t, 1, "%s", ctl_text(o, "state"));
		ctl_cell(&t, 2, "%lld", ctl_int(o, "users"));
		ctl_cell(&t, 3, "%lld", ctl_int(o, "realms"));
		ctl_cell(&t, 4, "%lld", ctl_int(o, "bad_rows"));
		ctl_cell(&t, 5, "%s", ctl_clock(ctl_int(o, "read_unix_ms"), buf));
		ctl_cell(&t, 6, "%lld ms", ctl_int(o, "took_ms"));
	}
	ctl_table_print(&t);
	json_array_foreach(json_object_get(answer, "sources"), i, o)
	{
		if (ctl_text(o, "trouble")[0])
			printf("! %s: %s\n", ctl_text(o, "name"), ctl_text(o, "trouble"));
		if (ctl_text(o, "bad_row")[0])
			printf("! %s: left out, for instance: %s\n", ctl_text(o, "name"), ctl_text(o, "bad_row"));
	}
}

int ctl_turn_sources(const struct ctl *c)
{
	json_t *answer;
	int rc = ctl_get(c, "/v1/turn/sources", &answer);

	if (rc != CTL_OK || !answer)
		return rc;
	print_sources(answer);
	json_decref(answer);
	return CTL_OK;
}

int ctl_turn_sources_refresh(const struct ctl *c)
{
	json_t *answer = NULL;
	int rc = ctl_ask(c, "POST", "/v1/turn/sources/refresh", NULL, NULL, &answer);

	if (rc != CTL_OK)
		return rc;
	if (!c->json)
		print_sources(answer);
	json_decref(answer);
	return CTL_OK;
}
