/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/provision.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <urcu-qsbr.h>

#include "dataplane/abi/log.h"
#include "dataplane/abi/validate.h"
#include "dataplane/retire.h"

enum { COMMANDS_PER_POLL = 256, LEAST_PER_POLL = 16, POLL_MS = 1 };

static uint64_t clock_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int sl_provision_init(struct sl_provision *p, struct sl_dataplane *dp, struct sl_guard_tables *guard)
{
	p->dp = dp;
	p->guard = guard;
	sl_editor_init(&p->editor);
	p->builder = sl_turn_conf_builder_new();
	return p->builder ? 0 : -ENOMEM;
}

static void release(void *what)
{
	sl_turn_conf_free(what);
}

static void publish(struct sl_provision *p, struct sl_turn_conf *c)
{
	struct sl_turn_conf *old = rcu_xchg_pointer((struct sl_turn_conf **)&p->dp->turn_conf, c);
	sl_retire(old, release);
	sl_log(old ? SL_LOG_DEBUG : SL_LOG_INFO, "TURN is provisioned: %u users, %u realms, the default one \"%s\"",
		sl_turn_conf_n_users(c), sl_turn_conf_n_realms(c), sl_turn_conf_realm(c, 0)->name);
}

static const char *owner_name(const struct sl_provision *p)
{
	return p->editor.owner < 0 ? "" : p->dp->abi->slots[p->editor.owner].name;
}

static int apply_turn(struct sl_provision *p, unsigned slot, const struct sl_command *cmd, char *text, size_t text_len)
{
	struct sl_turn_conf *c = NULL;
	int rc = sl_editor_admit(&p->editor, slot, cmd->h.type, owner_name(p), text, text_len);
	if (rc < 0)
		return rc;
	rc = sl_turn_conf_apply(p->builder, cmd, &c, text, (unsigned)text_len);
	sl_editor_done(&p->editor, slot, cmd->h.type, rc, clock_ms());
	if (c)
		publish(p, c);
	return rc;
}

static int apply(struct sl_provision *p, unsigned slot, const struct sl_command *cmd, char *text, size_t text_len)
{
	if (sl_guard_tables_has(cmd->h.type))
		return sl_guard_tables_apply(p->guard, slot, cmd, clock_ms(), text, text_len);
	return apply_turn(p, slot, cmd, text, text_len);
}

/* Another control plane asking again and again is told so each time, but is no news for the log; nor is a full table of the guard's, which
 * would be told for every message of a flood. */
static bool is_news(int rc)
{
	return rc != -EBUSY && rc != -EAGAIN && rc != -ENOSPC;
}

static void carry_out(struct sl_provision *p, unsigned slot, const struct sl_command *cmd)
{
	char text[sizeof(((struct sl_evt_ack *)0)->text)] = "";
	int rc = sl_command_validate(cmd, text, sizeof(text));
	if (rc == 0 && sl_command_is_for_worker(cmd->h.type)) {
		snprintf(text, sizeof(text), "type: a worker's command in the housekeeper's ring");
		rc = -EINVAL;
	}
	if (rc == 0)
		rc = apply(p, slot, cmd, text, sizeof(text));
	if (rc < 0)
		sl_log(is_news(rc) ? SL_LOG_WARNING : SL_LOG_DEBUG, "command %u of client %u refused: %s", cmd->h.type, slot,
			text[0] ? text : strerror(-rc));
	sl_abi_server_ack(p->dp->abi, slot, cmd, rc, text);
}

static void expire(struct sl_provision *p)
{
	unsigned slot;
	if (p->editor.editing < 0 || !sl_editor_expire(&p->editor, clock_ms(), &slot))
		return;
	sl_turn_conf_builder_abort(p->builder);
	sl_log(SL_LOG_WARNING, "client '%s' sent nothing for %d ms after CONFIG_BEGIN: its draft is dropped",
		p->dp->abi->slots[slot].name, SL_EDITOR_SILENT_MS);
}

/* 32 bans come in one command: bounded by number alone, the rest of the housekeeper's work would wait for milliseconds. */
static bool may_go_on(unsigned n, uint64_t began_ms)
{
	return n < LEAST_PER_POLL || (n < COMMANDS_PER_POLL && clock_ms() - began_ms < POLL_MS);
}

bool sl_provision_poll(struct sl_provision *p)
{
	struct sl_command cmd;
	unsigned slot, n = 0;
	uint64_t began = clock_ms();
	for (; may_go_on(n, began) && sl_abi_server_pop_command(p->dp->abi, &slot, &cmd); n++)
		carry_out(p, slot, &cmd);
	if (n)
		explicit_bzero(&cmd, sizeof(cmd)); /* keys pass through it */
	expire(p);
	struct sl_turn_conf *c = sl_turn_conf_builder_flush(p->builder);
	if (c)
		publish(p, c);
	return n > 0;
}

void sl_provision_client_changed(struct sl_provision *p, unsigned slot)
{
	if (sl_editor_gone(&p->editor, slot))
		sl_turn_conf_builder_abort(p->builder);
	sl_guard_tables_client_changed(p->guard, slot);
}
