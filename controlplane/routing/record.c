/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The record of a decision, as JSON written straight through: it is made for every call. */

#include "controlplane/routing/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put(struct sl_route_record *w, const char *text, size_t n)
{
	if ((size_t)(w->end - w->at) <= n)
		return; /* cannot be: lists are bounded, and so is an element */
	memcpy(w->at, text, n);
	w->at += n;
}

static void put_quoted(struct sl_route_record *w, const char *text)
{
	if (w->end - w->at < 3 || (size_t)(w->end - w->at - 2) / 2 < strlen(text))
		text = "";
	*w->at++ = '"';
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p == '"' || *p == '\\')
			*w->at++ = '\\';
		*w->at++ = *p < 0x20 || *p >= 0x7f ? '?' : (char)*p; /* what callers send need not be UTF-8 */
	}
	*w->at++ = '"';
}

static void name(struct sl_route_record *w, const char *text)
{
	if (w->at[-1] != '{')
		put(w, ",", 1);
	put_quoted(w, text);
	put(w, ":", 1);
}

void sl_route_record_begin(struct sl_routing *r, struct sl_route_record *w)
{
	*w = (struct sl_route_record){.at = r->record, .end = r->record + sizeof r->record};
	put(w, "{", 1);
}

void sl_route_record_text(struct sl_route_record *w, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	name(w, key);
	put_quoted(w, value);
}

void sl_route_record_number(struct sl_route_record *w, const char *key, unsigned value)
{
	char text[12];

	name(w, key);
	put(w, text, (size_t)snprintf(text, sizeof text, "%u", value));
}

void sl_route_record_list(struct sl_route_record *w, const char *key, size_t room)
{
	name(w, key);
	put(w, "[", 1);
	w->n = 0;
	w->list_end = w->at + room;
}

void sl_route_record_list_end(struct sl_route_record *w)
{
	put(w, "]", 1);
	if (w->left_out)
		sl_route_record_number(w, "left_out", w->left_out);
	w->left_out = 0;
}

bool sl_route_record_element(struct sl_route_record *w)
{
	if (w->at >= w->list_end) {
		w->left_out++;
		return false;
	}
	if (w->n++)
		put(w, ",", 1);
	put(w, "{", 1);
	return true;
}

void sl_route_record_element_end(struct sl_route_record *w)
{
	put(w, "}", 1);
}

char *sl_route_record_end(struct sl_routing *r, struct sl_route_record *w)
{
	put(w, "}", 1);
	size_t n = (size_t)(w->at - r->record);
	char *copy = malloc(n + 1);

	if (copy) {
		memcpy(copy, r->record, n);
		copy[n] = '\0';
	}
	return copy;
}
