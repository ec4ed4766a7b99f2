/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* In place of the link to the dataplane, for the warden: commands are kept and answered when the test says so. */

#include "controlplane/dp/dp.h"

enum { FAKE_SENT_MAX = 8192 };

struct fake_guard_link {
	struct sl_dp_guard_ops ops;
	void *ctx;
	bool attached;
	unsigned room;           /* commands that it still takes */
	unsigned n_sent, n_lists;
	struct sl_command sent[FAKE_SENT_MAX];
	unsigned n_open;         /* not answered */
	struct {
		sl_dp_done done;
		void *ctx;
		uint32_t type;
	} open[FAKE_SENT_MAX];
	sl_dp_done list_done;
	void *list_ctx;
	struct sl_guard_list *list; /* a copy of the last one */
	size_t list_bytes;
	unsigned n_worker_commands;
	struct sl_command worker_command;
};
extern struct fake_guard_link fake_link;

void fake_link_reset(void);
void fake_link_attach(unsigned n_workers);
void fake_link_detach(void);
/* All that was sent and not answered: type 0 = whatever it was. */
void fake_link_answer(uint32_t type, int error, const char *text);
void fake_link_answer_list(int error, const char *text);
