/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

#include "dataplane/abi/validate.h"

/* Where the reason of a refusal goes. */
struct sl_verdict {
	char *text;
	size_t text_len;
};

/* Each check: 0, or -EINVAL with "FIELD: why" written. */
int sl_refuse(struct sl_verdict v, const char *field, const char *why);
int sl_check_range(struct sl_verdict v, const char *field, uint64_t value, uint64_t min, uint64_t max);
/* NUL-terminated, at least min bytes, no control characters. */
int sl_check_text(struct sl_verdict v, const char *field, const char *s, size_t size, size_t min);
int sl_check_zero(struct sl_verdict v, const char *field, const void *p, size_t n);

/* An address that one host can have: neither all zero nor multicast, nor of 0.0.0.0/8. */
bool sl_is_host(const struct sl_ip *ip);

/* validate_turn.c */
bool sl_is_turn_command(uint32_t type);
int sl_check_turn_command(struct sl_verdict v, const struct sl_command *cmd);
int sl_check_allocation_event(struct sl_verdict v, const struct sl_evt_allocation *e);
int sl_check_quota_event(struct sl_verdict v, const struct sl_evt_turn_quota *e);

/* validate_guard.c */
bool sl_is_guard_command(uint32_t type);
int sl_check_guard_command(struct sl_verdict v, const struct sl_command *cmd);
int sl_check_guard_source(struct sl_verdict v, const struct sl_evt_guard_source *e);
int sl_check_guard_signals(struct sl_verdict v, const struct sl_evt_guard_signals *e);
int sl_check_guard_answer(struct sl_verdict v, const struct sl_evt_guard_answer *e);

/* No bit set in ip (of its 16-byte form) beyond prefix_len. */
int sl_check_ip_prefix(struct sl_verdict v, const char *field, const struct sl_ip *ip, unsigned prefix_len);

/* validate_media.c */
int sl_check_media_command(struct sl_verdict v, const struct sl_command *cmd);
int sl_check_leg_event(struct sl_verdict v, const struct sl_evt_leg *e);
