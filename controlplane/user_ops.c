/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/brain.h"

#include "controlplane/turn/desk.h"
#include "controlplane/turn/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One change of a user: store first, then dataplane. It ends when both have answered; whoever asked is told
 * earlier if the dataplane takes too long.
 *
 * The dataplane is told what is true of that name by now, not what this change once wanted: so a change that has to be
 * repeated never undoes a later one. Changes go out in the order in which they came. */
struct sl_user_op {
	struct sl_user_op *next; /* the one that came after */
	struct sl_brain *b;
	struct sl_user *user;
	bool deletion, told;
	bool again;          /* it could not go, or another control plane was writing: again at the next tick */
	bool due;            /* ... which is now */
	int64_t deadline_ms; /* 0 = not waiting for the dataplane yet */
	sl_user_done done;
	void *ctx;
};

static void tell(struct sl_user_op *op, enum sl_user_outcome outcome, const char *text)
{
	if (op->told)
		return;
	op->told = true;
	op->done(op->ctx, outcome, text);
}

static void end(struct sl_user_op *op, enum sl_user_outcome outcome, const char *text)
{
	struct sl_user_op **at = &op->b->user_ops;

	tell(op, outcome, text);
	while (*at != op)
		at = &(*at)->next;
	*at = op->next;
	sl_user_unref(op->user);
	free(op);
}

static void dataplane_answered(void *ctx, int error, const char *text)
{
	struct sl_user_op *op = ctx;

	if (error == -EAGAIN || error == -ETIMEDOUT)
		op->again = true;
	else if (error == -ENOTCONN || error == -EBUSY)
		end(ctx, SL_USER_STORED, text);
	else if (error == -ENOENT) /* to be removed, and not there */
		end(ctx, SL_USER_APPLIED, "");
	else if (error)
		end(ctx, SL_USER_REFUSED, text[0] ? text : strerror(-error));
	else
		end(ctx, SL_USER_APPLIED, "");
}

/* The file's goes before the store's, that before one of a table elsewhere. */
static const struct sl_user *in_force(const struct sl_brain *b, const char *realm, const char *name, size_t len)
{
	const struct sl_users *sets[] = {&b->config_users, &b->store_users, &b->source_users};
	const struct sl_user *u = NULL;

	for (unsigned i = 0; i < sizeof sets / sizeof sets[0] && !u; i++)
		u = sl_users_find(sets[i], realm, name, len);
	return u;
}

static void tell_dataplane(struct sl_user_op *op)
{
	struct sl_brain *b = op->b;
	const struct sl_user *u = op->user;
	const struct sl_user *now = in_force(b, u->realm, u->name, u->name_len);

	op->again = false;
	/* A user of the file hides the one of the store; keys of a realm that is not here are of no use. */
	if (sl_users_find(&b->config_users, u->realm, u->name, u->name_len) || !sl_desk_has_realm(b->desk, u->realm)) {
		end(op, SL_USER_APPLIED, "");
		return;
	}
	int rc = sl_dp_user(b->dp, now ? SL_CMD_USER_SET : SL_CMD_USER_DELETE, now ? now : op->user, dataplane_answered, op);
	if (rc == -ENOBUFS || rc == -ENOMEM)
		op->again = true;
	else if (rc < 0)
		end(op, SL_USER_STORED,
		        sl_dp_standby(b->dp) ? sl_dp_standby(b->dp) : "the dataplane is not attached");
}

static void stored(void *ctx, int error, const char *text)
{
	struct sl_user_op *op = ctx;
	struct sl_brain *b = op->b;
	const struct sl_user *u = op->user;

	if (error) {
		end(op, error == -ENOENT ? SL_USER_UNKNOWN : SL_USER_FAILED, text);
		return;
	}
	if (op->deletion) {
		sl_users_remove(&b->store_users, u->realm, u->name, u->name_len);
	} else if (sl_users_put(&b->store_users, sl_user_ref(op->user)) < 0) {
		sl_user_unref(op->user);
		end(op, SL_USER_REFUSED, "no memory");
		return;
	}
	op->deadline_ms = sl_now_ms() + SL_BRAIN_APPLY_MS;
	tell_dataplane(op);
}

static struct sl_user_op *begin(
        struct sl_brain *b, struct sl_user *u, bool deletion, sl_user_done done, void *ctx)
{
	struct sl_user_op *op = calloc(1, sizeof *op), **last = &b->user_ops;

	if (!op) {
		done(ctx, SL_USER_FAILED, "no memory");
		return NULL;
	}
	*op = (struct sl_user_op){.b = b,
	        .user = sl_user_ref(u),
	        .deletion = deletion,
	        .done = done,
	        .ctx = ctx};
	while (*last)
		last = &(*last)->next;
	*last = op;
	return op;
}

void sl_brain_put_user(struct sl_brain *b, struct sl_user *u, sl_user_done done, void *ctx)
{
	struct sl_user_op *op = begin(b, u, false, done, ctx);

	if (op && sl_store_put_user(b->store, u, stored, op) < 0)
		end(op, SL_USER_FAILED, "the store is too busy");
}

void sl_brain_delete_user(struct sl_brain *b, const char *realm, const char *name, size_t len, sl_user_done done, void *ctx)
{
	struct sl_user *u = sl_users_find(&b->store_users, realm, name, len);
	struct sl_user_op *op = u ? begin(b, u, true, done, ctx) : NULL;

	if (!u)
		done(ctx, SL_USER_UNKNOWN, "");
	else if (op && sl_store_delete_user(b->store, realm, name, len, stored, op) < 0)
		end(op, SL_USER_FAILED, "the store is too busy");
}

void sl_brain_user_ops_tick(struct sl_brain *b, int64_t now_ms)
{
	for (struct sl_user_op *op = b->user_ops; op; op = op->next) {
		if (op->deadline_ms && now_ms >= op->deadline_ms)
			tell(op, SL_USER_STORED, "the dataplane has not answered yet");
	}
	/* Each may end, and others with it when the dataplane goes: look from the start every time, but try each once. */
	for (struct sl_user_op *op = b->user_ops; op; op = op->next)
		op->due = op->again;
	for (struct sl_user_op *op = b->user_ops; op;) {
		bool due = op->due;
		op->due = false;
		if (due)
			tell_dataplane(op);
		op = due ? b->user_ops : op->next;
	}
}

/* ---- tables elsewhere ---- */

/* A change that did not arrive is made good by telling everything. */
static void source_told(void *ctx, int error, const char *text)
{
	struct sl_brain *b = ctx;

	if (error == -EAGAIN || error == -ETIMEDOUT || error == -ENOSPC)
		sl_desk_tell_all(b->desk);
}

static struct sl_user *source_user(const struct sl_source_change *c)
{
	const uint8_t none[32] = {0};
	const char *error;

	/* One that goes is only named. */
	return c->key_md5 ? sl_user_from_key(c->name, c->realm, c->key_md5, &error) : sl_user_copy(c->name, strlen(c->name), c->realm, none, none, none, 0, 0);
}

/* The dataplane is told of a user that has come, changed or gone, unless another one goes before it. */
static void tell_source_user(struct sl_brain *b, const struct sl_user *u, bool gone)
{
	const struct sl_user *now = in_force(b, u->realm, u->name, u->name_len);
	bool hidden = now && now != u;

	if (!b->users_known || hidden || !sl_desk_has_realm(b->desk, u->realm))
		return;
	int rc = sl_dp_user(b->dp, gone ? SL_CMD_USER_DELETE : SL_CMD_USER_SET, u, source_told, b);
	if (rc < 0 && rc != -ENOTCONN && rc != -EBUSY) /* away, or another one's: the replay has it */
		sl_desk_tell_all(b->desk);
}

int sl_brain_source_users(struct sl_brain *b, const struct sl_source_change *changes, size_t n)
{
	/* Until the realms that came with them are in force, and there is room for all of them. */
	if (b->users_known && !sl_desk_is_settled(b->desk))
		return -EAGAIN;
	if (b->users_known && n > sl_dp_room(b->dp))
		return -ENOBUFS;

	struct sl_user **users = calloc(n + 1, sizeof *users);
	bool *gone = calloc(n + 1, sizeof *gone);
	int rc = users && gone ? 0 : -ENOMEM;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		gone[i] = !changes[i].key_md5;
		users[i] = source_user(&changes[i]);
		rc = users[i] ? 0 : -ENOMEM;
	}
	if (rc == 0)
		rc = sl_users_change(&b->source_users, users, gone, n);
	for (size_t i = 0; users && i < n; i++) {
		if (rc == 0)
			tell_source_user(b, users[i], gone[i]);
		sl_user_unref(users[i]);
	}
	free(users);
	free(gone);
	return rc;
}
