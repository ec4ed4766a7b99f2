/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ng/request.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ERROR_TEXT_MAX = 240, ANSWER_GUESS = 3 * 1024 };

const char *sl_ng_command_name(enum sl_ng_command c)
{
	static const char *const names[] = {
#define X(name, text) [SL_NG_##name] = text,
	        SL_NG_COMMANDS(X)
#undef X
	                [SL_NG_UNKNOWN] = "unknown",
	};

	return c < SL_NG_N_COMMANDS ? names[c] : "unknown";
}

bool sl_ng_split(struct sl_slice message, struct sl_slice *cookie, struct sl_slice *rest)
{
	const char *space = memchr(message.p, ' ', message.n);

	if (!space || space == message.p || space - message.p > SL_NG_COOKIE_MAX)
		return false;
	*cookie = (struct sl_slice){message.p, (size_t)(space - message.p)};
	*rest = (struct sl_slice){space + 1, message.n - cookie->n - 1};
	return true;
}

struct sl_ng_request *sl_ng_request_new(struct sl_slice cookie, struct sl_slice dictionary)
{
	struct sl_ng_request *r = calloc(1, sizeof *r);
	char *text = r ? sl_ng_alloc(&r->in, cookie.n + dictionary.n) : NULL;

	if (!text) {
		free(r);
		return NULL;
	}
	memcpy(text, cookie.p, cookie.n);
	if (dictionary.n > 0)
		memcpy(text + cookie.n, dictionary.p, dictionary.n);
	r->cookie = (struct sl_slice){text, cookie.n};
	r->asked.media.sdp = (struct sl_slice){text + cookie.n, dictionary.n}; /* until it is read */
	r->command = SL_NG_UNKNOWN;
	return r;
}

void sl_ng_request_free(struct sl_ng_request *r)
{
	if (!r)
		return;
	sl_ng_arena_free(&r->in);
	sl_ng_arena_free(&r->out);
	free(r);
}

/* ---- reading ---- */

static enum sl_ng_command command_of(struct sl_slice s)
{
	for (enum sl_ng_command c = 0; c < SL_NG_UNKNOWN; c++) {
		if (sl_ng_is(s, sl_ng_command_name(c)))
			return c;
	}
	return SL_NG_UNKNOWN;
}

static struct sl_ng_value *decode(struct sl_ng_request *r, struct sl_slice text)
{
	char err[ERROR_TEXT_MAX];
	struct sl_ng_value *v = NULL;

	r->json = text.n > 0 && text.p[0] == '{';
	if (text.n == 0)
		sl_ng_reply_error(r, "Invalid data (no payload)");
	else if (r->json && !(v = sl_ng_json_decode(&r->in, text, err, sizeof err)))
		sl_ng_reply_error(r, "Failed to parse JSON document: %s", err);
	else if (!r->json && !(v = sl_ng_bencode_decode(&r->in, text, err, sizeof err)))
		sl_ng_reply_error(r, "Could not decode bencode dictionary: %s", err);
	return v;
}

static bool fits(struct sl_ng_request *r, const char *key, struct sl_slice s)
{
	if (s.n <= SL_MEDIA_ID_MAX && !memchr(s.n ? s.p : "", '\0', s.n))
		return true;
	sl_ng_reply_error(r, "Invalid %s: at most %d bytes, none of them 0", key, SL_MEDIA_ID_MAX);
	return false;
}

bool sl_ng_request_read(struct sl_ng_request *r)
{
	struct sl_slice text = r->asked.media.sdp;
	const struct sl_ng_value *dictionary, *command;

	memset(&r->asked, 0, sizeof r->asked);
	dictionary = decode(r, text);
	if (!dictionary)
		return false;
	command = sl_ng_get(dictionary, "command");
	if (!command || command->type != SL_NGV_STRING) {
		sl_ng_reply_error(r, "Dictionary contains no key \"command\"");
		return false;
	}
	r->command_text = command->string;
	r->command = command_of(command->string);
	sl_ng_read_flags(&r->asked, &r->in, dictionary);
	if (r->asked.error[0]) {
		sl_ng_reply_error(r, "%s", r->asked.error);
		return false;
	}
	return fits(r, "call-id", r->asked.media.call_id) && fits(r, "from-tag", r->asked.media.from_tag) &&
	       fits(r, "to-tag", r->asked.media.to_tag) && fits(r, "via-branch", r->asked.media.via_branch);
}

/* ---- replies ---- */

void sl_ng_reply_error(struct sl_ng_request *r, const char *fmt, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	r->reply = sl_ng_new(&r->out, SL_NGV_DICTIONARY);
	sl_ng_add_text(&r->out, r->reply, "result", "error");
	sl_ng_add_copy(&r->out, r->reply, "error-reason", text);
}

bool sl_ng_reply_is_error(const struct sl_ng_request *r)
{
	const struct sl_ng_value *result = sl_ng_get(r->reply, "result");

	return !result || sl_ng_is(result->string, "error");
}

static void write_answer(const struct sl_ng_request *r, struct sl_ng_writer *w)
{
	sl_ng_write(w, r->cookie.p, r->cookie.n);
	sl_ng_write(w, " ", 1);
	(r->json ? sl_ng_json_encode : sl_ng_bencode_encode)(w, r->reply);
}

/* False: it is too long, or does not fit into memory; bytes says how long. */
static bool try_encode(struct sl_ng_request *r, size_t max, size_t *bytes)
{
	struct sl_ng_writer w = {.n = ANSWER_GUESS};

	do { /* once, for nearly all */
		w = (struct sl_ng_writer){sl_ng_alloc(&r->out, w.n), 0, w.n};
		if (w.p)
			write_answer(r, &w);
		*bytes = w.n;
		if (!w.p || w.n > max)
			return false;
	} while (w.n > w.room);
	r->answer = (struct sl_slice){w.p, w.n};
	return true;
}

void sl_ng_request_encode(struct sl_ng_request *r, size_t max)
{
	bool whole = r->reply && !r->out.failed;
	size_t bytes = 0;

	if (whole && try_encode(r, max, &bytes))
		return;
	sl_ng_arena_free(&r->out);
	if (whole && bytes > max)
		sl_ng_reply_error(r,
		        "The reply of %zu bytes is too long for this transport: ask for less, or use TCP",
		        bytes);
	else
		sl_ng_reply_error(r, "The reply is beyond the memory that a request may have");
	if (r->reply && !r->out.failed) /* else the proxy asks again */
		try_encode(r, max, &bytes);
}
