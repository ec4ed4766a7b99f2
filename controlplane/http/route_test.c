/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Where would a call go? Asked of the same code that decides about calls; nothing is counted, nobody is called. */

#include "controlplane/http/api.h"
#include "controlplane/routing/routing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* "sip:user@host;x=y", "tel:+49...", "+4930123", "bob@example.com": what stands before and after the @. False: too long. */
static bool split(const char *text, char *user, size_t user_room, char *host, size_t host_room)
{
	for (const char *scheme = "sips:\0sip:\0tel:\0"; *scheme; scheme += strlen(scheme) + 1) {
		if (strncasecmp(text, scheme, strlen(scheme)) == 0) {
			text += strlen(scheme);
			break;
		}
	}
	const char *at = strchr(text, '@');
	size_t n = at ? (size_t)(at - text) : strcspn(text, ";"), m = at ? strcspn(at + 1, ";:") : 0;
	if (n >= user_room || m >= host_room)
		return false;
	memcpy(user, text, n);
	user[n] = '\0';
	if (m)
		memcpy(host, at + 1, m);
	host[m] = '\0';
	return true;
}

static json_t *text_of(const char *s)
{
	return sl_api_text(s, strlen(s));
}

static json_t *candidates_of(const struct sl_route_decision *d)
{
	json_t *all = json_array();
	char user[2 * SL_PROV_NAME_MAX + 4];

	for (unsigned i = 0; i < d->n; i++) {
		const struct sl_route_candidate *c = &d->candidates[i];
		if (c->user)
			snprintf(user, sizeof user, "%s@%s", c->user->name, c->user->domain);
		json_array_append_new(all,
		        json_pack("{s:o, s:o, s:o, s:o, s:o}", "route", c->route ? text_of(c->route->name) : json_null(), "trunk",
		                c->trunk ? text_of(c->trunk->name) : json_null(), "user", c->user ? text_of(user) : json_null(), "called",
		                text_of(c->called), "caller", text_of(c->caller)));
	}
	return all;
}

static void answer(struct sl_http_request *r, struct sl_route_decision *d)
{
	json_t *record = d->record ? json_loads(d->record, 0, NULL) : NULL;
	json_t *o = json_pack("{s:o, s:b, s:o}", "candidates", candidates_of(d), "emergency", d->emergency, "record",
	        record ? record : json_null());

	json_object_set_new(o, "status", d->n ? json_null() : json_integer(d->status));
	json_object_set_new(o, "reason", d->n ? json_null() : text_of(d->reason));
	free(d->record);
	sl_api_json(r, 200, o);
}

/* Who calls: a user (NAME@DOMAIN), a number that a trunk brings (?trunk=), or a number nobody answers for (?tenant=). False: answered. */
static bool find_caller(struct sl_brain *b, struct sl_http_request *r, struct sl_route_query *q)
{
	const char *from = sl_http_arg(r, "from"), *trunk = sl_http_arg(r, "trunk"), *tenant = sl_api_tenant_asked(r);
	char host[SL_PROV_NAME_MAX + 1];

	if (!split(from ? from : "", q->caller, sizeof q->caller, host, sizeof host)) {
		sl_api_error(r, 400, "from", "too long");
		return false;
	}
	if (trunk) {
		q->from_trunk = sl_prov_trunk(q->snapshot, trunk);
		q->tenant = q->from_trunk ? q->from_trunk->tenant : NULL;
		if (!q->tenant || !sl_api_may_see(r, q->tenant->name)) {
			sl_api_error(r, 404, "trunk", "trunks: there is no '%s'", trunk);
			return false;
		}
	} else if (host[0]) {
		q->from_user = sl_prov_user(b->prov, q->caller, strlen(q->caller), host, strlen(host));
		q->tenant = q->from_user ? sl_prov_tenant(q->snapshot, q->from_user->tenant) : NULL;
		if (!q->tenant || !sl_api_may_see(r, q->tenant->name)) {
			sl_api_error(r, 404, "from", "users: there is no '%s'", from);
			return false;
		}
	} else if (tenant[0]) {
		q->tenant = sl_prov_tenant(q->snapshot, tenant);
		if (!q->tenant)
			sl_api_error(r, 404, "tenant", "tenants: there is no '%s'", tenant);
	} else {
		sl_api_error(r, 400, "from", "a user (NAME@DOMAIN); or a number, with trunk= that brings it, or tenant= whose it is");
	}
	return q->tenant != NULL;
}

void sl_api_route_test(struct sl_brain *b, struct sl_http_request *r)
{
	struct sl_route_query *q = calloc(1, sizeof *q);
	struct sl_route_decision *d = calloc(1, sizeof *d);
	size_t at = (size_t)time(NULL);

	if (!q || !d || !b->routing) {
		sl_api_error(r, 500, NULL, "no memory");
		goto out;
	}
	q->snapshot = sl_prov_now(b->prov);
	if (!sl_api_number(r, "at_unix_s", 0, UINT32_MAX, &at) || !find_caller(b, r, q))
		goto out;
	if (!split(sl_http_arg(r, "to"), q->called, sizeof q->called, q->domain, sizeof q->domain) || !q->called[0]) {
		sl_api_error(r, 400, "to", "a number, NAME@DOMAIN or a SIP or tel URI");
		goto out;
	}
	if (!q->domain[0] && q->from_user)
		snprintf(q->domain, sizeof q->domain, "%s", q->from_user->domain);
	q->unix_s = (int64_t)at;
	q->may_leave = q->from_user || q->from_trunk;
	q->dry = true;
	sl_route_decide(b->routing, q, d);
	answer(r, d);
out:
	free(q);
	free(d);
}
