/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Routing: which way a call goes and why, time of day, rewrites, toll fraud, limits, what is up; and what a decision costs. */

#include "tests/unit/prov_rig.h"

#include "controlplane/routing/routing.h"
#include "controlplane/routing/zone.h"

#include <time.h>

static struct sl_routing *routing;
static struct sl_asks *asks;
static struct sl_timers *timers;

static int setup(void **state)
{
	prov_setup(state);
	timers = sl_timers_new();
	asks = sl_asks_new(timers);
	routing = sl_routing_open(&(struct sl_routing_options){.prov = prov, .asks = asks, .events = prov_events});
	prov_must(SL_PROV_TENANT, "acme", "{'emergency':['112'],'limits':{'concurrent':100}}");
	prov_must(SL_PROV_DOMAIN, "example.com", "{'tenant':'acme'}");
	prov_must(SL_PROV_USER, "alice@example.com", "{'password':'x','numbers':['+4930100']}");
	prov_must(SL_PROV_USER, "bob@example.com", "{'password':'x','numbers':['+4930200'],'deny':['+49900','0900'],'limits':{'concurrent':2}}");
	prov_must(SL_PROV_USER, "carol@example.com", "{'password':'x','allow':['+49'],'deny':['+49900']}");
	prov_must(SL_PROV_TRUNK, "a", "{'tenant':'acme','sources':['10.0.0.1'],'targets':[{'uri':'sip:10.0.0.1'},{'uri':'sip:10.0.0.2'}],'default_domain':'example.com'}");
	prov_must(SL_PROV_TRUNK, "b", "{'tenant':'acme','sources':['10.0.1.1'],'targets':[{'uri':'sip:10.0.1.1'}]}");
	prov_must(SL_PROV_TRUNK, "c", "{'tenant':'acme','sources':['10.0.2.1'],'targets':[{'uri':'sip:10.0.2.1'}]}");
	return 0;
}

static int teardown(void **state)
{
	sl_routing_close(routing);
	sl_asks_free(asks);
	sl_timers_free(timers);
	return prov_teardown(state);
}

static struct sl_prov_user *user(const char *name)
{
	return sl_prov_user(prov, name, strlen(name), "example.com", 11);
}

static struct sl_route_query query(const char *from, const char *called)
{
	struct sl_route_query q = {.snapshot = sl_prov_now(prov), .may_leave = true, .dry = true};

	q.tenant = sl_prov_tenant(q.snapshot, "acme");
	q.from_trunk = sl_prov_trunk(q.snapshot, from);
	q.from_user = user(from);
	snprintf(q.caller, sizeof q.caller, "%s", from);
	snprintf(q.called, sizeof q.called, "%s", called);
	snprintf(q.domain, sizeof q.domain, "example.com");
	return q;
}

/* "route/trunk route/trunk", "user:alice", or "status reason". */
static const char *decide_query(const struct sl_route_query *q, char *record, size_t record_len)
{
	static char text[1024];
	struct sl_route_decision d;
	json_error_t e;
	json_t *parsed;
	size_t n = 0;

	sl_route_decide(routing, q, &d);
	text[0] = '\0';
	for (unsigned i = 0; i < d.n; i++) {
		const struct sl_route_candidate *c = &d.candidates[i];

		n += (size_t)snprintf(text + n, sizeof text - n, "%s%s%s%s", n ? " " : "", c->route ? c->route->name : "user",
		        c->trunk ? "/" : ":", c->trunk ? c->trunk->name : c->user->name);
	}
	if (!d.n)
		snprintf(text, sizeof text, "%u %s", d.status, d.reason);
	parsed = json_loads(d.record, 0, &e);
	if (!parsed)
		fail_msg("%s: %s", d.record, e.text);
	assert_int_equal(json_array_size(json_object_get(parsed, "chosen")), d.n);
	json_decref(parsed);
	if (record)
		snprintf(record, record_len, "%s", d.record);
	free(d.record);
	return text;
}

static const char *decide(const char *from, const char *called)
{
	struct sl_route_query q = query(from, called);

	return decide_query(&q, NULL, 0);
}

static void route(const char *name, const char *members)
{
	char body[600];

	snprintf(body, sizeof body, "{'tenant':'acme'%s%s}", *members ? "," : "", members);
	prov_must(SL_PROV_ROUTE, name, body);
}

/* ---- the order ---- */

static void local_users_come_first(void **state)
{
	route("all", "'trunks':['a']");
	assert_string_equal(decide("bob", "alice"), "user:alice");
	assert_string_equal(decide("bob", "+4930100"), "user:alice");
	assert_string_equal(decide("a", "4930100"), "user:alice");
	assert_string_equal(decide("bob", "+49-30-(100)"), "user:alice");
	assert_string_equal(decide("bob", "+4930101"), "all/a");
	assert_string_equal(decide("bob", "nobody"), "all/a");

	/* by the trunk's default domain, or the caller's, when the host is an address of ours */
	struct sl_route_query q = query("a", "alice");
	q.domain[0] = '\0';
	assert_string_equal(decide_query(&q, NULL, 0), "user:alice");
	q = query("b", "alice");
	q.domain[0] = '\0';
	assert_string_equal(decide_query(&q, NULL, 0), "all/a");
	q = query("bob", "alice");
	q.domain[0] = '\0';
	assert_string_equal(decide_query(&q, NULL, 0), "user:alice");
	snprintf(q.domain, sizeof q.domain, "elsewhere.net");
	assert_string_equal(decide_query(&q, NULL, 0), "all/a");

	prov_must(SL_PROV_USER, "alice@example.com", "{'enabled':false}");
	assert_string_equal(decide("bob", "alice"), "404 Not Found");
	prov_must(SL_PROV_USER, "alice@example.com", "{}");
	route("no", "'to':'reject','prefix':'ali','status':480,'reason':'Away'");
	assert_string_equal(decide("bob", "alice"), "480 Away");
}

static void the_longest_prefix_wins(void **state)
{
	assert_string_equal(decide("bob", "+4412"), "404 No Route");
	route("all", "'trunks':['a'],'priority':1");
	route("uk", "'trunks':['b'],'prefix':'+44','priority':900,'cost':9");
	route("london", "'trunks':['c'],'prefix':'+4420','source':'trunks'");
	assert_string_equal(decide("bob", "+4412"), "uk/b");
	assert_string_equal(decide("bob", "+4420"), "uk/b"); /* london's source does not fit */
	assert_string_equal(decide("a", "+4420"), "london/c");
	assert_string_equal(decide("bob", "+33"), "all/a");
	assert_string_equal(decide("bob", "+4"), "all/a");
}

static void then_priority_cost_and_weight(void **state)
{
	route("b1", "'trunks':['a'],'priority':1,'cost':0.5");
	route("y1", "'trunks':['b'],'priority':1,'cost':0.012");
	route("x0", "'trunks':['c','b'],'priority':0,'cost':3");
	assert_string_equal(decide("bob", "+1"), "x0/c x0/b b1/a"); /* b by y1 would be the same again */
	prov_delete(SL_PROV_ROUTE, "x0", NULL);
	assert_string_equal(decide("bob", "+1"), "y1/b b1/a");
	route("w1", "'trunks':['c'],'priority':1,'cost':0.012,'weight':5");
	assert_string_equal(decide("bob", "+1"), "w1/c y1/b b1/a");
	assert_string_equal(decide("c", "+1"), "y1/b b1/a"); /* not back to where it came from */
}

static void weights_are_kept_on_average(void **state)
{
	unsigned heavy = 0, none = 0;

	route("h", "'trunks':['a'],'weight':3");
	route("l", "'trunks':['b'],'weight':1");
	route("n", "'trunks':['c'],'weight':0");
	for (unsigned i = 0; i < 4000; i++) {
		struct sl_route_query q = query("bob", "+1");
		struct sl_route_decision d;

		q.dry = false;
		sl_route_decide(routing, &q, &d);
		free(d.record);
		assert_int_equal(d.n, 3);
		heavy += strcmp(d.candidates[0].trunk->name, "a") == 0;
		none += strcmp(d.candidates[0].trunk->name, "c") == 0;
	}
	assert_in_range(heavy, 2800, 3200);
	assert_int_equal(none, 0);
}

static void conditions(void **state)
{
	route("mine", "'trunks':['a'],'source':'user:bob@example.com'");
	route("fromb", "'trunks':['a'],'source':'trunk:b'");
	route("odd", "'trunks':['b'],'match':'^\\\\+1[0-9]*[13579]$'");
	route("shown", "'trunks':['c'],'caller_prefix':'+49'");
	assert_string_equal(decide("bob", "+12"), "mine/a");
	assert_string_equal(decide("b", "+12"), "fromb/a");
	assert_string_equal(decide("carol", "+12"), "404 No Route");
	assert_string_equal(decide("alice", "+13"), "odd/b");
	struct sl_route_query q = query("alice", "+12");
	snprintf(q.caller, sizeof q.caller, "+49123");
	assert_string_equal(decide_query(&q, NULL, 0), "shown/c");
	/* a ported number is looked up by its routing number, and sent as it was dialled */
	struct sl_route_decision d;
	snprintf(q.rn, sizeof q.rn, "+15");
	q.caller[0] = '\0';
	sl_route_decide(routing, &q, &d);
	free(d.record);
	assert_int_equal(d.n, 1);
	assert_string_equal(d.candidates[0].called, "+12");
	assert_string_equal(d.candidates[0].trunk->name, "b");
}

static void other_tenants_do_not_exist(void **state)
{
	prov_must(SL_PROV_TENANT, "other", "{}");
	prov_must(SL_PROV_DOMAIN, "other.net", "{'tenant':'other'}");
	prov_must(SL_PROV_USER, "olga@other.net", "{'password':'x','numbers':['+4930999']}");
	prov_must(SL_PROV_TRUNK, "theirs", "{'tenant':'other','targets':[{'uri':'sip:x'}]}");
	prov_must(SL_PROV_ROUTE, "theirs", "{'tenant':'other','trunks':['theirs']}");
	struct sl_route_query q = query("bob", "olga");
	snprintf(q.domain, sizeof q.domain, "other.net");
	assert_string_equal(decide_query(&q, NULL, 0), "404 No Route");
	assert_string_equal(decide("bob", "+4930999"), "404 No Route");
	struct prov_answer a = prov_put(SL_PROV_ROUTE, "steal", "{'tenant':'acme','trunks':['theirs']}");
	assert_int_equal(a.status, 400);
}

static void local_and_reject_routes(void **state)
{
	route("short", "'to':'local','match':'^[0-9]{3}$','numbers':[{'match':'^','replace':'+4930'}]");
	route("premium", "'to':'reject','prefix':'0900','status':603,'reason':'No Premium'");
	route("plain", "'to':'reject','prefix':'0901'");
	assert_string_equal(decide("bob", "100"), "short:alice");
	assert_string_equal(decide("bob", "109"), "404 Not Found");
	assert_string_equal(decide("alice", "0900123"), "603 No Premium");
	assert_string_equal(decide("alice", "0901123"), "404 Rejected");
	/* a reject behind others ends the list */
	route("p1", "'trunks':['a'],'prefix':'7','priority':1");
	route("p2", "'to':'reject','prefix':'7','priority':2");
	route("p3", "'trunks':['b'],'prefix':'7','priority':3");
	assert_string_equal(decide("alice", "7"), "p1/a");
}

/* ---- numbers ---- */

static void numbers_are_rewritten(void **state)
{
	struct sl_route_decision d;

	prov_must(SL_PROV_TRUNK, "a", "{'tenant':'acme','sources':['10.0.0.1'],'targets':[{'uri':'sip:10.0.0.1'}],'default_domain':'example.com',"
	        "'numbers_in':[{'match':'^00','replace':'+'},{'match':'^0','replace':'+49'}],"
	        "'numbers_out':[{'match':'^\\\\+49([0-9]+)$','replace':'0\\\\1'},{'match':'^\\\\+','replace':'00'}]}");
	route("out", "'trunks':['a'],'source':'users','numbers':[{'match':'^9(.*)$','replace':'+\\\\1'}]");
	struct sl_route_query q = query("bob", "94912345");
	snprintf(q.caller, sizeof q.caller, "+4930200");
	sl_route_decide(routing, &q, &d);
	free(d.record);
	assert_int_equal(d.n, 1);
	assert_string_equal(d.candidates[0].called, "012345");
	assert_string_equal(d.candidates[0].caller, "030200");
	q = query("bob", "9331");
	sl_route_decide(routing, &q, &d);
	free(d.record);
	assert_string_equal(d.candidates[0].called, "00331");
	/* in: national and international, first rule that matches */
	assert_string_equal(decide("a", "030100"), "user:alice");
	assert_string_equal(decide("a", "004930100"), "user:alice");
	/* what would not fit is left alone */
	q = query("bob", "9");
	memset(q.called + 1, '1', SL_ROUTE_NUMBER_MAX - 2);
	prov_must(SL_PROV_TRUNK, "a", "{'tenant':'acme','sources':['10.0.0.1'],'targets':[{'uri':'sip:10.0.0.1'}],"
	        "'numbers_out':[{'match':'^(.*)$','replace':'\\\\1\\\\1'}]}");
	q.snapshot = sl_prov_now(prov);
	q.tenant = sl_prov_tenant(q.snapshot, "acme");
	sl_route_decide(routing, &q, &d);
	free(d.record);
	assert_int_equal(strlen(d.candidates[0].called), SL_ROUTE_NUMBER_MAX - 1);
}

/* ---- toll fraud ---- */

static void where_calls_may_go(void **state)
{
	static const struct {
		const char *from, *called, *way;
	} table[] = {
	        {"bob", "+4930555", "out/a"},
	        {"bob", "+49900123", "403 Destination Not Allowed"},
	        {"bob", "0900123", "403 Destination Not Allowed"},
	        {"bob", "+49 900", "403 Destination Not Allowed"}, /* no number to us; perhaps to the carrier */
	        {"bob", "%2B49900123", "403 Destination Not Allowed"},
	        {"bob", "%2b4%39900123", "403 Destination Not Allowed"},
	        {"bob", "+49%20900123", "403 Destination Not Allowed"},
	        {"bob", "+49%", "out/a"},
	        {"bob", "+49-900-123", "403 Destination Not Allowed"},
	        {"bob", "+49(900)123", "403 Destination Not Allowed"},
	        {"bob", "0049900123", "403 Destination Not Allowed"},  /* the route makes it +49900 */
	        {"bob", "+49alice", "out/a"},
	        {"bob", "alice", "user:alice"},
	        {"carol", "+4930555", "out/a"},
	        {"carol", "004930555", "out/a"},
	        {"carol", "+33123", "403 Destination Not Allowed"},
	        {"carol", "0033123", "403 Destination Not Allowed"},
	        {"carol", "+49900123", "403 Destination Not Allowed"},
	        {"carol", "+112", "403 Destination Not Allowed"},
	        {"carol", "112", "out/a"},               /* emergency */
	        {"alice", "+49900123", "out/a"},
	        {"b", "+49900123", "out/a"},
	};
	struct sl_route_query q;

	route("out", "'trunks':['a'],'numbers':[{'match':'^00','replace':'+'}]");
	for (size_t i = 0; i < SL_COUNT(table); i++) {
		const char *way = decide(table[i].from, table[i].called);

		if (strcmp(way, table[i].way) != 0)
			fail_msg("%s calls %s: wanted %s, got %s", table[i].from, table[i].called, table[i].way, way);
	}
	/* a routing number is where it goes: neither an emergency nor what is allowed hides it */
	q = query("carol", "112");
	snprintf(q.rn, sizeof q.rn, "+49900123");
	assert_string_equal(decide_query(&q, NULL, 0), "403 Destination Not Allowed");
	q = query("carol", "+4930555");
	snprintf(q.rn, sizeof q.rn, "+33900123");
	assert_string_equal(decide_query(&q, NULL, 0), "403 Destination Not Allowed");
	snprintf(q.rn, sizeof q.rn, "+4989");
	assert_string_equal(decide_query(&q, NULL, 0), "out/a");
	/* denied as dialled, whatever its routing number; and as the route made it, whatever the trunk makes of it */
	q = query("bob", "+49900123");
	snprintf(q.rn, sizeof q.rn, "+15");
	assert_string_equal(decide_query(&q, NULL, 0), "403 Destination Not Allowed");
	prov_must(SL_PROV_TRUNK, "a", "{'tenant':'acme','sources':['10.0.0.1'],'targets':[{'uri':'sip:10.0.0.1'}],'numbers_out':[{'match':'^.49','replace':'0'}]}");
	prov_must(SL_PROV_USER, "bob@example.com", "{'deny':['+49900']}");
	assert_string_equal(decide("bob", "0049900123"), "403 Destination Not Allowed");
	assert_string_equal(decide("bob", "004930123"), "out/a");

	q = query("nobody", "+4930555");
	q.may_leave = false;
	assert_string_equal(decide_query(&q, NULL, 0), "403 Forbidden");
	q = query("nobody", "112");
	q.may_leave = false;
	assert_string_equal(decide_query(&q, NULL, 0), "403 Forbidden");
	q = query("nobody", "alice");
	q.may_leave = false;
	assert_string_equal(decide_query(&q, NULL, 0), "user:alice");
}

/* ---- time ---- */

static const int64_t MONDAY = 1704067200; /* 2024-01-01 00:00 UTC, a Monday */

static const char *decide_at(int64_t unix_s)
{
	struct sl_route_query q = query("bob", "+1");

	q.unix_s = unix_s;
	return decide_query(&q, NULL, 0);
}

static void windows_of_time(void **state)
{
	enum { HOUR = 3600, DAY = 86400 };

	route("office", "'trunks':['a'],'times':[{'days':'mon-fri','from':'08:00','to':'18:00'}]");
	route("night", "'trunks':['b'],'priority':200,'times':[{'days':'fri,sun','from':'22:00','to':'06:00'}]");
	assert_string_equal(decide_at(MONDAY + 8 * HOUR - 1), "404 No Route");
	assert_string_equal(decide_at(MONDAY + 8 * HOUR), "office/a");
	assert_string_equal(decide_at(MONDAY + 18 * HOUR - 1), "office/a");
	assert_string_equal(decide_at(MONDAY + 18 * HOUR), "404 No Route");
	assert_string_equal(decide_at(MONDAY + 5 * DAY + 9 * HOUR), "404 No Route"); /* Saturday */
	/* over midnight: the night of Friday, not that of Saturday */
	assert_string_equal(decide_at(MONDAY + 4 * DAY + 22 * HOUR), "night/b");
	assert_string_equal(decide_at(MONDAY + 5 * DAY + 6 * HOUR - 60), "night/b");
	assert_string_equal(decide_at(MONDAY + 5 * DAY + 6 * HOUR), "404 No Route");
	assert_string_equal(decide_at(MONDAY + 5 * DAY + 23 * HOUR), "404 No Route");
	assert_string_equal(decide_at(MONDAY + 7 * DAY + HOUR), "night/b"); /* Monday after Sunday */
	assert_string_equal(decide_at(MONDAY + 4 * DAY + HOUR), "404 No Route");
}

static void windows_follow_the_zone(void **state)
{
	route("office", "'trunks':['a'],'zone':'Europe/Berlin','times':[{'days':'mon-fri','from':'08:00','to':'18:00'}]");
	/* 2024-03-29, a Friday, winter: 08:00 is 07:00 UTC; 2024-04-01, Monday, summer: 06:00 UTC */
	assert_string_equal(decide_at(1711695600 - 1), "404 No Route");
	assert_string_equal(decide_at(1711695600), "office/a");
	assert_string_equal(decide_at(1711951200 - 1), "404 No Route");
	assert_string_equal(decide_at(1711951200), "office/a");
	/* 2045-07-03, a Monday, and 2045-12-04: behind what the file has by transitions */
	assert_string_equal(decide_at(2382760800 - 1), "404 No Route");
	assert_string_equal(decide_at(2382760800), "office/a");
	assert_string_equal(decide_at(2396070000 - 1), "404 No Route");
	assert_string_equal(decide_at(2396070000), "office/a");
}

/* The C library as a second opinion, over 100 years: those behind the last transition too. */
static void zones_agree_with_the_c_library(void **state)
{
	static const char *const names[] = {"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo",
	        "Africa/Casablanca", "Pacific/Apia", "UTC"};

	for (size_t i = 0; i < SL_COUNT(names); i++) {
		const struct sl_zone *z = sl_zone_get(names[i]);

		assert_true(sl_zone_exists(names[i]));
		setenv("TZ", names[i], 1);
		tzset();
		for (int64_t t = 0; t < 100ll * 365 * 86400; t += 6 * 3600 + 900) {
			time_t now = (time_t)t;
			struct tm tm;
			struct sl_local_time local = sl_zone_local(z, t);

			localtime_r(&now, &tm);
			if (local.minute != (unsigned)(tm.tm_hour * 60 + tm.tm_min) || local.weekday != (unsigned)(tm.tm_wday + 6) % 7)
				fail_msg("%s at %lld: %u, wanted %d:%02d", names[i], (long long)t, local.minute, tm.tm_hour, tm.tm_min);
		}
	}
	unsetenv("TZ");
	tzset();
}

static void damaged_zone_files(void **state)
{
	uint8_t data[4096], broken[4096];
	FILE *f = fopen("/usr/share/zoneinfo/Europe/Berlin", "r");
	size_t n;

	assert_non_null(f);
	n = fread(data, 1, sizeof data, f);
	fclose(f);
	for (size_t len = 0; len <= n; len++) {
		uint8_t *exact = malloc(len + 1);

		memcpy(exact, data, len);
		struct sl_zone *z = sl_zone_parse(exact, (unsigned)len);
		if (z)
			sl_zone_offset(z, MONDAY);
		free(z);
		free(exact);
	}
	for (size_t i = 0; i < n; i++) {
		memcpy(broken, data, n);
		broken[i] ^= 0xff;
		struct sl_zone *z = sl_zone_parse(broken, (unsigned)n);
		if (z)
			sl_zone_offset(z, MONDAY);
		free(z);
	}
}

/* ---- what is up ---- */

static void what_is_down_is_left_out(void **state)
{
	struct sl_route_trunk_view view;

	route("r", "'trunks':['a','b']");
	assert_true(sl_route_target_is_up(routing, "a", 0));
	sl_route_target_state(routing, "a", 0, false, "no answer");
	assert_string_equal(decide("bob", "+1"), "r/a r/b"); /* one of two targets is left */
	sl_route_target_state(routing, "a", 1, false, "no answer");
	assert_string_equal(decide("bob", "+1"), "r/b");
	sl_route_target_state(routing, "b", 0, false, "no answer");
	assert_string_equal(decide("bob", "+1"), "r/a r/b"); /* all are */
	sl_route_target_state(routing, "a", 1, true, "200");
	assert_string_equal(decide("bob", "+1"), "r/a");
	assert_int_equal(sl_call_events_after(prov_events, sl_call_events_last(prov_events) - 1, NULL)->type, SL_CE_TRUNK_UP);

	/* another change keeps the state, other targets forget it */
	prov_must(SL_PROV_TRUNK, "b", "{'tenant':'acme','sources':['10.0.1.1'],'targets':[{'uri':'sip:10.0.1.1'}],'timeout_ms':900}");
	assert_false(sl_route_target_is_up(routing, "b", 0));
	prov_must(SL_PROV_TRUNK, "b", "{'tenant':'acme','sources':['10.0.1.1'],'targets':[{'uri':'sip:10.0.1.9'}]}");
	assert_true(sl_route_target_is_up(routing, "b", 0));

	/* a carrier that wants a registration is up with it */
	prov_must(SL_PROV_TRUNK, "b", "{'tenant':'acme','targets':[{'uri':'sip:10.0.1.9'}],'register':{'uri':'sip:10.0.1.9','contact_user':'us'}}");
	assert_string_equal(decide("bob", "+1"), "r/a");
	sl_route_trunk_registered(routing, "b", true, "200");
	assert_string_equal(decide("bob", "+1"), "r/a r/b");
	sl_route_trunk_view(routing, "b", &view);
	assert_true(view.registered && view.registers);
	sl_route_target_state(routing, "nobody", 0, false, "x");
	assert_false(sl_route_target_is_up(routing, "a", 9));
}

/* ---- limits ---- */

static struct sl_route_use use_of(const char *trunk, const char *name)
{
	struct sl_route_use u = {.snapshot = sl_prov_now(prov)};

	u.tenant = sl_prov_tenant(u.snapshot, "acme");
	u.trunk = sl_prov_trunk(u.snapshot, trunk);
	u.user = user(name);
	return u;
}

static void limits_are_all_or_none(void **state)
{
	const struct sl_prov_limits *hit;
	struct sl_route_trunk_view view;
	struct sl_route_use u[4];
	const char *whose;

	for (unsigned i = 0; i < 4; i++)
		u[i] = use_of("a", "bob");
	assert_int_equal(sl_route_use_begin(routing, &u[0], false, 1000, &hit, &whose), 0);
	assert_int_equal(sl_route_use_begin(routing, &u[1], false, 1000, &hit, &whose), 0);
	assert_int_equal(sl_route_use_begin(routing, &u[2], false, 1000, &hit, &whose), -EBUSY);
	assert_string_equal(whose, "user bob");
	assert_int_equal(hit->status, 486);
	assert_false(u[2].counted);
	sl_route_trunk_view(routing, "a", &view);
	assert_int_equal(view.concurrent, 2); /* nothing was taken for the third */
	assert_int_equal(sl_route_use_begin(routing, &u[3], true, 1000, &hit, &whose), 0); /* emergency */
	/* the user and the tables are replaced while calls are up */
	prov_must(SL_PROV_USER, "bob@example.com", "{'limits':{'concurrent':4}}");
	prov_must(SL_PROV_TRUNK, "z", "{'tenant':'acme','targets':[{'uri':'sip:z'}]}");
	u[2] = use_of("a", "bob");
	assert_int_equal(sl_route_use_begin(routing, &u[2], false, 1000, &hit, &whose), 0);
	struct sl_route_use more = use_of("a", "bob");
	assert_int_equal(sl_route_use_begin(routing, &more, false, 1000, &hit, &whose), -EBUSY);
	sl_route_trunk_view(routing, "a", &view);
	assert_int_equal(view.concurrent, 4);
	assert_int_equal(view.calls, 4);
	sl_route_use_failed(routing, &u[0]);
	for (unsigned i = 0; i < 4; i++) {
		sl_route_use_end(routing, &u[i]);
		sl_route_use_end(routing, &u[i]); /* nothing twice */
	}
	sl_route_trunk_view(routing, "a", &view);
	assert_int_equal(view.concurrent, 0);
	assert_int_equal(view.failed, 1);
	assert_int_equal(sl_route_use_begin(routing, &more, false, 1000, &hit, &whose), 0);
	sl_route_use_end(routing, &more);
}

static unsigned begin_many(unsigned n, int64_t from_ms, int64_t step_ms)
{
	unsigned begun = 0;

	for (unsigned i = 0; i < n; i++) {
		struct sl_route_use u = use_of("a", "");

		begun += sl_route_use_begin(routing, &u, false, from_ms + i * step_ms, NULL, NULL) == 0;
		sl_route_use_end(routing, &u);
	}
	return begun;
}

static void calls_per_second(void **state)
{
	prov_must(SL_PROV_TRUNK, "a", "{'tenant':'acme','sources':['10.0.0.1'],'targets':[{'uri':'sip:10.0.0.1'}],'limits':{'cps':10,'status':503,'retry_after':7}}");
	assert_int_equal(begin_many(50, 5900, 0), 10);
	assert_int_equal(begin_many(50, 6000, 0), 0);  /* not twice as many at a second's edge */
	assert_in_range(begin_many(50, 6500, 0), 4, 6);
	assert_int_equal(begin_many(50, 60000, 0), 10);
	assert_in_range(begin_many(1000, 100000, 10), 95, 110); /* ten seconds of 100 a second */
}

/* ---- the record ---- */

static void the_record_says_why(void **state)
{
	struct sl_route_query q;
	char record[8192], name[16];
	json_t *all, *considered;

	route("late", "'trunks':['a'],'prefix':'+49','times':[{'days':'sat','from':'00:00','to':'01:00'}]");
	route("out", "'trunks':['b','c']");
	q = query("b", "+4930\"\\\n\xff");
	assert_string_equal(decide_query(&q, record, sizeof record), "out/c");
	all = json_loads(record, 0, NULL);
	considered = json_object_get(all, "considered");
	assert_int_equal(json_array_size(considered), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(considered, 0), "route")), "late");
	assert_string_equal(json_string_value(json_object_get(json_array_get(considered, 0), "rejected")), "time");
	assert_string_equal(json_string_value(json_object_get(json_array_get(considered, 1), "trunk")), "b");
	assert_string_equal(json_string_value(json_object_get(json_array_get(considered, 1), "rejected")), "the call came from it");
	assert_string_equal(json_string_value(json_object_get(all, "from_trunk")), "b");
	assert_string_equal(json_string_value(json_object_get(all, "called")), "+4930\"\\??");
	json_decref(all);

	/* bounded, and still JSON */
	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "never%u", i);
		route(name, "'trunks':['a'],'source':'trunk:a'");
	}
	q = query("bob", "");
	memset(q.called, '"', SL_ROUTE_NUMBER_MAX - 1);
	assert_string_equal(decide_query(&q, record, sizeof record), "out/b out/c");
	assert_in_range(strlen(record), 2048, 5000);
	assert_non_null(strstr(record, "\"left_out\":"));
}

struct asked {
	unsigned n, candidates;
};
static void decided(void *ctx, int error, const void *result)
{
	const struct sl_route_decision *d = result;
	struct asked *a = ctx;

	assert_int_equal(error, 0);
	a->n++;
	a->candidates = d->n;
	free(d->record);
}

static void a_question_is_answered_once(void **state)
{
	struct sl_route_query q;
	struct asked a = {0};

	route("r", "'trunks':['a','b']");
	q = query("bob", "+1");
	sl_ask ask = sl_route_ask(routing, &q, 1000, decided, &a);
	assert_true(ask != 0);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.candidates, 2);
	sl_ask_withdraw(asks, ask);
	sl_timers_run(timers, 5000);
	assert_int_equal(a.n, 1);
}

/* ---- cost ---- */

enum { ROUTES = 10000, USERS = 100000, ROUNDS = 100000 };

static double us_each(const struct timespec *from, unsigned n)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return ((double)(now.tv_sec - from->tv_sec) * 1e6 + (double)(now.tv_nsec - from->tv_nsec) / 1e3) / n;
}

static void a_decision_among_many(void **state)
{
	json_t *all = sl_prov_export(prov), *users = json_object_get(all, "users"), *routes = json_object_get(all, "routes");
	struct prov_answer a = {0};
	struct timespec from;
	char name[32], number[24];
	unsigned chosen = 0;

	for (unsigned i = 0; i < USERS; i++) {
		snprintf(name, sizeof name, "u%06u", i);
		snprintf(number, sizeof number, "+4940%06u", i);
		json_array_append_new(users, json_pack("{ss ss ss ss s[s]}", "name", name, "domain", "example.com", "ha1_md5",
		        "00112233445566778899aabbccddeeff", "ha1_sha256", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", "numbers", number));
	}
	for (unsigned i = 0; i < ROUTES; i++) {
		snprintf(name, sizeof name, "r%05u", i);
		snprintf(number, sizeof number, "+%u", i / 3 + 100); /* three of each prefix */
		json_array_append_new(routes, json_pack("{ss ss ss s[ss] si sf ss s[{ss ss}] s[{ss ss ss}]}", "name", name, "tenant", "acme", "prefix", number,
		        "trunks", "a", "b", "priority", (int)(i % 3), "cost", 0.01 * (i % 7), "source", "users", "numbers", "match", "^\\+", "replace", "00",
		        "times", "days", "mon-sun", "from", "00:00", "to", "24:00"));
	}
	sl_prov_import(prov, all, prov_answered, &a);
	json_decref(all);
	prov_wait(&a);
	if (a.status != 200)
		fail_msg("%s", a.text);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	sl_prov_now(prov);
	print_message("a snapshot of %d routes: %.1f ms\n", ROUTES, us_each(&from, 1) / 1e3);

	struct sl_route_query q = query("bob", "");
	struct sl_route_decision *d = malloc(sizeof *d);
	q.unix_s = MONDAY;
	q.dry = false;
	sl_route_decide(routing, &q, d); /* live counts are made */
	free(d->record);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	for (unsigned i = 0; i < ROUNDS; i++) {
		snprintf(q.called, sizeof q.called, "+%u%04u", 100 + i * 7919u % (ROUTES / 3), i % 10000);
		sl_route_decide(routing, &q, d);
		chosen += d->n;
		free(d->record);
	}
	print_message("a decision by routes: %.2f us (%.1f candidates)\n", us_each(&from, ROUNDS), (double)chosen / ROUNDS);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	for (unsigned i = 0; i < ROUNDS; i++) {
		snprintf(q.called, sizeof q.called, "+4940%06u", i * 7919u % USERS);
		sl_route_decide(routing, &q, d);
		assert_int_equal(d->n, 1);
		free(d->record);
	}
	print_message("a decision for a user's number: %.2f us\n", us_each(&from, ROUNDS));
	free(d);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        TEST(local_users_come_first),
	        TEST(the_longest_prefix_wins),
	        TEST(then_priority_cost_and_weight),
	        TEST(weights_are_kept_on_average),
	        TEST(conditions),
	        TEST(other_tenants_do_not_exist),
	        TEST(local_and_reject_routes),
	        TEST(numbers_are_rewritten),
	        TEST(where_calls_may_go),
	        TEST(windows_of_time),
	        TEST(windows_follow_the_zone),
	        cmocka_unit_test(zones_agree_with_the_c_library),
	        cmocka_unit_test(damaged_zone_files),
	        TEST(what_is_down_is_left_out),
	        TEST(limits_are_all_or_none),
	        TEST(calls_per_second),
	        TEST(the_record_says_why),
	        TEST(a_question_is_answered_once),
	        TEST(a_decision_among_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
