/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ctl/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Steering the guard: lists and bans, dry run and limits, reports; and what it drops, as a file. */

enum { SECONDS_MAX = 10 * 365 * 86400 };

/* "90s", "10m", "2h", "1d", "1d12h", "90": seconds, or -1 after saying what is wrong. */
static long long seconds_of(const char *text)
{
	static const struct {
		char unit;
		long long seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	long long sum = 0;
	const char *p = text;

	while (*p >= '0' && *p <= '9') {
		char *end;
		long long n = strtoll(p, &end, 10), unit = 0;

		for (unsigned i = 0; i < sizeof units / sizeof units[0]; i++)
			unit = *end == units[i].unit ? units[i].seconds : unit;
		if (*end == '\0' && p == text)
			unit = 1;
		if (!unit || n > SECONDS_MAX)
			break;
		sum += n * unit;
		p = *end ? end + 1 : end;
	}
	if (p != text && !*p && sum > 0 && sum <= SECONDS_MAX)
		return sum;
	fprintf(stderr, "sluicectl: '%s' is not a duration; such as 90s, 10m, 2h, 1d or 1d12h, at most ten years\n", text);
	return -1;
}

/* "/v1/guard/LIST/PREFIX"; free(). */
static char *entry_path(const char *list, const char *prefix)
{
	char *name = ctl_escape(prefix), *path = NULL;

	if (asprintf(&path, "/v1/guard/%s/%s", list, name) < 0)
		abort();
	free(name);
	return path;
}

/* ---- lists and bans ---- */

static void print_entry(const json_t *o, const char *done)
{
	char text[CTL_CELL_MAX];

	printf("%s: %s", ctl_text(o, "prefix"), done);
	if (json_is_integer(json_object_get(o, "seconds_left")))
		printf(" for %s", ctl_duration(ctl_int(o, "seconds_left"), text));
	putchar('\n');
}

static int put(const struct ctl *c, const char *list, const char *done)
{
	long long seconds = c->duration ? seconds_of(c->duration) : 0;
	json_t *body, *answer;

	if (seconds < 0)
		return CTL_USAGE;
	body = json_pack("{s:I, s:s}", "seconds", (json_int_t)seconds, "reason", c->reason ? c->reason : "");
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	json_decref(body);
	if (!text) {
		fputs("sluicectl: the reason must be UTF-8\n", stderr);
		return CTL_USAGE;
	}
	char *path = entry_path(list, c->args[0]);
	int rc = ctl_ask(c, "PUT", path, text, NULL, &answer);
	free(path);
	free(text);
	if (rc != CTL_OK)
		return rc;
	if (!c->json)
		print_entry(answer, done);
	json_decref(answer);
	return CTL_OK;
}

int ctl_guard_ban(const struct ctl *c)
{
	return put(c, "bans", "banned");
}

int ctl_guard_allow(const struct ctl *c)
{
	return put(c, "allow", "allowed");
}

int ctl_guard_deny(const struct ctl *c)
{
	return put(c, "deny", "denied");
}

int ctl_guard_unban(const struct ctl *c)
{
	char *path = entry_path("bans", c->args[0]);
	int rc = ctl_change(c, "DELETE", path, NULL, c->args[0]);

	free(path);
	return rc;
}

/* Out of every list that the API has it in. */
int ctl_guard_remove(const struct ctl *c)
{
	static const char *const lists[] = {"allow", "deny", "bans"};
	json_t *answer, *all = json_array(), *refused = NULL;
	long worst = 404;

	for (unsigned i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		char *path = entry_path(lists[i], c->args[0]);
		long status = ctl_request(c, "DELETE", path, NULL, &answer);

		free(path);
		if (status < 0) {
			json_decref(all);
			json_decref(refused);
			return (int)-status;
		}
		if (status < 300) {
			json_array_append_new(all, json_string(lists[i]));
			json_decref(answer);
		} else if (!refused || status != 404) {
			json_decref(refused);
			refused = answer;
			worst = status;
		} else {
			json_decref(answer);
		}
	}
	bool bad = json_array_size(all) == 0 || worst != 404;
	if (c->json && bad && refused)
		ctl_print_json(refused);
	else if (c->json) {
		json_t *o = json_pack("{s:s, s:O}", "status", "removed", "lists", all);
		ctl_print_json(o);
		json_decref(o);
	}
	size_t i;
	json_t *list;
	json_array_foreach(all, i, list)
	{
		if (!c->json)
			printf("%s: removed from %s\n", c->args[0], json_string_value(list));
	}
	json_decref(all);
	if (bad)
		return ctl_complain(worst, refused);
	json_decref(refused);
	return CTL_OK;
}

static void add_rows(struct ctl_table *t, const json_t *entries)
{
	char text[CTL_CELL_MAX];
	json_t *o;
	size_t i;

	json_array_foreach(entries, i, o)
	{
		ctl_cell(t, 0, "%s", ctl_text(o, "kind"));
		ctl_cell(t, 1, "%s", ctl_text(o, "prefix"));
		ctl_cell(t, 2, "%s", ctl_text(o, "origin"));
		ctl_cell(t, 3, "%s", json_is_integer(json_object_get(o, "seconds_left")) ? ctl_duration(ctl_int(o, "seconds_left"), text) : "-");
		ctl_cell(t, 4, "%s", ctl_text(o, "reason"));
	}
}

int ctl_guard_list(const struct ctl *c)
{
	static const char *const heads[] = {"KIND", "PREFIX", "FROM", ">LEFT", "REASON"}, *const lists[] = {"allow", "deny", "bans"};
	json_t *all = json_object(), *answer;
	struct ctl_table t;
	struct ctl quiet = *c;
	char path[32];

	quiet.json = false;
	for (unsigned i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		snprintf(path, sizeof path, "/v1/guard/%s", lists[i]);
		char *query = ctl_query(c, path);
		int rc = ctl_get(&quiet, query, &answer);

		free(query);
		if (rc != CTL_OK) {
			json_decref(all);
			return rc;
		}
		json_object_set_new(all, lists[i], answer);
	}
	if (c->json) {
		ctl_print_json(all);
		json_decref(all);
		return CTL_OK;
	}
	ctl_table_begin(&t, sizeof heads / sizeof heads[0], heads);
	for (unsigned i = 0; i < sizeof lists / sizeof lists[0]; i++)
		add_rows(&t, json_object_get(json_object_get(all, lists[i]), lists[i]));
	ctl_table_print(&t);
	for (unsigned i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		const json_t *list = json_object_get(all, lists[i]);
		size_t shown = json_array_size(json_object_get(list, lists[i]));

		if ((long long)shown < ctl_int(list, "total"))
			printf("%s: %zu of %lld; more with --limit and --offset\n", lists[i], shown, ctl_int(list, "total"));
	}
	json_decref(all);
	return CTL_OK;
}

/* ---- limits ---- */

static int put_policy(const struct ctl *c, const json_t *policy, const char *done)
{
	char *text = json_dumps(policy, JSON_COMPACT);
	int rc = text ? ctl_change(c, "PUT", "/v1/guard/policy", text, NULL) : CTL_FAILED;

	free(text);
	if (rc == CTL_OK && !c->json)
		puts(done);
	return rc;
}

/* What was changed before stays changed. */
int ctl_guard_dry_run(const struct ctl *c)
{
	bool on = strcmp(c->args[0], "on") == 0;
	struct ctl quiet = *c;
	json_t *policy;

	if (!on && strcmp(c->args[0], "off") != 0) {
		fprintf(stderr, "sluicectl: '%s' is neither on nor off\n", c->args[0]);
		return CTL_USAGE;
	}
	quiet.json = false;
	int rc = ctl_get(&quiet, "/v1/guard/policy", &policy);
	if (rc != CTL_OK)
		return rc;
	json_t *o = json_pack("{s:O, s:b, s:O}", "enabled", json_object_get(policy, "enabled"), "dry_run", on, "limits",
	        json_object_get(policy, "limits"));
	json_decref(policy);
	rc = o ? put_policy(c, o, on ? "dry run: on until the next reload" : "dry run: off until the next reload") : CTL_FAILED;
	json_decref(o);
	return rc;
}

int ctl_guard_set(const struct ctl *c)
{
	bool is_stdin = strcmp(c->args[0], "-") == 0;
	FILE *f = is_stdin ? stdin : fopen(c->args[0], "r");
	json_error_t error;

	if (!f) {
		fprintf(stderr, "sluicectl: cannot read %s: %m\n", c->args[0]);
		return CTL_USAGE;
	}
	json_t *o = json_loadf(f, JSON_REJECT_DUPLICATES, &error);
	if (!is_stdin)
		fclose(f);
	if (!json_is_object(o)) {
		if (o)
			fprintf(stderr, "sluicectl: %s: must be a JSON object\n", c->args[0]);
		else
			fprintf(stderr, "sluicectl: %s: line %d: %s\n", c->args[0], error.line, error.text);
		json_decref(o);
		return CTL_USAGE;
	}
	int rc = put_policy(c, o, "limits: in force until the next reload");
	json_decref(o);
	return rc;
}

int ctl_guard_reset(const struct ctl *c)
{
	int rc = ctl_change(c, "DELETE", "/v1/guard/policy", NULL, NULL);

	if (rc == CTL_OK && !c->json)
		puts("limits: as configured");
	return rc;
}

/* ---- reports ---- */

int ctl_guard_report(const struct ctl *c)
{
	char *end = NULL;
	long long times = c->times ? strtoll(c->times, &end, 10) : 1;
	json_t *answer;

	if (c->times && (*end || end == c->times)) {
		fprintf(stderr, "sluicectl: --times %s: must be a whole number\n", c->times);
		return CTL_USAGE;
	}
	json_t *body = json_pack("{s:s, s:s, s:I}", "address", c->args[0], "signal", c->args[1], "n", (json_int_t)times);
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	json_decref(body);
	if (!text) {
		fputs("sluicectl: address and signal must be UTF-8\n", stderr);
		return CTL_USAGE;
	}
	int rc = ctl_ask(c, "POST", "/v1/guard/report", text, NULL, &answer);
	free(text);
	if (rc != CTL_OK)
		return rc;
	if (!c->json)
		printf("%s: counted, %lld points now%s%s\n", c->args[0], ctl_int(answer, "score"),
		        json_is_object(json_object_get(answer, "entry")) ? ", in a list: " : "",
		        ctl_text(json_object_get(answer, "entry"), "kind"));
	json_decref(answer);
	return CTL_OK;
}

/* ---- samples ---- */

static bool write_samples(const char *name, const char *bytes, size_t len)
{
	bool is_stdout = strcmp(name, "-") == 0;
	/* What strangers sent may be secret. */
	int fd = is_stdout ? STDOUT_FILENO : open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t done = 0;

	if (fd < 0) {
		fprintf(stderr, "sluicectl: cannot write %s: %m\n", name);
		return false;
	}
	while (done < len) {
		ssize_t n = write(fd, bytes + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	bool ok = done == len;
	if (!is_stdout && close(fd) != 0)
		ok = false;
	if (!ok)
		fprintf(stderr, "sluicectl: cannot write %s: %m\n", name);
	return ok;
}

/* Packets in a pcap file in our byte order. */
static unsigned count_packets(const char *bytes, size_t len)
{
	enum { FILE_HEADER = 24, PACKET_HEADER = 16, CAPTURED_AT = 8 };
	size_t at = FILE_HEADER;
	unsigned n = 0;
	uint32_t captured;

	while (at + PACKET_HEADER <= len) {
		memcpy(&captured, bytes + at + CAPTURED_AT, sizeof captured);
		if (captured > len - at - PACKET_HEADER)
			break;
		at += PACKET_HEADER + captured;
		n++;
	}
	return n;
}

static char *samples_path(const struct ctl *c, long long seconds)
{
	const struct {
		const char *name, *value;
	} args[] = {{"n", c->count}, {"reason", c->reason}, {"from", c->from}};
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);

	if (!f)
		abort();
	fprintf(f, "/v1/guard/samples?seconds=%lld", seconds);
	for (unsigned i = 0; i < sizeof args / sizeof args[0]; i++) {
		char *value = args[i].value ? ctl_escape(args[i].value) : NULL;
		if (value)
			fprintf(f, "&%s=%s", args[i].name, value);
		free(value);
	}
	fclose(f);
	return out;
}

int ctl_guard_samples(const struct ctl *c)
{
	enum { DEFAULT_S = 10 };
	long long seconds = c->duration ? seconds_of(c->duration) : DEFAULT_S;
	char *bytes;
	size_t len;

	if (seconds < 0)
		return CTL_USAGE;
	if (strcmp(c->args[0], "-") == 0 && isatty(STDOUT_FILENO)) {
		fputs("sluicectl: a terminal shows no packets; name a file, or pipe it: sluicectl guard samples - | tcpdump -nr -\n", stderr);
		return CTL_USAGE;
	}
	char *path = samples_path(c, seconds);
	long status = ctl_fetch_bytes(c, "GET", path, NULL, &bytes, &len);
	free(path);
	if (status < 0)
		return (int)-status;
	if (status != 200 || !bytes) {
		json_t *answer = bytes ? json_loads(bytes, 0, NULL) : NULL;
		if (c->json && answer)
			ctl_print_json(answer);
		free(bytes);
		return ctl_complain(status, answer);
	}
	unsigned n = count_packets(bytes, len);
	bool ok = write_samples(c->args[0], bytes, len);
	free(bytes);
	if (ok && c->json)
		printf("{\"packets\": %u, \"bytes\": %zu}\n", n, len);
	else if (ok && strcmp(c->args[0], "-") != 0)
		printf("%s: %u packets\n", c->args[0], n);
	return ok ? CTL_OK : CTL_FAILED;
}
