/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/abi/validate_internal.h"


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

bool sl_command_is_for_worker(uint32_t type)
{
	return type == SL_CMD_ALLOCATION_LIST || type == SL_CMD_ALLOCATION_DELETE ||
		(type >= SL_CMD_LEG_SET && type <= SL_CMD_TAP_CLEAR) || type == SL_CMD_GUARD_QUERY ||
		type == SL_CMD_GUARD_SAMPLE;
}

int sl_command_validate(const struct sl_command *cmd, char *text, size_t text_len)
{
	struct sl_verdict v = {text, text_len};

	if (sl_is_turn_command(cmd->h.type))
		return sl_check_turn_command(v, cmd);
	return sl_is_guard_command(cmd->h.type) ? sl_check_guard_command(v, cmd) : sl_check_media_command(v, cmd);
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
		return sl_check_allocation_event(v, &evt->allocation);
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
	case SL_EVT_TURN_QUOTA:
		return sl_check_quota_event(v, &evt->turn_quota);
	case SL_EVT_LOG:
		if (evt->log.severity > 7) /* syslog(3)'s least important */
			return sl_refuse(v, "severity", "above 7");
		return sl_check_text(v, "text", evt->log.text, sizeof evt->log.text, 0);
	default:
		return sl_refuse(v, "type", "unknown event");
	}
}
