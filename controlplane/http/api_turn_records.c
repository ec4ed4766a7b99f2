/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* TURN: records of allocations and what they add up to; the tables that users are read from. */

#include "controlplane/http/api_list.h"
#include "controlplane/turn/accounting.h"
#include "controlplane/turn/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RECORDS_LIMIT = 100 };

/* ---- records ---- */

/* Milliseconds since 1970, or a date with or without a time, in UTC. */
static bool time_arg(struct sl_http_request *r, const char *name, int64_t *out)
{
	static const char *const forms[] = {"%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"};
	const char *text = sl_http_arg(r, name);
	size_t value = 0;

	for (unsigned i = 0; text && i < sizeof forms / sizeof forms[0]; i++) {
		struct tm tm = {0};
		const char *end = strptime(text, forms[i], &tm);
		if (end && !*end && strlen(text) >= 10) {
			*out = (int64_t)timegm(&tm) * 1000;
			return true;
		}
	}
	if (text && strchr(text, '-')) {
		sl_api_error(r, 400, name, "'%s' is neither YYYY-MM-DD, YYYY-MM-DDTHH:MM:SSZ nor milliseconds since 1970", text);
		return false;
	}
	if (!sl_api_number(r, name, 0, (size_t)1 << 47, &value))
		return false;
	*out = (int64_t)value;
	return true;
}

static bool read_query(struct sl_http_request *r, struct sl_accounting_query *q)
{
	const char *state = sl_http_arg(r, "state");
	size_t limit = RECORDS_LIMIT;

	if (!sl_api_format(r, &q->csv))
		return false;
	if (state && strcmp(state, "open") != 0 && strcmp(state, "any") != 0) {
		sl_api_error(r, 400, "state", "'%s' is neither open nor any", state);
		return false;
	}
	q->open = state && strcmp(state, "open") == 0;
	if (!sl_api_copy_arg(r, "user", q->user, sizeof q->user) || !sl_api_copy_arg(r, "realm", q->realm, sizeof q->realm) ||
	        !sl_api_copy_arg(r, "cursor", q->cursor, sizeof q->cursor) || !time_arg(r, "from", &q->from_unix_ms) || !time_arg(r, "to", &q->to_unix_ms) ||
	        !sl_api_number(r, "limit", 1, SL_ACCOUNTING_LIST_MAX, &limit))
		return false;
	q->limit = (unsigned)limit;
	return true;
}

static void look(struct sl_brain *b, struct sl_http_request *r,
        int (*how)(struct sl_accounting *a, const struct sl_accounting_query *q, sl_accounting_listed_done done, void *ctx))
{
	struct sl_accounting_query q = {0};

	if (!read_query(r, &q))
		return;
	int error = how(b->accounting, &q, sl_api_listed, r);
	if (error == -EINVAL)
		sl_api_error(r, 400, "cursor", "what an earlier page gave as 'next' is wanted: %s and 32 hexadecimal digits", SL_ID_TURN_RECORD);
	else if (error)
		sl_api_error(r, 503, NULL, "the store is busy; try again");
}

void sl_api_turn_records(struct sl_brain *b, struct sl_http_request *r)
{
	look(b, r, sl_accounting_list);
}

void sl_api_turn_usage(struct sl_brain *b, struct sl_http_request *r)
{
	look(b, r, sl_accounting_usage);
}

/* ---- accounting itself ---- */

void sl_api_turn_accounting(struct sl_brain *b, struct sl_http_request *r)
{
	struct sl_accounting_status s;
	struct sl_accounting_counts c;
	json_t *o;

	sl_accounting_status(b->accounting, &s);
	sl_accounting_counts(b->accounting, &c);
	o = json_pack("{s:b, s:I, s:I, s:I}", "database", s.database, "open", (json_int_t)s.open, "waiting", (json_int_t)s.queued, "lost",
	        (json_int_t)c.store_lost);
	if (s.webhook)
		json_object_set_new(o, "webhook", json_pack("{s:I, s:I, s:I, s:o}", "waiting", (json_int_t)s.spooled, "sent", (json_int_t)c.webhook_sent,
		        "lost", (json_int_t)c.webhook_lost, "trouble", s.webhook_trouble[0] ? sl_api_text(s.webhook_trouble, strlen(s.webhook_trouble)) : json_null()));
	if (s.redis)
		json_object_set_new(o, "redis", json_pack("{s:I, s:I, s:I, s:o}", "waiting", (json_int_t)s.redis_waiting, "sent", (json_int_t)c.redis_sent,
		        "lost", (json_int_t)c.redis_lost, "trouble", s.redis_trouble[0] ? sl_api_text(s.redis_trouble, strlen(s.redis_trouble)) : json_null()));
	sl_api_json(r, 200, o);
}

/* ---- user tables ---- */

static const char *kind_name(enum sl_conf_user_source_kind kind)
{
	return kind == SL_USERS_SQLITE ? "sqlite" : kind == SL_USERS_POSTGRESQL ? "postgresql" : "redis";
}

static json_t *text_or_null(const char *s)
{
	return s[0] ? sl_api_text(s, strlen(s)) : json_null();
}

static json_t *sources_json(const struct sl_brain *b)
{
	json_t *all = json_array();

	for (unsigned i = 0; i < sl_sources_n(b->sources); i++) {
		const struct sl_source_status *s = sl_sources_status(b->sources, i);
		json_array_append_new(all,
		        json_pack("{s:s, s:o, s:s, s:o, s:i, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "kind", kind_name(s->kind), "name",
		                sl_api_text(s->name, strlen(s->name)), "state", s->failing ? "failing" : "ok", "read_unix_ms",
		                s->read_unix_ms ? json_integer(s->read_unix_ms) : json_null(), "took_ms", (int)s->took_ms, "users", (json_int_t)s->users,
		                "realms", (json_int_t)s->realms, "bad_rows", (json_int_t)s->bad_rows, "readings", (json_int_t)s->readings, "failures",
		                (json_int_t)s->failures, "trouble", text_or_null(s->trouble), "bad_row", text_or_null(s->bad_row)));
	}
	return json_pack("{s:o}", "sources", all);
}

struct refresh {
	struct sl_brain *b;
	struct sl_http_request *r;
};

static void refreshed(void *ctx, int error, const char *text)
{
	struct refresh x = *(struct refresh *)ctx;

	free(ctx);
	if (error)
		sl_api_error(x.r, 503, NULL, "a user table cannot be read, what was read of it stays in force: %s", text);
	else
		sl_api_json(x.r, 200, sources_json(x.b));
}

static void refresh(struct sl_brain *b, struct sl_http_request *r)
{
	struct refresh *x = malloc(sizeof *x);

	if (!x) {
		sl_api_error(r, 500, NULL, "no memory");
		return;
	}
	*x = (struct refresh){b, r};
	sl_sources_refresh(b->sources, refreshed, x);
}

void sl_api_turn_sources(struct sl_brain *b, struct sl_http_request *r, const char *rest)
{
	if (rest && strcmp(rest, "refresh") != 0)
		sl_api_error(r, 404, NULL, "nothing here: %s", r->path);
	else if (rest && r->method == SL_HTTP_POST)
		refresh(b, r);
	else if (rest || r->method != SL_HTTP_GET)
		sl_api_error(r, 405, NULL, rest ? "%s takes POST only" : "%s takes GET only", r->path);
	else
		sl_api_json(r, 200, sources_json(b));
}
