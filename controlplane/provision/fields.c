/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/provision/fields.h"

#include "dataplane/wire/addr.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COST_SCALE = 1000000, STATUS_MIN = 300, STATUS_MAX = 699 };

int sl_field_fail(struct sl_field_error *e, const char *field, const char *format, ...)
{
	va_list ap;

	if (field != e->field)
		snprintf(e->field, sizeof e->field, "%s", field);
	va_start(ap, format);
	vsnprintf(e->text, sizeof e->text, format, ap);
	va_end(ap);
	return -EINVAL;
}

static const char *type_name(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a text";
	case JSON_INTEGER:
		return "a whole number";
	case JSON_REAL:
		return "a number with a fraction";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a truth value";
	default:
		return "null";
	}
}

static int wrong_type(struct sl_field_error *e, const json_t *v, const char *wanted)
{
	return sl_field_fail(e, e->field, "is %s; must be %s", type_name(v), wanted);
}

static void put_number(void *at, size_t size, int64_t value)
{
	if (size == 1)
		*(uint8_t *)at = (uint8_t)value;
	else if (size == 2)
		*(uint16_t *)at = (uint16_t)value;
	else
		*(uint32_t *)at = (uint32_t)value;
}

/* ---- one value; e->field names it already ---- */

static int read_text(const struct sl_field *f, const json_t *v, char *at, struct sl_field_error *e)
{
	const char *text = json_string_value(v);
	size_t len = json_string_length(v);
	const char *wrong;

	if (!text)
		return wrong_type(e, v, "a text");
	if ((int64_t)len < f->min)
		return sl_field_fail(e, e->field, "is %s; %lld bytes are the least", len ? "too short" : "empty", (long long)f->min);
	if (len >= f->size)
		return sl_field_fail(e, e->field, "has %zu bytes; %zu are the most", len, f->size - 1);
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return sl_field_fail(e, e->field, "has a control character");
	}
	memcpy(at, text, len + 1);
	if (f->check && (len || f->required) && (wrong = f->check(at)) != NULL) /* empty: as if it was left out */
		return sl_field_fail(e, e->field, "\"%.60s\" %s", text, wrong);
	return 0;
}

static int read_uint(const struct sl_field *f, const json_t *v, void *at, struct sl_field_error *e)
{
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v))
		return wrong_type(e, v, "a whole number");
	if ((n < f->min || n > f->max) && !(n == 0 && f->zero_ok))
		return sl_field_fail(e, e->field, "%lld is out of range; allowed %lld..%lld%s", (long long)n, (long long)f->min,
		        (long long)f->max, f->zero_ok && f->min > 0 ? " (or 0 for none)" : "");
	put_number(at, f->size, n);
	return 0;
}

static int read_cost(const struct sl_field *f, const json_t *v, void *at, struct sl_field_error *e)
{
	double n = json_number_value(v);

	if (!json_is_number(v))
		return wrong_type(e, v, "a number");
	if (!(n >= 0 && n <= (double)f->max))
		return sl_field_fail(e, e->field, "%g is out of range; allowed 0..%lld", n, (long long)f->max);
	*(uint32_t *)at = (uint32_t)(n * COST_SCALE + 0.5);
	return 0;
}

static int read_choice(const struct sl_field *f, const json_t *v, void *at, struct sl_field_error *e)
{
	const char *text = json_string_value(v);
	char known[120] = "";
	size_t n = 0;

	if (!text)
		return wrong_type(e, v, "a text");
	for (unsigned i = 0; f->choices[i]; i++) {
		if (strcmp(f->choices[i], text) == 0) {
			put_number(at, f->size, i);
			return 0;
		}
		if (n < sizeof known)
			n += (size_t)snprintf(known + n, sizeof known - n, "%s\"%s\"", i ? ", " : "", f->choices[i]);
	}
	return sl_field_fail(e, e->field, "\"%.40s\" is not known; allowed %s", text, known);
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int read_hex(const struct sl_field *f, const json_t *v, uint8_t *at, struct sl_field_error *e)
{
	const char *text = json_string_value(v);

	if (!text)
		return wrong_type(e, v, "a text");
	for (size_t i = 0; i < f->size; i++) {
		int high = hex_digit(text[2 * i]), low = high < 0 ? -1 : hex_digit(text[2 * i + 1]);

		if (low < 0) /* it may be a secret: not shown */
			return sl_field_fail(e, e->field, "must have %zu hexadecimal digits", f->size * 2);
		at[i] = (uint8_t)(high << 4 | low);
	}
	return text[2 * f->size] ? sl_field_fail(e, e->field, "must have %zu hexadecimal digits", f->size * 2) : 0;
}

static int read_value(const struct sl_field *f, json_t *v, void *at, struct sl_field_error *e);

static int read_element(const struct sl_field *f, json_t *v, void *at, struct sl_field_error *e)
{
	static const struct sl_field status = {.size = sizeof(uint16_t), .min = STATUS_MIN, .max = STATUS_MAX};
	char text[SL_ADDR_TEXT_MAX];

	switch (f->type) {
	case SL_F_TEXTS:
		return read_text(f, v, at, e);
	case SL_F_STATUSES:
		return read_uint(&status, v, at, e);
	case SL_F_PREFIXES:
		if (!json_is_string(v))
			return wrong_type(e, v, "a text");
		snprintf(text, sizeof text, "%s", json_string_value(v));
		if (json_string_length(v) >= sizeof text || sl_prefix_parse(text, at) < 0)
			return sl_field_fail(e, e->field, "\"%.60s\" is not an address or prefix (host bits are zero); such as \"192.0.2.0/24\"",
			        json_string_value(v));
		return 0;
	default:
		return sl_fields_read(f->sub, v, at, e);
	}
}

static size_t element_size(const struct sl_field *f)
{
	return f->type == SL_F_STATUSES ? sizeof(uint16_t) : f->type == SL_F_PREFIXES ? sizeof(struct sl_prefix) : f->size;
}

static int read_list(const struct sl_field *f, json_t *v, char *base, struct sl_field_error *e)
{
	char *at = base + f->offset;
	unsigned *count = (unsigned *)(base + f->count);
	size_t path = strlen(e->field), size = element_size(f), i;
	json_t *element;

	if (!json_is_array(v))
		return wrong_type(e, v, "a list");
	if (json_array_size(v) > f->n_max)
		return sl_field_fail(e, e->field, "has %zu elements; %u are the most", json_array_size(v), f->n_max);
	if (f->allocated) {
		*(char **)at = json_array_size(v) ? calloc(json_array_size(v), size) : NULL;
		if (json_array_size(v) && !*(char **)at)
			return sl_field_fail(e, e->field, "no memory left");
		at = *(char **)at;
	}
	*count = 0;
	json_array_foreach(v, i, element) {
		snprintf(e->field + path, sizeof e->field - path, "[%zu]", i);
		if (read_element(f, element, at + i * size, e) < 0)
			return -EINVAL;
		(*count)++;
	}
	e->field[path] = '\0';
	return 0;
}

static int read_value(const struct sl_field *f, json_t *v, void *base, struct sl_field_error *e)
{
	char *at = (char *)base + f->offset;

	switch (f->type) {
	case SL_F_TEXT:
		return read_text(f, v, at, e);
	case SL_F_UINT:
		return read_uint(f, v, at, e);
	case SL_F_BOOL:
		if (!json_is_boolean(v))
			return wrong_type(e, v, "true or false");
		*(bool *)at = json_is_true(v);
		return 0;
	case SL_F_COST:
		return read_cost(f, v, at, e);
	case SL_F_CHOICE:
		return read_choice(f, v, at, e);
	case SL_F_HEX:
		return read_hex(f, v, (uint8_t *)at, e);
	case SL_F_GROUP:
		return sl_fields_read(f->sub, v, at, e);
	default:
		return read_list(f, v, base, e);
	}
}

static void set_default(const struct sl_field *f, void *base)
{
	char *at = (char *)base + f->offset;

	switch (f->type) {
	case SL_F_TEXT:
		if (f->def_text)
			snprintf(at, f->size, "%s", f->def_text);
		break;
	case SL_F_UINT:
	case SL_F_CHOICE:
		put_number(at, f->size, f->def);
		break;
	case SL_F_BOOL:
		*(bool *)at = f->def != 0;
		break;
	case SL_F_GROUP:
		for (const struct sl_field *sub = f->sub; sub->name; sub++)
			set_default(sub, at);
		break;
	case SL_F_STATUSES:
		for (unsigned i = 0; f->def_list && f->def_list[i]; i++) {
			((uint16_t *)at)[i] = f->def_list[i];
			*(unsigned *)((char *)base + f->count) = i + 1;
		}
		break;
	default:
		break;
	}
}

static const struct sl_field *find(const struct sl_field *fields, const char *name)
{
	for (; fields->name; fields++) {
		if (strcmp(fields->name, name) == 0)
			return fields;
	}
	return NULL;
}

static int unknown(const struct sl_field *fields, struct sl_field_error *e)
{
	char known[160] = "";
	size_t n = 0;

	for (const struct sl_field *f = fields; f->name && n < sizeof known; f++)
		n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", f == fields ? "" : ", ", f->name);
	return sl_field_fail(e, e->field, "is not known here; known are %s", known);
}

/* Append ".name" to the path; returns where it was before. */
static size_t descend(struct sl_field_error *e, const char *name)
{
	size_t path = strlen(e->field);

	snprintf(e->field + path, sizeof e->field - path, "%s%.40s", path ? "." : "", name);
	return path;
}

int sl_fields_read(const struct sl_field *fields, json_t *object, void *out, struct sl_field_error *e)
{
	const char *name;
	json_t *value, *line;

	if (!json_is_object(object))
		return wrong_type(e, object, "an object");
	if ((line = json_object_get(object, "_line")) != NULL && e->line)
		e->line = (unsigned)json_integer_value(line);
	for (const struct sl_field *f = fields; f->name; f++)
		set_default(f, out);
	json_object_foreach(object, name, value) {
		const struct sl_field *f = find(fields, name);
		size_t path = descend(e, name);

		if (e->line && strcmp(name, "_line") == 0) {
			e->field[path] = '\0';
			continue;
		}
		if (!f)
			return unknown(fields, e);
		if (read_value(f, value, out, e) < 0)
			return -EINVAL;
		if (f->given)
			*(bool *)((char *)out + f->given) = true;
		e->field[path] = '\0';
		if (e->line && line)
			e->line = (unsigned)json_integer_value(line);
	}
	for (const struct sl_field *f = fields; f->name; f++) {
		if (f->required && !json_object_get(object, f->name)) {
			descend(e, f->name);
			return sl_field_fail(e, e->field, "is missing");
		}
	}
	return 0;
}

void sl_fields_free(const struct sl_field *fields, void *out)
{
	for (const struct sl_field *f = fields; f->name; f++) {
		char *at = (char *)out + f->offset;

		if (f->type == SL_F_GROUP) {
			sl_fields_free(f->sub, at);
		} else if (f->allocated) {
			free(*(void **)at);
			*(void **)at = NULL;
		}
	}
}
