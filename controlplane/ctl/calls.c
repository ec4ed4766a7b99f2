/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "controlplane/report/ladder.h"
#include "controlplane/report/ladder_text.h"

/* Calls, their records, registrations, events. */

enum { LADDER_WIDTH = 112, FOLLOW_MS = 300 };

static double real_of(const json_t *o, const char *name)
{
	return json_number_value(json_object_get(o, name));
}

static const char *seconds(long long ms, char *buf)
{
	snprintf(buf, CTL_CELL_MAX, "%lld.%01lld s", ms / 1000, ms % 1000 / 100);
	return buf;
}

static void print_more(const json_t *answer, const char *member)
{
	size_t shown = json_array_size(json_object_get(answer, member));

	if ((long long)shown < ctl_int(answer, "total"))
		printf("%zu of %lld; more with --limit and --offset\n", shown, ctl_int(answer, "total"));
}

/* GET of a list by the options given. */
static int get_list(const struct ctl *c, const char *path, json_t **answer)
{
	char *query = ctl_query(c, path);
	int rc = ctl_get(c, query, answer);

	free(query);
	return rc;
}

/* "PATH/ARGUMENT"; free(). */
static char *path_of(const struct ctl *c, const char *path)
{
	char *name = ctl_escape(c->args[0]), *out = NULL;

	if (asprintf(&out, "%s/%s", path, name) < 0)
		abort();
	free(name);
	return out;
}

/* ---- calls ---- */

int ctl_call_list(const struct ctl *c)
{
	static const char *const heads[] = {"ID", "STATE", "TENANT", "FROM", "TO", ">DURATION", ">LEGS"};
	struct ctl_table t;
	char buf[CTL_CELL_MAX];
	json_t *answer, *o;
	size_t i;
	int rc = get_list(c, "/v1/calls", &answer);

	if (rc != CTL_OK || !answer)
		return rc;
	ctl_table_begin(&t, sizeof heads / sizeof heads[0], heads);
	json_array_foreach(json_object_get(answer, "calls"), i, o)
	{
		ctl_cell(&t, 0, "%s", ctl_text(o, "id"));
		ctl_cell(&t, 1, "%s%s%s", ctl_text(o, "state"), json_is_true(json_object_get(o, "emergency")) ? ", emergency" : "",
		        json_is_true(json_object_get(o, "restored")) ? ", restored" : "");
		ctl_cell(&t, 2, "%s", ctl_text(o, "tenant"));
		ctl_cell(&t, 3, "%s", ctl_text(o, "from"));
		ctl_cell(&t, 4, "%s", ctl_text(o, "to"));
		ctl_cell(&t, 5, "%s", seconds(ctl_int(o, "duration_ms"), buf));
		ctl_cell(&t, 6, "%lld", ctl_int(o, "legs"));
	}
	ctl_table_print(&t);
	print_more(answer, "calls");
	json_decref(answer);
	return CTL_OK;
}

/* As wide as the terminal, when there is one. */
static unsigned width(void)
{
	struct winsize w;

	return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : LADDER_WIDTH;
}

static void print_leg(const json_t *leg)
{
	static const char *const members[] = {"from", "to", "user", "trunk", "route", "user_agent", "sip_call_id"};
	const json_t *cause = json_object_get(leg, "cause");
	char words[400];

	printf("\nleg %s, %s, %s, %s\n", ctl_text(leg, "leg")[0] ? ctl_text(leg, "leg") : ctl_text(leg, "id"), ctl_text(leg, "direction"),
	        ctl_text(leg, "state")[0] ? ctl_text(leg, "state") : "ended", ctl_text(leg, "remote"));
	for (unsigned i = 0; i < sizeof members / sizeof members[0]; i++) {
		snprintf(words, sizeof words, "%s", ctl_text(leg, members[i]));
		sl_ladder_plain(words);
		if (words[0])
			printf("  %-12s %s\n", members[i], words);
	}
	/* Its words may be those of the other side's answer. */
	snprintf(words, sizeof words, "%s", json_is_object(cause) ? ctl_text(cause, "text") : ctl_text(leg, "cause"));
	sl_ladder_plain(words);
	if (json_is_object(cause) || json_is_string(cause))
		printf("  %-12s %lld %s\n", "ended", ctl_int(json_is_object(cause) ? cause : leg, "status"), words);
}

static void print_call(const json_t *call)
{
	const json_t *leg, *decision = json_object_get(call, "decision");
	char words[600];
	size_t i;

	snprintf(words, sizeof words, "%s: %s, %s -> %s, %.1f s", ctl_text(call, "id"), ctl_text(call, "state"), ctl_text(call, "from"),
	        ctl_text(call, "to"), real_of(call, "duration_ms") / 1000);
	sl_ladder_plain(words);
	puts(words);
	json_array_foreach(json_object_get(call, "legs"), i, leg)
		print_leg(leg);
	if (json_is_object(decision)) {
		fputs("\nrouting ", stdout);
		ctl_print_json(decision);
	}
}

int ctl_call_show(const struct ctl *c)
{
	char *path = path_of(c, "/v1/calls"), *whole = NULL;
	json_t *call;

	if (asprintf(&whole, "%s%s", path, c->ladder ? "?trace=1" : "") < 0)
		abort();
	int rc = ctl_get(c, whole, &call);
	free(path);
	free(whole);
	if (rc != CTL_OK || !call)
		return rc;
	if (c->ladder)
		sl_ladder_draw(stdout, call, width());
	else
		print_call(call);
	json_decref(call);
	return CTL_OK;
}

int ctl_call_hangup(const struct ctl *c)
{
	char *path = path_of(c, "/v1/calls");
	int rc = ctl_change(c, "DELETE", path, NULL, c->args[0]);

	free(path);
	return rc;
}

/* ---- registrations ---- */

static int print_registrations(const struct ctl *c, const char *path)
{
	static const char *const heads[] = {"USER", "CONTACT", "RECEIVED FROM", ">EXPIRES", ">Q", "USER AGENT"};
	struct ctl_table t;
	char buf[CTL_CELL_MAX];
	json_t *answer, *o;
	size_t i;
	int rc = get_list(c, path, &answer);

	if (rc != CTL_OK || !answer)
		return rc;
	ctl_table_begin(&t, sizeof heads / sizeof heads[0], heads);
	json_array_foreach(json_object_get(answer, "registrations"), i, o)
	{
		ctl_cell(&t, 0, "%s", ctl_text(o, "user"));
		ctl_cell(&t, 1, "%s", ctl_text(o, "contact"));
		ctl_cell(&t, 2, "%s%s", ctl_text(o, "received"), json_is_true(json_object_get(o, "nat")) ? " (NAT)" : "");
		ctl_cell(&t, 3, "%s", ctl_duration(ctl_int(o, "expires_in_s"), buf));
		ctl_cell(&t, 4, "%.1f", real_of(o, "q"));
		ctl_cell(&t, 5, "%s", ctl_text(o, "user_agent"));
	}
	ctl_table_print(&t);
	print_more(answer, "registrations");
	json_decref(answer);
	return CTL_OK;
}

int ctl_registration_list(const struct ctl *c)
{
	return print_registrations(c, "/v1/registrations");
}

int ctl_registration_show(const struct ctl *c)
{
	char *path = path_of(c, "/v1/registrations");
	int rc = print_registrations(c, path);

	free(path);
	return rc;
}

int ctl_registration_remove(const struct ctl *c)
{
	char *path = path_of(c, "/v1/registrations"), *query = ctl_query(c, path);
	int rc = ctl_change(c, "DELETE", query, NULL, c->args[0]);

	free(path);
	free(query);
	return rc;
}

/* ---- call detail records ---- */

int ctl_cdr_list(const struct ctl *c)
{
	static const char *const heads[] = {"BEGUN (UTC)", "CALL", "LEG", "FROM", "TO", "USER OR TRUNK", ">DURATION", ">STATUS", "CAUSE", ">MOS"};
	struct ctl_table t;
	char buf[CTL_CELL_MAX];
	json_t *answer, *o;
	size_t i;

	if (c->csv) {
		char *query = ctl_query(c, "/v1/cdrs?format=csv");
		int csv_rc = ctl_print_csv(c, query);
		free(query);
		return csv_rc;
	}
	int rc = get_list(c, "/v1/cdrs", &answer);
	if (rc != CTL_OK || !answer)
		return rc;
	ctl_table_begin(&t, sizeof heads / sizeof heads[0], heads);
	json_array_foreach(json_object_get(answer, "cdrs"), i, o)
	{
		ctl_cell(&t, 0, "%s", ctl_clock(ctl_int(o, "begun_unix_ms"), buf));
		ctl_cell(&t, 1, "%s", ctl_text(o, "call"));
		ctl_cell(&t, 2, "%s", ctl_text(o, "direction"));
		ctl_cell(&t, 3, "%s", ctl_text(o, "from"));
		ctl_cell(&t, 4, "%s", ctl_text(o, "to"));
		ctl_cell(&t, 5, "%s", ctl_text(o, "trunk")[0] ? ctl_text(o, "trunk") : ctl_text(o, "user"));
		ctl_cell(&t, 6, "%s", seconds(ctl_int(o, "duration_ms"), buf));
		ctl_cell(&t, 7, "%lld", ctl_int(o, "status"));
		ctl_cell(&t, 8, "%s", ctl_text(o, "cause"));
		if (real_of(json_object_get(o, "media"), "mos") > 0)
			ctl_cell(&t, 9, "%.2f", real_of(json_object_get(o, "media"), "mos"));
	}
	ctl_table_print(&t);
	ctl_print_older(answer);
	json_decref(answer);
	return CTL_OK;
}

/* ---- events ---- */

static void print_events(const struct ctl *c, const json_t *answer)
{
	char when[CTL_CELL_MAX], words[400];
	json_t *e;
	size_t i;

	if (ctl_int(answer, "missed") > 0 && !c->json)
		fprintf(stderr, "sluicectl: %lld events in between are gone\n", ctl_int(answer, "missed"));
	json_array_foreach(json_object_get(answer, "events"), i, e)
	{
		if (c->json) {
			json_dumpf(e, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
			putchar('\n');
			continue;
		}
		snprintf(words, sizeof words, "%s", ctl_text(e, "text"));
		sl_ladder_plain(words);
		long long ms = ctl_int(e, "unix_ms");
		printf("%s.%03lld  %-21s %-12s %s%s%s\n", ctl_clock(ms, when), ms % 1000, ctl_text(e, "type"), ctl_text(e, "tenant"),
		        ctl_text(e, "call"), ctl_text(e, "call")[0] ? "  " : "", words);
	}
	fflush(stdout);
}

int ctl_events(const struct ctl *c)
{
	struct timespec nap = {0, FOLLOW_MS * 1000000L};
	struct ctl asked = *c;
	char after[32];
	json_t *answer;

	/* Its events are printed one a line in either form, so an error is said in words. */
	asked.json = c->json && !c->follow;
	for (;;) {
		char *query = ctl_query(&asked, "/v1/events");
		int rc = ctl_get(&asked, query, &answer);
		free(query);
		if (rc != CTL_OK || !answer)
			return rc;
		print_events(c, answer);
		snprintf(after, sizeof after, "%lld", ctl_int(answer, "last"));
		asked.after = after;
		bool more = json_array_size(json_object_get(answer, "events")) > 0;
		json_decref(answer);
		if (!c->follow)
			return CTL_OK;
		if (!more)
			nanosleep(&nap, NULL);
	}
}
