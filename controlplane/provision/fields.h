/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* JSON objects into structures, by tables: a row for each member says its name, kind, range, default and place. A member without a row is
 * an error; so is a wrong type. The first thing that is wrong is told, with the path of the member: "targets[0].uri". Pure; any thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

enum sl_field_type {
	SL_F_TEXT,     /* char[size]; min: fewest bytes */
	SL_F_UINT,     /* of size 1, 2, 4; min..max, and 0 when zero_ok */
	SL_F_BOOL,
	SL_F_COST,     /* a number 0..max into uint32_t millionths */
	SL_F_CHOICE,   /* of size 1 or 4; choices ends with NULL */
	SL_F_TEXTS,    /* list of texts of size bytes; count; allocated: a pointer to as many as there are */
	SL_F_STATUSES, /* list of uint16_t, 300..699; count */
	SL_F_PREFIXES, /* list of struct sl_prefix; count */
	SL_F_HEX,      /* uint8_t[size] */
	SL_F_GROUP,    /* an object by the table sub, in place */
	SL_F_GROUPS,   /* a list of objects of size bytes by the table sub; count */
};

/* May change the text in place (to lower case); NULL, or what is wrong: "has no host; such as ..." */
typedef const char *(*sl_field_check)(char *text);

struct sl_field {
	const char *name;
	enum sl_field_type type;
	size_t offset, size;
	size_t count;      /* lists: offset of the unsigned that counts */
	unsigned n_max;    /* lists */
	int64_t min, max, def;
	const char *def_text;
	const char *const *choices;
	const struct sl_field *sub; /* ends with a row without name */
	sl_field_check check;
	const uint16_t *def_list;   /* SL_F_STATUSES; ends with 0 */
	size_t given;      /* offset of a bool: whether it was there; 0 = nobody asks */
	bool required, zero_ok, allocated;
};

struct sl_field_error {
	char field[80];
	char text[200];
	unsigned line; /* of the configuration; 0 = not from there */
};

/* Defaults first, then what object has. 0, or -EINVAL with *e. What was allocated stays in out either way: sl_fields_free. */
int sl_fields_read(const struct sl_field *fields, json_t *object, void *out, struct sl_field_error *e);
void sl_fields_free(const struct sl_field *fields, void *out);

/* Note what is wrong; returns -EINVAL. */
int sl_field_fail(struct sl_field_error *e, const char *field, const char *format, ...) __attribute__((format(printf, 3, 4)));
