/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The guard's messages: each field out of range is named, and everything that may be is let through. */

#include "tests/unit/unit.h"

#include "config/options.h"
#include "dataplane/abi/region.h"
#include "dataplane/abi/validate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void named(const char *text, const char *field)
{
	if (strncmp(text, field, strlen(field)) != 0 || text[strlen(field)] != ':')
		fail_msg("'%s' does not name %s", text, field);
}

static void accepted(const struct sl_command *c)
{
	char text[120] = "";

	if (sl_command_validate(c, text, sizeof text) != 0)
		fail_msg("refused: %s", text);
}

static void refused(const struct sl_command *c, const char *field)
{
	char text[120] = "";

	assert_int_equal(sl_command_validate(c, text, sizeof text), -EINVAL);
	named(text, field);
}

/* One field of a good command changed. */
#define BAD(good, member, value, field)                                                                      \
	do {                                                                                                 \
		struct sl_command bad = good();                                                              \
		bad.member = value;                                                                          \
		refused(&bad, field);                                                                        \
	} while (0)
#define GOOD(good, member, value)                                                                            \
	do {                                                                                                 \
		struct sl_command fine = good();                                                             \
		fine.member = value;                                                                         \
		accepted(&fine);                                                                             \
	} while (0)

static struct sl_ip ip(const char *text)
{
	struct sl_ip a;

	assert_int_equal(sl_ip_parse(text, &a), 0);
	return a;
}

/* ---- the policy ---- */

static struct sl_command policy(void)
{
	struct sl_command c = {.h = {.type = SL_CMD_GUARD_POLICY},
	        .guard_policy = {.enabled = 1,
	                .reflection_percent = 300,
	                .allocations_per_source = 100,
	                .turn_session_kbps = 10000,
	                .media_session_pps = 500,
	                .n_rules = 3,
	                .rules = {{.guard_class = SL_GUARD_STUN, .listener = SL_GUARD_ANY, .pps = {50, 500, 5000}},
	                        {.guard_class = SL_GUARD_SIP, .listener = SL_GUARD_ANY, .action = SL_GUARD_DO_REFUSE, .pps = {20}},
	                        {.guard_class = SL_GUARD_SIP, .listener = 3, .action = SL_GUARD_DO_DROP, .total_pps = 1000}}}};
	return c;
}

static void policies_are_checked(void **state)
{
	struct sl_command c = policy();

	accepted(&c);
	BAD(policy, guard_policy.enabled, 2, "enabled");
	BAD(policy, guard_policy.dry_run, 2, "dry_run");
	BAD(policy, guard_policy.reflection_percent, SL_LIMIT_REFLECTION_PERCENT + 1, "reflection_percent");
	BAD(policy, guard_policy.allocations_per_source, SL_LIMIT_USER_QUOTA + 1, "allocations_per_source");
	BAD(policy, guard_policy.allocations_per_prefix, UINT32_MAX, "allocations_per_prefix");
	BAD(policy, guard_policy.turn_session_pps, SL_LIMIT_METER_PPS + 1, "turn_session_pps");
	BAD(policy, guard_policy.turn_session_kbps, 15, "turn_session_kbps");
	BAD(policy, guard_policy.media_session_pps, UINT32_MAX, "media_session_pps");
	BAD(policy, guard_policy.media_session_kbps, SL_LIMIT_METER_KBPS + 1, "media_session_kbps");
	BAD(policy, guard_policy.turn_pps, SL_LIMIT_METER_PPS + 1, "turn_pps");
	BAD(policy, guard_policy.turn_kbps, 1, "turn_kbps");
	GOOD(policy, guard_policy.turn_kbps, 0);
	GOOD(policy, guard_policy.turn_kbps, SL_LIMIT_METER_KBPS);
	BAD(policy, guard_policy.n_rules, SL_GUARD_MAX_RULES + 1, "n_rules");
	GOOD(policy, guard_policy.n_rules, 0);
}

static void rules_are_checked(void **state)
{
	BAD(policy, guard_policy.rules[0].guard_class, SL_GUARD_N_CLASSES, "rules: guard_class");
	BAD(policy, guard_policy.rules[1].action, SL_GUARD_N_ACTIONS, "rules: action");
	BAD(policy, guard_policy.rules[0].action, SL_GUARD_DO_CHALLENGE, "rules: action"); /* STUN is nobody's to challenge */
	GOOD(policy, guard_policy.rules[0].action, SL_GUARD_DO_DROP);
	BAD(policy, guard_policy.rules[0].listener, SL_CONF_MAX_LISTENERS, "rules: listener");
	BAD(policy, guard_policy.rules[2].listener, SL_CONF_MAX_SIP_LISTENERS, "rules: listener");
	BAD(policy, guard_policy.rules[2].listener, SL_GUARD_ANY, "rules"); /* twice the same */
	for (unsigned level = 0; level < SL_GUARD_N_LEVELS; level++)
		BAD(policy, guard_policy.rules[1].pps[level], SL_GUARD_MAX_PPS + 1, "rules: pps");
	BAD(policy, guard_policy.rules[2].total_pps, SL_GUARD_MAX_PPS + 1, "rules: total_pps");
	GOOD(policy, guard_policy.rules[2].total_pps, SL_GUARD_MAX_PPS);

	struct sl_command c = policy(); /* what is for Linux has no listeners */
	c.guard_policy.rules[0].guard_class = SL_GUARD_OTHER;
	accepted(&c);
	c.guard_policy.rules[0].listener = 0;
	refused(&c, "rules: listener");
}

/* ---- bans, marks, pressure, meters ---- */

static struct sl_command ban(void)
{
	struct sl_command c = {.h = {.type = SL_CMD_GUARD_BAN},
	        .guard_ban = {.n = 2,
	                .bans = {{.ip = ip("192.0.2.7"), .prefix_len = 128, .seconds = 60},
	                        {.ip = ip("2001:db8:1:2::"), .prefix_len = 64, .strangers = 1}}}};
	return c;
}

static void bans_are_checked(void **state)
{
	struct sl_command c = ban();

	accepted(&c);
	BAD(ban, guard_ban.n, 0, "n");
	BAD(ban, guard_ban.n, SL_GUARD_BANS_PER_MSG + 1, "n");
	BAD(ban, guard_ban.n, 3, "bans: ip"); /* all zero */
	BAD(ban, guard_ban.pad, 1, "pad");
	BAD(ban, guard_ban.bans[0].ip, ip("224.0.0.1"), "bans: ip");
	BAD(ban, guard_ban.bans[0].prefix_len, 64, "bans: prefix_len"); /* all of IPv4 and more */
	BAD(ban, guard_ban.bans[0].prefix_len, 120, "bans: prefix_len");
	BAD(ban, guard_ban.bans[1].prefix_len, 48, "bans: prefix_len");
	BAD(ban, guard_ban.bans[1].ip, ip("2001:db8:1:2::1"), "bans: ip");
	BAD(ban, guard_ban.bans[1].ip, ip("ff02::1"), "bans: ip");
	BAD(ban, guard_ban.bans[1].strangers, 2, "bans: strangers");
	BAD(ban, guard_ban.bans[1].pad[0], 1, "bans: pad");
	BAD(ban, guard_ban.bans[0].seconds, SL_LIMIT_BAN_S + 1, "bans: seconds");
	GOOD(ban, guard_ban.bans[0].seconds, 0);
	c.guard_ban.bans[0].seconds = UINT32_MAX; /* not read by UNBAN */
	c.h.type = SL_CMD_GUARD_UNBAN;
	accepted(&c);
	c = (struct sl_command){.h = {.type = SL_CMD_GUARD_BANS_CLEAR}};
	accepted(&c);
}

static struct sl_command mark(void)
{
	struct sl_command c = {.h = {.type = SL_CMD_GUARD_MARK},
	        .guard_mark = {.n = 1,
	                .marks = {{.remote = {.ip = ip("192.0.2.7"), .port_be = htons(5060)},
	                        .listener = 2,
	                        .trust = SL_GUARD_IS_FINAL,
	                        .seconds = 3600}}}};
	return c;
}

static void marks_are_checked(void **state)
{
	struct sl_command c = mark();

	accepted(&c);
	BAD(mark, guard_mark.n, 0, "n");
	BAD(mark, guard_mark.n, SL_GUARD_MARKS_PER_MSG + 1, "n");
	BAD(mark, guard_mark.pad, 1, "pad");
	BAD(mark, guard_mark.marks[0].remote.ip, ip("::"), "marks: remote");
	BAD(mark, guard_mark.marks[0].remote.port_be, 0, "marks: remote");
	BAD(mark, guard_mark.marks[0].listener, SL_CONF_MAX_SIP_LISTENERS, "marks: listener");
	BAD(mark, guard_mark.marks[0].listener, SL_GUARD_ANY, "marks: listener");
	BAD(mark, guard_mark.marks[0].trust, SL_GUARD_IS_FINAL + 1, "marks: trust");
	BAD(mark, guard_mark.marks[0].pad, 1, "marks: pad");
	BAD(mark, guard_mark.marks[0].seconds, 0, "marks: seconds");
	BAD(mark, guard_mark.marks[0].seconds, SL_LIMIT_MARK_S + 1, "marks: seconds");
	c.guard_mark.marks[0].trust = SL_GUARD_NOBODY;
	c.guard_mark.marks[0].seconds = 0;
	accepted(&c);
}

static struct sl_command pressure(void)
{
	return (struct sl_command){.h = {.type = SL_CMD_GUARD_PRESSURE}, .guard_pressure = {50}};
}

static struct sl_command meter(void)
{
	return (struct sl_command){.h = {.type = SL_CMD_GUARD_METER}, .guard_meter = {.meter = 1, .pps = 1000, .kbps = 16}};
}

static void pressure_and_meters_are_checked(void **state)
{
	GOOD(pressure, guard_pressure.percent, 1);
	GOOD(pressure, guard_pressure.percent, 100);
	BAD(pressure, guard_pressure.percent, 0, "percent");
	BAD(pressure, guard_pressure.percent, 101, "percent");
	GOOD(meter, guard_meter.meter, SL_GUARD_MAX_METERS - 1);
	BAD(meter, guard_meter.meter, 0, "meter"); /* none */
	BAD(meter, guard_meter.meter, SL_GUARD_MAX_METERS, "meter"); /* TURN's: the policy says it */
	BAD(meter, guard_meter.pps, SL_LIMIT_METER_PPS + 1, "pps");
	BAD(meter, guard_meter.kbps, 15, "kbps");
	GOOD(meter, guard_meter.kbps, 0);
}

/* ---- questions to workers ---- */

static struct sl_command query(void)
{
	return (struct sl_command){.h = {.type = SL_CMD_GUARD_QUERY}, .guard_query = {ip("192.0.2.7")}};
}

static struct sl_command sample(void)
{
	return (struct sl_command){.h = {.type = SL_CMD_GUARD_SAMPLE},
	        .guard_sample = {.n = 100, .seconds = 10, .sample = 4, .reason = SL_GUARD_ANY, .prefix_len = 120, .ip = ip("192.0.2.0")}};
}

static void questions_are_checked(void **state)
{
	GOOD(query, guard_query.ip, ip("2001:db8::1"));
	BAD(query, guard_query.ip, ip("::"), "ip");
	GOOD(sample, guard_sample.n, SL_GUARD_SAMPLES_MAX);
	BAD(sample, guard_sample.n, SL_GUARD_SAMPLES_MAX + 1, "n");
	BAD(sample, guard_sample.seconds, 0, "seconds");
	BAD(sample, guard_sample.seconds, SL_LIMIT_SAMPLE_S + 1, "seconds");
	BAD(sample, guard_sample.sample, 0, "sample");
	GOOD(sample, guard_sample.reason, SL_DROP_guard_denied);
	BAD(sample, guard_sample.reason, SL_N_DROPS, "reason");
	BAD(sample, guard_sample.pad, 1, "pad");
	BAD(sample, guard_sample.prefix_len, 129, "prefix_len");
	BAD(sample, guard_sample.prefix_len, 96, "ip");
	struct sl_command stop = {.h = {.type = SL_CMD_GUARD_SAMPLE}};
	accepted(&stop);
}

static void who_carries_out_what(void **state)
{
	for (uint32_t type = SL_CMD_GUARD_POLICY; type <= SL_CMD_GUARD_SAMPLE; type++)
		assert_int_equal(sl_command_is_for_worker(type), type == SL_CMD_GUARD_QUERY || type == SL_CMD_GUARD_SAMPLE);
	struct sl_command c = {.h = {.type = SL_CMD_TURN_DRAIN + 1}};
	refused(&c, "type");
	for (uint32_t type = SL_CMD_TURN_REALM; type <= SL_CMD_TURN_DRAIN + 1; type++)
		assert_false(sl_command_is_for_worker(type));
}

/* ---- events ---- */

#define BAD_EVENT(good, member, value, field)                                                                \
	do {                                                                                                 \
		char why[120] = "";                                                                          \
		struct sl_event bad = good();                                                                \
		bad.member = value;                                                                          \
		assert_int_equal(sl_event_validate(&bad, why, sizeof why), -EINVAL);                         \
		named(why, field);                                                                           \
	} while (0)

static void event_accepted(struct sl_event e)
{
	char text[120] = "";

	if (sl_event_validate(&e, text, sizeof text) != 0)
		fail_msg("refused: %s", text);
}

static struct sl_event source(void)
{
	return (struct sl_event){.h = {.type = SL_EVT_GUARD_SOURCE},
	        .guard_source = {.ip = ip("192.0.2.0"), .prefix_len = 120, .level = SL_GUARD_PREFIX, .change = SL_GUARD_OVER,
	                .guard_class = SL_GUARD_SIP, .action = SL_GUARD_DO_CHALLENGE, .listener = SL_GUARD_ANY, .worker = 31}};
}

static struct sl_event total(void)
{
	struct sl_event e = source();

	e.guard_source.ip = (struct sl_ip){0};
	e.guard_source.prefix_len = 0;
	e.guard_source.level = SL_GUARD_TOTAL;
	return e;
}

static void sources_are_checked(void **state)
{
	event_accepted(source());
	event_accepted(total());
	BAD_EVENT(source, guard_source.ip, ip("192.0.2.1"), "ip");
	BAD_EVENT(source, guard_source.prefix_len, 129, "prefix_len");
	BAD_EVENT(total, guard_source.prefix_len, 8, "prefix_len");
	BAD_EVENT(source, guard_source.level, SL_GUARD_TOTAL + 1, "level");
	BAD_EVENT(source, guard_source.change, 0, "change");
	BAD_EVENT(source, guard_source.change, SL_GUARD_BELOW + 1, "change");
	BAD_EVENT(source, guard_source.guard_class, SL_GUARD_N_CLASSES, "guard_class");
	BAD_EVENT(source, guard_source.action, SL_GUARD_N_ACTIONS, "action");
	BAD_EVENT(source, guard_source.dry_run, 2, "dry_run");
	BAD_EVENT(source, guard_source.listener, SL_CONF_MAX_SIP_LISTENERS, "listener");
	BAD_EVENT(source, guard_source.worker, SL_MAX_WORKERS, "worker");
	BAD_EVENT(source, guard_source.pad[6], 1, "pad");
}

static struct sl_event signals(void)
{
	return (struct sl_event){.h = {.type = SL_EVT_GUARD_SIGNALS}, .guard_signals = {.n = SL_GUARD_SIGNALS_PER_MSG}};
}

static struct sl_event standing(void)
{
	return (struct sl_event){.h = {.type = SL_EVT_GUARD_ANSWER},
	        .guard_answer = {.ip = ip("192.0.2.7"), .verdict = SL_PREFIX_ALLOW, .banned = 1, .n = 16}};
}

static void signals_and_answers_are_checked(void **state)
{
	event_accepted(signals());
	BAD_EVENT(signals, guard_signals.n, 0, "n");
	BAD_EVENT(signals, guard_signals.n, SL_GUARD_SIGNALS_PER_MSG + 1, "n");
	BAD_EVENT(signals, guard_signals.worker, SL_MAX_WORKERS, "worker");
	BAD_EVENT(signals, guard_signals.pad[2], 1, "pad");
	event_accepted(standing());
	BAD_EVENT(standing, guard_answer.worker, SL_MAX_WORKERS, "worker");
	BAD_EVENT(standing, guard_answer.verdict, SL_PREFIX_ALLOW + 1, "verdict");
	BAD_EVENT(standing, guard_answer.banned, 3, "banned");
	BAD_EVENT(standing, guard_answer.pad, 1, "pad");
	BAD_EVENT(standing, guard_answer.n, 17, "n");
	BAD_EVENT(standing, guard_answer.rules[15].guard_class, SL_GUARD_N_CLASSES, "rules: guard_class");
	BAD_EVENT(standing, guard_answer.rules[2].listener, 99, "rules: listener");
	BAD_EVENT(standing, guard_answer.rules[2].pad, 9, "rules: pad");
}

/* ---- copies of dropped packets ---- */

static struct sl_bulk copy(void)
{
	return (struct sl_bulk){.kind = SL_BULK_GUARD, .len = 60, .full_len = 60, .what = SL_TAP_RECEIVED, .tap = 4,
	        .reason = SL_DROP_guard_banned};
}

#define BAD_BULK(member, value, field)                                                                       \
	do {                                                                                                 \
		char why[120] = "";                                                                          \
		struct sl_bulk bad = copy();                                                                 \
		bad.member = value;                                                                          \
		assert_int_equal(sl_bulk_validate(&bad, why, sizeof why), -EINVAL);                          \
		named(why, field);                                                                           \
	} while (0)

static void copies_are_checked(void **state)
{
	struct sl_bulk b = copy();
	char text[120];

	assert_int_equal(sl_bulk_validate(&b, text, sizeof text), 0);
	BAD_BULK(what, SL_TAP_SENT, "what");
	BAD_BULK(tap, 0, "tap");
	BAD_BULK(leg_id, 1, "leg_id");
	BAD_BULK(reason, SL_N_DROPS, "reason");
	BAD_BULK(full_len, 59, "full_len");
	BAD_BULK(pad2[0], 1, "pad2");
}

/* ---- lists ---- */

static void lists_are_checked(void **state)
{
	union {
		struct sl_guard_list list;
		uint8_t bytes[sizeof(struct sl_guard_list) + 3 * sizeof(struct sl_prefix_entry)];
	} u = {.list = {.magic = SL_GUARD_LIST_MAGIC, .n = 3}};
	char text[120] = "";

	assert_int_equal(sl_guard_list_validate(&u.list, sizeof u, text, sizeof text), 0);
	assert_int_equal(sl_guard_list_validate(&u.list, sizeof u - 1, text, sizeof text), -EINVAL);
	named(text, "n");
	assert_int_equal(sl_guard_list_validate(&u.list, sizeof u.list - 1, text, sizeof text), -EINVAL);
	named(text, "list");
	u.list.n = 2;
	assert_int_equal(sl_guard_list_validate(&u.list, sizeof u, text, sizeof text), -EINVAL);
	named(text, "n");
	u.list.n = SL_GUARD_LIST_MAX + 1;
	assert_int_equal(sl_guard_list_validate(&u.list, sizeof u, text, sizeof text), -EINVAL);
	named(text, "n");
	u.list.n = 3;
	u.list.reserved = 1;
	assert_int_equal(sl_guard_list_validate(&u.list, sizeof u, text, sizeof text), -EINVAL);
	named(text, "reserved");
	u.list.reserved = 0;
	u.list.magic++;
	assert_int_equal(sl_guard_list_validate(&u.list, sizeof u, text, sizeof text), -EINVAL);
	named(text, "magic");
	u.list = (struct sl_guard_list){.magic = SL_GUARD_LIST_MAGIC};
	assert_int_equal(sl_guard_list_validate(&u.list, sizeof u.list, text, sizeof text), 0); /* the empty one */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(policies_are_checked),
	        cmocka_unit_test(rules_are_checked),
	        cmocka_unit_test(bans_are_checked),
	        cmocka_unit_test(marks_are_checked),
	        cmocka_unit_test(pressure_and_meters_are_checked),
	        cmocka_unit_test(questions_are_checked),
	        cmocka_unit_test(who_carries_out_what),
	        cmocka_unit_test(sources_are_checked),
	        cmocka_unit_test(signals_and_answers_are_checked),
	        cmocka_unit_test(copies_are_checked),
	        cmocka_unit_test(lists_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
