/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/report/ladder.h"

#include "controlplane/report/ladder_text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
	TIME_WIDTH = 10,    /* "  +12.345 " */
	COLUMNS_MAX = 8,    /* parties; more share the last column */
	STEP_MIN = 18, STEP_MAX = 36,
	TEXT_MAX = 2048,
};

/* A party is a leg: two legs to the same address are two columns. Without a leg it is an address. */
struct column {
	char key[80], address[80], what[80];
};

struct ladder {
	FILE *out;
	const json_t *call;
	unsigned width, n_columns, step;
	struct column columns[COLUMNS_MAX];
	int64_t begin_us;
	char line[SL_LADDER_WIDTH_MAX + 1];
};

static const char *text(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

static bool is_message(const json_t *e)
{
	return strncmp(text(e, "kind"), "sip_", 4) == 0;
}

static bool is_in(const json_t *e)
{
	return strcmp(text(e, "kind"), "sip_in") == 0;
}

/* ---- columns: Sluice is the second, with the party that spoke first to its left ---- */

static unsigned x_of(const struct ladder *l, unsigned column)
{
	return TIME_WIDTH + l->step / 2 + (column == 0 ? 0 : column + 1) * l->step;
}

static unsigned x_of_us(const struct ladder *l)
{
	return TIME_WIDTH + l->step / 2 + l->step;
}

/* What the call's legs say of a party: "trunk carrier", "user alice@example.com". */
static void describe(const struct ladder *l, const char *leg, char *out, size_t room)
{
	const json_t *o;
	size_t i;

	out[0] = '\0';
	json_array_foreach(json_object_get(l->call, "legs"), i, o)
	{
		/* Records have their own id and the leg's; legs that go on have theirs. */
		const char *id = text(o, "leg")[0] ? text(o, "leg") : text(o, "id");
		if (!leg[0] || strcmp(id, leg) != 0)
			continue;
		if (text(o, "trunk")[0])
			snprintf(out, room, "trunk %s", text(o, "trunk"));
		else if (text(o, "user")[0])
			snprintf(out, room, "%s", text(o, "user"));
	}
	sl_ladder_plain(out);
}

static unsigned column_of(struct ladder *l, const json_t *e)
{
	const char *key = text(e, "leg")[0] ? text(e, "leg") : text(e, "remote");

	for (unsigned i = 0; i < l->n_columns; i++) {
		if (strcmp(l->columns[i].key, key) == 0)
			return i;
	}
	if (l->n_columns == COLUMNS_MAX)
		return COLUMNS_MAX - 1;
	struct column *c = &l->columns[l->n_columns++];
	snprintf(c->key, sizeof c->key, "%s", key);
	snprintf(c->address, sizeof c->address, "%s%s%s", text(e, "transport"), text(e, "transport")[0] ? ":" : "",
	        text(e, "remote")[0] ? text(e, "remote") : "?");
	sl_ladder_plain(c->address);
	describe(l, text(e, "leg"), c->what, sizeof c->what);
	return l->n_columns - 1;
}

static void find_columns(struct ladder *l, const json_t *trace)
{
	const json_t *e;
	size_t i;

	json_array_foreach(trace, i, e)
	{
		if (i == 0)
			l->begin_us = json_integer_value(json_object_get(e, "unix_us"));
		if (is_message(e))
			column_of(l, e);
	}
	unsigned n = l->n_columns < 1 ? 2 : l->n_columns + 1;
	l->step = (l->width - TIME_WIDTH) / n;
	l->step = l->step > STEP_MAX ? STEP_MAX : l->step < STEP_MIN ? STEP_MIN : l->step;
}

/* ---- lines ---- */

static void begin_line(struct ladder *l, bool bars)
{
	memset(l->line, ' ', sizeof l->line);
	if (!bars || l->step == 0)
		return;
	for (unsigned i = 0; i < l->n_columns; i++)
		l->line[x_of(l, i) < SL_LADDER_WIDTH_MAX ? x_of(l, i) : SL_LADDER_WIDTH_MAX] = '|';
	l->line[x_of_us(l)] = '|';
}

/* As much of it as fits in n characters. */
static void put(struct ladder *l, unsigned x, const char *s, unsigned n)
{
	for (unsigned i = 0; s[i] && i < n && x + i < SL_LADDER_WIDTH_MAX; i++)
		l->line[x + i] = s[i];
}

static void end_line(struct ladder *l)
{
	unsigned n = SL_LADDER_WIDTH_MAX;

	while (n > 0 && l->line[n - 1] == ' ')
		n--;
	fprintf(l->out, "%.*s\n", (int)n, l->line);
}

static void put_time(struct ladder *l, const json_t *e)
{
	char when[32];

	snprintf(when, sizeof when, "%8.3f", (double)(json_integer_value(json_object_get(e, "unix_us")) - l->begin_us) / 1e6);
	put(l, 0, when, TIME_WIDTH);
}

static void put_centered(struct ladder *l, unsigned x, const char *s, unsigned room)
{
	unsigned n = (unsigned)strlen(s);

	n = n > room ? room : n;
	put(l, x > n / 2 ? x - n / 2 : 0, s, n);
}

/* Words between the bars, from x on, or more to the left when they would leave the picture; too long ones are cut. */
static void put_words(struct ladder *l, unsigned x, const char *s)
{
	unsigned n = (unsigned)strlen(s), begin = TIME_WIDTH + 2;

	if (x + n > l->width && x > begin)
		x = n < l->width - begin ? l->width - n : begin;
	unsigned room = l->width > x ? l->width - x : 0;
	put(l, x, s, room);
	if (n > room && room > 3)
		put(l, x + room - 3, "...", 3);
	/* A bar right beside a word is read as part of it. */
	if (l->line[x - 1] == '|')
		l->line[x - 1] = ' ';
	if (n < room && x + n < SL_LADDER_WIDTH_MAX && l->line[x + n] == '|')
		l->line[x + n] = ' ';
}

static void each_line(struct ladder *l, unsigned x, char *lines)
{
	for (char *p = lines, *end; *p; p = end) {
		end = p + strcspn(p, "\n");
		if (*end)
			*end++ = '\0';
		sl_ladder_plain(p);
		begin_line(l, true);
		put_words(l, x, p);
		end_line(l);
	}
}

/* ---- entries ---- */

static void draw_message(struct ladder *l, const json_t *e)
{
	unsigned us = x_of_us(l), party = x_of(l, column_of(l, e)), left = us < party ? us : party, right = us < party ? party : us;
	bool to_right = is_in(e) == (party == left);
	char label[128], sdp[TEXT_MAX];

	begin_line(l, true);
	put_time(l, e);
	for (unsigned x = left + 1; x < right; x++)
		l->line[x] = '-';
	l->line[to_right ? right - 1 : left + 1] = to_right ? '>' : '<';
	sl_ladder_label(text(e, "text"), label, sizeof label);
	put_centered(l, (left + right) / 2 + (to_right ? 0 : 1), label, right - left - 3);
	end_line(l);
	sl_ladder_sdp(text(e, "text"), sdp, sizeof sdp);
	each_line(l, left + 2, sdp);
	if (json_is_true(json_object_get(e, "truncated")))
		each_line(l, left + 2, (char[]){"(cut)"});
}

/* Words on as many lines as they need, later ones further in. */
static void draw_wrapped(struct ladder *l, unsigned x, const char *words)
{
	char line[TEXT_MAX];
	unsigned indent = 0;

	while (*words) {
		size_t room = l->width > x + indent + 20 ? l->width - x - indent : 20, n = strlen(words), cut = n;
		if (n > room) {
			cut = room;
			while (cut > 0 && words[cut] != ' ')
				cut--;
			cut = cut ? cut : room;
		}
		snprintf(line, sizeof line, "%.*s", (int)cut, words);
		each_line(l, x + indent, line);
		words += cut + (words[cut] == ' ');
		indent = 4;
	}
}

static void draw_members(struct ladder *l, unsigned x, const char *what, const json_t *o)
{
	char words[TEXT_MAX], line[TEXT_MAX + 80];

	if (json_is_object(o))
		sl_ladder_members(o, words, sizeof words);
	else
		snprintf(words, sizeof words, "%s", json_is_string(o) ? json_string_value(o) : "");
	snprintf(line, sizeof line, "%s: %s", what, words);
	draw_wrapped(l, x, line);
}

/* Members of the record on one line, each object of its lists on one more. */
static void draw_record(struct ladder *l, const char *what, const json_t *record)
{
	char head[80];
	const char *name;
	json_t *v, *o;
	size_t i;

	draw_members(l, TIME_WIDTH + 2, what, record);
	json_object_foreach((json_t *)record, name, v)
	{
		if (json_is_object(v))
			draw_members(l, TIME_WIDTH + 4, name, v);
		json_array_foreach(v, i, o)
		{
			snprintf(head, sizeof head, "%s %zu", name, i + 1);
			draw_members(l, TIME_WIDTH + 4, head, o);
		}
	}
}

/* Does the call's end have it all? */
static bool has_records(const struct ladder *l)
{
	return json_is_object(json_object_get(json_array_get(json_object_get(l->call, "legs"), 0), "media"));
}

static void draw_entry(struct ladder *l, const json_t *e)
{
	char note[TEXT_MAX];

	if (is_message(e)) {
		draw_message(l, e);
	} else if (strcmp(text(e, "kind"), "note") == 0) {
		snprintf(note, sizeof note, "* %s", text(e, "text"));
		draw_wrapped(l, TIME_WIDTH + 2, note);
	} else if (strcmp(text(e, "kind"), "decision") == 0) {
		draw_record(l, "routing", json_object_get(e, "data"));
	} else if (!has_records(l)) {
		describe(l, text(e, "leg"), note, sizeof note);
		draw_record(l, note[0] ? note : "media", json_object_get(e, "data"));
	}
}

static void draw_heads(struct ladder *l)
{
	begin_line(l, false);
	put(l, 1, "seconds", TIME_WIDTH - 1);
	for (unsigned i = 0; i < l->n_columns; i++)
		put_centered(l, x_of(l, i), l->columns[i].address, l->step - 1);
	put_centered(l, x_of_us(l), "Sluice", l->step - 1);
	end_line(l);
	begin_line(l, false);
	for (unsigned i = 0; i < l->n_columns; i++)
		put_centered(l, x_of(l, i), l->columns[i].what, l->step - 1);
	end_line(l);
}

/* ---- what became of the media ---- */

static double real(const json_t *o, const char *name)
{
	return json_number_value(json_object_get(o, name));
}

static long long whole(const json_t *o, const char *name)
{
	return (long long)json_integer_value(json_object_get(o, name));
}

/* Names of codecs are what an SDP says: a copy that steers no terminal. */
static const char *plain(const json_t *o, const char *name, char out[80])
{
	snprintf(out, 80, "%s", text(o, name));
	sl_ladder_plain(out);
	return out;
}

/* Of a call that has ended: each leg's record. */
static void draw_recorded(struct ladder *l, const json_t *leg)
{
	const json_t *m = json_object_get(leg, "media");
	char remote[80], codec[80];

	if (!json_is_object(m))
		return;
	fprintf(l->out, "  %-4s%-32s %s: received %lld packets, lost %lld, jitter %.1f ms; sent %lld", text(leg, "direction"),
	        plain(leg, "remote", remote), text(m, "codec")[0] ? plain(m, "codec", codec) : "no media", whole(m, "packets_in"), whole(m, "lost"), real(m, "jitter_ms"),
	        whole(m, "packets_out"));
	if (real(m, "mos") > 0)
		fprintf(l->out, "; MOS %.2f, lowest %.2f", real(m, "mos"), real(m, "mos_lowest"));
	fputc('\n', l->out);
}

/* Of one that goes on: the sections of its media session. */
static void draw_session(struct ladder *l, const json_t *session)
{
	const json_t *party, *section;
	char type[80], codec[80];
	size_t i, k;

	json_array_foreach(json_object_get(session, "parties"), i, party)
	{
		json_array_foreach(json_object_get(party, "media"), k, section)
		{
			const json_t *leg = json_object_get(section, "leg"), *in = json_object_get(leg, "received"), *mos = json_object_get(leg, "mos");
			fprintf(l->out, "  %s %s %s <-> %s: received %lld packets, lost %lld, jitter %.1f ms; sent %lld", plain(section, "type", type),
			        plain(section, "codec", codec), text(leg, "local")[0] ? text(leg, "local") : "none",
			        text(leg, "learned")[0]  ? text(leg, "learned")
			        : text(leg, "remote")[0] ? text(leg, "remote")
			                                 : "none",
			        whole(in, "packets"), whole(in, "lost"), real(in, "jitter_ms"), whole(json_object_get(leg, "sent"), "packets"));
			if (json_is_object(mos))
				fprintf(l->out, "; MOS %.2f, lowest %.2f", real(mos, "average"), real(mos, "lowest"));
			fputc('\n', l->out);
		}
	}
}

static void draw_media(struct ladder *l)
{
	const json_t *o;
	size_t i;

	fputs("\nmedia\n", l->out);
	json_array_foreach(json_object_get(l->call, "bridges"), i, o)
		draw_session(l, json_object_get(o, "media"));
	json_array_foreach(json_object_get(l->call, "legs"), i, o)
		draw_recorded(l, o);
}

/* ---- all of it ---- */

static void draw_title(struct ladder *l)
{
	const json_t *cause = json_object_get(l->call, "cause");
	char line[800];
	int n = snprintf(line, sizeof line, "%s  %s  %s -> %s, %.1f s", text(l->call, "id"), text(l->call, "state"), text(l->call, "from"),
	        text(l->call, "to"), real(l->call, "duration_ms") / 1000);

	if (json_is_object(cause) && n > 0 && (size_t)n < sizeof line)
		snprintf(line + n, sizeof line - (size_t)n, ", ended: %lld%s%s", whole(cause, "status"),
		        text(cause, "text")[0] ? " " : "", text(cause, "text"));
	sl_ladder_plain(line);
	fprintf(l->out, "%s\n\n", line);
}

static bool has_decision(const json_t *trace)
{
	const json_t *e;
	size_t i;

	json_array_foreach(trace, i, e)
	{
		if (strcmp(text(e, "kind"), "decision") == 0)
			return true;
	}
	return false;
}

void sl_ladder_draw(FILE *out, const json_t *call, unsigned width)
{
	const json_t *trace = json_object_get(call, "trace"), *decision = json_object_get(call, "decision"), *e;
	struct ladder *l = calloc(1, sizeof *l);
	size_t i;

	if (!l)
		return;
	*l = (struct ladder){.out = out, .call = call};
	l->width = width < SL_LADDER_WIDTH_MIN ? SL_LADDER_WIDTH_MIN : width > SL_LADDER_WIDTH_MAX ? SL_LADDER_WIDTH_MAX : width;
	draw_title(l);
	if (json_array_size(trace) == 0) {
		fputs("The trace has nothing of this call: it is off (sip.trace_mb), or newer calls took the room.\n", out);
	} else {
		find_columns(l, trace);
		draw_heads(l);
		json_array_foreach(trace, i, e)
			draw_entry(l, e);
	}
	if (json_is_object(decision) && !has_decision(trace)) {
		fputc('\n', out);
		l->step = 0; /* below the picture: no bars */
		draw_record(l, "routing", decision);
	}
	draw_media(l);
	free(l);
}
