/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "config/options_read.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 128 };

/* "dataplane.ports[0].mtu", built from the root down. */
static void setting_name(const config_setting_t *s, char *buf, size_t len)
{
	const config_setting_t *parent = config_setting_parent(s);
	size_t used;

	if (parent == NULL) {
		buf[0] = '\0';
		return;
	}
	setting_name(parent, buf, len);
	used = strlen(buf);
	if (config_setting_name(s) == NULL)
		snprintf(buf + used, len - used, "[%d]", config_setting_index(s));
	else
		snprintf(buf + used, len - used, "%s%s", used > 0 ? "." : "", config_setting_name(s));
}

static void complain(struct sl_reader *r, const config_setting_t *s, const char *name, const char *format, va_list ap)
{
	const char *file = config_setting_source_file(s);
	int used;

	if (r->failed)
		return;
	r->failed = true;
	/* The root has no line of its own: what is missing there is missing from the whole file. */
	unsigned line = config_setting_is_root(s) ? 1 : config_setting_source_line(s);
	used = snprintf(r->err, r->err_len, "%s:%u: option '%s': ", file != NULL ? file : r->path, line, name);
	if (used > 0 && (size_t)used < r->err_len)
		vsnprintf(r->err + used, r->err_len - (size_t)used, format, ap);
}

void sl_read_fail(struct sl_reader *r, const config_setting_t *s, const char *format, ...)
{
	char name[NAME_MAX_BYTES];
	va_list ap;

	setting_name(s, name, sizeof name);
	va_start(ap, format);
	complain(r, s, name, format, ap);
	va_end(ap);
}

/* libconfig writes the path ports[1].tap as ports.[1].tap. */
static void lookup_path(const char *name, char *buf, size_t len)
{
	size_t n = 0;

	for (; *name != '\0' && n + 2 < len; name++) {
		if (*name == '[')
			buf[n++] = '.';
		buf[n++] = *name;
	}
	buf[n] = '\0';
}

void sl_read_fail_at(struct sl_reader *r, const char *name, const char *format, ...)
{
	char path[NAME_MAX_BYTES + 32];
	const config_setting_t *s;
	va_list ap;
	char *dot;

	lookup_path(name, path, sizeof path);
	while ((s = config_lookup(r->file, path)) == NULL && (dot = strrchr(path, '.')) != NULL)
		*dot = '\0';
	if (s == NULL)
		s = config_root_setting(r->file);
	va_start(ap, format);
	complain(r, s, name, format, ap);
	va_end(ap);
}

static const char *kind_of(const config_setting_t *s)
{
	switch (config_setting_type(s)) {
	case CONFIG_TYPE_GROUP:
		return "a group";
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		return "a number";
	case CONFIG_TYPE_FLOAT:
		return "a number with a fraction";
	case CONFIG_TYPE_STRING:
		return "a text";
	case CONFIG_TYPE_BOOL:
		return "true or false";
	case CONFIG_TYPE_ARRAY:
		return "an array";
	default:
		return "a list";
	}
}

long long sl_read_int(struct sl_reader *r, const config_setting_t *s, long long min, long long max, const char *zero)
{
	int type = config_setting_type(s);
	long long v;

	if (type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64) {
		sl_read_fail(r, s, "is %s; must be a whole number, %lld..%lld", kind_of(s), min, max);
		return min;
	}
	v = config_setting_get_int64(s);
	if ((v >= min && v <= max) || (v == 0 && zero != NULL))
		return v;
	sl_read_fail(r, s, "%lld is out of range; allowed %lld..%lld%s%s%s", v, min, max, zero != NULL ? " (or 0 for " : "",
		zero != NULL ? zero : "", zero != NULL ? ")" : "");
	return min;
}

static bool read_bool(struct sl_reader *r, const config_setting_t *s)
{
	if (config_setting_type(s) == CONFIG_TYPE_BOOL)
		return config_setting_get_bool(s) != 0;
	sl_read_fail(r, s, "is %s; must be true or false", kind_of(s));
	return false;
}

const char *sl_read_text(struct sl_reader *r, const config_setting_t *s, long long min_bytes, long long max_bytes)
{
	const char *text;
	long long len;

	if (config_setting_type(s) != CONFIG_TYPE_STRING) {
		sl_read_fail(r, s, "is %s; must be a text in double quotes", kind_of(s));
		return NULL;
	}
	text = config_setting_get_string(s);
	len = (long long)strlen(text);
	if (len < min_bytes && len == 0) {
		sl_read_fail(r, s, "is empty; %lld..%lld bytes are allowed", min_bytes, max_bytes);
		return NULL;
	}
	if (len < min_bytes || len > max_bytes) {
		sl_read_fail(r, s, "has %lld bytes; %lld..%lld are allowed", len, min_bytes, max_bytes);
		return NULL;
	}
	for (const char *p = text; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f) {
			sl_read_fail(r, s, "has a control character; only printable ones are allowed");
			return NULL;
		}
	}
	return text;
}

void sl_read_name(struct sl_reader *r, const config_setting_t *s, char out[SL_CONF_NAME_MAX + 1])
{
	const char *text = sl_read_text(r, s, 1, SL_CONF_NAME_MAX);

	if (text == NULL)
		return;
	size_t ok = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
	if (text[ok] != '\0' || text[0] == '.' || text[0] == '-') {
		sl_read_fail(r, s, "\"%s\" is no good as a name; allowed are letters, digits, '.', '_' and '-', not first '.' or '-'",
			text);
		return;
	}
	memcpy(out, text, strlen(text) + 1);
}

char *sl_read_dup(struct sl_reader *r, const config_setting_t *s, const char *text)
{
	char *copy = text != NULL ? strdup(text) : NULL;

	if (text != NULL && copy == NULL)
		sl_read_fail(r, s, "no memory left to keep it; free some and try again");
	return copy;
}

void *sl_read_array(struct sl_reader *r, const config_setting_t *s, unsigned n, size_t element_bytes)
{
	void *p = calloc(n > 0 ? n : 1, element_bytes);

	if (p == NULL)
		sl_read_fail(r, s, "no memory left to keep %u of them", n);
	return p;
}

static int read_choice(struct sl_reader *r, const config_setting_t *s, const struct sl_opt *o)
{
	const char *text = config_setting_type(s) == CONFIG_TYPE_STRING ? config_setting_get_string(s) : NULL;
	char allowed[NAME_MAX_BYTES] = "";

	for (int i = 0; o->choices[i] != NULL; i++) {
		size_t used = strlen(allowed);

		if (text != NULL && o->choices[i][0] != '\0' && strcmp(text, o->choices[i]) == 0)
			return i;
		if (o->choices[i][0] != '\0')
			snprintf(allowed + used, sizeof allowed - used, "%s\"%s\"", used > 0 ? ", " : "", o->choices[i]);
	}
	if (text != NULL)
		sl_read_fail(r, s, "\"%s\" is not known; allowed %s", text, allowed);
	else
		sl_read_fail(r, s, "is %s; allowed %s", kind_of(s), allowed);
	return 0;
}

static void store_number(const struct sl_opt *o, void *into, long long v)
{
	char *at = (char *)into + o->offset;

	if (o->kind == SL_OPT_U16)
		*(uint16_t *)(void *)at = (uint16_t)v;
	else if (o->kind == SL_OPT_BOOL)
		*(bool *)at = v != 0;
	else
		*(unsigned *)(void *)at = (unsigned)v; /* an enum of ours has the width of unsigned */
}

static void read_option(struct sl_reader *r, const config_setting_t *s, const struct sl_opt *o, void *into)
{
	char **text = (char **)(void *)((char *)into + o->offset);

	switch (o->kind) {
	case SL_OPT_UINT:
	case SL_OPT_U16:
		store_number(o, into, s != NULL ? sl_read_int(r, s, o->min, o->max, o->zero) : o->def);
		return;
	case SL_OPT_BOOL:
		store_number(o, into, s != NULL ? read_bool(r, s) : o->def);
		return;
	case SL_OPT_CHOICE:
		store_number(o, into, s != NULL ? read_choice(r, s, o) : o->def);
		return;
	case SL_OPT_TEXT:
		*text = s == NULL ? sl_read_dup(r, config_root_setting(r->file), o->def_text)
			: o->choices != NULL ? sl_read_dup(r, s, o->choices[read_choice(r, s, o)])
			: sl_read_dup(r, s, sl_read_text(r, s, o->min, o->max));
		return;
	case SL_OPT_OTHER:
		return;
	}
}

static const struct sl_opt *find_option(const struct sl_opt *table, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	}
	return NULL;
}

static void refuse_unknown(struct sl_reader *r, const config_setting_t *s, const struct sl_opt *table, size_t n)
{
	char known[900] = "";

	for (size_t i = 0; i < n; i++) {
		size_t used = strlen(known);
		snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "", table[i].name);
	}
	sl_read_fail(r, s, "is not known here; known are %s", known);
}

/* "dataplane.ports[0].name" for a member that the file does not have. */
static void fail_missing(struct sl_reader *r, const config_setting_t *group, const char *member)
{
	char name[NAME_MAX_BYTES];

	setting_name(group, name, sizeof name);
	size_t used = strlen(name);
	snprintf(name + used, sizeof name - used, "%s%s", used > 0 ? "." : "", member);
	sl_read_fail_at(r, name, "is missing; it must be set");
}

void sl_read_group(struct sl_reader *r, const config_setting_t *group, const struct sl_opt *table, size_t n, void *into)
{
	unsigned n_members = group != NULL ? (unsigned)config_setting_length(group) : 0;

	for (unsigned i = 0; i < n_members; i++) {
		const config_setting_t *s = config_setting_get_elem(group, i);

		if (find_option(table, n, config_setting_name(s)) == NULL)
			refuse_unknown(r, s, table, n);
	}
	sl_read_known(r, group, table, n, into);
}

void sl_read_known(struct sl_reader *r, const config_setting_t *group, const struct sl_opt *table, size_t n, void *into)
{
	for (size_t i = 0; i < n; i++) {
		const config_setting_t *s = group != NULL ? config_setting_get_member(group, table[i].name) : NULL;

		if (s == NULL && table[i].required && group != NULL)
			fail_missing(r, group, table[i].name);
		read_option(r, s, &table[i], into);
	}
}

const config_setting_t *sl_read_subgroup(struct sl_reader *r, const config_setting_t *group, const char *name, bool required)
{
	const config_setting_t *s = group != NULL ? config_setting_get_member(group, name) : NULL;

	if (s == NULL) {
		if (required && group != NULL)
			fail_missing(r, group, name);
		return NULL;
	}
	if (config_setting_is_group(s))
		return s;
	sl_read_fail(r, s, "is %s; must be a group: %s = { ... };", kind_of(s), name);
	return NULL;
}

const config_setting_t *sl_read_list(struct sl_reader *r, const config_setting_t *group, const char *name, unsigned min,
	unsigned max, const char *what, unsigned *n)
{
	const config_setting_t *s = group != NULL ? config_setting_get_member(group, name) : NULL;

	*n = 0;
	if (s == NULL) {
		if (min > 0 && group != NULL)
			fail_missing(r, group, name);
		return NULL;
	}
	if (!config_setting_is_array(s) && !config_setting_is_list(s)) {
		sl_read_fail(r, s, "is %s; must be a list of %s: %s = ( ... );", kind_of(s), what, name);
		return NULL;
	}
	unsigned len = (unsigned)config_setting_length(s);
	if (len < min || len > max) {
		sl_read_fail(r, s, "has %u %s; %u..%u are allowed", len, what, min, max);
		return NULL;
	}
	*n = len;
	return s;
}
