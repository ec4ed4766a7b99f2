/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The appliance's engine: by libipsec-mb (or only its job queue), or by a cryptodev. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/srtp/bench.h"
#include "drivers/srtp_x86.h"

struct side {
	uint8_t *contexts;
	size_t context_bytes;
};

struct state {
	struct sl_srtp *srtp;
	struct side out, in; /* memory of their own, as on two legs */
};

static struct sl_srtp_context *context(const struct side *side, uint32_t stream)
{
	return (struct sl_srtp_context *)(side->contexts + stream * side->context_bytes);
}

static int open_engine(struct system *y, unsigned n_streams, char *err, size_t err_len)
{
	struct state *st = (struct state *)y->state;
	bool mb = strncmp(y->name, "ipsec-mb", strlen("ipsec-mb")) == 0;
	struct sl_srtp_options o = {
	        .backend = mb ? SL_SRTP_IPSEC_MB : SL_SRTP_CRYPTODEV,
	        .device = mb ? NULL : y->name,
	        .n_workers = 1,
	        .n_contexts = 2 * n_streams,
	};
	int rc = sl_srtp_open(&st->srtp, &o, err, err_len);

	if (!rc && strcmp(y->name, "ipsec-mb-jobs") == 0)
		sl_srtp_ipsec_mb_choose(st->srtp, sl_srtp_ipsec_mb_features(st->srtp) & SL_X86_VAES);
	if (!rc && strcmp(y->name, "ipsec-mb-shani") == 0)
		sl_srtp_ipsec_mb_choose(
		        st->srtp, sl_srtp_ipsec_mb_features(st->srtp) & ~(unsigned)SL_X86_AVX512);
	return rc;
}

static int open_side(struct state *st, struct side *side, const struct stream *streams, unsigned n)
{
	int rc = 0;

	side->context_bytes = sl_srtp_context_bytes(st->srtp, streams[0].key.suite);
	side->contexts = bench_memory(side->context_bytes * n);
	for (unsigned i = 0; i < n && !rc; i++)
		rc = sl_srtp_context_init(st->srtp, context(side, i), &streams[i].key);
	return rc;
}

static void close_side(struct state *st, struct side *side, unsigned n)
{
	for (unsigned i = 0; side->contexts && i < n; i++)
		sl_srtp_context_end(st->srtp, context(side, i));
	if (side->contexts)
		bench_memory_free(side->contexts, side->context_bytes * n);
}

static int open_sluice(struct system *y, const struct stream *streams, unsigned n, char *err, size_t err_len)
{
	struct state *st = (struct state *)calloc(1, sizeof *st);
	int rc;

	y->state = st;
	if (!st)
		return -ENOMEM;
	rc = open_engine(y, n, err, err_len);
	if (rc)
		return rc;
	snprintf(y->describe, sizeof y->describe, "%s", sl_srtp_describe(st->srtp));
	rc = open_side(st, &st->out, streams, n);
	if (!rc)
		rc = open_side(st, &st->in, streams, n);
	if (rc)
		snprintf(err, err_len, "context: %s", strerror(-rc));
	return rc;
}

static void fill(struct sl_srtp_op *ops, const struct side *side, const struct packet *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		ops[i] = (struct sl_srtp_op){.ctx = context(side, p[i].stream),
		        .rtp = p[i].rtp,
		        .len = p[i].len,
		        .header_len = HEADER_BYTES,
		        .index = p[i].index};
}

static void take(const struct sl_srtp_op *ops, struct packet *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		p[i].len = ops[i].len;
		p[i].failed |= ops[i].status != 0;
	}
}

static void protect(struct system *y, struct packet *p, unsigned n)
{
	const struct state *st = (const struct state *)y->state;
	struct sl_srtp_op ops[SL_SRTP_BURST];

	fill(ops, &st->out, p, n);
	sl_srtp_protect(st->srtp, ops, n);
	take(ops, p, n);
}

static void unprotect(struct system *y, struct packet *p, unsigned n)
{
	const struct state *st = (const struct state *)y->state;
	struct sl_srtp_op ops[SL_SRTP_BURST];

	fill(ops, &st->in, p, n);
	sl_srtp_unprotect(st->srtp, ops, n);
	take(ops, p, n);
}

static void close_sluice(struct system *y)
{
	struct state *st = (struct state *)y->state;

	if (!st)
		return;
	close_side(st, &st->out, y->n_streams);
	close_side(st, &st->in, y->n_streams);
	sl_srtp_close(st->srtp);
	free(st);
	y->state = NULL;
}

void system_sluice(struct system *y, const char *name)
{
	*y = (struct system){.name = name,
	        .open = open_sluice,
	        .protect = protect,
	        .unprotect = unprotect,
	        .close = close_sluice};
}
