/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/fuzz/fuzz.h"

#include "config/options.h"
#include "dataplane/abi/region.h"
#include "dataplane/abi/validate.h"

#include <string.h>

/* What a worker indexes by without asking again. */
static void check_leg(const struct sl_cmd_leg *l)
{
	SL_FUZZ_CHECK(l->leg.id != 0 && l->leg.port != 0 && l->leg.address < SL_MEDIA_MAX_ADDRESSES);
	SL_FUZZ_CHECK(l->n_pt_map <= SL_LEG_PT_MAP_MAX && l->n_clocks <= SL_LEG_CLOCKS_MAX && l->learn < SL_LEARN_N);
	for (unsigned i = 0; i < l->n_pt_map; i++)
		SL_FUZZ_CHECK(l->pt_map[i].from < 128 && l->pt_map[i].to < 128);
	for (unsigned i = 0; i < l->n_clocks; i++)
		SL_FUZZ_CHECK(l->clocks[i].pt < 128 && l->clocks[i].hz != 0);
	for (unsigned i = 0; i < SL_SRTP_KEYS_MAX; i++)
		SL_FUZZ_CHECK(l->key_in[i].suite < SL_SRTP_N_SUITES && l->key_in[i].mki_len <= SL_SRTP_MKI_MAX);
	SL_FUZZ_CHECK(l->key_out.suite < SL_SRTP_N_SUITES && l->key_out.mki_len <= SL_SRTP_MKI_MAX);
}

/* What the housekeeper and the guard's workers index by. */
static void check_guard(const struct sl_command *c)
{
	if (c->h.type == SL_CMD_GUARD_POLICY) {
		const struct sl_cmd_guard_policy *p = &c->guard_policy;
		SL_FUZZ_CHECK(p->n_rules <= SL_GUARD_MAX_RULES);
		for (unsigned i = 0; i < p->n_rules; i++)
			SL_FUZZ_CHECK(p->rules[i].guard_class < SL_GUARD_N_CLASSES && p->rules[i].action < SL_GUARD_N_ACTIONS &&
			        (p->rules[i].listener == SL_GUARD_ANY || p->rules[i].listener < SL_CONF_MAX_RELAY));
	}
	if (c->h.type == SL_CMD_GUARD_BAN || c->h.type == SL_CMD_GUARD_UNBAN) {
		SL_FUZZ_CHECK(c->guard_ban.n <= SL_GUARD_BANS_PER_MSG);
		for (unsigned i = 0; i < c->guard_ban.n; i++)
			SL_FUZZ_CHECK(c->guard_ban.bans[i].prefix_len == 128 || c->guard_ban.bans[i].prefix_len == 64);
	}
	if (c->h.type == SL_CMD_GUARD_MARK) {
		SL_FUZZ_CHECK(c->guard_mark.n <= SL_GUARD_MARKS_PER_MSG);
		for (unsigned i = 0; i < c->guard_mark.n; i++)
			SL_FUZZ_CHECK(c->guard_mark.marks[i].trust <= SL_GUARD_IS_FINAL);
	}
	if (c->h.type == SL_CMD_GUARD_METER)
		SL_FUZZ_CHECK(c->guard_meter.meter > 0 && c->guard_meter.meter < SL_GUARD_MAX_METERS);
	if (c->h.type == SL_CMD_GUARD_PRESSURE)
		SL_FUZZ_CHECK(c->guard_pressure.percent > 0 && c->guard_pressure.percent <= 100);
	if (c->h.type == SL_CMD_GUARD_SAMPLE && c->guard_sample.n)
		SL_FUZZ_CHECK(c->guard_sample.prefix_len <= 128 && c->guard_sample.sample != 0);
}

/* What a control plane indexes by. */
static void check_guard_event(const struct sl_event *e)
{
	if (e->h.type == SL_EVT_GUARD_SOURCE)
		SL_FUZZ_CHECK(e->guard_source.level <= SL_GUARD_TOTAL && e->guard_source.guard_class < SL_GUARD_N_CLASSES &&
		        e->guard_source.action < SL_GUARD_N_ACTIONS && e->guard_source.worker < SL_MAX_WORKERS);
	if (e->h.type == SL_EVT_GUARD_SIGNALS)
		SL_FUZZ_CHECK(e->guard_signals.n <= SL_GUARD_SIGNALS_PER_MSG);
	if (e->h.type == SL_EVT_GUARD_ANSWER)
		SL_FUZZ_CHECK(e->guard_answer.n <= sizeof e->guard_answer.rules / sizeof e->guard_answer.rules[0]);
}

/* A message of the contract out of shared memory is any bytes at all. The first byte chooses command or
 * event. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_command cmd = {0};
	struct sl_event evt = {0};
	char text[32];

	if (size == 0)
		return 0;
	if (data[0] & 1) {
		memcpy(&evt, data + 1, size - 1 < sizeof evt ? size - 1 : sizeof evt);
		if (sl_event_validate(&evt, text, sizeof text) < 0)
			return 0;
		if (evt.h.type == SL_EVT_ALLOCATION)
			SL_FUZZ_CHECK(
			        memchr(evt.allocation.username, 0, sizeof evt.allocation.username) != NULL);
		if (evt.h.type == SL_EVT_LEG)
			SL_FUZZ_CHECK(evt.leg.change < SL_LEG_CHANGES_N && evt.leg.worker < SL_MAX_WORKERS &&
			        evt.leg.leg.address < SL_MEDIA_MAX_ADDRESSES);
		check_guard_event(&evt);
		return 0;
	}
	memcpy(&cmd, data + 1, size - 1 < sizeof cmd ? size - 1 : sizeof cmd);
	if (sl_command_validate(&cmd, text, sizeof text) == 0) {
		SL_FUZZ_CHECK(cmd.h.type >= SL_CMD_CONFIG_BEGIN && cmd.h.type <= SL_CMD_TURN_DRAIN);
		if (cmd.h.type == SL_CMD_USER_SET || cmd.h.type == SL_CMD_USER_DELETE)
			SL_FUZZ_CHECK(cmd.user.name_len <= sizeof cmd.user.name);
		if (cmd.h.type == SL_CMD_SECRET)
			SL_FUZZ_CHECK(cmd.secret.len <= sizeof cmd.secret.secret);
		if (cmd.h.type == SL_CMD_TURN_REALM)
			SL_FUZZ_CHECK(memchr(cmd.realm.name, 0, sizeof cmd.realm.name) != NULL);
		if (cmd.h.type == SL_CMD_LEG_SET)
			check_leg(&cmd.leg);
		check_guard(&cmd);
	} else {
		SL_FUZZ_CHECK(memchr(text, 0, sizeof text) != NULL);
	}
	return 0;
}
