/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A record as JSON and as CSV (RFC 4180). */

#include "controlplane/report/internal.h"
#include "controlplane/report/csv.h"
#include "controlplane/report/json_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const by_names[] = {"nobody", "caller", "callee", "sluice", "operator", "timer", "network"};

static json_t *text_of(const char *s)
{
	return sl_json_text(s, strlen(s));
}

static json_t *time_of(int64_t unix_ms)
{
	return unix_ms > 0 ? json_integer(unix_ms) : json_null();
}

static json_t *score(unsigned x100)
{
	return x100 ? json_real(x100 / 100.0) : json_null();
}

static const char *by_name(unsigned by)
{
	return by < sizeof by_names / sizeof by_names[0] ? by_names[by] : "nobody";
}

static int64_t duration_ms(const struct sl_cdr *r)
{
	return r->answered_unix_ms > 0 && r->ended_unix_ms > r->answered_unix_ms ? r->ended_unix_ms - r->answered_unix_ms : 0;
}

/* ---- attempts ---- */

static json_t *attempts_json(const struct sl_cdr *r)
{
	json_t *all = json_array();

	for (unsigned i = 0; i < r->n_attempts && i < SL_CDR_ATTEMPTS_MAX; i++) {
		const struct sl_cdr_attempt *a = &r->attempts[i];
		json_array_append_new(all,
		        json_pack("{s:o, s:o, s:i, s:i}", "trunk", text_of(a->trunk), "target", text_of(a->target), "status", (int)a->status,
		                "ms", (int)a->ms));
	}
	return all;
}

/* One a line, with tabs between: neither name nor address can have one. */
void sl_cdr_attempts_text(const struct sl_cdr *r, char *out, size_t room)
{
	size_t used = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < r->n_attempts && i < SL_CDR_ATTEMPTS_MAX && used < room; i++) {
		const struct sl_cdr_attempt *a = &r->attempts[i];
		used += (size_t)snprintf(out + used, room - used, "%s\t%s\t%u\t%u\n", a->trunk, a->target, a->status, a->ms);
	}
}

void sl_cdr_attempts_read(struct sl_cdr *r, const char *text)
{
	struct sl_cdr_attempt a;
	int n = 0;

	r->n_attempts = 0;
	for (; text && *text && r->n_attempts < SL_CDR_ATTEMPTS_MAX; text += n) {
		memset(&a, 0, sizeof a);
		/* %[^\t] takes one character at least: a call to a local user has no trunk. */
		const char *tab = strchr(text, '\t');
		if (!tab || (size_t)(tab - text) >= sizeof a.trunk ||
		        sscanf(tab, "\t%47[^\t]\t%" SCNu16 "\t%" SCNu16 "\n%n", a.target, &a.status, &a.ms, &n) != 3)
			return;
		memcpy(a.trunk, text, (size_t)(tab - text));
		n += (int)(tab - text);
		r->attempts[r->n_attempts++] = a;
	}
}

/* ---- JSON ---- */

static json_t *media_json(const struct sl_cdr *r)
{
	return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:o, s:o}", "codec", text_of(r->codec), "packets_in",
	        (json_int_t)r->media.packets_in, "bytes_in", (json_int_t)r->media.bytes_in, "packets_out",
	        (json_int_t)r->media.packets_out, "bytes_out", (json_int_t)r->media.bytes_out, "lost", (json_int_t)r->media.lost,
	        "jitter_ms", r->media.jitter_us / 1000.0, "round_trip_ms", r->media.round_trip_us / 1000.0, "mos", score(r->media.mos_x100),
	        "mos_lowest", score(r->media.mos_min_x100));
}

json_t *sl_cdr_json(const struct sl_cdr *r)
{
	char id[SL_ID_TEXT], call[SL_ID_TEXT], leg[SL_ID_TEXT], begun[32];
	json_t *o = json_pack("{s:s, s:s, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "id", sl_id_text(&r->leg, SL_ID_CDR, id), "call",
	        sl_id_text(&r->call, SL_ID_CALL, call), "leg", sl_id_text(&r->leg, SL_ID_LEG, leg), "tenant", text_of(r->tenant),
	        "direction", r->direction ? "out" : "in", "from", text_of(r->from), "to", text_of(r->to), "user", text_of(r->user),
	        "trunk", text_of(r->trunk), "route", text_of(r->route));

	json_object_set_new(o, "begun", json_string(sl_csv_time(r->begun_unix_ms, begun)));
	json_object_set_new(o, "begun_unix_ms", time_of(r->begun_unix_ms));
	json_object_set_new(o, "ringing_unix_ms", time_of(r->ringing_unix_ms));
	json_object_set_new(o, "answered_unix_ms", time_of(r->answered_unix_ms));
	json_object_set_new(o, "ended_unix_ms", time_of(r->ended_unix_ms));
	json_object_set_new(o, "duration_ms", json_integer(duration_ms(r)));
	json_object_set_new(o, "status", json_integer(r->status));
	json_object_set_new(o, "q850", json_integer(r->q850));
	json_object_set_new(o, "cause", text_of(r->cause));
	json_object_set_new(o, "ended_by", json_string(by_name(r->ended_by)));
	json_object_set_new(o, "remote", text_of(r->remote));
	json_object_set_new(o, "user_agent", text_of(r->user_agent));
	json_object_set_new(o, "sip_call_id", text_of(r->sip_call_id));
	json_object_set_new(o, "media", media_json(r));
	json_object_set_new(o, "attempts", attempts_json(r));
	json_object_set_new(o, "restored", json_boolean(r->restored));
	json_object_set_new(o, "unfinished", json_boolean(r->unfinished));
	return o;
}

/* ---- CSV ---- */

static void csv_attempts(FILE *f, const struct sl_cdr *r)
{
	char text[SL_CDR_ATTEMPTS_MAX * 100], *p = text, *end = text + sizeof text;

	text[0] = '\0';
	for (unsigned i = 0; i < r->n_attempts && i < SL_CDR_ATTEMPTS_MAX; i++)
		p += snprintf(p, (size_t)(end - p), "%s%s %s %u %ums", i ? "; " : "", r->attempts[i].trunk, r->attempts[i].target,
		        r->attempts[i].status, r->attempts[i].ms);
	sl_csv_text(f, text);
}

void sl_cdr_csv_head(FILE *f)
{
	fputs("id,call,tenant,direction,from,to,user,trunk,route,begun,ringing,answered,ended,duration_ms,status,q850,cause,ended_by,"
	      "remote,user_agent,sip_call_id,codec,packets_in,bytes_in,packets_out,bytes_out,lost,jitter_ms,round_trip_ms,mos,mos_lowest,"
	      "attempts,restored,unfinished\r\n",
	        f);
}

static void csv_score(FILE *f, unsigned x100)
{
	if (x100)
		fprintf(f, ",%u.%02u", x100 / 100, x100 % 100);
	else
		putc(',', f);
}

void sl_cdr_csv(FILE *f, const struct sl_cdr *r)
{
	const char *names[] = {r->from, r->to, r->user, r->trunk, r->route};
	const int64_t times[] = {r->begun_unix_ms, r->ringing_unix_ms, r->answered_unix_ms, r->ended_unix_ms};
	const char *ends[] = {r->cause, by_name(r->ended_by), r->remote, r->user_agent, r->sip_call_id, r->codec};
	char id[SL_ID_TEXT], call[SL_ID_TEXT], when[32];

	fprintf(f, "%s,%s,", sl_id_text(&r->leg, SL_ID_CDR, id), sl_id_text(&r->call, SL_ID_CALL, call));
	sl_csv_text(f, r->tenant);
	fputs(r->direction ? ",out" : ",in", f);
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
		putc(',', f);
		sl_csv_text(f, names[i]);
	}
	for (unsigned i = 0; i < sizeof times / sizeof times[0]; i++)
		fprintf(f, ",%s", sl_csv_time(times[i], when));
	fprintf(f, ",%" PRId64 ",%u,%u", duration_ms(r), r->status, r->q850);
	for (unsigned i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		putc(',', f);
		sl_csv_text(f, ends[i]);
	}
	fprintf(f, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%u,%.3f,%.3f", r->media.packets_in, r->media.bytes_in,
	        r->media.packets_out, r->media.bytes_out, r->media.lost, r->media.jitter_us / 1000.0, r->media.round_trip_us / 1000.0);
	csv_score(f, r->media.mos_x100);
	csv_score(f, r->media.mos_min_x100);
	putc(',', f);
	csv_attempts(f, r);
	fprintf(f, ",%u,%u\r\n", r->restored, r->unfinished);
}

/* ---- numbers ---- */

bool sl_cdr_has_number(const char *uri, const char *number)
{
	const char *p = uri ? strchr(uri, '<') : NULL;

	if (!uri)
		return false;
	p = p ? p + 1 : uri;
	for (const char *scheme = "sip:\0sips:\0tel:\0"; *scheme; scheme += strlen(scheme) + 1) {
		if (strncasecmp(p, scheme, strlen(scheme)) == 0) {
			p += strlen(scheme);
			break;
		}
	}
	p += *p == '+';
	number += *number == '+';
	size_t n = strcspn(p, "@;>");
	return n == strlen(number) && strncmp(p, number, n) == 0;
}
