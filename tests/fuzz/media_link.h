/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The media engine over a link that goes nowhere, for fuzzing: every command must be one that the dataplane
 * takes. */

#include <arpa/inet.h>
#include <stdio.h>

#include "controlplane/media/media.h"
#include "dataplane/abi/log.h"
#include "dataplane/abi/validate.h"
#include "tests/fuzz/fuzz.h"

enum { LINK_WORKERS = 2 };

static struct {
	const struct sl_dp_media_ops *ops;
	void *ctx;
	bool attached;
	unsigned slot;
	struct sl_config config;
} media_link;

void sl_dp_set_media(struct sl_dp *dp, const struct sl_dp_media_ops *ops, void *ctx)
{
	media_link.ops = ops;
	media_link.ctx = ctx;
	if (ops && media_link.attached)
		ops->attached(ctx, media_link.slot, LINK_WORKERS);
}

int sl_dp_worker_send(struct sl_dp *dp, unsigned worker, const struct sl_command *cmd)
{
	char text[120];

	SL_FUZZ_CHECK(media_link.attached && worker < LINK_WORKERS && sl_command_is_for_worker(cmd->h.type));
	SL_FUZZ_CHECK(sl_command_validate(cmd, text, sizeof text) == 0);
	if (cmd->h.type == SL_CMD_LEG_SET)
		SL_FUZZ_CHECK(sl_media_port_worker(cmd->leg.leg.port, LINK_WORKERS) == worker &&
		              cmd->leg.leg.id >> 61 == media_link.slot);
	return 0;
}

size_t sl_dp_worker_waiting(const struct sl_dp *dp)
{
	return 0;
}

int sl_dp_clip(struct sl_dp *dp, uint32_t clip, int memfd)
{
	return 0;
}

static void media_link_attach(unsigned slot)
{
	media_link.attached = true;
	media_link.slot = slot;
	if (media_link.ops)
		media_link.ops->attached(media_link.ctx, slot, LINK_WORKERS);
}

static inline void media_link_config(void)
{
	static const char *const ips[] = {"203.0.113.1", "2001:db8::1", "10.0.0.1"};
	struct sl_conf_media *m = &media_link.config.media;

	sl_log_set_level((enum sl_log_level)0); /* what is dropped is no news here */
	media_link.config.dataplane.n_workers = LINK_WORKERS;
	m->n_addresses = 3;
	for (unsigned i = 0; i < 3; i++) {
		snprintf(m->addresses[i].interface, sizeof m->addresses[i].interface,
		        i < 2 ? "public" : "private");
		sl_ip_parse(ips[i], &m->addresses[i].ip);
		m->addresses[i].advertised = m->addresses[i].ip;
	}
	m->port_min = 30000;
	m->port_max = 30511;
	m->max_legs = 128;
	m->max_sessions = 4;
	m->max_large_keys = 64;
	m->answer_s = 60;
	m->inactivity_s = 60;
}
