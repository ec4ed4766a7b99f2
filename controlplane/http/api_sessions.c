/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/http/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* /v1/sessions: media sessions, listed and shown, ended, recorded, played to. A session is named by its call-id in the
 * path or by ?id=, which takes what a path cannot carry: "..", "a//b", "a/record". */

enum { DEFAULT_LIMIT = 100, DELAY_MAX_S = 3600 };

/* Every request under way that waits for the engine. */
struct look {
	struct sl_brain *b;
	struct sl_http_request *r;
};

static struct sl_slice slice(const char *text)
{
	return (struct sl_slice){text, text ? strlen(text) : 0};
}

/* What the engine says, by HTTP. */
static void refuse(struct sl_http_request *r, const struct sl_media_error *e)
{
	static const int status[] = {
	        [SL_MEDIA_ERR_NOT_FOUND] = 404,
	        [SL_MEDIA_ERR_SYNTAX] = 400,
	        [SL_MEDIA_ERR_STATE] = 409,
	        [SL_MEDIA_ERR_SESSIONS] = 503,
	        [SL_MEDIA_ERR_PORTS] = 503,
	        [SL_MEDIA_ERR_LOAD] = 503,
	        [SL_MEDIA_ERR_AWAY] = 503,
	        [SL_MEDIA_ERR_NO_MEMORY] = 500,
	        [SL_MEDIA_ERR_UNSUPPORTED] = 501,
	};

	sl_api_error(r, status[e->code], NULL, "%s", e->text);
}

/* ---- listing ---- */

static void list(struct sl_brain *b, struct sl_http_request *r)
{
	const struct sl_media_session *s;
	size_t limit, offset, at = 0;
	uint32_t cursor = 0;

	if (!sl_api_page(r, DEFAULT_LIMIT, &limit, &offset))
		return;
	json_t *all = json_array();
	while (json_array_size(all) < limit && (s = sl_media_next(b->media, &cursor))) {
		if (at++ >= offset)
			json_array_append_new(all, sl_api_session_brief(s));
	}
	sl_api_json(r, 200,
	        json_pack("{s:I, s:I, s:I, s:o}", "total", (json_int_t)sl_media_n_sessions(b->media), "limit", (json_int_t)limit,
	                "offset", (json_int_t)offset, "sessions", all));
}

/* ---- one ---- */

static struct look *look_new(struct sl_brain *b, struct sl_http_request *r)
{
	struct look *l = malloc(sizeof *l);

	if (l)
		*l = (struct look){b, r};
	else
		sl_api_error(r, 500, NULL, "no memory");
	return l;
}

static void counted(void *ctx, const struct sl_media_session *s, const struct sl_media_error *e)
{
	struct look *l = ctx;

	/* Counts that did not come in time are shown as they were last told. */
	if (s)
		sl_api_json(l->r, 200, sl_api_session_whole(&l->b->config->media, s));
	else
		refuse(l->r, e);
	free(l);
}

static void show(struct sl_brain *b, struct sl_http_request *r, const char *id)
{
	struct look *l = look_new(b, r);

	if (l)
		sl_media_refresh(b->media, slice(id), counted, l);
}

static void deleted(void *ctx, const struct sl_media_session *s, const struct sl_media_error *e)
{
	struct look *l = ctx;

	if (e->code == SL_MEDIA_OK)
		sl_api_json(l->r, 200,
		        json_pack("{s:s, s:o}", "status", "deleted", "session",
		                s ? sl_api_session_whole(&l->b->config->media, s) : json_null()));
	else
		refuse(l->r, e);
	free(l);
}

/* ?delay= in seconds; an operator means now. */
static void delete (struct sl_brain *b, struct sl_http_request *r, const char *id)
{
	size_t delay_s = 0;

	if (!sl_api_number(r, "delay", 0, DELAY_MAX_S, &delay_s))
		return;
	struct look *l = look_new(b, r);
	if (l)
		sl_media_delete(b->media, slice(id), (struct sl_slice){0}, (struct sl_slice){0}, (int)delay_s, deleted, l);
}

/* ---- what is done to one ---- */

/* A request's body, member by member. The first that is wrong is remembered, and answered when all are read. */
struct body {
	struct sl_http_request *r;
	json_t *o;
	bool failed;
	const char *member;
	char why[100];
};

static void wrong(struct body *b, const char *member, const char *why)
{
	if (b->failed)
		return;
	b->failed = true;
	b->member = member;
	snprintf(b->why, sizeof b->why, "%s", why);
}

static const char *text_member(struct body *b, const char *name, bool required)
{
	json_t *v = json_object_get(b->o, name);

	if (!v && !required)
		return "";
	if (json_is_string(v) && strlen(json_string_value(v)) == json_string_length(v) && json_string_length(v) > 0)
		return json_string_value(v);
	wrong(b, name, v ? "is not a text" : "is missing");
	return "";
}

static unsigned number_member(struct body *b, const char *name, unsigned min, unsigned max, unsigned fallback)
{
	json_t *v = json_object_get(b->o, name);
	char text[80];

	if (!v)
		return fallback;
	if (json_is_integer(v) && json_integer_value(v) >= min && json_integer_value(v) <= max)
		return (unsigned)json_integer_value(v);
	snprintf(text, sizeof text, "is not a number from %u to %u", min, max);
	wrong(b, name, text);
	return fallback;
}

static bool bool_member(struct body *b, const char *name, bool fallback)
{
	json_t *v = json_object_get(b->o, name);

	if (v && !json_is_boolean(v))
		wrong(b, name, "is not true or false");
	return v ? json_is_true(v) : fallback;
}

/* Whom it is about: party (a tag), label or address; everybody when none is given. */
static struct sl_media_who who_of(struct body *b, const char *id)
{
	struct sl_media_who who = {.call_id = slice(id),
	        .tag = slice(text_member(b, "party", false)),
	        .label = slice(text_member(b, "label", false))};
	const char *address = text_member(b, "address", false);

	if (address[0] && sl_ip_parse(address, &who.address) < 0)
		wrong(b, "address", "is not an address");
	return who;
}

/* status: what to say when it is done. */
static void conclude(struct body *body, enum sl_media_result result, const struct sl_media_error *e, const char *status)
{
	if (result == SL_MEDIA_OK)
		sl_api_json(body->r, 200, json_pack("{s:s}", "status", status));
	else
		refuse(body->r, e);
}

static void record(struct sl_brain *b, struct body *body, const char *id)
{
	bool on = bool_member(body, "on", true);
	const char *format = text_member(body, "format", false), *name = text_member(body, "name", false);
	struct sl_media_error e;

	if (format[0] && strcmp(format, "pcap") != 0 && strcmp(format, "wav") != 0)
		wrong(body, "format", "is neither \"pcap\" nor \"wav\"");
	if (!body->failed)
		conclude(body, sl_media_record(b->media, slice(id), on, format[0] ? format : NULL, name[0] ? name : NULL, &e), &e,
		        on ? "recording" : "not recording");
}

static void play(struct sl_brain *b, struct body *body, const char *id)
{
	struct sl_media_who who = who_of(body, id);
	const char *file = text_member(body, "file", false), *clip = text_member(body, "clip", file[0] == '\0');
	unsigned times = number_member(body, "times", 0, UINT16_MAX, 1);
	unsigned start_ms = number_member(body, "start_ms", 0, INT32_MAX, 0), duration_ms = 0;
	struct sl_media_error e;

	if (clip[0] && file[0])
		wrong(body, "file", "stands beside clip; only one of the two is allowed");
	if (body->failed)
		return;
	if (sl_media_play(b->media, &who, slice(clip), slice(file), times, start_ms, &duration_ms, &e) == SL_MEDIA_OK)
		sl_api_json(body->r, 200, json_pack("{s:s, s:I}", "status", "playing", "duration_ms", (json_int_t)duration_ms));
	else
		refuse(body->r, &e);
}

static void stop(struct sl_brain *b, struct body *body, const char *id)
{
	struct sl_media_who who = who_of(body, id);
	struct sl_media_error e;

	if (!body->failed)
		conclude(body, sl_media_play_stop(b->media, &who, &e), &e, "stopped");
}

/* RFC 4733 2.5: the durations that msg_media.h allows. */
static void dtmf(struct sl_brain *b, struct body *body, const char *id)
{
	enum { SHORTEST_MS = 40, LONGEST_MS = 10000, USUAL_MS = 100, VOLUME_MAX = 63, USUAL_VOLUME = 8 };
	struct sl_media_who who = who_of(body, id);
	const char *digits = text_member(body, "digits", true);
	unsigned duration_ms = number_member(body, "duration_ms", SHORTEST_MS, LONGEST_MS, USUAL_MS);
	unsigned pause_ms = number_member(body, "pause_ms", 0, LONGEST_MS, USUAL_MS);
	unsigned volume = number_member(body, "volume", 0, VOLUME_MAX, USUAL_VOLUME);
	struct sl_media_error e;

	if (digits[strspn(digits, "0123456789*#ABCDabcd")])
		wrong(body, "digits", "has something that is no DTMF digit: 0-9, *, #, A-D");
	if (!body->failed)
		conclude(body, sl_media_dtmf(b->media, &who, digits, duration_ms, pause_ms, volume, &e), &e, "sent");
}

static void block(struct sl_brain *b, struct body *body, const char *id)
{
	static const struct {
		const char *what;
		uint32_t flag;
	} kinds[] = {{"media", SL_LEG_BLOCK_MEDIA}, {"silence", SL_LEG_SILENCE_MEDIA}, {"dtmf", SL_LEG_BLOCK_DTMF}};
	struct sl_media_who who = who_of(body, id);
	const char *what = text_member(body, "what", false);
	bool on = bool_member(body, "on", true);
	uint32_t flag = what[0] ? 0 : SL_LEG_BLOCK_MEDIA;
	struct sl_media_error e;

	for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (strcmp(what, kinds[i].what) == 0)
			flag = kinds[i].flag;
	}
	if (flag == 0)
		wrong(body, "what", "is none of \"media\", \"silence\", \"dtmf\"");
	if (!body->failed)
		conclude(body, sl_media_block(b->media, &who, flag, on, &e), &e, on ? "blocked" : "not blocked");
}

struct action {
	const char *name, *members[7]; /* that its body may have */
	void (*run)(struct sl_brain *b, struct body *body, const char *id);
};

#define WHO "party", "label", "address"
static const struct action actions[] = {
        {"record", {"on", "format", "name"}, record},
        {"play", {"clip", "file", "times", "start_ms", WHO}, play},
        {"stop", {WHO}, stop},
        {"dtmf", {"digits", "duration_ms", "pause_ms", "volume", WHO}, dtmf},
        {"block", {"what", "on", WHO}, block},
};
enum { N_ACTIONS = sizeof actions / sizeof actions[0] };

static bool known_members(struct sl_http_request *r, const struct action *a, json_t *body)
{
	const char *key;
	json_t *value;

	json_object_foreach(body, key, value)
	{
		unsigned i = 0;
		while (i < sizeof a->members / sizeof a->members[0] && a->members[i] && strcmp(a->members[i], key) != 0)
			i++;
		if (i == sizeof a->members / sizeof a->members[0] || !a->members[i]) {
			sl_api_error(r, 400, key, "unknown member of %s", a->name);
			return false;
		}
	}
	return true;
}

static void act(struct sl_brain *b, struct sl_http_request *r, const char *id, const char *name)
{
	json_error_t error;
	unsigned i = 0;

	while (i < N_ACTIONS && strcmp(actions[i].name, name) != 0)
		i++;
	if (i == N_ACTIONS) {
		sl_api_error(r, 404, NULL, "'%s' is none of record, play, stop, dtmf, block", name);
		return;
	}
	/* Without a body everything is as by default. */
	json_t *o = r->body_len ? json_loadb(r->body, r->body_len, JSON_REJECT_DUPLICATES, &error) : json_object();
	struct body body = {.r = r, .o = o};
	if (!json_is_object(o))
		sl_api_error(r, 400, NULL, "the body must be a JSON object%s%s", o ? "" : ": ", o ? "" : error.text);
	else if (known_members(r, &actions[i], o))
		actions[i].run(b, &body, id);
	if (body.failed)
		sl_api_error(r, 400, body.member, "'%s' %s", body.member, body.why);
	json_decref(o);
}

/* ---- routes ---- */

/* rest: the path after /v1/sessions/, to be cut in two; an action follows the last slash. */
static void post(struct sl_brain *b, struct sl_http_request *r, const char *id, const char *rest)
{
	char copy[SL_HTTP_PATH_MAX];

	if (id) {
		act(b, r, id, rest);
		return;
	}
	snprintf(copy, sizeof copy, "%s", rest);
	char *slash = strrchr(copy, '/');
	if (!slash) {
		sl_api_error(r, 405, NULL, "a session takes GET and DELETE; POST goes to one of record, play, stop, dtmf, block below it");
		return;
	}
	*slash = '\0';
	act(b, r, copy, slash + 1);
}

void sl_api_sessions(struct sl_brain *b, struct sl_http_request *r, const char *rest)
{
	const char *id = sl_http_arg(r, "id");

	if (!b->media)
		sl_api_error(r, 409, NULL, "there is no media here: the configuration has no group media");
	else if (r->method == SL_HTTP_POST && rest)
		post(b, r, id, rest);
	else if (id && rest)
		sl_api_error(r, 400, "id", "the session is named twice");
	else if (r->method == SL_HTTP_GET && !id && !rest)
		list(b, r);
	else if (r->method == SL_HTTP_GET)
		show(b, r, id ? id : rest);
	else if (r->method == SL_HTTP_DELETE && (id || rest))
		delete (b, r, id ? id : rest);
	else
		sl_api_error(r, 405, NULL, "sessions take GET, one session takes GET and DELETE");
}
