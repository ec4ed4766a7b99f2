/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Media sessions. They are named by ?id=, which takes call-ids that a path cannot carry. */

static bool is_there(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);

	return v && !json_is_null(v);
}

static double real_of(const json_t *o, const char *name)
{
	return json_number_value(json_object_get(o, name));
}

/* ---- list ---- */

static void print_list(const json_t *answer)
{
	static const char *const heads[] = {
	        "CALL-ID", "MEDIA", ">PARTIES", ">LEGS", ">PACKETS", ">LOSS %", ">MOS", ">AGE", "STATE"};
	struct ctl_table t;
	char buf[CTL_CELL_MAX];
	json_t *s, *kind;
	size_t i, k, shown = json_array_size(json_object_get(answer, "sessions"));

	ctl_table_begin(&t, sizeof heads / sizeof heads[0], heads);
	json_array_foreach(json_object_get(answer, "sessions"), i, s)
	{
		size_t used = 0;
		buf[0] = '\0';
		json_array_foreach(json_object_get(s, "media"), k, kind)
		{
			if (used < sizeof buf)
				used += (size_t)snprintf(buf + used, sizeof buf - used, "%s%s", k ? "," : "", json_string_value(kind));
		}
		ctl_cell(&t, 0, "%s", ctl_text(s, "id"));
		ctl_cell(&t, 1, "%s", buf);
		ctl_cell(&t, 2, "%lld", ctl_int(s, "parties"));
		ctl_cell(&t, 3, "%lld", ctl_int(s, "legs"));
		ctl_cell(&t, 4, "%lld", ctl_int(s, "packets"));
		ctl_cell(&t, 5, "%.2f", real_of(s, "loss_percent"));
		if (is_there(s, "mos"))
			ctl_cell(&t, 6, "%.2f", real_of(s, "mos"));
		ctl_cell(&t, 7, "%s", ctl_duration(ctl_int(s, "age_s"), buf));
		ctl_cell(&t, 8, "%s%s", ctl_text(s, "state"), json_is_true(json_object_get(s, "recording")) ? ", recording" : "");
	}
	ctl_table_print(&t);
	if ((long long)shown < ctl_int(answer, "total"))
		printf("%zu of %lld; more with --limit and --offset\n", shown, ctl_int(answer, "total"));
}

int ctl_sessions_list(const struct ctl *c)
{
	char path[4096];
	char *limit = ctl_escape(c->limit ? c->limit : "100"), *offset = ctl_escape(c->offset ? c->offset : "0");
	json_t *answer;

	snprintf(path, sizeof path, "/v1/sessions?limit=%s&offset=%s", limit, offset);
	free(limit);
	free(offset);
	int rc = ctl_get(c, path, &answer);
	if (rc == CTL_OK && answer)
		print_list(answer);
	json_decref(answer);
	return rc;
}

/* ---- show ---- */

static const char *or_none(const json_t *o, const char *name)
{
	return is_there(o, name) ? ctl_text(o, name) : "none";
}

static void print_traffic(const char *what, const json_t *o)
{
	char bytes[CTL_CELL_MAX];

	printf("    %-9s%lld packets, %s, ssrc %08llx", what, ctl_int(o, "packets"), ctl_bytes((double)ctl_int(o, "bytes"), bytes),
	        (unsigned long long)ctl_int(o, "ssrc"));
}

static void print_leg(const json_t *leg)
{
	static const char *const bad[] = {"dropped", "strangers", "auth_failures", "replays"};
	const json_t *received = json_object_get(leg, "received"), *sent = json_object_get(leg, "sent");
	const json_t *reported = json_object_get(sent, "reported"), *mos = json_object_get(leg, "mos");

	printf("    local    %s (%s), RTCP %s\n", or_none(leg, "local"), ctl_text(leg, "interface"),
	        json_is_true(json_object_get(leg, "rtcp_mux")) ? "muxed" : or_none(leg, "local_rtcp"));
	printf("    remote   %s%s%s\n", or_none(leg, "remote"), is_there(leg, "learned") ? ", learned " : "",
	        ctl_text(leg, "learned"));
	printf("    crypto   in %s, out %s\n", or_none(leg, "crypto_in"), or_none(leg, "crypto_out"));
	print_traffic("received", received);
	printf(", lost %lld, jitter %.2f ms\n", ctl_int(received, "lost"), real_of(received, "jitter_ms"));
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		if (ctl_int(received, bad[i]))
			printf("             %s %lld\n", bad[i], ctl_int(received, bad[i]));
	}
	print_traffic("sent", sent);
	printf(", the other end lost %lld, jitter %.2f ms\n", ctl_int(reported, "lost"), real_of(reported, "jitter_ms"));
	if (json_is_object(mos))
		printf("    quality  MOS %.2f, %.2f..%.2f", real_of(mos, "average"), real_of(mos, "lowest"), real_of(mos, "highest"));
	else
		printf("    quality  MOS not known yet");
	if (is_there(leg, "rtt_ms"))
		printf(", round trip %.1f ms", real_of(leg, "rtt_ms"));
	printf("%s%s\n", json_is_true(json_object_get(leg, "playing")) ? ", playing a clip" : "",
	        json_is_true(json_object_get(leg, "tapped")) ? ", tapped" : "");
}

static void print_party(const json_t *party)
{
	json_t *state, *section;
	char age[CTL_CELL_MAX];
	size_t i;

	printf("\nparty %s%s%s", ctl_text(party, "tag"), is_there(party, "label") ? ", label " : "", ctl_text(party, "label"));
	json_array_foreach(json_object_get(party, "state"), i, state)
		printf(", %s", json_string_value(state));
	printf(", %s", ctl_duration(ctl_int(party, "age_s"), age));
	if (is_there(party, "talks_to"))
		printf(", talks to %s", ctl_text(party, "talks_to"));
	putchar('\n');
	json_array_foreach(json_object_get(party, "media"), i, section)
	{
		printf("  %s %s %s %s%s\n", ctl_text(section, "type"), or_none(section, "codec"), ctl_text(section, "protocol"),
		        ctl_text(section, "direction"), json_is_true(json_object_get(section, "rejected")) ? ", rejected" : "");
		if (is_there(section, "bundled_with"))
			printf("    bundled with section %lld\n", ctl_int(section, "bundled_with"));
		if (is_there(section, "leg"))
			print_leg(json_object_get(section, "leg"));
	}
}

/* "/v1/sessions/ACTION?id=ID"; action NULL = the session itself. free(). */
static char *path_of(const struct ctl *c, const char *action)
{
	char *id = ctl_escape(c->args[0]), *path = NULL;

	if (asprintf(&path, "/v1/sessions%s%s?id=%s", action ? "/" : "", action ? action : "", id) < 0)
		abort();
	free(id);
	return path;
}

int ctl_sessions_show(const struct ctl *c)
{
	char *path = path_of(c, NULL), age[CTL_CELL_MAX];
	json_t *s, *party;
	size_t i;
	int rc = ctl_get(c, path, &s);

	free(path);
	if (rc != CTL_OK || !s)
		return rc;
	printf("%s: %s, %s%s%s%s\n", ctl_text(s, "id"), ctl_text(s, "state"), ctl_duration(ctl_int(s, "age_s"), age),
	        json_is_true(json_object_get(s, "recording")) ? ", recording" : "", is_there(s, "ended") ? ", ended: " : "",
	        ctl_text(s, "ended"));
	json_array_foreach(json_object_get(s, "parties"), i, party)
		print_party(party);
	json_decref(s);
	return CTL_OK;
}

/* ---- what is done to one ---- */

/* body is taken; it is POST's. */
static int act(const struct ctl *c, const char *method, const char *action, json_t *body)
{
	char *path, *text = NULL;
	json_t *answer = NULL;

	if (strcmp(method, "POST") == 0) {
		if (body && c->party)
			json_object_set_new(body, "party", json_string(c->party));
		text = body ? json_dumps(body, JSON_COMPACT) : NULL;
		json_decref(body);
		if (!text) {
			fputs("sluicectl: arguments must be UTF-8\n", stderr);
			return CTL_USAGE;
		}
	}
	path = path_of(c, action);
	int rc = ctl_ask(c, method, path, text, NULL, &answer);
	free(path);
	free(text);
	if (rc != CTL_OK)
		return rc;
	if (!c->json)
		printf("%s: %s\n", c->args[0], ctl_text(answer, "status"));
	json_decref(answer);
	return CTL_OK;
}

/* "on" or "off", the command's second argument. */
static bool on_off(const struct ctl *c, bool *on)
{
	*on = strcmp(c->args[1], "on") == 0;
	if (*on || strcmp(c->args[1], "off") == 0)
		return true;
	fprintf(stderr, "sluicectl: '%s' is neither on nor off\n", c->args[1]);
	return false;
}

int ctl_sessions_delete(const struct ctl *c)
{
	return act(c, "DELETE", NULL, NULL);
}

int ctl_sessions_record(const struct ctl *c)
{
	bool on;

	if (!on_off(c, &on))
		return CTL_USAGE;
	json_t *body = json_pack("{s:b}", "on", on);
	if (c->format)
		json_object_set_new(body, "format", json_string(c->format));
	return act(c, "POST", "record", body);
}

int ctl_sessions_play(const struct ctl *c)
{
	json_t *body = json_pack("{s:s}", "clip", c->args[1]);
	char *end;

	if (c->times) {
		long times = strtol(c->times, &end, 10);
		if (end == c->times || *end) {
			fprintf(stderr, "sluicectl: --times %s: not a number\n", c->times);
			json_decref(body);
			return CTL_USAGE;
		}
		json_object_set_new(body, "times", json_integer(times));
	}
	return act(c, "POST", "play", body);
}

int ctl_sessions_stop(const struct ctl *c)
{
	return act(c, "POST", "stop", json_object());
}

int ctl_sessions_dtmf(const struct ctl *c)
{
	return act(c, "POST", "dtmf", json_pack("{s:s}", "digits", c->args[1]));
}

int ctl_sessions_block(const struct ctl *c)
{
	bool on;

	if (!on_off(c, &on))
		return CTL_USAGE;
	return act(c, "POST", "block", json_pack("{s:b}", "on", on));
}
