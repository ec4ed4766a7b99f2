/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/routing/zone.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	FILE_BYTES_MAX = 64 * 1024,
	HEAD = 44, /* RFC 8536 3.1 */
	ZONE_NAME_MAX = 47,
	QUARTER = 900, /* offsets change on quarters of an hour: an answer is good for one */
	DAY = 86400,
};

/* RFC 8536 3.3: what holds after the last transition, as POSIX TZ says it: "CET-1CEST,M3.5.0,M10.5.0/3". */
struct rule {
	int month, week, weekday; /* 0 = Sunday; week 5 = the last */
	int32_t second;           /* of that day, local */
};
struct tail {
	bool known, has_summer;
	int32_t standard, summer;
	struct rule begin, end;
};

struct sl_zone {
	struct sl_zone *next;
	char name[ZONE_NAME_MAX + 1];
	struct tail tail;
	int64_t cached_quarter;
	int32_t cached_offset;
	int32_t first; /* offset before the first transition */
	unsigned n;
	struct transition {
		int64_t at;
		int32_t offset; /* from then on */
	} transitions[];
};

static struct sl_zone *zones; /* all that were asked for; the brain's */

/* ---- the file ---- */

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t be64(const uint8_t *p)
{
	return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

struct head {
	uint32_t isutc, isstd, leap, times, types, chars;
};

static bool read_head(const uint8_t *p, const uint8_t *end, struct head *h)
{
	if (end - p < HEAD || memcmp(p, "TZif", 4) != 0)
		return false;
	h->isutc = be32(p + 20);
	h->isstd = be32(p + 24);
	h->leap = be32(p + 28);
	h->times = be32(p + 32);
	h->types = be32(p + 36);
	h->chars = be32(p + 40);
	return h->types && h->types <= 256 && h->times <= FILE_BYTES_MAX && h->chars <= FILE_BYTES_MAX && h->leap <= FILE_BYTES_MAX &&
	       h->isutc <= 256 && h->isstd <= 256;
}

static size_t body_size(const struct head *h, size_t time_size)
{
	return h->times * (time_size + 1) + h->types * 6 + h->chars + h->leap * (time_size + 4) + h->isstd + h->isutc;
}

/* ---- the rule's text ---- */

static bool name(const char **p)
{
	const char *from = *p;

	if (**p == '<') {
		while (**p && **p != '>')
			++*p;
		return *(*p)++ == '>';
	}
	while (isalpha((unsigned char)**p))
		++*p;
	return *p - from >= 3;
}

/* [+-]h[hh][:mm[:ss]] */
static bool clock_value(const char **p, int32_t *out)
{
	int sign = **p == '-' ? -1 : 1, parts[3] = {0}, n = 0;

	if (**p == '-' || **p == '+')
		++*p;
	do {
		if (!isdigit((unsigned char)**p))
			return false;
		for (int digits = 0; isdigit((unsigned char)**p) && digits < 3; digits++)
			parts[n] = parts[n] * 10 + *(*p)++ - '0';
	} while (++n < 3 && **p == ':' && (++*p, true));
	*out = sign * (parts[0] * 3600 + parts[1] * 60 + parts[2]);
	return true;
}

static bool rule(const char **p, struct rule *r)
{
	int used = 0;

	if (sscanf(*p, ",M%d.%d.%d%n", &r->month, &r->week, &r->weekday, &used) != 3 || r->month < 1 || r->month > 12 || r->week < 1 ||
	        r->week > 5 || r->weekday < 0 || r->weekday > 6)
		return false;
	*p += used;
	r->second = 2 * 3600;
	return **p != '/' || (++*p, clock_value(p, &r->second));
}

static void read_tail(const char *p, struct tail *t)
{
	struct tail out = {.known = true};

	if (!name(&p) || !clock_value(&p, &out.standard))
		return;
	out.standard = -out.standard; /* POSIX counts westwards */
	if (*p == '\0') {
		*t = out;
		return;
	}
	out.has_summer = true;
	out.summer = out.standard + 3600;
	if (!name(&p))
		return;
	if (*p != ',') {
		if (!clock_value(&p, &out.summer))
			return;
		out.summer = -out.summer;
	}
	if (rule(&p, &out.begin) && rule(&p, &out.end) && *p == '\0')
		*t = out;
}

struct sl_zone *sl_zone_parse(const uint8_t *data, unsigned len)
{
	const uint8_t *p = data, *end = data + len;
	struct head h;

	if (!read_head(p, end, &h) || p[4] < '2') /* version 1 ends in 2037 and nobody writes it */
		return NULL;
	if ((size_t)(end - p) < HEAD + body_size(&h, 4))
		return NULL;
	p += HEAD + body_size(&h, 4);
	if (!read_head(p, end, &h) || (size_t)(end - p) < HEAD + body_size(&h, 8) + 2)
		return NULL;
	const uint8_t *times = p + HEAD, *kinds = times + h.times * 8ul, *types = kinds + h.times;
	struct sl_zone *z = calloc(1, sizeof *z + h.times * sizeof z->transitions[0]);
	if (!z)
		return NULL;
	z->cached_quarter = INT64_MIN;
	z->first = (int32_t)be32(types);
	for (z->n = 0; z->n < h.times; z->n++) {
		if (kinds[z->n] >= h.types) {
			free(z);
			return NULL;
		}
		z->transitions[z->n].at = be64(times + z->n * 8ul);
		z->transitions[z->n].offset = (int32_t)be32(types + kinds[z->n] * 6ul);
	}
	p += HEAD + body_size(&h, 8);
	const uint8_t *newline = *p == '\n' ? memchr(p + 1, '\n', (size_t)(end - p - 1)) : NULL;
	char text[80];
	if (newline && newline - p - 1 < (long)sizeof text) {
		memcpy(text, p + 1, (size_t)(newline - p - 1));
		text[newline - p - 1] = '\0';
		read_tail(text, &z->tail);
	}
	return z;
}

static struct sl_zone *load(const char *zone)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_+-";
	uint8_t data[FILE_BYTES_MAX];
	char path[96];

	if (!*zone || strlen(zone) > ZONE_NAME_MAX || *zone == '/' || zone[strspn(zone, letters)]) /* no dot: no way up */
		return NULL;
	snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", zone);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, data, sizeof data) : -1;
	if (fd >= 0)
		close(fd);
	return n > 0 ? sl_zone_parse(data, (unsigned)n) : NULL;
}

bool sl_zone_exists(const char *zone)
{
	struct sl_zone *z = strcmp(zone, "UTC") == 0 ? NULL : load(zone);
	bool exists = z || strcmp(zone, "UTC") == 0;

	free(z);
	return exists;
}

const struct sl_zone *sl_zone_get(const char *zone)
{
	struct sl_zone *z;

	if (strcmp(zone, "UTC") == 0)
		return NULL;
	for (z = zones; z; z = z->next) {
		if (strcmp(z->name, zone) == 0)
			return z;
	}
	if ((z = load(zone)) != NULL) {
		snprintf(z->name, sizeof z->name, "%s", zone);
		z->next = zones;
		zones = z;
	}
	return z;
}

/* ---- asking ---- */

/* Days since 1970 of a civil date (proleptic Gregorian). */
static int64_t days_of(int64_t year, int month, int day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t of_era = year - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t year_of(int64_t days)
{
	int64_t year = 1970 + days / 366;

	while (days_of(year + 1, 1, 1) <= days)
		year++;
	while (days_of(year, 1, 1) > days)
		year--;
	return year;
}

/* Local second at which the rule comes in that year. */
static int64_t comes(const struct rule *r, int64_t year)
{
	int64_t first = days_of(year, r->month, 1), after = r->month == 12 ? days_of(year + 1, 1, 1) : days_of(year, r->month + 1, 1);
	int weekday = (int)(((first + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
	int64_t day = first + (r->weekday - weekday + 7) % 7 + 7 * (r->week - 1);

	while (day >= after)
		day -= 7;
	return day * DAY + r->second;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static int32_t tail_offset(const struct tail *t, int64_t unix_s)
{
	if (!t->has_summer)
		return t->standard;
	int64_t year = year_of(floor_div(unix_s + t->standard, DAY));
	int64_t begin = comes(&t->begin, year) - t->standard, end = comes(&t->end, year) - t->summer;
	bool summer = begin < end ? unix_s >= begin && unix_s < end : unix_s >= begin || unix_s < end;
	return summer ? t->summer : t->standard;
}

static int32_t find_offset(const struct sl_zone *z, int64_t unix_s)
{
	unsigned low = 0, high = z->n;

	if (z->n == 0 || unix_s < z->transitions[0].at)
		return z->n == 0 && z->tail.known ? tail_offset(&z->tail, unix_s) : z->first;
	if (unix_s >= z->transitions[z->n - 1].at && z->tail.known)
		return tail_offset(&z->tail, unix_s);
	while (high - low > 1) {
		unsigned middle = low + (high - low) / 2;

		if (z->transitions[middle].at <= unix_s)
			low = middle;
		else
			high = middle;
	}
	return z->transitions[low].offset;
}

int32_t sl_zone_offset(const struct sl_zone *zone, int64_t unix_s)
{
	struct sl_zone *z = (struct sl_zone *)(uintptr_t)zone; /* only its memory of the last answer changes */

	if (!z)
		return 0;
	int64_t quarter = floor_div(unix_s, QUARTER);
	if (quarter != z->cached_quarter) {
		z->cached_offset = find_offset(z, unix_s);
		z->cached_quarter = quarter;
	}
	return z->cached_offset;
}

struct sl_local_time sl_zone_local(const struct sl_zone *z, int64_t unix_s)
{
	int64_t local = unix_s + sl_zone_offset(z, unix_s), day = floor_div(local, DAY);

	return (struct sl_local_time){.weekday = (unsigned)(((day + 3) % 7 + 7) % 7), .minute = (unsigned)((local - day * DAY) / 60)};
}
