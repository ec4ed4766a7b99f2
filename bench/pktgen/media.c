/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/pktgen/media.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/srtp.h"

enum { CACHE_LINE = 64 };

static unsigned tag_bytes(unsigned suite)
{
	return suite != SL_SRTP_NONE ? sl_srtp_suite_info(suite)->tag_len : 0;
}

/* Contexts for n keys that lie step bytes apart; NULL when there is no memory. */
static uint8_t *make_contexts(struct media *m, const struct sl_srtp_key *first, size_t step, uint32_t n, size_t *each)
{
	*each = sl_srtp_context_bytes(m->srtp, first->suite);
	uint8_t *all = aligned_alloc(CACHE_LINE, n * *each);
	if (all == NULL)
		return NULL;
	memset(all, 0, n * *each);
	for (uint32_t i = 0; i < n; i++) {
		struct sl_srtp_key key;
		memcpy(&key, (const uint8_t *)first + i * step, sizeof key);
		if (sl_srtp_context_init(m->srtp, (struct sl_srtp_context *)(all + i * *each), &key) != 0) {
			free(all);
			return NULL;
		}
	}
	return all;
}

/* The keys of one direction, both ways. */
static bool make_keys(struct media *m, unsigned dir)
{
	const struct plan *p = m->plan;
	uint32_t n = p->n_streams[dir];

	if (n == 0)
		return true;
	const struct plan_copy *copies = &p->copies[p->streams[dir][0].first_copy];
	if (p->sent_suite[dir] != SL_SRTP_NONE) {
		m->sent_contexts[dir] = make_contexts(m, &p->streams[dir][0].key, sizeof p->streams[dir][0], n,
			&m->sent_context_bytes[dir]);
		if (m->sent_contexts[dir] == NULL)
			return false;
	}
	if (p->back_suite[dir] != SL_SRTP_NONE) {
		m->back_contexts[dir] = make_contexts(m, &copies[0].key, sizeof copies[0], n * p->n_copies_each[dir],
			&m->back_context_bytes[dir]);
		if (m->back_contexts[dir] == NULL)
			return false;
	}
	return true;
}

static int open_engine(struct media *m)
{
	const struct plan *p = m->plan;
	struct sl_srtp_options options = {.backend = SL_SRTP_IPSEC_MB, .n_workers = 1};
	char err[256] = "";

	if ((p->sent_suite[0] | p->sent_suite[1] | p->back_suite[0] | p->back_suite[1]) == SL_SRTP_NONE)
		return 0;
	if (sl_srtp_open(&m->srtp, &options, err, sizeof err) == 0)
		return 0;
	fprintf(stderr, "sluice-pktgen: SRTP: %s\n", err);
	return -1;
}

int media_init(struct media *m, const struct plan *plan, unsigned payload_bytes)
{
	*m = (struct media){.plan = plan, .rtp_bytes = payload_bytes};
	if (open_engine(m) != 0)
		return -1;
	m->copies = calloc(plan->n_copies, sizeof *m->copies);
	if (m->copies == NULL || !make_keys(m, 0) || !make_keys(m, 1)) {
		fprintf(stderr, "sluice-pktgen: no memory for the keys of %u streams\n", plan->n_streams[0]);
		media_fini(m);
		return -1;
	}
	for (uint32_t i = 0; i < plan->n_copies; i++)
		m->copies[i] = (struct media_copy){
			.dir = (uint8_t)plan->copies[i].dir,
			.ssrc = htonl(media_ssrc(plan->copies[i].dir, plan->copies[i].stream)),
			.learn = plan->n_copies_each[plan->copies[i].dir] > 1,
		};
	for (unsigned dir = 0; dir < N_DIRECTIONS; dir++) {
		m->sent_bytes[dir] = payload_bytes + tag_bytes(plan->sent_suite[dir]);
		m->back_bytes[dir] = payload_bytes + tag_bytes(plan->back_suite[dir]);
	}
	return 0;
}

static void wipe(struct media *m, uint8_t *contexts, size_t each, uint64_t n)
{
	for (uint64_t i = 0; contexts != NULL && i < n; i++)
		sl_srtp_context_end(m->srtp, (struct sl_srtp_context *)(contexts + i * each));
	free(contexts);
}

void media_fini(struct media *m)
{
	for (unsigned dir = 0; m->plan != NULL && dir < N_DIRECTIONS; dir++) {
		uint64_t n = m->plan->n_streams[dir];
		wipe(m, m->sent_contexts[dir], m->sent_context_bytes[dir], n);
		wipe(m, m->back_contexts[dir], m->back_context_bytes[dir], n * m->plan->n_copies_each[dir]);
	}
	if (m->srtp != NULL)
		sl_srtp_close(m->srtp);
	free(m->copies);
	*m = (struct media){0};
}
