/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/live.h"

#include <string.h>

#include "config/stored.h"
#include "dataplane/abi/log.h"

void sl_live_apply(struct sl_dataplane *dp, const struct sl_config *c)
{
	atomic_store_explicit(&dp->live_exception_pps, c->dataplane.exception_pps, memory_order_relaxed);
	atomic_store_explicit(&dp->live_unauthenticated_pps, c->dataplane.unauthenticated_pps, memory_order_relaxed);
	atomic_store_explicit(&dp->live_idle, (uint8_t)c->dataplane.idle, memory_order_relaxed);
	int level = sl_log_level_of(c->log_level);
	if (level >= 0)
		sl_log_set_level((enum sl_log_level)level);
}

void sl_live_reload(struct sl_dataplane *dp, struct sl_guard_tables *guard, const char *path, int stored_fd)
{
	char text[512];
	struct sl_config *c;
	if (sl_config_load(path, &c, text, sizeof(text)) < 0) {
		sl_log(SL_LOG_ERROR, "reload refused, nothing changed: %s", text);
		return;
	}
	if (sl_config_needs_restart(dp->config, c, text, sizeof(text))) {
		sl_log(SL_LOG_ERROR, "reload refused, nothing changed: option '%s' needs a restart", text);
	} else {
		sl_live_apply(dp, c);
		sl_guard_tables_reconfigure(guard, c);
		int rc = sl_config_stored_write(stored_fd, path, NULL);
		if (rc < 0)
			sl_log(SL_LOG_WARNING, "the new configuration is lost at the next crash: %s", strerror(-rc));
		sl_log(SL_LOG_INFO, "configuration reloaded from %s", path);
	}
	sl_config_free(c);
}
