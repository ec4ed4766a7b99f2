/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* All devices of a network at once, as after an outage. Each does what RFC 3261 and RFC 5626 4.5 ask of it: retransmits, waits for as long as a 503
 * says, and where that says nothing or nobody answers, waits longer each time. A line of JSON each second, and one at the end. */

#include "bench/register/regload.h"

#include <stdio.h>
#include <stdlib.h>

enum { SECOND_US = 1000000, BACK_OFF_DOUBLINGS = 4 };

static struct {
	unsigned registered;
	int64_t start_us, most_us, all_us; /* 99 % and all registered */
	uint64_t shown[4];                 /* sent, retransmitted, refused, gave_up as of the last line */
} wave;

static int64_t within(int64_t us)
{
	return us > 0 ? (int64_t)((double)random() / (double)RAND_MAX * (double)us) : 0;
}

/* Half of it to all of it, doubled with each failure. */
static int64_t back_off_us(const struct user *u)
{
	unsigned n = u->failures < BACK_OFF_DOUBLINGS ? u->failures : BACK_OFF_DOUBLINGS;
	int64_t us = (int64_t)options.back_off_ms * 1000 << n;

	return us / 2 + within(us / 2);
}

void avalanche_ended(unsigned number, int status, unsigned retry_after_s)
{
	struct user *u = &run.users[number];
	int64_t now = now_us();

	u->begun_us = 0;
	if (status == 200) {
		u->registered = true;
		wave.registered++;
		if (wave.registered == options.users - options.users / 100)
			wave.most_us = now;
		if (wave.registered == options.users)
			wave.all_us = now;
		return;
	}
	if (status == 503)
		run.refused++;
	else if (status)
		run.failed++;
	u->next_us = now + (retry_after_s ? (int64_t)retry_after_s * SECOND_US + within((int64_t)retry_after_s * SECOND_US / 2) : back_off_us(u));
	u->failures++;
	u->nonce[0] = '\0';
}

static void line(unsigned second)
{
	const uint64_t now[4] = { run.sent, run.retransmitted, run.refused, run.gave_up };

	printf("{\"second\": %u, \"registered\": %u, \"sent\": %llu, \"retransmitted\": %llu, \"refused\": %llu, \"gave_up\": %llu}\n", second,
	       wave.registered, (unsigned long long)(now[0] - wave.shown[0]), (unsigned long long)(now[1] - wave.shown[1]),
	       (unsigned long long)(now[2] - wave.shown[2]), (unsigned long long)(now[3] - wave.shown[3]));
	fflush(stdout);
	for (unsigned i = 0; i < 4; i++)
		wave.shown[i] = now[i];
}

static double seconds_to(int64_t at_us)
{
	return at_us ? (double)(at_us - wave.start_us) / SECOND_US : -1;
}

int avalanche(void)
{
	unsigned second = 0;

	wave.start_us = now_us();
	run.measuring = true;
	for (unsigned i = 0; i < options.users; i++)
		run.users[i].next_us = wave.start_us + within((int64_t)options.spread_ms * 1000);
	while (wave.registered < options.users && second < options.seconds) {
		int64_t now = now_us();

		for (unsigned i = 0; i < options.users; i++) {
			struct user *u = &run.users[i];
			if (u->begun_us)
				device_retransmit(i);
			else if (!u->registered && now >= u->next_us)
				device_begin(i);
		}
		devices_receive();
		while (second < options.seconds && now_us() - wave.start_us >= (second + 1) * INT64_C(1000000))
			line(++second);
	}
	line(second + 1);
	printf("{\"devices\": %u, \"registered\": %u, \"most_s\": %.2f, \"all_s\": %.2f, \"sent\": %llu, \"retransmitted\": %llu, \"refused\": %llu, "
	       "\"failed\": %llu, \"gave_up\": %llu}\n", options.users, wave.registered, seconds_to(wave.most_us), seconds_to(wave.all_us),
	       (unsigned long long)run.sent, (unsigned long long)run.retransmitted, (unsigned long long)run.refused, (unsigned long long)run.failed,
	       (unsigned long long)run.gave_up);
	return wave.registered == options.users ? EXIT_SUCCESS : EXIT_FAILURE;
}
