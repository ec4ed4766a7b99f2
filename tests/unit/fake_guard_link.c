/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "fake_guard_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fake_guard_link fake_link;

void sl_dp_set_guard(struct sl_dp *dp, const struct sl_dp_guard_ops *ops, void *ctx)
{
	(void)dp;
	fake_link.ops = *ops;
	fake_link.ctx = ctx;
}

int sl_dp_guard_send(struct sl_dp *dp, struct sl_command *cmd, sl_dp_done done, void *ctx)
{
	(void)dp;
	if (!fake_link.attached)
		return -ENOTCONN;
	if (fake_link.room == 0 || fake_link.n_sent == FAKE_SENT_MAX)
		return -ENOBUFS;
	fake_link.room--;
	fake_link.sent[fake_link.n_sent++] = *cmd;
	fake_link.open[fake_link.n_open].done = done;
	fake_link.open[fake_link.n_open].ctx = ctx;
	fake_link.open[fake_link.n_open++].type = cmd->h.type;
	return 0;
}

int sl_dp_guard_list(struct sl_dp *dp, int memfd, sl_dp_done done, void *ctx)
{
	struct stat st;

	(void)dp;
	if (fake_link.list_done)
		return -ENOBUFS;
	fstat(memfd, &st);
	free(fake_link.list);
	fake_link.list_bytes = (size_t)st.st_size;
	fake_link.list = malloc(fake_link.list_bytes);
	if (!fake_link.list || pread(memfd, fake_link.list, fake_link.list_bytes, 0) != st.st_size)
		abort();
	fake_link.n_lists++;
	fake_link.list_done = done;
	fake_link.list_ctx = ctx;
	return 0;
}

/* Tests of media bring their own. */
__attribute__((weak)) int sl_dp_worker_send(struct sl_dp *dp, unsigned worker, const struct sl_command *cmd)
{
	(void)dp;
	(void)worker;
	fake_link.n_worker_commands++;
	fake_link.worker_command = *cmd;
	return 0;
}

void fake_link_reset(void)
{
	free(fake_link.list);
	memset(&fake_link, 0, sizeof fake_link);
	fake_link.room = FAKE_SENT_MAX;
}

void fake_link_attach(unsigned n_workers)
{
	fake_link.attached = true;
	fake_link.ops.attached(fake_link.ctx, n_workers);
}

void fake_link_answer(uint32_t type, int error, const char *text)
{
	/* Answers may send more, and that is not answered now. */
	for (unsigned i = 0, n = fake_link.n_open; i < n; i++) {
		if (type && fake_link.open[i].type != type)
			continue;
		sl_dp_done done = fake_link.open[i].done;

		fake_link.open[i].done = NULL;
		fake_link.open[i].type = UINT32_MAX;
		if (done)
			done(fake_link.open[i].ctx, error, text);
	}
	unsigned kept = 0;
	for (unsigned i = 0; i < fake_link.n_open; i++) {
		if (fake_link.open[i].type != UINT32_MAX)
			fake_link.open[kept++] = fake_link.open[i];
	}
	fake_link.n_open = kept;
}

void fake_link_answer_list(int error, const char *text)
{
	sl_dp_done done = fake_link.list_done;

	fake_link.list_done = NULL;
	if (done)
		done(fake_link.list_ctx, error, text);
}

void fake_link_detach(void)
{
	fake_link.attached = false;
	fake_link_answer(0, -ENOTCONN, "the dataplane went away");
	fake_link_answer_list(-ENOTCONN, "the dataplane went away");
	fake_link.ops.detached(fake_link.ctx);
}
