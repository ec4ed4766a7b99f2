/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/abi/validate_internal.h"

#include "config/options.h"
#include "dataplane/abi/region.h"

#include <errno.h>

/* How many of what a rule's class counts by may be listeners. */
static unsigned listeners_of(unsigned guard_class)
{
	switch (guard_class) {
	case SL_GUARD_STUN:
		return SL_CONF_MAX_LISTENERS;
	case SL_GUARD_RELAY:
		return SL_CONF_MAX_RELAY;
	case SL_GUARD_MEDIA:
		return SL_CONF_MAX_MEDIA_ADDRESSES;
	case SL_GUARD_SIP:
	case SL_GUARD_PROVISIONAL:
	case SL_GUARD_KNOWN:
		return SL_CONF_MAX_SIP_LISTENERS;
	default:
		return 0;
	}
}

static bool is_sip(unsigned guard_class)
{
	return guard_class == SL_GUARD_SIP || guard_class == SL_GUARD_PROVISIONAL || guard_class == SL_GUARD_KNOWN;
}

static int check_listener(struct sl_verdict v, const char *field, unsigned guard_class, uint16_t listener)
{
	if (listener == SL_GUARD_ANY || listener < listeners_of(guard_class))
		return 0;
	return sl_refuse(v, field, "no listener of that class can have this number");
}

/* A second's worth is the burst: with less than this every packet of full length would be one that passes only when nothing else was sent. */
static int check_kbps(struct sl_verdict v, const char *field, uint32_t kbps)
{
	return kbps == 0 ? 0 : sl_check_range(v, field, kbps, SL_LIMIT_METER_KBPS_MIN, SL_LIMIT_METER_KBPS);
}

/* ---- the policy ---- */

static int check_rule(struct sl_verdict v, const struct sl_guard_rule *r)
{
	int rc;

	if ((rc = sl_check_range(v, "rules: guard_class", r->guard_class, 0, SL_GUARD_N_CLASSES - 1)) ||
	        (rc = sl_check_range(v, "rules: action", r->action, 0, SL_GUARD_N_ACTIONS - 1)) ||
	        (rc = check_listener(v, "rules: listener", r->guard_class, r->listener)) ||
	        (rc = sl_check_range(v, "rules: total_pps", r->total_pps, 0, SL_GUARD_MAX_PPS)))
		return rc;
	for (unsigned level = 0; level < SL_GUARD_N_LEVELS && rc == 0; level++)
		rc = sl_check_range(v, "rules: pps", r->pps[level], 0, SL_GUARD_MAX_PPS);
	if (rc == 0 && r->action > SL_GUARD_DO_DROP && !is_sip(r->guard_class))
		return sl_refuse(v, "rules: action", "the control plane answers nothing but SIP");
	return rc;
}

static int check_rules(struct sl_verdict v, const struct sl_cmd_guard_policy *p)
{
	int rc = sl_check_range(v, "n_rules", p->n_rules, 0, SL_GUARD_MAX_RULES);

	for (unsigned i = 0; rc == 0 && i < p->n_rules; i++) {
		rc = check_rule(v, &p->rules[i]);
		for (unsigned j = 0; j < i && rc == 0; j++) {
			if (p->rules[j].guard_class == p->rules[i].guard_class && p->rules[j].listener == p->rules[i].listener)
				return sl_refuse(v, "rules", "two of the same class and listener");
		}
	}
	return rc;
}

static int check_policy(struct sl_verdict v, const struct sl_cmd_guard_policy *p)
{
	int rc;

	if ((rc = sl_check_range(v, "enabled", p->enabled, 0, 1)) || (rc = sl_check_range(v, "dry_run", p->dry_run, 0, 1)) ||
	        (rc = sl_check_range(v, "reflection_percent", p->reflection_percent, 0, SL_LIMIT_REFLECTION_PERCENT)) ||
	        (rc = sl_check_range(v, "allocations_per_source", p->allocations_per_source, 0, SL_LIMIT_USER_QUOTA)) ||
	        (rc = sl_check_range(v, "allocations_per_prefix", p->allocations_per_prefix, 0, SL_LIMIT_USER_QUOTA)) ||
	        (rc = sl_check_range(v, "turn_session_pps", p->turn_session_pps, 0, SL_LIMIT_METER_PPS)) ||
	        (rc = check_kbps(v, "turn_session_kbps", p->turn_session_kbps)) ||
	        (rc = sl_check_range(v, "media_session_pps", p->media_session_pps, 0, SL_LIMIT_METER_PPS)) ||
	        (rc = check_kbps(v, "media_session_kbps", p->media_session_kbps)) ||
	        (rc = sl_check_range(v, "turn_pps", p->turn_pps, 0, SL_LIMIT_METER_PPS)) ||
	        (rc = check_kbps(v, "turn_kbps", p->turn_kbps)))
		return rc;
	return check_rules(v, p);
}

/* ---- bans, marks, meters ---- */

static int check_ban(struct sl_verdict v, const struct sl_guard_ban *b, bool unban)
{
	int rc;

	if (!sl_is_host(&b->ip))
		return sl_refuse(v, "bans: ip", "not an address that a host can have");
	if (b->prefix_len != 128 && (b->prefix_len != 64 || sl_ip_is_v4(&b->ip)))
		return sl_refuse(v, "bans: prefix_len", "neither 128 nor, of IPv6, 64");
	if ((rc = sl_check_ip_prefix(v, "bans: ip", &b->ip, b->prefix_len)) ||
	        (rc = sl_check_range(v, "bans: strangers", b->strangers, 0, 1)) ||
	        (rc = sl_check_zero(v, "bans: pad", b->pad, sizeof b->pad)))
		return rc;
	return unban ? 0 : sl_check_range(v, "bans: seconds", b->seconds, 0, SL_LIMIT_BAN_S);
}

static int check_bans(struct sl_verdict v, const struct sl_cmd_guard_ban *c, bool unban)
{
	int rc = sl_check_range(v, "n", c->n, 1, SL_GUARD_BANS_PER_MSG);

	if (rc == 0)
		rc = sl_check_zero(v, "pad", &c->pad, sizeof c->pad);
	for (unsigned i = 0; rc == 0 && i < c->n; i++)
		rc = check_ban(v, &c->bans[i], unban);
	return rc;
}

static int check_mark(struct sl_verdict v, const struct sl_guard_mark *m)
{
	int rc;

	if (!sl_is_host(&m->remote.ip))
		return sl_refuse(v, "marks: remote", "not an address that a host can have");
	if (m->remote.port_be == 0)
		return sl_refuse(v, "marks: remote", "port 0");
	if ((rc = sl_check_range(v, "marks: listener", m->listener, 0, SL_CONF_MAX_SIP_LISTENERS - 1)) ||
	        (rc = sl_check_range(v, "marks: trust", m->trust, SL_GUARD_NOBODY, SL_GUARD_IS_FINAL)) ||
	        (rc = sl_check_zero(v, "marks: pad", &m->pad, sizeof m->pad)))
		return rc;
	return m->trust == SL_GUARD_NOBODY ? 0 : sl_check_range(v, "marks: seconds", m->seconds, 1, SL_LIMIT_MARK_S);
}

static int check_marks(struct sl_verdict v, const struct sl_cmd_guard_mark *c)
{
	int rc = sl_check_range(v, "n", c->n, 1, SL_GUARD_MARKS_PER_MSG);

	if (rc == 0)
		rc = sl_check_zero(v, "pad", &c->pad, sizeof c->pad);
	for (unsigned i = 0; rc == 0 && i < c->n; i++)
		rc = check_mark(v, &c->marks[i]);
	return rc;
}

static int check_meter(struct sl_verdict v, const struct sl_cmd_guard_meter *m)
{
	int rc;

	if ((rc = sl_check_range(v, "meter", m->meter, 1, SL_GUARD_MAX_METERS - 1)) ||
	        (rc = sl_check_range(v, "pps", m->pps, 0, SL_LIMIT_METER_PPS)))
		return rc;
	return check_kbps(v, "kbps", m->kbps);
}

/* ---- what workers are asked ---- */

static int check_query(struct sl_verdict v, const struct sl_cmd_guard_query *q)
{
	return sl_is_host(&q->ip) ? 0 : sl_refuse(v, "ip", "not an address that a host can have");
}

static int check_sample(struct sl_verdict v, const struct sl_cmd_guard_sample *s)
{
	int rc;

	if ((rc = sl_check_range(v, "n", s->n, 0, SL_GUARD_SAMPLES_MAX)) ||
	        (rc = sl_check_zero(v, "pad", &s->pad, sizeof s->pad)))
		return rc;
	if (s->n == 0) /* stop: nothing else is read */
		return 0;
	if ((rc = sl_check_range(v, "seconds", s->seconds, 1, SL_LIMIT_SAMPLE_S)) ||
	        (rc = sl_check_range(v, "prefix_len", s->prefix_len, 0, 128)))
		return rc;
	if (s->sample == 0)
		return sl_refuse(v, "sample", "0");
	if (s->reason != SL_GUARD_ANY && (rc = sl_check_range(v, "reason", s->reason, 0, SL_N_DROPS - 1)))
		return rc;
	return sl_check_ip_prefix(v, "ip", &s->ip, s->prefix_len);
}

bool sl_is_guard_command(uint32_t type)
{
	return type >= SL_CMD_GUARD_POLICY && type <= SL_CMD_GUARD_SAMPLE;
}

int sl_check_guard_command(struct sl_verdict v, const struct sl_command *cmd)
{
	switch (cmd->h.type) {
	case SL_CMD_GUARD_POLICY:
		return check_policy(v, &cmd->guard_policy);
	case SL_CMD_GUARD_BAN:
	case SL_CMD_GUARD_UNBAN:
		return check_bans(v, &cmd->guard_ban, cmd->h.type == SL_CMD_GUARD_UNBAN);
	case SL_CMD_GUARD_BANS_CLEAR:
		return 0;
	case SL_CMD_GUARD_MARK:
		return check_marks(v, &cmd->guard_mark);
	case SL_CMD_GUARD_PRESSURE:
		return sl_check_range(v, "percent", cmd->guard_pressure.percent, 1, 100);
	case SL_CMD_GUARD_METER:
		return check_meter(v, &cmd->guard_meter);
	case SL_CMD_GUARD_QUERY:
		return check_query(v, &cmd->guard_query);
	case SL_CMD_GUARD_SAMPLE:
		return check_sample(v, &cmd->guard_sample);
	default:
		return sl_refuse(v, "type", "unknown command");
	}
}

/* ---- what a control plane receives ---- */

int sl_check_guard_source(struct sl_verdict v, const struct sl_evt_guard_source *e)
{
	int rc;

	if ((rc = sl_check_range(v, "level", e->level, 0, SL_GUARD_TOTAL)) ||
	        (rc = sl_check_range(v, "prefix_len", e->prefix_len, 0, 128)) ||
	        (rc = sl_check_ip_prefix(v, "ip", &e->ip, e->prefix_len)) ||
	        (rc = sl_check_range(v, "change", e->change, SL_GUARD_OVER, SL_GUARD_BELOW)) ||
	        (rc = sl_check_range(v, "guard_class", e->guard_class, 0, SL_GUARD_N_CLASSES - 1)) ||
	        (rc = sl_check_range(v, "action", e->action, 0, SL_GUARD_N_ACTIONS - 1)) ||
	        (rc = sl_check_range(v, "dry_run", e->dry_run, 0, 1)) ||
	        (rc = check_listener(v, "listener", e->guard_class, e->listener)) ||
	        (rc = sl_check_range(v, "worker", e->worker, 0, SL_MAX_WORKERS - 1)))
		return rc;
	if ((e->level == SL_GUARD_TOTAL) != (e->prefix_len == 0))
		return sl_refuse(v, "prefix_len", "does not go with level");
	return sl_check_zero(v, "pad", e->pad, sizeof e->pad);
}

int sl_check_guard_signals(struct sl_verdict v, const struct sl_evt_guard_signals *e)
{
	int rc;

	if ((rc = sl_check_range(v, "n", e->n, 1, SL_GUARD_SIGNALS_PER_MSG)) ||
	        (rc = sl_check_range(v, "worker", e->worker, 0, SL_MAX_WORKERS - 1)))
		return rc;
	return sl_check_zero(v, "pad", e->pad, sizeof e->pad);
}

int sl_check_guard_answer(struct sl_verdict v, const struct sl_evt_guard_answer *e)
{
	int rc;

	if ((rc = sl_check_range(v, "worker", e->worker, 0, SL_MAX_WORKERS - 1)) ||
	        (rc = sl_check_range(v, "verdict", e->verdict, SL_PREFIX_NONE, SL_PREFIX_ALLOW)) ||
	        (rc = sl_check_range(v, "banned", e->banned, 0, 1)) || (rc = sl_check_zero(v, "pad", &e->pad, sizeof e->pad)) ||
	        (rc = sl_check_range(v, "n", e->n, 0, sizeof e->rules / sizeof e->rules[0])))
		return rc;
	for (unsigned i = 0; i < e->n; i++) {
		if ((rc = sl_check_range(v, "rules: guard_class", e->rules[i].guard_class, 0, SL_GUARD_N_CLASSES - 1)) ||
		        (rc = check_listener(v, "rules: listener", e->rules[i].guard_class, e->rules[i].listener)) ||
		        (rc = sl_check_zero(v, "rules: pad", &e->rules[i].pad, sizeof e->rules[i].pad)))
			return rc;
	}
	return 0;
}

/* ---- lists ---- */

int sl_guard_list_validate(const struct sl_guard_list *l, size_t bytes, char *text, size_t text_len)
{
	struct sl_verdict v = {text, text_len};
	int rc;

	if (bytes < sizeof *l)
		return sl_refuse(v, "list", "shorter than its header");
	if (l->magic != SL_GUARD_LIST_MAGIC)
		return sl_refuse(v, "magic", "not a list of prefixes");
	if ((rc = sl_check_range(v, "n", l->n, 0, SL_GUARD_LIST_MAX)) ||
	        (rc = sl_check_zero(v, "reserved", &l->reserved, sizeof l->reserved)))
		return rc;
	if (bytes != sizeof *l + (size_t)l->n * sizeof l->entries[0])
		return sl_refuse(v, "n", "does not go with the file's size");
	return 0;
}
