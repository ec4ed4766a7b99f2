/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/path/turn_conf_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <sys/random.h>

/* What the snapshot is made from: a table of users that changes one at a time, and the rest. */
struct draft {
	bool has_settings;
	struct sl_cmd_turn settings;
	unsigned n_secrets, n_rules;
	struct sl_cmd_secret secrets[SL_TURN_MAX_SECRETS];
	struct sl_cmd_peer_rule rules[SL_TURN_MAX_PEER_RULES];
	/* Users in no order; found by open addressing, at most half full, index + 1, deleted entries closed up. */
	struct sl_cmd_user *users;
	uint32_t n_users, room;
	uint32_t *slots, mask;
};

struct sl_turn_conf_builder {
	struct draft *live; /* what is published, plus changes of users not flushed */
	struct draft *next; /* between BEGIN and COMMIT */
	bool dirty;
	uint64_t policy; /* counts changes of the rules of what is live */
	struct sl_siphash_key key;
};

enum { FIRST_ROOM = 64 };

static struct draft *draft_new(void)
{
	return (struct draft *)calloc(1, sizeof(struct draft));
}

static void draft_free(struct draft *d)
{
	if (!d)
		return;
	if (d->users)
		explicit_bzero(d->users, d->room * sizeof *d->users);
	free(d->users);
	free(d->slots);
	explicit_bzero(d, sizeof *d);
	free(d);
}

struct sl_turn_conf_builder *sl_turn_conf_builder_new(void)
{
	struct sl_turn_conf_builder *b = (struct sl_turn_conf_builder *)calloc(1, sizeof *b);

	if (b && getrandom(&b->key, sizeof b->key, 0) == sizeof b->key && (b->live = draft_new()) != NULL)
		return b;
	free(b);
	return NULL;
}

void sl_turn_conf_builder_free(struct sl_turn_conf_builder *b)
{
	if (!b)
		return;
	draft_free(b->live);
	draft_free(b->next);
	free(b);
}

void sl_turn_conf_builder_abort(struct sl_turn_conf_builder *b)
{
	draft_free(b->next);
	b->next = NULL;
}

/* ---- users of a draft ---- */

static uint32_t home_of(const struct sl_turn_conf_builder *b, const struct draft *d, const struct sl_cmd_user *u)
{
	return (uint32_t)sl_siphash(&b->key, u->name, u->name_len) & d->mask;
}

/* Slot that holds the user of this name, or the empty one where it would go. */
static uint32_t slot_of(const struct sl_turn_conf_builder *b, const struct draft *d, const struct sl_cmd_user *u)
{
	uint32_t i = home_of(b, d, u);

	for (; d->slots[i] != 0; i = (i + 1) & d->mask) {
		const struct sl_cmd_user *v = &d->users[d->slots[i] - 1];
		if (v->name_len == u->name_len && memcmp(v->name, u->name, u->name_len) == 0)
			break;
	}
	return i;
}

/* Room for one user more. */
static int grow(const struct sl_turn_conf_builder *b, struct draft *d)
{
	if (d->n_users < d->room)
		return 0;
	uint32_t room = d->room ? 2 * d->room : FIRST_ROOM;
	/* Not realloc, which would leave a copy of the keys behind. */
	struct sl_cmd_user *users = (struct sl_cmd_user *)malloc(room * sizeof *users);
	uint32_t *slots = (uint32_t *)calloc(2 * (size_t)room, sizeof *slots);
	if (!users || !slots) {
		free(users);
		free(slots);
		return -ENOMEM;
	}
	if (d->users) {
		memcpy(users, d->users, d->n_users * sizeof *users);
		explicit_bzero(d->users, d->room * sizeof *d->users);
	}
	free(d->users);
	free(d->slots);
	d->users = users;
	d->slots = slots;
	d->room = room;
	d->mask = 2 * room - 1;
	for (uint32_t i = 0; i < d->n_users; i++)
		d->slots[slot_of(b, d, &users[i])] = i + 1;
	return 0;
}

static int user_set(const struct sl_turn_conf_builder *b, struct draft *d, const struct sl_cmd_user *u)
{
	int rc = grow(b, d);

	if (rc != 0)
		return rc;
	uint32_t slot = slot_of(b, d, u);
	if (d->slots[slot] == 0)
		d->slots[slot] = ++d->n_users;
	d->users[d->slots[slot] - 1] = *u;
	return 0;
}

/* Empty a slot and move up what was pushed past it. */
static void close_up(const struct sl_turn_conf_builder *b, struct draft *d, uint32_t hole)
{
	d->slots[hole] = 0;
	for (uint32_t i = (hole + 1) & d->mask; d->slots[i] != 0; i = (i + 1) & d->mask) {
		uint32_t home = home_of(b, d, &d->users[d->slots[i] - 1]);
		if (((i - home) & d->mask) < ((i - hole) & d->mask))
			continue;
		d->slots[hole] = d->slots[i];
		d->slots[i] = 0;
		hole = i;
	}
}

static int user_delete(const struct sl_turn_conf_builder *b, struct draft *d, const struct sl_cmd_user *u)
{
	if (d->n_users == 0)
		return -ENOENT;
	uint32_t slot = slot_of(b, d, u);
	if (d->slots[slot] == 0)
		return -ENOENT;
	uint32_t gone = d->slots[slot] - 1, last = d->n_users - 1;
	close_up(b, d, slot);
	if (gone != last) {
		d->slots[slot_of(b, d, &d->users[last])] = gone + 1;
		d->users[gone] = d->users[last];
	}
	explicit_bzero(&d->users[last], sizeof d->users[last]);
	d->n_users--;
	return 0;
}

/* ---- snapshots ---- */

void sl_turn_conf_free(struct sl_turn_conf *c)
{
	if (!c)
		return;
	if (c->users)
		explicit_bzero(c->users, c->n_users * sizeof *c->users);
	free(c->users);
	free(c->names);
	free(c->by_name);
	free(c->by_hash);
	explicit_bzero(c, sizeof *c);
	free(c);
}

static void index_user(struct sl_turn_conf *c, uint32_t *table, const void *p, size_t len, uint32_t index)
{
	uint32_t i = sl_turn_conf_slot(c, p, len);

	while (table[i] != 0)
		i = (i + 1) & c->mask;
	table[i] = index + 1;
}

static bool copy_users(struct sl_turn_conf *c, const struct draft *d)
{
	uint32_t slots = 2;

	while (slots < 2 * d->n_users)
		slots *= 2;
	for (uint32_t i = 0; i < d->n_users; i++)
		c->names_bytes += d->users[i].name_len;
	c->n_users = d->n_users;
	c->mask = slots - 1;
	c->users = (struct sl_turn_user *)calloc(d->n_users, sizeof *c->users);
	c->names = (char *)malloc(c->names_bytes);
	c->by_name = (uint32_t *)calloc(slots, sizeof *c->by_name);
	c->by_hash = (uint32_t *)calloc(slots, sizeof *c->by_hash);
	if (!c->users || !c->names || !c->by_name || !c->by_hash)
		return false;
	char *at = c->names;
	for (uint32_t i = 0; i < d->n_users; i++) {
		const struct sl_cmd_user *from = &d->users[i];
		struct sl_turn_user *to = &c->users[i];
		memcpy(at, from->name, from->name_len);
		to->name = at;
		to->name_len = from->name_len;
		at += from->name_len;
		memcpy(to->key_md5, from->key_md5, sizeof to->key_md5);
		memcpy(to->key_sha256, from->key_sha256, sizeof to->key_sha256);
		memcpy(to->userhash, from->userhash, sizeof to->userhash);
		index_user(c, c->by_name, to->name, to->name_len, i);
		index_user(c, c->by_hash, to->userhash, sizeof to->userhash, i);
	}
	return true;
}

static struct sl_turn_conf *snapshot(const struct sl_turn_conf_builder *b, const struct draft *d)
{
	struct sl_turn_conf *c = (struct sl_turn_conf *)calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->key = b->key;
	c->settings = d->settings;
	c->n_secrets = d->n_secrets;
	memcpy(c->secrets, d->secrets, sizeof c->secrets);
	c->policy = b->policy;
	c->n_rules = d->n_rules;
	memcpy(c->rules, d->rules, sizeof c->rules);
	if (d->n_users > 0 && !copy_users(c, d)) {
		sl_turn_conf_free(c);
		return NULL;
	}
	return c;
}

struct sl_turn_conf *sl_turn_conf_builder_flush(struct sl_turn_conf_builder *b)
{
	if (!b->dirty || !b->live->has_settings)
		return NULL;
	struct sl_turn_conf *c = snapshot(b, b->live);
	if (c)
		b->dirty = false;
	return c;
}

/* ---- commands ---- */

static int refuse(int rc, const char *why, char *text, unsigned text_len)
{
	if (rc != 0 && text_len > 0)
		snprintf(text, text_len, "%s", why);
	return rc;
}

static bool same_rules(const struct draft *a, const struct draft *b)
{
	return a->has_settings && a->n_rules == b->n_rules &&
		memcmp(a->rules, b->rules, a->n_rules * sizeof *a->rules) == 0;
}

static int commit(struct sl_turn_conf_builder *b, struct sl_turn_conf **publish, char *text, unsigned text_len)
{
	if (!b->next)
		return refuse(-EINVAL, "CONFIG_COMMIT without CONFIG_BEGIN", text, text_len);
	if (!b->next->has_settings)
		return refuse(-EINVAL, "CONFIG_COMMIT without TURN_CONFIG", text, text_len);
	if (!same_rules(b->live, b->next))
		b->policy++;
	*publish = snapshot(b, b->next);
	if (!*publish)
		return refuse(-ENOMEM, "no memory for the snapshot", text, text_len);
	draft_free(b->live);
	b->live = b->next;
	b->next = NULL;
	b->dirty = false;
	return 0;
}

static int add_item(struct draft *d, const struct sl_command *cmd, char *text, unsigned text_len)
{
	if (!d)
		return refuse(-EINVAL, "only between CONFIG_BEGIN and CONFIG_COMMIT", text, text_len);
	switch (cmd->h.type) {
	case SL_CMD_TURN_CONFIG:
		d->settings = cmd->turn;
		d->has_settings = true;
		return 0;
	case SL_CMD_PEER_RULE:
		if (d->n_rules == SL_TURN_MAX_PEER_RULES)
			return refuse(-ENOSPC, "too many peer rules", text, text_len);
		d->rules[d->n_rules++] = cmd->peer_rule;
		return 0;
	default:
		if (d->n_secrets == SL_TURN_MAX_SECRETS)
			return refuse(-ENOSPC, "too many secrets", text, text_len);
		d->secrets[d->n_secrets++] = cmd->secret;
		return 0;
	}
}

int sl_turn_conf_apply(struct sl_turn_conf_builder *b, const struct sl_command *cmd, struct sl_turn_conf **publish,
        char *text, unsigned text_len)
{
	struct draft *users = b->next ? b->next : b->live;
	int rc;

	*publish = NULL;
	if (text_len > 0)
		text[0] = '\0';
	switch (cmd->h.type) {
	case SL_CMD_CONFIG_BEGIN:
		draft_free(b->next);
		b->next = draft_new();
		return refuse(b->next ? 0 : -ENOMEM, "no memory", text, text_len);
	case SL_CMD_TURN_CONFIG:
	case SL_CMD_PEER_RULE:
	case SL_CMD_SECRET:
		return add_item(b->next, cmd, text, text_len);
	case SL_CMD_USER_SET:
		rc = user_set(b, users, &cmd->user);
		b->dirty = b->dirty || (rc == 0 && users == b->live);
		return refuse(rc, "no memory for the user", text, text_len);
	case SL_CMD_USER_DELETE:
		rc = user_delete(b, users, &cmd->user);
		b->dirty = b->dirty || (rc == 0 && users == b->live);
		return refuse(rc, "no such user", text, text_len);
	case SL_CMD_CONFIG_COMMIT:
		return commit(b, publish, text, text_len);
	default:
		return refuse(-EINVAL, "not a command about the TURN configuration", text, text_len);
	}
}
