/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Does a route fit a call? Its prefix does already. */

#include "controlplane/routing/internal.h"

#include <regex.h>
#include <string.h>

enum { WEEK_DAYS = 7 };

static bool source_fits(const struct sl_route_query *q, const struct sl_prov_route *route)
{
	const struct sl_prov_user *u = q->from_user;
	const struct sl_prov_trunk *t = q->from_trunk;
	const char *at;

	switch (route->source) {
	case SL_SRC_ANY:
		return true;
	case SL_SRC_USERS:
		return u != NULL;
	case SL_SRC_TRUNKS:
		return t != NULL;
	case SL_SRC_TRUNK:
		return t && strcmp(t->name, route->source_name) == 0;
	default:
		at = strchr(route->source_name, '@');
		return u && at && strcmp(u->domain, at + 1) == 0 && strlen(u->name) == (size_t)(at - route->source_name) &&
		       sl_begins(route->source_name, u->name);
	}
}

static bool time_fits(const struct sl_route_query *q, const struct sl_prov_route *route)
{
	const struct sl_route_index *x = q->snapshot->index;
	struct sl_local_time now;

	if (!route->n_times)
		return true;
	now = sl_zone_local(x->zones[route - q->snapshot->routes], q->unix_s);
	for (unsigned i = 0; i < route->n_times; i++) {
		const struct sl_prov_time *t = &route->times[i];
		bool today = t->days & 1u << now.weekday, yesterday = t->days & 1u << (now.weekday + WEEK_DAYS - 1) % WEEK_DAYS;

		if (t->from_min < t->to_min ? today && now.minute >= t->from_min && now.minute < t->to_min
		                            : (today && now.minute >= t->from_min) || (yesterday && now.minute < t->to_min)) /* over midnight */
			return true;
	}
	return false;
}

static bool match_fits(const char *key, const struct sl_prov_route *route)
{
	return !route->match.regex || regexec(route->match.regex, key, 0, NULL, 0) == 0;
}

const char *sl_route_misfit(const struct sl_route_query *q, const char *key, const char *caller, const struct sl_prov_route *route)
{
	if (!source_fits(q, route))
		return "source";
	if (!sl_begins(caller, route->caller_prefix))
		return "caller";
	if (!time_fits(q, route))
		return "time";
	return match_fits(key, route) ? NULL : "match";
}
