/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct letter {
	sl_mail_fn fn;
	void *arg;
};

/* A mutex held for a few instructions: letters are rare beside packets, and a lock is easy to be right about.
 */
struct sl_mailbox {
	pthread_mutex_t lock;      /* of head, tail and slots */
	unsigned head, tail, mask; /* tail - head letters wait */
	int fd;
	struct letter slots[];
};

struct sl_mailbox *sl_mailbox_new(unsigned capacity)
{
	struct sl_mailbox *m = calloc(1, sizeof *m + capacity * sizeof m->slots[0]);

	if (!m)
		return NULL;
	m->mask = capacity - 1;
	m->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->fd < 0 || pthread_mutex_init(&m->lock, NULL) != 0) {
		if (m->fd >= 0)
			close(m->fd);
		free(m);
		return NULL;
	}
	return m;
}

void sl_mailbox_free(struct sl_mailbox *m)
{
	if (!m)
		return;
	close(m->fd);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

int sl_mailbox_fd(const struct sl_mailbox *m)
{
	return m->fd;
}

static void ring_the_bell(const struct sl_mailbox *m)
{
	static const uint64_t one = 1;

	/* It fails only when the count is at its limit: then the bell rings already. */
	if (write(m->fd, &one, sizeof one) < 0)
		return;
}

int sl_mailbox_post(struct sl_mailbox *m, sl_mail_fn fn, void *arg)
{
	bool first;

	pthread_mutex_lock(&m->lock);
	if (m->tail - m->head > m->mask) {
		pthread_mutex_unlock(&m->lock);
		return -ENOBUFS;
	}
	first = m->tail == m->head;
	m->slots[m->tail++ & m->mask] = (struct letter){fn, arg};
	pthread_mutex_unlock(&m->lock);
	if (first)
		ring_the_bell(m);
	return 0;
}

static bool take(struct sl_mailbox *m, struct letter *l)
{
	bool any;

	pthread_mutex_lock(&m->lock);
	any = m->tail != m->head;
	if (any)
		*l = m->slots[m->head++ & m->mask];
	pthread_mutex_unlock(&m->lock);
	return any;
}

unsigned sl_mailbox_run(struct sl_mailbox *m, unsigned max)
{
	uint64_t rings;
	struct letter l;
	unsigned n = 0;

	/* The bell first: a letter posted after the last one we take rings it anew. */
	if (read(m->fd, &rings, sizeof rings) < 0)
		rings = 0;
	while (n < max && take(m, &l)) {
		l.fn(l.arg);
		n++;
	}
	if (n == max)
		ring_the_bell(m);
	return n;
}
