/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ng/flags.h"

#include <string.h>

/* The raw string that newer Kamailios send instead of reading it themselves: words and KEY=VALUE between
 * spaces, where a value may be a list [a b c] or a dictionary [k=v l=[a b]]. */

struct cursor {
	struct sl_ng_arena *arena;
	const char *p, *end;
};

/* Bits of what bare transport words say; each may come alone: "SRTP AVPF". */
enum { SRTP = 1, AVPF = 2, DTLS = 4, TRANSPORT_BITS = 7, SAID = 8 };
static const struct {
	const char *word;
	unsigned clear, set;
} transport_words[] = {
        {"RTP", SRTP | DTLS, SAID},
        {"SRTP", 0, SAID | SRTP},
        {"AVP", AVPF, SAID},
        {"AVPF", 0, SAID | AVPF},
        {"DTLS", 0, SAID | DTLS},
        {"RTP/AVP", TRANSPORT_BITS, SAID},
        {"RTP/AVPF", TRANSPORT_BITS, SAID | AVPF},
        {"RTP/SAVP", TRANSPORT_BITS, SAID | SRTP},
        {"RTP/SAVPF", TRANSPORT_BITS, SAID | SRTP | AVPF},
        {"UDP/TLS/RTP/SAVP", TRANSPORT_BITS, SAID | DTLS},
        {"UDP/TLS/RTP/SAVPF", TRANSPORT_BITS, SAID | DTLS | AVPF},
};
static const char *const transports[TRANSPORT_BITS + 1] = {
        [0] = "RTP/AVP",
        [AVPF] = "RTP/AVPF",
        [SRTP] = "RTP/SAVP",
        [SRTP | AVPF] = "RTP/SAVPF",
        [DTLS] = "UDP/TLS/RTP/SAVP",
        [DTLS | SRTP] = "UDP/TLS/RTP/SAVP",
        [DTLS | AVPF] = "UDP/TLS/RTP/SAVPF",
        [DTLS | SRTP | AVPF] = "UDP/TLS/RTP/SAVPF",
};

static void skip_spaces(struct cursor *c)
{
	while (c->p < c->end && *c->p == ' ')
		c->p++;
}

/* Up to a space or one of stops. */
static struct sl_slice word(struct cursor *c, const char *stops)
{
	const char *begin = c->p;

	while (c->p < c->end && *c->p != ' ' && (*c->p == '\0' || !strchr(stops, *c->p)))
		c->p++;
	return (struct sl_slice){begin, (size_t)(c->p - begin)};
}

static bool take_byte(struct cursor *c, char byte)
{
	if (c->p == c->end || *c->p != byte)
		return false;
	c->p++;
	return true;
}

/* Is what follows the '[' a dictionary: does its first word have a '='? */
static bool is_dictionary(struct cursor c)
{
	skip_spaces(&c);
	return word(&c, "=[]").n > 0 && c.p < c.end && *c.p == '=';
}

static struct sl_ng_value *string_value(struct cursor *c, struct sl_slice s)
{
	struct sl_ng_value *v = sl_ng_new(c->arena, SL_NGV_STRING);

	if (v)
		v->string = s;
	return v;
}

/* After the '['. What nests too deep is read as words, so that it ends. */
static struct sl_ng_value *brackets(struct cursor *c, unsigned depth)
{
	bool dictionary = is_dictionary(*c);
	struct sl_ng_value *into = sl_ng_new(c->arena, dictionary ? SL_NGV_DICTIONARY : SL_NGV_LIST), *v;
	struct sl_slice key = {NULL, 0};

	while (into && c->p < c->end) {
		skip_spaces(c);
		if (c->p == c->end || take_byte(c, ']'))
			break;
		if (dictionary) {
			key = word(c, "=]");
			if (!take_byte(c, '='))
				continue; /* a word without value says nothing here */
		}
		if (depth < SL_NG_MAX_DEPTH && take_byte(c, '['))
			v = brackets(c, depth + 1);
		else
			v = string_value(c, word(c, "]"));
		if (v)
			v->key = key;
		sl_ng_append(into, v);
	}
	return into;
}

/* ---- the outermost level ---- */

struct top {
	struct sl_ng_value *dictionary, *flags, *direction;
	unsigned transport;
};

static void bare_word(struct cursor *c, struct top *t, struct sl_slice w)
{
	for (size_t i = 0; i < sizeof transport_words / sizeof transport_words[0]; i++) {
		if (sl_ng_is(w, transport_words[i].word)) {
			t->transport = (t->transport & ~transport_words[i].clear) | transport_words[i].set;
			return;
		}
	}
	if (sl_ng_is(w, "internal") || sl_ng_is(w, "external"))
		sl_ng_append(t->direction, string_value(c, w));
	else if (!sl_ng_is(w, "to-tag")) /* alone it tells a module to send it */
		sl_ng_append(t->flags, string_value(c, w));
}

static void key_and_value(struct cursor *c, struct top *t, struct sl_slice key)
{
	struct sl_ng_value *v = take_byte(c, '[') ? brackets(c, 1) : string_value(c, word(c, ""));

	if (!v || (v->type == SL_NGV_STRING && v->string.n == 0) || sl_ng_is(key, "via-branch"))
		return; /* the branch stands beside the string: "auto" here was for the module */
	if (sl_ng_is(key, "direction") && v->type == SL_NGV_STRING) { /* given twice: from and to */
		sl_ng_append(t->direction, v);
		return;
	}
	v->key = key;
	sl_ng_append(t->dictionary, v);
}

struct sl_ng_value *sl_ng_rtpp_dictionary(struct sl_ng_arena *a, struct sl_slice raw)
{
	struct cursor c = {a, raw.p, raw.p + raw.n};
	struct top t = {.dictionary = sl_ng_new(a, SL_NGV_DICTIONARY)};

	t.flags = sl_ng_add(a, t.dictionary, "flags", SL_NGV_LIST);
	t.direction = sl_ng_add(a, t.dictionary, "direction", SL_NGV_LIST);
	while (t.direction && !a->failed) {
		skip_spaces(&c);
		if (c.p == c.end)
			break;
		struct sl_slice w = word(&c, "=");
		if (take_byte(&c, '='))
			key_and_value(&c, &t, w);
		else
			bare_word(&c, &t, w);
	}
	if (t.transport & SAID)
		sl_ng_add_text(
		        a, t.dictionary, "transport-protocol", transports[t.transport & TRANSPORT_BITS]);
	return a->failed ? NULL : t.dictionary;
}
