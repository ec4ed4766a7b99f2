/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Cold memory with changed bytes: triples of a 16-bit offset into the records and what to exclusive-or there. */

#include "tests/fuzz/turn_check.h"

static struct rig r;
static uint8_t *saved;
static size_t bytes, records_at;

static void start(void)
{
	rig_open(&r, 1);
	for (unsigned i = 0; i < 3; i++) {
		char ep[40];
		snprintf(ep, sizeof ep, "198.51.100.%u:4000", i + 1);
		struct client c = client_at(&r, ep, 0);
		SL_FUZZ_CHECK(client_allocate(&c) == 0 && client_bind(&c, 0x4000, "203.0.113.1:700") == 0 &&
			client_bind(&c, 0x4001, "203.0.113.1:701") == 0 && client_permit(&c, "203.0.113.2:0") == 0);
	}
	bytes = sl_cold_size(RIG_WORKERS * RIG_ALLOCS, RIG_WORKERS * RIG_PEERS);
	records_at = (size_t)((uint8_t *)sl_cold_view(r.cold, 0, 1).allocs - (uint8_t *)r.cold);
	saved = (uint8_t *)malloc(bytes);
	SL_FUZZ_CHECK(saved != NULL);
	memcpy(saved, r.cold, bytes);
	check_empties(&r, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct sl_turn_now begin = {.ms = 5001000, .s = 5001, .unix_s = RIG_UNIX_S};

	if (!saved)
		start();
	memcpy(r.cold, saved, bytes);
	r.now = begin;
	for (size_t i = 0; i + 3 <= size; i += 3) {
		size_t at = ((size_t)data[i] << 8 | data[i + 1]) % (bytes - records_at);
		((uint8_t *)r.cold)[records_at + at] ^= data[i + 2];
	}
	struct sl_restore_ops ops = {&r, rig_owner_of, rig_listener_of, rig_relay_of, NULL};
	sl_sessions_restore(&r.sessions[0], &ops, r.now.s);
	check_worker(&r, 0);
	check_empties(&r, 0);
	return 0;
}
