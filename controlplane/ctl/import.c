/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ctl/import.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "controlplane/ctl/ctl.h"
#include "dataplane/wire/addr.h"

/* Reading coturn's configuration: a line is NAME=VALUE or NAME VALUE, "#" begins a comment; a line of the command line ("--NAME=VALUE", "-x
 * VALUE") is taken as well. */

enum kind { FLAG, TEXT, PATH, NUMBER, PORT, PORT0, SECONDS, SECONDS0, ADDRESS, ENDPOINT, ALTERNATE, EXTERNAL, RANGE, USER, REDIS, FAMILY, SEPARATOR };
enum how { TO, SAME, NOT };

static const struct option {
	const char *name, *text;
	char short_form;
	enum kind kind;
	enum how how;
} options[COTURN_N_OPTIONS] = {
#define X(id, name, short_form, kind, how, text) [COTURN_##id] = {name, text, short_form, kind, how},
        COTURN_OPTIONS(X)
#undef X
};

void import_note(struct import *m, unsigned line, bool wrong, const char *format, ...)
{
	struct import_note *grown = realloc(m->notes, (m->n_notes + 1) * sizeof *grown);
	char *text = NULL;
	va_list ap;

	va_start(ap, format);
	if (!grown || vasprintf(&text, format, ap) < 0)
		abort();
	va_end(ap);
	m->notes = grown;
	m->notes[m->n_notes++] = (struct import_note){line, wrong, text};
}

/* ---- values ---- */

static int truth_of(const char *value)
{
	static const char *const no[] = {"0", "off", "no", "false", "f", "n"}, *const yes[] = {"1", "on", "yes", "true", "t", "y"};

	for (unsigned i = 0; i < sizeof no / sizeof no[0]; i++) {
		if (strcasecmp(value, no[i]) == 0)
			return 0;
		if (strcasecmp(value, yes[i]) == 0)
			return 1;
	}
	return -1;
}

static bool is_number(const char *value, unsigned long min, unsigned long max)
{
	char *end;
	errno = 0;
	unsigned long v = strtoul(value, &end, 10);

	return isdigit((unsigned char)*value) && *end == '\0' && errno == 0 && v >= min && v <= max;
}

static bool is_range(const char *value)
{
	char first[SL_ADDR_TEXT_MAX];
	const char *dash = strchr(value, '-');
	struct sl_ip a, b;
	struct sl_prefix p;

	if (!dash)
		return sl_prefix_parse(value, &p) == 0;
	return snprintf(first, sizeof first, "%.*s", (int)(dash - value), value) < (int)sizeof first && sl_ip_parse(first, &a) == 0 &&
	        sl_ip_parse(dash + 1, &b) == 0 && sl_ip_is_v4(&a) == sl_ip_is_v4(&b) && memcmp(a.b, b.b, sizeof a.b) <= 0;
}

/* "PUBLIC" or "PUBLIC/PRIVATE". */
static bool is_external(const char *value)
{
	char first[SL_ADDR_TEXT_MAX];
	size_t n = strcspn(value, "/");
	struct sl_ip ip;

	return snprintf(first, sizeof first, "%.*s", (int)n, value) < (int)sizeof first && sl_ip_parse(first, &ip) == 0 &&
	        (!value[n] || sl_ip_parse(value + n + 1, &ip) == 0);
}

/* What is wrong with a value, or NULL. Whatever may hold a password is not shown. */
static const char *wrong_value(enum kind kind, const char *value)
{
	struct sl_endpoint ep;
	struct sl_ip ip;

	for (const char *p = value; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return "has a control character";
	}
	switch (kind) {
	case FLAG:
		return !*value || truth_of(value) >= 0 ? NULL : "is neither true nor false";
	case NUMBER:
		return is_number(value, 0, 1ul << 40) ? NULL : "is no number";
	case PORT:
		return is_number(value, 1, 65535) ? NULL : "is no port; 1..65535";
	case PORT0:
		return is_number(value, 0, 65535) ? NULL : "is no port; 0..65535";
	case SECONDS:
		return is_number(value, 1, 86400) ? NULL : "is no number of seconds; 1..86400";
	case SECONDS0:
		return !*value || is_number(value, 0, 86400) ? NULL : "is no number of seconds; 0..86400";
	case ADDRESS:
		return sl_ip_parse(value, &ip) == 0 ? NULL : "is no address";
	case ENDPOINT:
		return sl_endpoint_parse(value, &ep) == 0 && ep.port_be ? NULL : "is no address with a port";
	case ALTERNATE:
		return sl_endpoint_parse(value, &ep) == 0 || sl_ip_parse(value, &ip) == 0 ? NULL : "is no address, with or without a port";
	case EXTERNAL:
		return is_external(value) ? NULL : "is neither an address nor two with / between";
	case RANGE:
		return is_range(value) ? NULL : "is no address, prefix or range of one family";
	case USER:
		return strchr(value, ':') && value[0] != ':' && strchr(value, ':')[1] ? NULL : "is not NAME:PASSWORD";
	case FAMILY:
		return strcmp(value, "ipv4") == 0 || strcmp(value, "ipv6") == 0 || strcmp(value, "keep") == 0 ? NULL : "is not ipv4, ipv6 or keep";
	case TEXT:
	case PATH:
	case REDIS:
	case SEPARATOR:
		return *value ? NULL : "is empty";
	}
	return NULL;
}

/* A value that cannot be had in general may be what holds here anyway. */
static bool is_as_here(const struct option *o, const char *value)
{
	return (o->kind == FAMILY && strcmp(value, "ipv4") == 0) || (o->kind == SEPARATOR && strcmp(value, ":") == 0) ||
	        (o->kind == FLAG && *value && truth_of(value) == 0);
}

static void take(struct import *m, enum coturn_option at, const char *value, unsigned line)
{
	const struct option *o = &options[at];
	const char *why = wrong_value(o->kind, value);

	if (why) {
		import_note(m, line, true, "%s: its value %s", o->name, why);
		return;
	}
	if (o->how == NOT && !is_as_here(o, value))
		import_note(m, line, false, "%s: %s", o->name, o->text);
	struct import_value *grown = realloc(m->options[at].values, (m->options[at].n + 1) * sizeof *grown);
	char *text = strdup(value);
	if (!grown || !text)
		abort();
	m->options[at].values = grown;
	m->options[at].values[m->options[at].n++] = (struct import_value){text, line};
}

/* ---- lines ---- */

static char *trim(char *s)
{
	while (isspace((unsigned char)*s))
		s++;
	for (char *end = s + strlen(s); end > s && isspace((unsigned char)end[-1]);)
		*--end = '\0';
	return s;
}

/* coturn takes the quotes around a value away. */
static char *unquote(char *s)
{
	size_t n = strlen(s);

	if (n >= 2 && (s[0] == '"' || s[0] == '\'') && s[n - 1] == s[0]) {
		s[n - 1] = '\0';
		return s + 1;
	}
	return s;
}

static int find(const char *name)
{
	for (int i = 0; i < COTURN_N_OPTIONS; i++) {
		if (strcmp(options[i].name, name) == 0)
			return i;
	}
	return -1;
}

static int find_short(char form)
{
	for (int i = 0; i < COTURN_N_OPTIONS; i++) {
		if (options[i].short_form == form)
			return i;
	}
	return -1;
}

static void read_line(struct import *m, char *text, unsigned line)
{
	char *name = trim(text), *value;
	int at;

	if (*name == '\0' || *name == '#')
		return;
	if (name[0] == '-' && name[1] && name[1] != '-') {
		at = find_short(name[1]);
		value = trim(name + 2);
		name[2] = '\0';
	} else {
		name += name[0] == '-' ? 2 : 0;
		value = name + strcspn(name, "= \t");
		if (*value)
			*value++ = '\0';
		value = trim(value);
		value = trim(*value == '=' ? value + 1 : value);
		at = find(name);
	}
	if (at < 0)
		import_note(m, line, true, "%s: coturn has no such option", name);
	else
		take(m, (enum coturn_option)at, unquote(value), line);
}

void import_read(struct import *m, FILE *in)
{
	char *text = NULL;
	size_t room = 0;

	for (unsigned line = 1; getline(&text, &room, in) >= 0; line++)
		read_line(m, text, line);
	if (text)
		explicit_bzero(text, room); /* secrets */
	free(text);
}

void import_free(struct import *m)
{
	for (unsigned i = 0; i < COTURN_N_OPTIONS; i++) {
		for (unsigned j = 0; j < m->options[i].n; j++) {
			explicit_bzero(m->options[i].values[j].text, strlen(m->options[i].values[j].text));
			free(m->options[i].values[j].text);
		}
		free(m->options[i].values);
	}
	for (unsigned i = 0; i < m->n_notes; i++)
		free(m->notes[i].text);
	free(m->notes);
}

const char *import_text(const struct import *m, enum coturn_option o)
{
	return m->options[o].n ? m->options[o].values[m->options[o].n - 1].text : NULL;
}

unsigned import_line(const struct import *m, enum coturn_option o)
{
	return m->options[o].n ? m->options[o].values[m->options[o].n - 1].line : 0;
}

bool import_flag(const struct import *m, enum coturn_option o)
{
	const char *value = import_text(m, o);

	return value && (!*value || truth_of(value) == 1);
}

unsigned long import_number(const struct import *m, enum coturn_option o, unsigned long otherwise)
{
	const char *value = import_text(m, o);

	return value && *value ? strtoul(value, NULL, 10) : otherwise;
}

/* ---- the command ---- */

static int compare_notes(const void *a, const void *b)
{
	const struct import_note *x = a, *y = b;

	return (x->line > y->line) - (x->line < y->line);
}

static void print_note(const struct import *m, const struct import_note *note, const char *before, FILE *out)
{
	if (note->line)
		fprintf(out, "%s%s:%u: %s%s\n", before, m->path, note->line, note->wrong ? "wrong: " : "", note->text);
	else
		fprintf(out, "%s%s: %s\n", before, m->path, note->text);
}

static void print_same(const struct import *m, FILE *out)
{
	for (unsigned i = 0; i < COTURN_N_OPTIONS; i++) {
		if (options[i].how == SAME && m->options[i].n)
			fprintf(out, "#   line %u, %s: needs nothing: %s\n", import_line(m, (enum coturn_option)i), options[i].name, options[i].text);
	}
}

static json_t *notes_of(const struct import *m)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < m->n_notes; i++)
		json_array_append_new(list, json_pack("{s:I, s:b, s:s}", "line", (json_int_t)m->notes[i].line, "wrong", m->notes[i].wrong, "text", m->notes[i].text));
	return list;
}

int ctl_import(const struct ctl *c)
{
	bool standard = strcmp(c->args[0], "-") == 0;
	FILE *in = standard ? stdin : fopen(c->args[0], "re");
	struct import m = {.path = standard ? "standard input" : c->args[0]};
	char *config = NULL;
	size_t len = 0;
	bool wrong = false;

	if (!in) {
		fprintf(stderr, "sluicectl: %s: cannot be read: %s\n", c->args[0], strerror(errno));
		return CTL_FAILED;
	}
	import_read(&m, in);
	if (!standard)
		fclose(in);
	FILE *out = open_memstream(&config, &len);
	if (!out)
		abort();
	import_write(&m, out);
	if (fclose(out) != 0)
		abort();
	qsort(m.notes, m.n_notes, sizeof m.notes[0], compare_notes);
	for (unsigned i = 0; i < m.n_notes; i++)
		wrong |= m.notes[i].wrong;
	if (c->json) {
		json_t *o = json_pack("{s:s, s:o}", "configuration", config, "notes", notes_of(&m));
		ctl_print_json(o);
		json_decref(o);
	} else {
		printf("# Made by \"sluicectl import\" from %s, a configuration of coturn. What is marked << is to be looked at.\n#\n"
		       "# Not taken over, or not as it was:\n",
		        m.path);
		for (unsigned i = 0; i < m.n_notes; i++) {
			print_note(&m, &m.notes[i], "#   ", stdout);
			print_note(&m, &m.notes[i], "", stderr);
		}
		puts("#\n# As it is here anyway:");
		print_same(&m, stdout);
		printf("\n%s", config);
	}
	explicit_bzero(config, len);
	free(config);
	import_free(&m);
	return wrong ? CTL_FAILED : CTL_OK;
}
