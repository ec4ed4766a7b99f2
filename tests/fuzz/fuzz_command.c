/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/fuzz/fuzz.h"

#include "dataplane/abi/validate.h"

#include <string.h>

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
		if (sl_event_validate(&evt, text, sizeof text) == 0 && evt.h.type == SL_EVT_ALLOCATION)
			SL_FUZZ_CHECK(
			        memchr(evt.allocation.username, 0, sizeof evt.allocation.username) != NULL);
		return 0;
	}
	memcpy(&cmd, data + 1, size - 1 < sizeof cmd ? size - 1 : sizeof cmd);
	if (sl_command_validate(&cmd, text, sizeof text) == 0) {
		SL_FUZZ_CHECK(cmd.h.type >= SL_CMD_CONFIG_BEGIN && cmd.h.type <= SL_CMD_ALLOCATION_DELETE);
		if (cmd.h.type == SL_CMD_USER_SET || cmd.h.type == SL_CMD_USER_DELETE)
			SL_FUZZ_CHECK(cmd.user.name_len <= sizeof cmd.user.name);
		if (cmd.h.type == SL_CMD_SECRET)
			SL_FUZZ_CHECK(cmd.secret.len <= sizeof cmd.secret.secret);
		if (cmd.h.type == SL_CMD_TURN_CONFIG)
			SL_FUZZ_CHECK(memchr(cmd.turn.realm, 0, sizeof cmd.turn.realm) != NULL);
	} else {
		SL_FUZZ_CHECK(memchr(text, 0, sizeof text) != NULL);
	}
	return 0;
}
