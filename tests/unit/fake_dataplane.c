/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/fake_dataplane.h"

#include "dataplane/abi/validate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void fake_lock(struct fake *f)
{
	pthread_mutex_lock(&f->lock);
}

void fake_unlock(struct fake *f)
{
	pthread_mutex_unlock(&f->lock);
}

/* ---- housekeeper ---- */

static void set_user(struct fake_snapshot *s, const struct sl_cmd_user *u, bool keep)
{
	unsigned i = 0;

	while (i < s->n_users &&
	        (s->users[i].realm != u->realm || s->users[i].name_len != u->name_len || memcmp(s->users[i].name, u->name, u->name_len)))
		i++;
	if (!keep) {
		if (i < s->n_users)
			s->users[i] = s->users[--s->n_users];
		return;
	}
	if (i == s->n_users && s->n_users < FAKE_USERS_MAX)
		s->n_users++;
	s->users[i] = *u;
}

static bool same_restricted(const struct sl_cmd_restricted *a, const struct sl_cmd_restricted *b)
{
	return a->kind == b->kind && a->realm == b->realm && a->prefix_len == b->prefix_len && sl_ip_eq(&a->ip, &b->ip) && a->name_len == b->name_len &&
	       memcmp(a->name, b->name, a->name_len) == 0;
}

static void set_restricted(struct fake_snapshot *s, const struct sl_cmd_restricted *r)
{
	unsigned i = 0;

	while (i < s->n_restricted && !same_restricted(&s->restricted[i], r))
		i++;
	if (!r->remove)
		s->restricted[i == s->n_restricted ? s->n_restricted++ % FAKE_RESTRICTED_MAX : i] = *r;
	else if (i < s->n_restricted)
		s->restricted[i] = s->restricted[--s->n_restricted];
}

static void set_alternate(struct fake_snapshot *s, const struct sl_cmd_alternate *a)
{
	unsigned i = 0;

	while (i < s->n_alternates && (!sl_endpoint_eq(&s->alternates[i].server, &a->server) || s->alternates[i].transport != a->transport))
		i++;
	if (i == s->n_alternates)
		s->n_alternates++;
	s->alternates[i] = *a;
}

static void carry_out(struct fake *f, const struct sl_command *c, bool building)
{
	struct fake_snapshot *s = building ? &f->building : &f->published;

	switch (c->h.type) {
	case SL_CMD_TURN_CONFIG:
		s->turn = c->turn;
		s->n_turn++;
		break;
	case SL_CMD_TURN_REALM:
		if (c->realm.index != s->n_realms) /* they come in order */
			abort();
		s->realms[s->n_realms++ % FAKE_REALMS_MAX] = c->realm;
		break;
	case SL_CMD_REALM_NAME:
		s->names[s->n_names++ % FAKE_NAMES_MAX] = c->realm_name;
		break;
	case SL_CMD_OAUTH_KEY:
		s->n_keys++;
		break;
	case SL_CMD_ALTERNATE:
		set_alternate(s, &c->alternate);
		break;
	case SL_CMD_RESTRICTED:
		set_restricted(s, &c->restricted);
		break;
	case SL_CMD_TURN_DRAIN:
		f->drain = c->drain;
		f->n_drains++;
		break;
	case SL_CMD_PEER_RULE:
		s->rules[s->n_rules++ % FAKE_RULES_MAX] = c->peer_rule;
		break;
	case SL_CMD_SECRET:
		s->last_secret = c->secret;
		s->n_secrets++;
		break;
	case SL_CMD_USER_SET:
		f->n_user_sets++;
		set_user(s, &c->user, true);
		break;
	case SL_CMD_USER_DELETE:
		set_user(s, &c->user, false);
		break;
	default:
		break;
	}
}

/* ---- guard ---- */

static bool is_guards(uint32_t type)
{
	return type >= SL_CMD_GUARD_POLICY && type <= SL_CMD_GUARD_METER;
}

static int guard_admit(struct fake *f, unsigned slot, uint32_t type, char *text, size_t text_len)
{
	struct fake_guard *g = &f->guard;

	if (type == SL_CMD_GUARD_MARK || type == SL_CMD_GUARD_PRESSURE || g->owner < 0 || g->owner == (int)slot)
		return 0;
	g->n_refused++;
	snprintf(text, text_len, "the guard is '%s''s", f->server.slots[g->owner].name);
	return -EBUSY;
}

static int guard_command(struct fake *f, unsigned slot, const struct sl_command *c, char *text, size_t text_len)
{
	struct fake_guard *g = &f->guard;
	int rc = guard_admit(f, slot, c->h.type, text, text_len);

	if (rc < 0)
		return rc;
	if (c->h.type == f->refuse_type || sl_command_validate(c, text, text_len) < 0)
		return -EINVAL;
	switch (c->h.type) {
	case SL_CMD_GUARD_POLICY:
		g->policy = c->guard_policy;
		g->owner = (int)slot;
		g->n_policies++;
		break;
	case SL_CMD_GUARD_BAN:
		g->last_ban = c->guard_ban;
		g->n_bans += c->guard_ban.n;
		break;
	case SL_CMD_GUARD_UNBAN:
		g->n_unbans += c->guard_ban.n;
		break;
	case SL_CMD_GUARD_BANS_CLEAR:
		g->n_clears++;
		break;
	case SL_CMD_GUARD_MARK:
		g->last_mark = c->guard_mark;
		g->n_marks += c->guard_mark.n;
		break;
	case SL_CMD_GUARD_PRESSURE:
		g->pressure = c->guard_pressure;
		g->n_pressures++;
		break;
	default:
		g->last_meter = c->guard_meter;
		g->n_meters++;
		break;
	}
	return 0;
}

static int list_offered(void *ctx, unsigned slot, uint32_t seq, int memfd, size_t bytes, char *text, size_t text_len)
{
	struct fake *f = ctx;
	struct fake_guard *g = &f->guard;
	int rc = guard_admit(f, slot, SL_CMD_GUARD_POLICY, text, text_len);

	if (rc < 0)
		return rc;
	struct sl_guard_list *list = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, memfd, 0);
	if (list == MAP_FAILED)
		return -errno;
	rc = sl_guard_list_validate(list, bytes, text, text_len);
	if (rc == 0) {
		g->list_n = list->n;
		memcpy(g->list, list->entries, (list->n < FAKE_GUARD_LIST_MAX ? list->n : FAKE_GUARD_LIST_MAX) * sizeof g->list[0]);
		g->n_lists++;
		sl_abi_server_guard_ack(&f->server, slot, f->server.slots[slot].client_generation, seq, 0, NULL);
	}
	munmap(list, bytes);
	return rc;
}

void fake_tell(struct fake *f, unsigned worker, const struct sl_event *evt)
{
	if (f->open)
		sl_abi_worker_post(&f->workers[worker], evt);
}

static void housekeep(struct fake *f)
{
	struct sl_command c;
	unsigned slot;
	char text[120];

	for (unsigned i = 0; i < SL_MAX_CLIENTS; i++) {
		const struct sl_ring *r = &f->server.slots[i].commands;
		if (f->server.slots[i].sock < 0)
			continue;
		unsigned waiting = atomic_load_explicit(&r->shm->prod, memory_order_relaxed) - r->own;
		f->most_waiting = waiting > f->most_waiting ? waiting : f->most_waiting;
	}
	for (unsigned n = 0; n < f->burst && sl_abi_server_pop_command(&f->server, &slot, &c); n++) {
		f->n_commands++;
		text[0] = '\0';
		if (is_guards(c.h.type)) {
			int answer = guard_command(f, slot, &c, text, sizeof text);
			sl_abi_server_ack(&f->server, slot, &c, answer, text);
			continue;
		}
		const char *owner = f->editor.owner < 0 ? "" : f->server.slots[f->editor.owner].name;
		int rc = sl_editor_admit(&f->editor, slot, c.h.type, owner, text, sizeof text);
		if (rc < 0) {
			f->n_not_admitted++;
			sl_abi_server_ack(&f->server, slot, &c, rc, text);
			continue;
		}
		/* The control plane checks before it sends: what is bad here is its mistake. */
		if (c.h.type == f->refuse_type || sl_command_validate(&c, text, sizeof text) < 0) {
			sl_abi_server_ack(
			        &f->server, slot, &c, -EINVAL, text[0] ? text : "refused by the test");
			continue;
		}
		if (c.h.type == SL_CMD_CONFIG_BEGIN) {
			memset(&f->building, 0, sizeof f->building);
			f->keep_users = c.begin.flags & SL_CONFIG_KEEP_USERS;
		} else if (c.h.type == SL_CMD_CONFIG_COMMIT) {
			if (f->keep_users) {
				memcpy(f->building.users, f->published.users, sizeof f->building.users);
				f->building.n_users = f->published.n_users;
				f->n_kept_commits++;
			}
			f->published = f->building;
			f->n_commits++;
		} else {
			carry_out(f, &c, f->editor.editing >= 0);
		}
		sl_editor_done(&f->editor, slot, c.h.type, 0, now_ms() + f->ahead_ms);
		sl_abi_server_ack(&f->server, slot, &c, 0, NULL);
	}
	sl_editor_expire(&f->editor, now_ms() + f->ahead_ms, &slot);
}

static int clip_offered(void *ctx, unsigned slot, uint32_t clip, int memfd, size_t bytes, char *text, size_t text_len)
{
	return fake_legs_clip(ctx, clip, memfd);
}

static void client_changed(void *ctx, unsigned slot, bool attached)
{
	struct fake *f = ctx;

	sl_editor_gone(&f->editor, slot);
	if (f->guard.owner == (int)slot)
		f->guard.owner = -1;
}

/* ---- workers ---- */

static void post(struct fake *f, struct sl_evt_allocation *a, enum sl_allocation_change change,
        enum sl_allocation_end end)
{
	struct sl_event e = {.h = {.type = SL_EVT_ALLOCATION}, .allocation = *a};

	e.allocation.change = (uint8_t)change;
	e.allocation.end = (uint8_t)end;
	sl_abi_worker_post(&f->workers[a->worker], &e);
}

static void list(struct fake *f, unsigned w, unsigned slot, uint32_t seq)
{
	struct sl_event e = {.h = {SL_EVT_ALLOCATION, seq}};

	for (unsigned i = 0; i < FAKE_ALLOCATIONS_MAX; i++) {
		if (f->allocations[i].id == 0 || f->allocations[i].worker != w)
			continue;
		e.allocation = f->allocations[i];
		e.allocation.change = SL_ALLOC_STATE;
		sl_abi_worker_post_to(&f->workers[w], slot, &e);
	}
	e = (struct sl_event){.h = {SL_EVT_LIST_END, seq}};
	sl_abi_worker_post_to(&f->workers[w], slot, &e);
}

static void work(struct fake *f, unsigned w)
{
	struct sl_command c;
	unsigned slot;

	sl_abi_worker_poll(&f->workers[w]);
	while (f->burst && sl_abi_worker_pop_command(&f->workers[w], &slot, &c)) {
		f->n_worker_commands++;
		if (c.h.type == SL_CMD_ALLOCATION_LIST)
			list(f, w, slot, c.h.seq);
		else if (c.h.type == SL_CMD_ALLOCATION_DELETE)
			fake_close_allocation(f, c.allocation.id, SL_ALLOC_END_OPERATOR);
		else
			fake_legs_command(f, w, slot, &c);
	}
}

static void count_allocations(struct fake *f)
{
	uint64_t n[FAKE_WORKERS] = {0};

	for (unsigned i = 0; i < FAKE_ALLOCATIONS_MAX; i++) {
		if (f->allocations[i].id)
			n[f->allocations[i].worker]++;
	}
	for (unsigned w = 0; w < FAKE_WORKERS; w++)
		__atomic_store_n(
		        &f->region->workers[w].counters[SL_C_allocations_active], n[w], __ATOMIC_RELAXED);
}

void fake_allocate(struct fake *f, unsigned worker, uint64_t id, const char *user)
{
	struct sl_evt_allocation a = {.id = id, .worker = (uint8_t)worker, .lifetime_s = 600, .n_peers = 1};

	sl_ip_set_v4(&a.client, htonl(0xc0000264));
	sl_ip_set_v4(&a.server, htonl(0xc0000201));
	sl_ip_set_v4(&a.relay, htonl(0xc0000201));
	a.client_port_be = htons(5000);
	a.server_port_be = htons(3478);
	a.relay_port_be = htons(50000);
	a.username_len = (uint16_t)strlen(user);
	snprintf(a.username, sizeof a.username, "%s", user);
	for (unsigned i = 0; i < FAKE_ALLOCATIONS_MAX; i++) {
		if (f->allocations[i].id)
			continue;
		f->allocations[i] = a;
		break;
	}
	count_allocations(f);
	if (f->open)
		post(f, &a, SL_ALLOC_CREATED, SL_ALLOC_END_NONE);
}

void fake_close_allocation(struct fake *f, uint64_t id, enum sl_allocation_end end)
{
	for (unsigned i = 0; i < FAKE_ALLOCATIONS_MAX; i++) {
		if (f->allocations[i].id != id)
			continue;
		post(f, &f->allocations[i], SL_ALLOC_CLOSED, end);
		f->allocations[i].id = 0;
	}
	count_allocations(f);
}

static const struct sl_cmd_user *user_of(const struct fake *f, unsigned realm, const char *name)
{
	for (unsigned i = 0; i < f->published.n_users; i++) {
		const struct sl_cmd_user *u = &f->published.users[i];
		if (u->realm == realm && u->name_len == strlen(name) && memcmp(u->name, name, u->name_len) == 0)
			return u;
	}
	return NULL;
}

const struct sl_cmd_user *fake_realm_user(const struct fake *f, const char *realm, const char *name)
{
	for (unsigned i = 0; i < f->published.n_realms; i++) {
		if (strcmp(f->published.realms[i].name, realm) == 0)
			return user_of(f, i, name);
	}
	return NULL;
}

const struct sl_cmd_user *fake_user(const struct fake *f, const char *name)
{
	return user_of(f, 0, name);
}

/* ---- life ---- */

static void *run(void *arg)
{
	struct fake *f = arg;

	fake_lock(f);
	while (!f->stop) {
		if (f->open) {
			if (!f->heart_stopped)
				atomic_store_explicit(
				        &f->region->heartbeat_ms, now_ms(), memory_order_relaxed);
			sl_abi_server_poll(&f->server, now_ms());
			for (unsigned w = 0; w < FAKE_WORKERS; w++)
				work(f, w);
			housekeep(f);
			sl_abi_server_kick(&f->server);
		}
		fake_unlock(f);
		usleep(1000);
		fake_lock(f);
	}
	fake_unlock(f);
	return NULL;
}

struct fake *fake_new(const char *socket_path)
{
	struct fake *f = calloc(1, sizeof *f);
	char text[128];

	snprintf(f->path, sizeof f->path, "%s", socket_path);
	pthread_mutex_init(&f->lock, NULL);
	f->burst = 64;
	f->memfd = sl_region_create(FAKE_WORKERS, 1);
	if (f->memfd < 0 || sl_region_map(f->memfd, &f->region, &f->bytes, text, sizeof text) < 0)
		abort();
	snprintf(f->region->ports[0].name, sizeof f->region->ports[0].name, "wan");
	snprintf(f->region->ports[0].driver, sizeof f->region->ports[0].driver, "net_null");
	f->region->ports[0].link_up = 1;
	f->region->ports[0].mtu = 1500;
	f->region->tsc_hz = 2000000000;
	f->region->max_allocations = 16384;
	f->region->max_legs = FAKE_LEGS_MAX;
	pthread_create(&f->thread, NULL, run, f);
	return f;
}

void fake_start(struct fake *f)
{
	struct sl_abi_server_ops ops = {.changed = client_changed, .clip = clip_offered, .guard_list = list_offered, .ctx = f};
	char text[128];

	fake_lock(f);
	sl_editor_init(&f->editor);
	f->guard.owner = -1;
	atomic_fetch_add(&f->region->generation, 1);
	f->region->pid = (uint32_t)getpid();
	if (sl_abi_server_open(
	            &f->server, f->path, f->region, f->memfd, FAKE_WORKERS, &ops, text, sizeof text) < 0 ||
	        sl_abi_server_listen(&f->server) < 0) {
		fprintf(stderr, "%s\n", text);
		abort();
	}
	for (unsigned w = 0; w < FAKE_WORKERS; w++)
		sl_abi_worker_init(&f->workers[w], &f->server, w);
	memset(&f->published, 0, sizeof f->published);
	f->region->heartbeat_ms = now_ms();
	f->region->ready = 1;
	f->open = true;
	fake_unlock(f);
}

void fake_die(struct fake *f)
{
	fake_lock(f);
	if (f->open)
		sl_abi_server_close(&f->server);
	f->open = false;
	f->region->ready = 0;
	fake_legs_died(f);
	fake_unlock(f);
}

void fake_free(struct fake *f)
{
	fake_die(f);
	fake_lock(f);
	f->stop = true;
	fake_unlock(f);
	pthread_join(f->thread, NULL);
	munmap(f->region, f->bytes);
	close(f->memfd);
	free(f);
}
