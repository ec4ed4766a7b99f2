/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Snapshots from commands: drafts that replace what is published, and changes of it. */

#include "dataplane/path/turn_conf_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <sys/random.h>

struct sl_turn_conf_builder {
	struct sl_turn_draft *next; /* between BEGIN and COMMIT */
	/* What is published, plus changes that are not flushed. */
	struct sl_turn_base *base; /* NULL before the first COMMIT */
	struct sl_turn_users *users;
	struct sl_turn_restricted_list *restricted;
	unsigned n_alternates;
	struct sl_cmd_alternate alternates[SL_TURN_MAX_ALTERNATES];
	struct sl_cmd_drain drain;
	/* As the last snapshot has them, while nothing of them changes. */
	struct sl_turn_users *frozen_users;
	struct sl_turn_restricted *frozen_restricted;
	bool dirty, users_dirty, restricted_dirty;
	struct sl_siphash_key key;
};

struct sl_turn_conf_builder *sl_turn_conf_builder_new(void)
{
	struct sl_turn_conf_builder *b = (struct sl_turn_conf_builder *)calloc(1, sizeof *b);

	if (!b)
		return NULL;
	if (getrandom(&b->key, sizeof b->key, 0) == sizeof b->key && (b->users = sl_turn_users_new(&b->key)) != NULL &&
		(b->restricted = sl_turn_restricted_list_new(&b->key)) != NULL)
		return b;
	sl_turn_conf_builder_free(b);
	return NULL;
}

void sl_turn_conf_builder_free(struct sl_turn_conf_builder *b)
{
	if (!b)
		return;
	sl_turn_draft_free(b->next);
	sl_turn_base_release(b->base);
	sl_turn_users_release(b->users);
	sl_turn_users_release(b->frozen_users);
	sl_turn_restricted_list_free(b->restricted);
	sl_turn_restricted_release(b->frozen_restricted);
	explicit_bzero(b, sizeof *b);
	free(b);
}

void sl_turn_conf_builder_abort(struct sl_turn_conf_builder *b)
{
	sl_turn_draft_free(b->next);
	b->next = NULL;
}

/* ---- snapshots ---- */

void sl_turn_conf_free(struct sl_turn_conf *c)
{
	if (!c)
		return;
	sl_turn_base_release(c->base);
	sl_turn_users_release(c->users);
	sl_turn_restricted_release(c->restricted);
	free(c);
}

static bool freeze(struct sl_turn_conf_builder *b)
{
	if (b->users_dirty || !b->frozen_users) {
		struct sl_turn_users *users = sl_turn_users_clone(b->users);
		if (!users)
			return false;
		sl_turn_users_release(b->frozen_users);
		b->frozen_users = users;
		b->users_dirty = false;
	}
	if (b->restricted_dirty) {
		struct sl_turn_restricted *restricted;
		if (!sl_turn_restricted_freeze(b->restricted, &restricted))
			return false;
		sl_turn_restricted_release(b->frozen_restricted);
		b->frozen_restricted = restricted;
		b->restricted_dirty = false;
	}
	return true;
}

struct sl_turn_conf *sl_turn_conf_builder_flush(struct sl_turn_conf_builder *b)
{
	if (!b->dirty || !b->base)
		return NULL;
	struct sl_turn_conf *c = (struct sl_turn_conf *)calloc(1, sizeof *c);
	if (!c || !freeze(b)) {
		free(c);
		return NULL; /* it stays to be flushed */
	}
	atomic_fetch_add_explicit(&b->base->refs, 1, memory_order_relaxed);
	c->base = b->base;
	c->users = sl_turn_users_hold(b->frozen_users);
	c->restricted = sl_turn_restricted_hold(b->frozen_restricted);
	c->n_alternates = b->n_alternates;
	memcpy(c->alternates, b->alternates, sizeof c->alternates);
	c->drain = b->drain;
	b->dirty = false;
	return c;
}

/* ---- drafts ---- */

static int refuse(int rc, const char *why, char *text, unsigned text_len)
{
	if (rc != 0 && text_len > 0)
		snprintf(text, text_len, "%s", why);
	return rc;
}

/* Where realms of the base have gone in the draft. True when nobody's index changes. */
static bool renumber(const struct sl_turn_base *base, const struct sl_turn_draft *d, uint16_t to[SL_TURN_MAX_REALMS])
{
	const struct sl_cmd_realm *realms = (const struct sl_cmd_realm *)d->realms.items;
	bool same = true;

	memset(to, 0xff, SL_TURN_MAX_REALMS * sizeof *to); /* SL_TURN_ANY_REALM */
	for (unsigned i = 0; base && i < base->n_realms; i++) {
		for (unsigned k = 0; k < d->realms.n; k++) {
			if (strcmp(realms[k].name, base->realms[i].told.name) == 0)
				to[i] = (uint16_t)k;
		}
		same = same && to[i] == i;
	}
	return same;
}

/* The users that a draft keeps become its own, to be changed or published. */
static int take_users(const struct sl_turn_conf_builder *b, struct sl_turn_draft *d)
{
	uint16_t to[SL_TURN_MAX_REALMS];

	if (d->users)
		return 0;
	d->realms_done = true;
	d->users = renumber(b->base, d, to) ? sl_turn_users_clone(b->users) : sl_turn_users_renumbered(b->users, to);
	return d->users ? 0 : -ENOMEM;
}

/* Users that a draft keeps as they are stay the published ones. */
static int keep_users(struct sl_turn_conf_builder *b, struct sl_turn_draft *d)
{
	uint16_t to[SL_TURN_MAX_REALMS];

	return !d->users && b->base && renumber(b->base, d, to) ? 0 : take_users(b, d);
}

static int commit(struct sl_turn_conf_builder *b, struct sl_turn_conf **publish, char *text, unsigned text_len)
{
	struct sl_turn_draft *d = b->next;

	if (!d)
		return refuse(-EINVAL, "CONFIG_COMMIT without CONFIG_BEGIN", text, text_len);
	if (!d->has_settings)
		return refuse(-EINVAL, "CONFIG_COMMIT without TURN_CONFIG", text, text_len);
	if (d->realms.n == 0)
		return refuse(-EINVAL, "CONFIG_COMMIT without TURN_REALM 0", text, text_len);
	struct sl_turn_base *base = sl_turn_draft_base(d, b->base);
	if (!base || keep_users(b, d) != 0) {
		sl_turn_base_release(base);
		return refuse(-ENOMEM, "no memory for the snapshot", text, text_len);
	}
	sl_turn_base_release(b->base);
	b->base = base;
	if (d->users) {
		sl_turn_users_release(b->users);
		b->users = d->users;
		d->users = NULL;
		b->users_dirty = true;
	}
	sl_turn_restricted_list_free(b->restricted);
	b->restricted = d->restricted;
	d->restricted = NULL;
	b->n_alternates = d->n_alternates;
	memcpy(b->alternates, d->alternates, sizeof b->alternates);
	sl_turn_conf_builder_abort(b);
	b->dirty = b->restricted_dirty = true;
	*publish = sl_turn_conf_builder_flush(b);
	return 0;
}

/* ---- changes of what is published ---- */

static int change_user(struct sl_turn_conf_builder *b, const struct sl_command *cmd, char *text, unsigned text_len)
{
	bool set = cmd->h.type == SL_CMD_USER_SET;
	unsigned n_realms = b->next ? b->next->realms.n : b->base ? b->base->n_realms : 0;
	int rc;

	if (cmd->user.realm >= n_realms)
		return refuse(-EINVAL, "realm: there is none of this index", text, text_len);
	if (b->next && take_users(b, b->next) != 0)
		return refuse(-ENOMEM, "no memory for the users", text, text_len);
	struct sl_turn_users *users = b->next ? b->next->users : b->users;
	rc = set ? sl_turn_users_set(users, &cmd->user) : sl_turn_users_delete(users, &cmd->user);
	if (rc == 0 && b->next)
		b->next->realms_done = true;
	if (rc == 0 && !b->next)
		b->dirty = b->users_dirty = true;
	return refuse(rc, rc == -ENOENT ? "no such user" : "no memory for the user", text, text_len);
}

static int change_restricted(struct sl_turn_conf_builder *b, const struct sl_cmd_restricted *cmd, char *text, unsigned text_len)
{
	if (!b->base || (cmd->realm != SL_TURN_ANY_REALM && cmd->realm >= b->base->n_realms))
		return refuse(-EINVAL, "realm: there is none of this index", text, text_len);
	int rc = sl_turn_restricted_change(b->restricted, cmd);
	if (rc == 0)
		b->dirty = b->restricted_dirty = true;
	return refuse(rc, rc == -ENOENT ? "no such restricted prefix or account" : "no room for another restricted prefix or account", text, text_len);
}

static int change_alternate(struct sl_turn_conf_builder *b, const struct sl_cmd_alternate *cmd, char *text, unsigned text_len)
{
	for (unsigned i = 0; i < b->n_alternates; i++) {
		struct sl_cmd_alternate *a = &b->alternates[i];
		if (a->realm != cmd->realm || a->transport != cmd->transport || !sl_endpoint_eq(&a->server, &cmd->server))
			continue;
		b->dirty = b->dirty || a->weight != cmd->weight;
		a->weight = cmd->weight;
		return 0;
	}
	return refuse(-ENOENT, "server: no alternate of the configuration, with this realm and transport", text, text_len);
}

static int begin(struct sl_turn_conf_builder *b, const struct sl_cmd_begin *cmd, char *text, unsigned text_len)
{
	sl_turn_conf_builder_abort(b);
	b->next = sl_turn_draft_new(&b->key, cmd->flags & SL_CONFIG_KEEP_USERS);
	return refuse(b->next ? 0 : -ENOMEM, "no memory", text, text_len);
}

static int add_item(struct sl_turn_conf_builder *b, const struct sl_command *cmd, char *text, unsigned text_len)
{
	const char *why = "";

	if (!b->next)
		return refuse(-EINVAL, "only between CONFIG_BEGIN and CONFIG_COMMIT", text, text_len);
	int rc = sl_turn_draft_add(b->next, cmd, &why);
	return refuse(rc, why, text, text_len);
}

int sl_turn_conf_apply(struct sl_turn_conf_builder *b, const struct sl_command *cmd, struct sl_turn_conf **publish,
        char *text, unsigned text_len)
{
	*publish = NULL;
	if (text_len > 0)
		text[0] = '\0';
	switch (cmd->h.type) {
	case SL_CMD_CONFIG_BEGIN:
		return begin(b, &cmd->begin, text, text_len);
	case SL_CMD_TURN_CONFIG:
	case SL_CMD_TURN_REALM:
	case SL_CMD_REALM_NAME:
	case SL_CMD_PEER_RULE:
	case SL_CMD_SECRET:
	case SL_CMD_OAUTH_KEY:
		return add_item(b, cmd, text, text_len);
	case SL_CMD_ALTERNATE:
		return b->next ? add_item(b, cmd, text, text_len) : change_alternate(b, &cmd->alternate, text, text_len);
	case SL_CMD_RESTRICTED:
		return b->next ? add_item(b, cmd, text, text_len) : change_restricted(b, &cmd->restricted, text, text_len);
	case SL_CMD_TURN_DRAIN:
		b->drain = cmd->drain;
		b->dirty = true;
		return 0;
	case SL_CMD_USER_SET:
	case SL_CMD_USER_DELETE:
		return change_user(b, cmd, text, text_len);
	case SL_CMD_CONFIG_COMMIT:
		return commit(b, publish, text, text_len);
	default:
		return refuse(-EINVAL, "not a command about the TURN configuration", text, text_len);
	}
}
