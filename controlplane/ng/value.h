/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The value tree of a message, whichever encoding it came in, and the arena it lives in. Values point into
 * the text they were read from: text and arena live as long as the request. One thread at a time. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controlplane/media/sdp.h" /* struct sl_slice */

enum {
	SL_NG_MAX_DEPTH = 16,
	SL_NG_MAX_VALUES = 8192, /* of a request; a reply is bounded by its arena */
	SL_NG_UDP_MAX = 64 * 1024,
	SL_NG_UDP_ANSWER_MAX = 65507, /* IPv4: 65,535 without its headers */
	SL_NG_TCP_MAX = 1024 * 1024,
	SL_NG_COOKIE_MAX = 255,
	SL_NG_SHOWN_MAX = 80, /* bytes of what was sent that an error or a log line repeats */
	SL_NG_ARENA_FIRST = 8 * 1024,
	SL_NG_ARENA_MAX = 8 * 1024 * 1024,
};

struct sl_ng_arena {
	struct sl_ng_chunk *chunks; /* newest first */
	size_t used, size;          /* of the newest */
	size_t total;
	bool failed; /* sticky: something did not fit */
};

/* Zeroed memory, or NULL (and failed) when the arena is full or memory is short. */
void *sl_ng_alloc(struct sl_ng_arena *a, size_t bytes);
void sl_ng_arena_free(struct sl_ng_arena *a); /* wipes: SDP holds keys */

enum sl_ng_type { SL_NGV_INTEGER, SL_NGV_STRING, SL_NGV_LIST, SL_NGV_DICTIONARY };

struct sl_ng_value {
	struct sl_ng_value *next; /* in its list or dictionary */
	struct sl_slice key;      /* in a dictionary */
	enum sl_ng_type type;
	union {
		int64_t integer;
		struct sl_slice string;
		struct {
			struct sl_ng_value *first, *last;
		} items; /* of a list or dictionary */
	};
};

static inline struct sl_slice sl_ng_text(const char *text)
{
	return (struct sl_slice){text, __builtin_strlen(text)};
}

/* For "%.*s". */
static inline int sl_ng_shown(struct sl_slice s)
{
	return s.n < SL_NG_SHOWN_MAX ? (int)s.n : SL_NG_SHOWN_MAX;
}

/* ---- building ----
 * Each adds to a list (key ignored) or dictionary and returns what was added. Without memory, or with a NULL
 * into, the result is NULL and nothing breaks: look at the arena's failed once at the end. Strings are not
 * copied. */
struct sl_ng_value *sl_ng_new(struct sl_ng_arena *a, enum sl_ng_type type);
void sl_ng_append(struct sl_ng_value *into, struct sl_ng_value *what);
struct sl_ng_value *sl_ng_add(
        struct sl_ng_arena *a, struct sl_ng_value *into, const char *key, enum sl_ng_type type);
struct sl_ng_value *sl_ng_add_integer(
        struct sl_ng_arena *a, struct sl_ng_value *into, const char *key, int64_t integer);
struct sl_ng_value *sl_ng_add_slice(
        struct sl_ng_arena *a, struct sl_ng_value *into, const char *key, struct sl_slice s);
struct sl_ng_value *sl_ng_add_text(
        struct sl_ng_arena *a, struct sl_ng_value *into, const char *key, const char *text);
/* Into the arena: copied, or formatted. */
struct sl_ng_value *sl_ng_add_copy(
        struct sl_ng_arena *a, struct sl_ng_value *into, const char *key, const char *text);
struct sl_ng_value *sl_ng_add_printf(struct sl_ng_arena *a, struct sl_ng_value *into, const char *key,
        const char *fmt, ...) __attribute__((format(printf, 4, 5)));
const char *sl_ng_printf(struct sl_ng_arena *a, const char *fmt, ...)
        __attribute__((format(printf, 2, 3))); /* or "" */

/* ---- reading ---- */

/* Are they the same word? Space, hyphen and underscore are one; case matters. */
bool sl_ng_is(struct sl_slice s, const char *word);
/* Does s begin with the word and a separator behind it? Then *rest is what follows, not empty. */
bool sl_ng_has_prefix(struct sl_slice s, const char *word, struct sl_slice *rest);
/* The first of that name; NULL = none, or not a dictionary. */
const struct sl_ng_value *sl_ng_get(const struct sl_ng_value *dictionary, const char *key);
/* An integer, or a string that is one and nothing else. */
bool sl_ng_integer(const struct sl_ng_value *v, int64_t *out);
bool sl_ng_parse_integer(struct sl_slice s, int64_t *out);

/* ---- encodings ----
 * Decoding takes the whole text (white space behind it is passed over) and returns the dictionary, or NULL
 * with words in err. Values of strings lie in text or in the arena. */
struct sl_ng_value *sl_ng_bencode_decode(
        struct sl_ng_arena *a, struct sl_slice text, char *err, size_t err_len);
struct sl_ng_value *sl_ng_json_decode(struct sl_ng_arena *a, struct sl_slice text, char *err, size_t err_len);
/* Once, at the start: what jansson frees is wiped (in the whole process). */
void sl_ng_json_wipes(void);

/* Written bytes: with p NULL only counted. */
struct sl_ng_writer {
	char *p;
	size_t n, room; /* n may pass room: then the text is cut */
};
void sl_ng_write(struct sl_ng_writer *w, const void *bytes, size_t n);
void sl_ng_write_integer(
        struct sl_ng_writer *w, int64_t integer); /* printf is most of the work of a long reply */
void sl_ng_bencode_encode(struct sl_ng_writer *w, const struct sl_ng_value *v);
void sl_ng_json_encode(struct sl_ng_writer *w, const struct sl_ng_value *v);

/* ---- where a message ends ----
 * Follows a dictionary as its bytes come in, without looking at any of them twice. Zeroed = at its first
 * byte. */
struct sl_ng_frame {
	size_t at;  /* bytes looked at */
	size_t max; /* a message may have so many; 0 = SL_NG_TCP_MAX */
	unsigned depth, values;
	bool json, in_string, escaped;
	bool in_number; /* bencode: digits of a length or an integer */
	bool is_integer;
	uint64_t length; /* bencode: so far */
};
/* The message's length once it is complete; 0 = more is needed; -EMSGSIZE too long, -E2BIG too deep or too
 * many values, -EBADMSG not to be followed. text: all bytes so far. */
int64_t sl_ng_frame(struct sl_ng_frame *f, const char *text, size_t len);
