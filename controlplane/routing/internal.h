/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Between the files of this folder. */

#include "controlplane/routing/index.h"
#include "controlplane/routing/routing.h"
#include "dataplane/wire/siphash.h"

#include <string.h>

enum { SL_ROUTE_RECORD_MAX = 32 * 1024 };

struct sl_routing {
	struct sl_prov *prov;
	struct sl_asks *asks;
	struct sl_call_events *events;
	struct sl_prng prng;                   /* weights */
	const struct sl_prov_snapshot *bound;  /* the newest whose live counts are there; held */
	char whose[96];                        /* limit that was hit last */
	char record[SL_ROUTE_RECORD_MAX];      /* being written */
};

/* Live counts of a snapshot's objects, shared with the snapshots before. NULL: no memory, or x is NULL. */
struct sl_route_live *sl_live_tenant(struct sl_routing *r, const struct sl_prov_snapshot *s, const struct sl_prov_tenant *t);
struct sl_route_live *sl_live_trunk(struct sl_routing *r, const struct sl_prov_snapshot *s, const struct sl_prov_trunk *t);
struct sl_route_live *sl_live_route(struct sl_routing *r, const struct sl_prov_snapshot *s, const struct sl_prov_route *route);
struct sl_route_live *sl_live_user(struct sl_prov_user *u);

/* Can calls be sent there, as far as probing and registration know? */
bool sl_route_trunk_is_up(struct sl_routing *r, const struct sl_prov_snapshot *s, const struct sl_prov_trunk *t);

static inline bool sl_begins(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}
/* Why this route is not for that call, in a word for the record; NULL: it fits. key: what routes are looked up by. */
const char *sl_route_misfit(const struct sl_route_query *q, const char *key, const char *caller, const struct sl_prov_route *route);

/* The first rule that matches changes number: what matched is replaced, what stands around it stays. Which rule, or -1; a result that does
 * not fit is left alone. */
int sl_route_rewrite(const struct sl_prov_rewrite *rules, unsigned n, char number[SL_ROUTE_NUMBER_MAX]);
/* Does number begin with prefix, whatever separators, blanks or other odd characters stand between? For what is denied: what we hold for no
 * number may be one to the next hop. */
bool sl_route_begins(const char *number, const char *prefix);
/* Escapes that need not be go; of what looks like a number the visual separators go (RFC 3966 5.1.1). */
void sl_route_bare_number(char *number);

/* record.c: JSON in r->record. */
struct sl_route_record {
	char *at, *end, *list_end;
	unsigned n;     /* elements of the list that is open */
	unsigned left_out;
};
void sl_route_record_begin(struct sl_routing *r, struct sl_route_record *w);
void sl_route_record_text(struct sl_route_record *w, const char *name, const char *value); /* member; NULL or "" = left out */
void sl_route_record_number(struct sl_route_record *w, const char *name, unsigned value);
void sl_route_record_list(struct sl_route_record *w, const char *name, size_t room); /* elements are begun within room */
void sl_route_record_list_end(struct sl_route_record *w);
/* An element of the open list; false: no room, it is counted. */
bool sl_route_record_element(struct sl_route_record *w);
void sl_route_record_element_end(struct sl_route_record *w);
char *sl_route_record_end(struct sl_routing *r, struct sl_route_record *w); /* malloc'd; NULL = no memory */
