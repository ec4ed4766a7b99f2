/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* A dataplane without packets: the real server half of the contract on a thread, whose housekeeper keeps
 * snapshots and whose workers keep allocations as a test tells them to, and media legs (fake_legs.h). For tests of the
 * control plane. */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/abi/editor.h"
#include "dataplane/abi/server.h"
#include "tests/unit/fake_legs.h"

enum { FAKE_WORKERS = 2, FAKE_USERS_MAX = 8192, FAKE_RULES_MAX = 64, FAKE_REALMS_MAX = 8, FAKE_NAMES_MAX = 16, FAKE_RESTRICTED_MAX = 64, FAKE_ALLOCATIONS_MAX = 64, FAKE_GUARD_LIST_MAX = 256 };

/* What a snapshot holds. */
struct fake_snapshot {
	struct sl_cmd_turn turn;
	unsigned n_turn, n_realms, n_names, n_rules, n_secrets, n_keys, n_alternates, n_restricted, n_users;
	struct sl_cmd_realm realms[FAKE_REALMS_MAX];
	struct sl_cmd_realm_name names[FAKE_NAMES_MAX];
	struct sl_cmd_alternate alternates[SL_TURN_MAX_ALTERNATES];
	struct sl_cmd_restricted restricted[FAKE_RESTRICTED_MAX];
	struct sl_cmd_peer_rule rules[FAKE_RULES_MAX];
	struct sl_cmd_secret last_secret;
	struct sl_cmd_user users[FAKE_USERS_MAX];
};

/* What clients told of the guard; there is one owner, as in the real one. */
struct fake_guard {
	int owner; /* slot; -1 = nobody */
	unsigned n_policies, n_bans, n_unbans, n_clears, n_marks, n_pressures, n_meters, n_lists, n_refused;
	struct sl_cmd_guard_policy policy;
	struct sl_cmd_guard_ban last_ban;
	struct sl_cmd_guard_mark last_mark;
	struct sl_cmd_guard_pressure pressure;
	struct sl_cmd_guard_meter last_meter;
	uint32_t list_n; /* of the last list: its entries, as many as there is room for */
	struct sl_prefix_entry list[FAKE_GUARD_LIST_MAX];
};

struct fake {
	pthread_mutex_t lock; /* of everything below: the thread holds it but while it sleeps */
	pthread_t thread;
	bool stop;
	char path[100];
	int memfd;
	struct sl_region *region;
	size_t bytes;
	bool open;
	struct sl_abi_server server;
	struct sl_abi_worker workers[FAKE_WORKERS];

	struct fake_snapshot building, published;
	struct sl_editor editor;
	bool keep_users; /* of the draft: as its CONFIG_BEGIN said */
	unsigned n_commits, n_commands, n_worker_commands, n_kept_commits, n_drains, n_user_sets;
	struct sl_cmd_drain drain;
	unsigned n_not_admitted; /* commands of who does not own TURN's provisioning */
	uint64_t ahead_ms;       /* of the editor's clock: a draft grows old without anybody waiting */
	uint32_t refuse_type; /* commands of this type are refused */
	unsigned burst;       /* commands handled a millisecond; 0 = none at all */
	bool heart_stopped;
	unsigned most_waiting; /* commands that ever waited in a client's ring to the housekeeper */
	struct sl_evt_allocation allocations[FAKE_ALLOCATIONS_MAX]; /* id 0 = free */
	struct fake_legs media;
	struct fake_guard guard;
};

/* Make the region and run the thread; the server is closed yet. */
struct fake *fake_new(const char *socket_path);
void fake_free(struct fake *f);
/* A working half that begins, and one that dies. */
void fake_start(struct fake *f);
void fake_die(struct fake *f);

void fake_lock(struct fake *f);
void fake_unlock(struct fake *f);

/* An event of a worker to every client, with the lock held. */
void fake_tell(struct fake *f, unsigned worker, const struct sl_event *evt);

/* With the lock held. */
const struct sl_cmd_user *fake_user(const struct fake *f, const char *name); /* of realm 0 */
const struct sl_cmd_user *fake_realm_user(const struct fake *f, const char *realm, const char *name);
void fake_allocate(struct fake *f, unsigned worker, uint64_t id, const char *user);
void fake_close_allocation(struct fake *f, uint64_t id, enum sl_allocation_end end);
