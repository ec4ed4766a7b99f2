/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What a message must look like before any field is believed. Both sides use it: the dataplane on commands,
 * the control plane on events, each on its own copy, never on the ring's memory. */

#include <stdbool.h>
#include <stddef.h>

#include "dataplane/abi/msg.h"

/* The same bounds as config/options.h documents for the file. */
enum {
	SL_LIMIT_LIFETIME_S = 86400,
	SL_LIMIT_USER_QUOTA = 4194304,
	SL_LIMIT_PERMISSIONS = 65535,
};

/* Is this command for a worker (true) or for the housekeeper (false)? Unknown types are nobody's: false. */
bool sl_command_is_for_worker(uint32_t type);

/* 0, or -EINVAL with "FIELD: what is wrong" in text (text_len > 0). Pure: any bytes may be given. */
int sl_command_validate(const struct sl_command *cmd, char *text, size_t text_len);

/* The same for events, which a control plane receives. */
int sl_event_validate(const struct sl_event *evt, char *text, size_t text_len);
