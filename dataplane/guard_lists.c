/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/guard_lists.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "dataplane/abi/validate.h"

enum { NICE = 10 }; /* it may share a core with a worker on a small machine */

/* ---- the builder's thread ---- */

/* Nobody can change what lies there: the contract's server has looked at the seals. Private, since older kernels refuse a shared mapping of
 * what is sealed against writing. */
static void build_from_memfd(struct sl_guard_job *j)
{
	const struct sl_guard_list *list = mmap(NULL, j->bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, j->memfd, 0);

	if (list == MAP_FAILED) {
		j->error = -errno;
		snprintf(j->text, sizeof j->text, "list: cannot be mapped: %s", strerror(-j->error));
		return;
	}
	j->error = sl_guard_list_validate(list, j->bytes, j->text, sizeof j->text);
	if (j->error == 0)
		j->error = sl_prefixes_build(list->entries, list->n, &j->built, j->text, sizeof j->text);
	munmap((void *)list, j->bytes);
}

static void release_source(struct sl_guard_job *j)
{
	if (j->memfd >= 0)
		close(j->memfd);
	j->memfd = -1;
	free(j->entries);
	j->entries = NULL;
}

static void hand_back(struct sl_guard_lists *l, struct sl_guard_job *j)
{
	j->next = atomic_load_explicit(&l->finished, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&l->finished, &j->next, j, memory_order_release, memory_order_relaxed))
		;
}

static void *run(void *arg)
{
	struct sl_guard_lists *l = arg;

	setpriority(PRIO_PROCESS, 0, NICE); /* of this thread alone */
	for (;;) {
		while (sem_wait(&l->wake) < 0) /* interrupted */
			;
		if (atomic_load_explicit(&l->stop, memory_order_relaxed))
			return NULL;
		struct sl_guard_job *j = atomic_exchange_explicit(&l->waiting, NULL, memory_order_acquire);
		if (!j)
			continue;
		if (j->of_client)
			build_from_memfd(j);
		else
			j->error = sl_prefixes_build(j->entries, j->n, &j->built, j->text, sizeof j->text);
		release_source(j); /* giving megabytes back takes a while, too */
		hand_back(l, j);
	}
}

int sl_guard_lists_start(struct sl_guard_lists *l)
{
	memset(l, 0, sizeof *l);
	l->answered_end = &l->answered;
	if (sem_init(&l->wake, 0, 0) < 0)
		return -errno;
	return -pthread_create(&l->thread, NULL, run, l);
}

void sl_guard_lists_stop(struct sl_guard_lists *l)
{
	struct sl_guard_job *j;

	atomic_store_explicit(&l->stop, true, memory_order_relaxed);
	sem_post(&l->wake);
	pthread_join(l->thread, NULL);
	sl_guard_job_free(atomic_exchange_explicit(&l->waiting, NULL, memory_order_acquire));
	while ((j = sl_guard_lists_finished(l))) {
		sl_prefixes_free(j->built);
		sl_guard_job_free(j);
	}
	sem_destroy(&l->wake);
}

/* ---- the housekeeper ---- */

void sl_guard_job_free(struct sl_guard_job *j)
{
	if (!j)
		return;
	release_source(j);
	free(j);
}

static void append(struct sl_guard_lists *l, struct sl_guard_job *j)
{
	j->next = NULL;
	*l->answered_end = j;
	l->answered_end = &j->next;
}

static void take_finished(struct sl_guard_lists *l)
{
	struct sl_guard_job *j = atomic_exchange_explicit(&l->finished, NULL, memory_order_acquire), *in_order = NULL;

	while (j) {
		struct sl_guard_job *before = j->next;
		j->next = in_order;
		in_order = j;
		j = before;
	}
	while (in_order) {
		j = in_order;
		in_order = j->next;
		append(l, j);
	}
}

static void submit(struct sl_guard_lists *l, struct sl_guard_job *j)
{
	struct sl_guard_job *old = atomic_exchange_explicit(&l->waiting, j, memory_order_acq_rel);

	if (old) {
		old->error = -ECANCELED;
		snprintf(old->text, sizeof old->text, "list: a newer one came before it was begun");
		append(l, old);
	}
	sem_post(&l->wake);
}

int sl_guard_lists_offer(struct sl_guard_lists *l, unsigned slot, uint32_t client_generation, uint32_t seq, int memfd, size_t bytes,
	char *text, size_t text_len)
{
	struct sl_guard_job *j = calloc(1, sizeof *j);

	if (!j)
		return -ENOMEM;
	*j = (struct sl_guard_job){.of_client = true, .memfd = fcntl(memfd, F_DUPFD_CLOEXEC, 0), .bytes = bytes, .slot = slot,
		.client_generation = client_generation, .seq = seq};
	if (j->memfd < 0) {
		int rc = -errno;
		snprintf(text, text_len, "list: %s", strerror(-rc));
		free(j);
		return rc;
	}
	submit(l, j);
	return 0;
}

static int copy_config(const struct sl_conf_guard *g, struct sl_prefix_entry **out)
{
	struct sl_prefix_entry *e = calloc(g->n_prefixes ? g->n_prefixes : 1, sizeof *e);

	if (!e)
		return -ENOMEM;
	for (unsigned i = 0; i < g->n_prefixes; i++)
		e[i] = (struct sl_prefix_entry){.ip = g->prefixes[i].prefix.ip, .prefix_len = g->prefixes[i].prefix.len,
			.verdict = g->prefixes[i].allow ? SL_PREFIX_ALLOW : SL_PREFIX_DENY};
	*out = e;
	return 0;
}

struct sl_guard_job *sl_guard_job_of_config(const struct sl_conf_guard *g)
{
	struct sl_guard_job *j = calloc(1, sizeof *j);

	if (!j || copy_config(g, &j->entries) < 0) {
		free(j);
		return NULL;
	}
	j->memfd = -1;
	j->n = g->n_prefixes;
	return j;
}

void sl_guard_lists_offer_config(struct sl_guard_lists *l, struct sl_guard_job *j)
{
	submit(l, j);
}

struct sl_guard_job *sl_guard_lists_finished(struct sl_guard_lists *l)
{
	take_finished(l);
	struct sl_guard_job *j = l->answered;

	if (!j)
		return NULL;
	l->answered = j->next;
	if (!l->answered)
		l->answered_end = &l->answered;
	return j;
}

int sl_guard_lists_build_config(const struct sl_conf_guard *g, struct sl_prefixes **out, char *text, size_t text_len)
{
	struct sl_prefix_entry *e;
	int rc = copy_config(g, &e);

	if (rc < 0) {
		snprintf(text, text_len, "no memory for %u prefixes", g->n_prefixes);
		return rc;
	}
	rc = sl_prefixes_build(e, g->n_prefixes, out, text, text_len);
	free(e);
	return rc;
}
