/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "controlplane/report/ladder_text.h"

/* Looking at the guard: how it stands, who sends most, who is over a limit, and why. */

enum { ROWS_MAX = 2048, TOP_HEAD_ROWS = 5, REASONS_SHOWN = 4 };

static const char *no_null(const char *text, const char *otherwise)
{
	return text[0] ? text : otherwise;
}

static bool is_true(const json_t *o, const char *name)
{
	return json_is_true(json_object_get(o, name));
}

/* ---- status ---- */

static void print_limits(const json_t *policy)
{
	static const char *const heads[] = {"CLASS", "LISTENER", ">SOURCE", ">PREFIX", ">WIDE", ">TOTAL", "ACTION"};
	static const char *const members[] = {"source", "prefix", "wide", "total"};
	struct ctl_table t;
	json_t *o;
	size_t i;

	ctl_table_begin(&t, sizeof heads / sizeof heads[0], heads);
	json_array_foreach(json_object_get(policy, "limits"), i, o)
	{
		ctl_cell(&t, 0, "%s", ctl_text(o, "class"));
		ctl_cell(&t, 1, "%s", no_null(ctl_text(o, "listener"), "-"));
		for (unsigned m = 0; m < sizeof members / sizeof members[0]; m++) {
			if (ctl_int(o, members[m]))
				ctl_cell(&t, 2 + m, "%lld", ctl_int(o, members[m]));
			else
				ctl_cell(&t, 2 + m, "-");
		}
		ctl_cell(&t, 6, "%s", ctl_text(o, "action"));
	}
	ctl_table_print(&t);
}

static void print_reasons(const char *head, const json_t *reasons)
{
	const char *name;
	json_t *value;
	bool any = false;

	json_object_foreach((json_t *)reasons, name, value)
	{
		if (json_integer_value(value) == 0)
			continue;
		printf("%s%s %lld", any ? ", " : head, name, (long long)json_integer_value(value));
		any = true;
	}
	if (any)
		putchar('\n');
}

int ctl_guard_status(const struct ctl *c)
{
	char bytes[CTL_CELL_MAX];
	json_t *o;
	int rc = ctl_get(c, "/v1/guard", &o);

	if (rc != CTL_OK || !o)
		return rc;
	const json_t *dataplane = json_object_get(o, "dataplane"), *entries = json_object_get(o, "entries");
	printf("guard          %s%s, limits by the %s\n", is_true(o, "enabled") ? "on" : "off", is_true(o, "dry_run") ? ", dry run: nothing is dropped" : "",
	        strcmp(ctl_text(o, "policy_from"), "api") == 0 ? "API (until the next reload)" : "configuration");
	if (ctl_text(o, "standby")[0])
		printf("               ! the dataplane does not go by this control plane: %s\n", ctl_text(o, "standby"));
	if (ctl_int(o, "pressure_percent") < 100)
		printf("               ! overload: %lld %% of what SIP's strangers may send is let through\n", ctl_int(o, "pressure_percent"));
	printf("lists          %lld allowed, %lld denied, %lld banned\n", ctl_int(entries, "allow"), ctl_int(entries, "deny"), ctl_int(entries, "bans"));
	if (json_is_object(dataplane))
		printf("dataplane      %s, %lld prefixes, %lld bans, %lld known SIP sources and %lld provisional, %s of memory\n",
		        no_null(ctl_text(dataplane, "owner"), "by its own configuration"), ctl_int(dataplane, "prefixes"), ctl_int(dataplane, "bans"),
		        ctl_int(dataplane, "marks_final"), ctl_int(dataplane, "marks_provisional"),
		        ctl_bytes((double)ctl_int(dataplane, "bytes"), bytes));
	else
		printf("dataplane      away\n");
	print_reasons("dropped        ", json_object_get(o, "drops"));
	print_reasons("would drop     ", json_object_get(o, "would_drop"));
	printf("\nPackets a second of who is not known, for each worker (- = no limit):\n");
	print_limits(json_object_get(o, "policy"));
	json_decref(o);
	return CTL_OK;
}

/* ---- top ---- */

static double rate(const json_t *before, const json_t *now, const char *group, const char *name)
{
	double seconds = (double)(ctl_int(now, "time_ns") - ctl_int(before, "time_ns")) / 1e9;
	const json_t *a = group ? json_object_get(before, group) : before, *b = group ? json_object_get(now, group) : now;
	long long grown = ctl_int(b, name) - ctl_int(a, name);

	return grown > 0 && seconds > 0 ? (double)grown / seconds : 0;
}

struct reason {
	const char *name;
	double rate;
};

static int most_first(const void *a, const void *b)
{
	const struct reason *x = a, *y = b;

	return x->rate < y->rate ? 1 : x->rate > y->rate ? -1 : 0;
}

static void print_rates(const json_t *before, const json_t *now, const char *group, const char *word)
{
	struct reason reasons[64];
	unsigned n = 0;
	double sum = 0;
	const char *name;
	json_t *value;
	char text[CTL_CELL_MAX];

	json_object_foreach(json_object_get(now, group), name, value)
	{
		double r = rate(before, now, group, name);
		sum += r;
		if (r > 0 && n < sizeof reasons / sizeof reasons[0])
			reasons[n++] = (struct reason){name, r};
	}
	qsort(reasons, n, sizeof reasons[0], most_first);
	printf("%s %s packets/s", word, ctl_rate(sum, text));
	for (unsigned i = 0; i < n && i < REASONS_SHOWN; i++)
		printf("%s%s %s", i ? ", " : ": ", reasons[i].name, ctl_rate(reasons[i].rate, text));
	putchar('\n');
}

static void print_top(const json_t *before, const json_t *now, unsigned rows)
{
	static const char *const heads[] = {"SOURCE", "CLASS", ">PACKETS/S", ">DROPPED/S", "LAST REASON", "LIST", ">FOR"};
	struct ctl_table t;
	char known[CTL_CELL_MAX], unknown[CTL_CELL_MAX], text[CTL_CELL_MAX];
	json_t *o;
	size_t i;

	printf("guard %s%s; strangers %s packets/s, known %s", is_true(now, "enabled") ? "on" : "off", is_true(now, "dry_run") ? ", dry run" : "",
	        ctl_rate(rate(before, now, NULL, "unknown"), unknown), ctl_rate(rate(before, now, NULL, "known"), known));
	if (ctl_int(now, "pressure_percent") < 100)
		printf("; overload: SIP's strangers get %lld %%", ctl_int(now, "pressure_percent"));
	putchar('\n');
	if (is_true(now, "dry_run"))
		print_rates(before, now, "would_drop", "would drop");
	else
		print_rates(before, now, "drops", "dropping");
	putchar('\n');
	ctl_table_begin(&t, sizeof heads / sizeof heads[0], heads);
	json_array_foreach(json_object_get(now, "sources"), i, o)
	{
		if (i == rows)
			break;
		ctl_cell(&t, 0, "%s", ctl_text(o, "source"));
		ctl_cell(&t, 1, "%s", ctl_text(o, "class"));
		ctl_cell(&t, 2, "%s", ctl_rate((double)ctl_int(o, "pps"), text));
		ctl_cell(&t, 3, "%s", ctl_rate((double)ctl_int(o, "dropped_pps"), text));
		ctl_cell(&t, 4, "%s", no_null(ctl_text(o, "reason"), "passes"));
		ctl_cell(&t, 5, "%s", no_null(ctl_text(o, "entry"), "-"));
		ctl_cell(&t, 6, "%s", ctl_duration(ctl_int(o, "seconds"), text));
	}
	ctl_table_print(&t);
}

/* As many rows as the terminal has below the head; 0 = it is none. */
static unsigned terminal_rows(void)
{
	struct winsize w;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0)
		return 0;
	return w.ws_row > TOP_HEAD_ROWS + 1 ? w.ws_row - TOP_HEAD_ROWS - 1u : 1;
}

static char *top_path(const struct ctl *c, unsigned rows)
{
	char *level = ctl_escape(c->level ? c->level : "source"), *by = ctl_escape(c->by ? c->by : "rate"), *limit, number[16], *path = NULL;

	snprintf(number, sizeof number, "%u", rows);
	limit = ctl_escape(c->limit ? c->limit : rows ? number : "20");
	if (asprintf(&path, "/v1/guard/top?level=%s&by=%s&limit=%s", level, by, limit) < 0)
		abort();
	free(level);
	free(by);
	free(limit);
	return path;
}

int ctl_guard_top(const struct ctl *c)
{
	struct timespec second = {1, 0};
	unsigned rows = terminal_rows();
	bool live = rows > 0 && !c->once && !c->json;
	char *path = top_path(c, live ? rows : 0);
	json_t *before = NULL, *now = NULL;
	int rc;

	while ((rc = ctl_get(c, path, &now)) == CTL_OK && now) {
		if (before) {
			if (live)
				fputs("\033[H\033[2J", stdout);
			print_top(before, now, live ? terminal_rows() : ROWS_MAX);
			fflush(stdout);
		}
		bool done = before && !live;
		json_decref(before);
		before = now;
		if (done)
			break;
		nanosleep(&second, NULL);
	}
	json_decref(before);
	free(path);
	return rc;
}

/* ---- sources ---- */

static void print_over(const json_t *over)
{
	static const char *const heads[] = {"SOURCE", "LEVEL", "CLASS", "LISTENER", ">PACKETS/S", ">LIMIT", "ACTION", ">SINCE", ">WORKER"};
	struct ctl_table t;
	char text[CTL_CELL_MAX];
	json_t *o;
	size_t i;

	ctl_table_begin(&t, sizeof heads / sizeof heads[0], heads);
	json_array_foreach(over, i, o)
	{
		ctl_cell(&t, 0, "%s", no_null(ctl_text(o, "source"), "all"));
		ctl_cell(&t, 1, "%s", ctl_text(o, "level"));
		ctl_cell(&t, 2, "%s", ctl_text(o, "class"));
		ctl_cell(&t, 3, "%s", no_null(ctl_text(o, "listener"), "-"));
		long long sent = ctl_int(o, "sent_pps");
		ctl_cell(&t, 4, "%s", ctl_rate((double)(sent > ctl_int(o, "pps") ? sent : ctl_int(o, "pps")), text));
		ctl_cell(&t, 5, "%lld", ctl_int(o, "limit_pps"));
		ctl_cell(&t, 6, "%s%s", ctl_text(o, "action"), is_true(o, "dry_run") ? " (dry run)" : "");
		ctl_cell(&t, 7, "%s", ctl_duration(ctl_int(o, "since_s"), text));
		ctl_cell(&t, 8, "%lld", ctl_int(o, "worker"));
	}
	ctl_table_print(&t);
}

/* "12 auth-failed, 3 malformed" */
static const char *seen_text(const json_t *source, char text[CTL_CELL_MAX])
{
	const char *name;
	json_t *value;
	size_t used = 0;

	text[0] = '\0';
	json_object_foreach(json_object_get(source, "seen"), name, value)
	{
		int n = snprintf(text + used, CTL_CELL_MAX - used, "%s%lld %s", used ? ", " : "", (long long)json_integer_value(value), name);
		used += n > 0 ? (size_t)n : 0;
		if (used >= CTL_CELL_MAX)
			break;
	}
	return text;
}

int ctl_guard_sources(const struct ctl *c)
{
	static const char *const heads[] = {"SOURCE", ">POINTS", "SEEN", ">BANS", "LIST", ">LAST"};
	char *query = ctl_query(c, "/v1/guard/sources"), text[CTL_CELL_MAX];
	struct ctl_table t;
	json_t *answer, *o;
	size_t i;
	int rc = ctl_get(c, query, &answer);

	free(query);
	if (rc != CTL_OK || !answer)
		return rc;
	printf("Over a limit now: %zu\n", json_array_size(json_object_get(answer, "over")));
	if (json_array_size(json_object_get(answer, "over")))
		print_over(json_object_get(answer, "over"));
	if (ctl_int(answer, "ban_score"))
		printf("\nReputation (a ban takes %lld points):\n", ctl_int(answer, "ban_score"));
	else
		printf("\nReputation (nobody is banned):\n");
	ctl_table_begin(&t, sizeof heads / sizeof heads[0], heads);
	json_array_foreach(json_object_get(answer, "worst"), i, o)
	{
		ctl_cell(&t, 0, "%s", ctl_text(o, "source"));
		ctl_cell(&t, 1, "%lld", ctl_int(o, "score"));
		ctl_cell(&t, 2, "%s", seen_text(o, text));
		ctl_cell(&t, 3, "%lld", ctl_int(o, "bans"));
		ctl_cell(&t, 4, "%s", no_null(ctl_text(o, "entry"), "-"));
		ctl_cell(&t, 5, "%s ago", ctl_duration(ctl_int(o, "last_s"), text));
	}
	ctl_table_print(&t);
	json_decref(answer);
	return CTL_OK;
}

/* ---- explain ---- */

static void print_loads(const json_t *workers)
{
	static const char *const heads[] = {">WORKER", "CLASS", "LISTENER", ">SOURCE", ">OF", ">PREFIX", ">OF", ">WIDE", ">OF", "ACTION"};
	static const char *const levels[] = {"source", "prefix", "wide"};
	struct ctl_table t;
	json_t *worker, *o;
	size_t i, j;

	ctl_table_begin(&t, sizeof heads / sizeof heads[0], heads);
	json_array_foreach(workers, i, worker)
	{
		json_array_foreach(json_object_get(worker, "limits"), j, o)
		{
			const json_t *now = json_object_get(o, "now_pps");

			ctl_cell(&t, 0, "%lld", ctl_int(worker, "worker"));
			ctl_cell(&t, 1, "%s", ctl_text(o, "class"));
			ctl_cell(&t, 2, "%s", no_null(ctl_text(o, "listener"), "-"));
			for (unsigned level = 0; level < sizeof levels / sizeof levels[0]; level++) {
				ctl_cell(&t, 3 + 2 * level, "%lld", ctl_int(now, levels[level]));
				ctl_cell(&t, 4 + 2 * level, ctl_int(o, levels[level]) ? "%lld" : "-", ctl_int(o, levels[level]));
			}
			ctl_cell(&t, 9, "%s", ctl_text(o, "action"));
		}
	}
	if (t.n_rows)
		printf("\nWhat it, its prefix and its wide prefix send, in packets a second as a stranger, and may:\n");
	if (t.n_rows)
		ctl_table_print(&t);
}

int ctl_guard_explain(const struct ctl *c)
{
	char *address = ctl_escape(c->args[0]), *path = NULL, text[CTL_CELL_MAX];
	json_t *o;

	if (asprintf(&path, "/v1/guard/explain?address=%s", address) < 0)
		abort();
	int rc = ctl_get(c, path, &o);
	free(address);
	free(path);
	if (rc != CTL_OK || !o)
		return rc;
	const json_t *sessions = json_object_get(o, "sessions"), *state = json_object_get(o, "state"), *source = json_object_get(o, "reputation");
	char why[400];
	snprintf(why, sizeof why, "%s", ctl_text(o, "why"));
	sl_ladder_plain(why);
	printf("%s: %s: %s\n", ctl_text(o, "address"), ctl_text(o, "verdict"), why);
	if (is_true(o, "dry_run"))
		printf("dry run: whatever is said here, nothing of it is dropped\n");
	printf("sessions       %lld allocations, %lld registrations, %lld media legs; %lld bindings and %lld calls count against its limits\n",
	        ctl_int(sessions, "allocations"), ctl_int(sessions, "registrations"), ctl_int(sessions, "media_legs"), ctl_int(state, "bindings"),
	        ctl_int(state, "calls"));
	if (json_is_object(source))
		printf("reputation     %lld points of %lld (%s), banned %lld times lately\n", ctl_int(source, "score"), ctl_int(o, "ban_score"),
		        seen_text(source, text), ctl_int(source, "bans"));
	else
		printf("reputation     nothing is held against it\n");
	if (json_array_size(json_object_get(o, "workers")) == 0)
		printf("dataplane      did not answer\n");
	if (json_array_size(json_object_get(o, "over"))) {
		printf("\nOver a limit:\n");
		print_over(json_object_get(o, "over"));
	}
	print_loads(json_object_get(o, "workers"));
	json_decref(o);
	return CTL_OK;
}
