/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/abi/validate_internal.h"

#include "dataplane/abi/region.h"
#include "dataplane/wire/channel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int sl_refuse(struct sl_verdict v, const char *field, const char *why)
{
	snprintf(v.text, v.text_len, "%s: %s", field, why);
	return -EINVAL;
}

int sl_check_range(struct sl_verdict v, const char *field, uint64_t value, uint64_t min, uint64_t max)
{
	if (value >= min && value <= max)
		return 0;
	snprintf(v.text, v.text_len, "%s: %llu is not within %llu to %llu", field, (unsigned long long)value,
	        (unsigned long long)min, (unsigned long long)max);
	return -EINVAL;
}

/* NUL-terminated, at least min bytes, no control characters. */
int sl_check_text(struct sl_verdict v, const char *field, const char *s, size_t size, size_t min)
{
	size_t len = strnlen(s, size);

	if (len == size)
		return sl_refuse(v, field, "not terminated");
	if (len < min)
		return sl_refuse(v, field, "empty");
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return sl_refuse(v, field, "control character");
	}
	return 0;
}

int sl_check_zero(struct sl_verdict v, const char *field, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++) {
		if (b[i])
			return sl_refuse(v, field, "not zero");
	}
	return 0;
}

int sl_check_ip_prefix(struct sl_verdict v, const char *field, const struct sl_ip *ip, unsigned prefix_len)
{
	for (unsigned bit = prefix_len; bit < 128; bit++) {
		if (ip->b[bit / 8] & 0x80 >> bit % 8)
			return sl_refuse(v, field, "bits beyond the prefix");
	}
	return 0;
}

bool sl_is_host(const struct sl_ip *ip)
{
	static const struct sl_ip none;

	if (sl_ip_is_v4(ip))
		return ip->b[12] != 0 && ip->b[12] < 224;
	return ip->b[0] != 0xff && !sl_ip_eq(ip, &none);
}

static int check_turn(struct sl_verdict v, const struct sl_cmd_turn *t)
{
	int rc;

	if ((rc = sl_check_text(v, "realm", t->realm, sizeof t->realm, 1)) ||
	        (rc = sl_check_range(v, "max_lifetime_s", t->max_lifetime_s, 1, SL_LIMIT_LIFETIME_S)) ||
	        (rc = sl_check_range(v, "default_lifetime_s", t->default_lifetime_s, 1, t->max_lifetime_s)) ||
	        (rc = sl_check_range(
	                 v, "permission_lifetime_s", t->permission_lifetime_s, 1, SL_LIMIT_LIFETIME_S)) ||
	        (rc = sl_check_range(v, "channel_lifetime_s", t->channel_lifetime_s, 1, SL_LIMIT_LIFETIME_S)) ||
	        (rc = sl_check_range(v, "nonce_lifetime_s", t->nonce_lifetime_s, 1, SL_LIMIT_LIFETIME_S)) ||
	        (rc = sl_check_range(v, "user_quota", t->user_quota, 0, SL_LIMIT_USER_QUOTA)) ||
	        (rc = sl_check_range(v, "max_permissions", t->max_permissions, 1, SL_LIMIT_PERMISSIONS)) ||
	        (rc = sl_check_range(v, "offer_sha256", t->offer_sha256, 0, 1)) ||
	        (rc = sl_check_zero(v, "pad", &t->pad, sizeof t->pad)) ||
	        (rc = sl_check_range(v, "channel_max", t->channel_max, SL_CHANNEL_MAX, SL_CHANNEL_MAX_RFC5766)))
		return rc;
	return sl_check_text(v, "software", t->software, sizeof t->software, 0);
}

static int check_peer_rule(struct sl_verdict v, const struct sl_cmd_peer_rule *p)
{
	int rc;

	if ((rc = sl_check_range(v, "prefix_len", p->prefix_len, 0, 128)) ||
	        (rc = sl_check_range(v, "allow", p->allow, 0, 1)) ||
	        (rc = sl_check_zero(v, "pad", p->pad, sizeof p->pad)))
		return rc;
	return sl_check_ip_prefix(v, "ip", &p->ip, p->prefix_len);
}

static int check_user(struct sl_verdict v, const struct sl_cmd_user *u)
{
	int rc = sl_check_range(v, "name_len", u->name_len, 1, SL_MSG_USERNAME_MAX);

	if (rc)
		return rc;
	/* OpaqueString (RFC 8265 4.2.2) has no control characters; NUL would end it early wherever it is
	 * shown. */
	for (unsigned i = 0; i < u->name_len; i++) {
		if ((unsigned char)u->name[i] < 0x20 || u->name[i] == 0x7f)
			return sl_refuse(v, "name", "control character");
	}
	return 0;
}

bool sl_command_is_for_worker(uint32_t type)
{
	return type == SL_CMD_ALLOCATION_LIST || type == SL_CMD_ALLOCATION_DELETE ||
		(type >= SL_CMD_LEG_SET && type <= SL_CMD_TAP_CLEAR) || type == SL_CMD_GUARD_QUERY ||
		type == SL_CMD_GUARD_SAMPLE;
}

int sl_command_validate(const struct sl_command *cmd, char *text, size_t text_len)
{
	struct sl_verdict v = {text, text_len};

	switch (cmd->h.type) {
	case SL_CMD_TURN_CONFIG:
		return check_turn(v, &cmd->turn);
	case SL_CMD_PEER_RULE:
		return check_peer_rule(v, &cmd->peer_rule);
	case SL_CMD_SECRET:
		return sl_check_range(v, "len", cmd->secret.len, 1, SL_MSG_SECRET_MAX);
	case SL_CMD_USER_SET:
	case SL_CMD_USER_DELETE:
		return check_user(v, &cmd->user);
	case SL_CMD_CONFIG_BEGIN:
	case SL_CMD_CONFIG_COMMIT:
	case SL_CMD_ALLOCATION_LIST:
	case SL_CMD_ALLOCATION_DELETE:
		return 0;
	default:
		return sl_is_guard_command(cmd->h.type) ? sl_check_guard_command(v, cmd) : sl_check_media_command(v, cmd);
	}
}

static int check_allocation(struct sl_verdict v, const struct sl_evt_allocation *a)
{
	int rc;

	if ((rc = sl_check_range(v, "change", a->change, SL_ALLOC_CREATED, SL_ALLOC_STATE)) ||
	        (rc = sl_check_range(v, "end", a->end, SL_ALLOC_END_NONE, SL_ALLOC_END_OPERATOR)) ||
	        (rc = sl_check_range(v, "worker", a->worker, 0, SL_MAX_WORKERS - 1)))
		return rc;
	if ((a->change == SL_ALLOC_CLOSED) != (a->end != SL_ALLOC_END_NONE))
		return sl_refuse(v, "end", "does not go with change");
	if ((rc = sl_check_zero(v, "pad", a->pad, sizeof a->pad)) ||
	        (rc = sl_check_range(v, "lifetime_s", a->lifetime_s, 0, SL_LIMIT_LIFETIME_S)))
		return rc;
	/* Its bytes are the client's: whoever shows them makes them harmless. */
	if ((rc = sl_check_range(v, "username_len", a->username_len, 0, SL_MSG_EVENT_USERNAME_MAX)))
		return rc;
	return memchr(a->username, 0, sizeof a->username) ? 0 : sl_refuse(v, "username", "not terminated");
}

int sl_event_validate(const struct sl_event *evt, char *text, size_t text_len)
{
	struct sl_verdict v = {text, text_len};

	switch (evt->h.type) {
	case SL_EVT_ACK:
		if (evt->ack.error > 0)
			return sl_refuse(v, "error", "positive");
		return sl_check_text(v, "text", evt->ack.text, sizeof evt->ack.text, 0);
	case SL_EVT_ALLOCATION:
		return check_allocation(v, &evt->allocation);
	case SL_EVT_LIST_END:
		return 0;
	case SL_EVT_LEG:
		return sl_check_leg_event(v, &evt->leg);
	case SL_EVT_GUARD_SOURCE:
		return sl_check_guard_source(v, &evt->guard_source);
	case SL_EVT_GUARD_SIGNALS:
		return sl_check_guard_signals(v, &evt->guard_signals);
	case SL_EVT_GUARD_ANSWER:
		return sl_check_guard_answer(v, &evt->guard_answer);
	case SL_EVT_LOG:
		if (evt->log.severity > 7) /* syslog(3)'s least important */
			return sl_refuse(v, "severity", "above 7");
		return sl_check_text(v, "text", evt->log.text, sizeof evt->log.text, 0);
	default:
		return sl_refuse(v, "type", "unknown event");
	}
}
