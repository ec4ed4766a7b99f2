/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Lists of prefixes on their way into force. A list of a quarter of a million takes tens of milliseconds to check and build, and the housekeeper
 * may wait for one: so a thread of its own does, one list at a time. What waits gives way to what comes later. */

#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pthread.h>

#include "config/options.h"
#include "dataplane/guard/prefixes.h"

/* One list. Owner: the housekeeper until it is submitted, then the builder, and the housekeeper again once it is finished. */
struct sl_guard_job {
	struct sl_guard_job *next;
	/* Where it comes from: a client's memfd, else (memfd -1) the configuration's entries. Given back once it is built. */
	bool of_client;
	int memfd;
	size_t bytes;
	struct sl_prefix_entry *entries;
	size_t n;
	unsigned slot; /* with client_generation and seq: whom to answer */
	uint32_t client_generation, seq;
	/* What came of it. */
	struct sl_prefixes *built; /* NULL with error 0: the empty list */
	int error;
	char text[120];
};

struct sl_guard_lists {
	pthread_t thread;
	sem_t wake;
	_Atomic(struct sl_guard_job *) waiting;  /* housekeeper to builder: the newest that is not begun */
	_Atomic(struct sl_guard_job *) finished; /* builder to housekeeper, the last first */
	struct sl_guard_job *answered, **answered_end; /* housekeeper's: taken from finished, and canceled */
	_Atomic bool stop;
};

/* 0 or negative errno. The thread has the caller's cores and a low priority; signals must be blocked already. */
int sl_guard_lists_start(struct sl_guard_lists *l);
void sl_guard_lists_stop(struct sl_guard_lists *l); /* waits for the list that is being built: for tests */

/* Housekeeper. The memfd is duplicated. 0, or negative errno with words. */
int sl_guard_lists_offer(struct sl_guard_lists *l, unsigned slot, uint32_t client_generation, uint32_t seq, int memfd, size_t bytes,
	char *text, size_t text_len);
/* The configuration's prefixes, as a list that is yet to be offered, in two steps since copying many takes a while. NULL: no memory. Any thread. */
struct sl_guard_job *sl_guard_job_of_config(const struct sl_conf_guard *g);
void sl_guard_lists_offer_config(struct sl_guard_lists *l, struct sl_guard_job *j);
/* The next list that was built or refused, in the order in which they were offered, or canceled (-ECANCELED); NULL = none. The caller takes what
 * was built and frees the rest. */
struct sl_guard_job *sl_guard_lists_finished(struct sl_guard_lists *l);
void sl_guard_job_free(struct sl_guard_job *j); /* all but what was built */

/* Build from the configuration's prefixes now, on this thread: at start. As sl_prefixes_build(). */
int sl_guard_lists_build_config(const struct sl_conf_guard *g, struct sl_prefixes **out, char *text, size_t text_len);
