/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ctl/ctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void ctl_table_begin(struct ctl_table *t, unsigned n, const char *const heads[])
{
	*t = (struct ctl_table){.n_columns = n};
	memcpy(t->heads, heads, n * sizeof heads[0]);
}

void ctl_cell(struct ctl_table *t, unsigned column, const char *fmt, ...)
{
	va_list ap;

	if (column == 0) {
		if (t->n_rows == t->capacity) {
			t->capacity = t->capacity ? 2 * t->capacity : 16;
			t->cells = realloc(t->cells, t->capacity * sizeof *t->cells);
			if (!t->cells)
				abort();
		}
		memset(t->cells[t->n_rows++], 0, sizeof *t->cells);
	}
	va_start(ap, fmt);
	vsnprintf(t->cells[t->n_rows - 1][column], CTL_CELL_MAX, fmt, ap);
	va_end(ap);
	/* Names may come from the wire: nothing of them steers a terminal. */
	for (char *p = t->cells[t->n_rows - 1][column]; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
		else if ((unsigned char)p[0] == 0xc2 && (unsigned char)p[1] >= 0x80 && (unsigned char)p[1] < 0xa0) /* U+0080 to U+009F steer it, too */
			p[0] = p[1] = '?';
	}
}

static void print_cell(const struct ctl_table *t, unsigned column, const char *text, size_t width)
{
	if (t->heads[column][0] == '>')
		printf("%*s", (int)width, text);
	else if (column + 1 == t->n_columns)
		printf("%s", text);
	else
		printf("%-*s", (int)width, text);
	fputs(column + 1 == t->n_columns ? "\n" : "  ", stdout);
}

void ctl_table_print(struct ctl_table *t)
{
	size_t width[CTL_COLUMNS_MAX];

	for (unsigned c = 0; c < t->n_columns; c++) {
		width[c] = strlen(t->heads[c]) - (t->heads[c][0] == '>');
		for (unsigned r = 0; r < t->n_rows; r++) {
			size_t n = strlen(t->cells[r][c]);
			width[c] = n > width[c] ? n : width[c];
		}
	}
	for (unsigned c = 0; c < t->n_columns; c++)
		print_cell(t, c, t->heads[c] + (t->heads[c][0] == '>'), width[c]);
	for (unsigned r = 0; r < t->n_rows; r++) {
		for (unsigned c = 0; c < t->n_columns; c++)
			print_cell(t, c, t->cells[r][c], width[c]);
	}
	free(t->cells);
	*t = (struct ctl_table){0};
}

const char *ctl_duration(long long s, char *buf)
{
	if (s >= 86400)
		snprintf(buf, CTL_CELL_MAX, "%lld d %lld h", s / 86400, s % 86400 / 3600);
	else if (s >= 3600)
		snprintf(buf, CTL_CELL_MAX, "%lld h %lld min", s / 3600, s % 3600 / 60);
	else if (s >= 60)
		snprintf(buf, CTL_CELL_MAX, "%lld min %lld s", s / 60, s % 60);
	else
		snprintf(buf, CTL_CELL_MAX, "%lld s", s);
	return buf;
}

const char *ctl_clock(long long unix_ms, char *buf)
{
	time_t s = (time_t)(unix_ms / 1000);
	struct tm tm;

	if (unix_ms == 0)
		return "-";
	gmtime_r(&s, &tm);
	strftime(buf, CTL_CELL_MAX, "%Y-%m-%d %H:%M:%S", &tm);
	return buf;
}

static const char *scaled(double v, const char *const units[], unsigned n, const char *format, char *buf)
{
	unsigned u = 0;

	for (; v >= 999.5 && u + 1 < n; u++)
		v /= 1000;
	snprintf(buf, CTL_CELL_MAX, u == 0 ? "%.0f%s" : format, v, units[u]);
	return buf;
}

const char *ctl_rate(double per_second, char *buf)
{
	static const char *const units[] = {"", " k", " M", " G"};

	return scaled(per_second, units, 4, "%.3g%s", buf);
}

const char *ctl_bytes(double bytes, char *buf)
{
	static const char *const units[] = {" B", " kB", " MB", " GB", " TB", " PB"};

	return scaled(bytes, units, 6, "%.3g%s", buf);
}

long long ctl_int(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

const char *ctl_text(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}
