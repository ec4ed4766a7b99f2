/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Bursts of AES-CM packets on processors with SHA extensions. The instruction for four rounds takes six
 * cycles and can begin every second one, so four packets are hashed abreast, whatever their lengths: a lane
 * that is done takes the next packet. HMAC-SHA1 of packet and ROC (RFC 3711 4.2, RFC 2104) is three stretches
 * of blocks: the packet's full blocks where they lie, its end with ROC and padding from a copy, and the outer
 * hash. Nothing is written behind the packet. */

#include "drivers/srtp_x86.h"

#include <errno.h>
#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))
#define TARGET __attribute__((target("sha,ssse3,sse4.1")))

enum {
	LANES = 4,
	AHEAD = 8, /* packets whose keys are fetched in advance */
	LENGTH_BYTES = 8,
	END_MARK = 0x80,
};

enum stage { PACKET, END, OUTER };

struct lane {
	__m128i abcd, e;  /* SHA-1 state: a in the highest word */
	const uint8_t *p; /* next block ... */
	unsigned blocks;  /* ... and how many are left in this stretch */
	enum stage stage;
	unsigned end_blocks;
	struct sl_srtp_op *op;
	_Alignas(SL_CACHE_LINE) uint8_t end[2 * SL_SHA1_BLOCK];
};

/* ---- SHA-1 ---- */

struct regs {
	__m128i a[LANES], e[LANES], w[LANES][4];
	const uint8_t *p[LANES];
};

INLINE TARGET __m128i rnds4(__m128i a, __m128i e, int quarter)
{
	switch (quarter) {
	case 0:
		return _mm_sha1rnds4_epu32(a, e, 0);
	case 1:
		return _mm_sha1rnds4_epu32(a, e, 1);
	case 2:
		return _mm_sha1rnds4_epu32(a, e, 2);
	default:
		return _mm_sha1rnds4_epu32(a, e, 3);
	}
}

/* Rounds 4 i .. 4 i + 3 of n lanes; i and n are constants. Words of round group i are w[i % 4], made in two
 * halves: msg2 when they are due, msg1 and the exclusive or a group before. */
INLINE TARGET void group(struct regs *r, unsigned n, unsigned i)
{
	const __m128i big_endian = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);

	for (unsigned l = 0; l < n; l++) {
		__m128i *w = r->w[l], due;
		if (i < 4)
			w[i] = _mm_shuffle_epi8(
			        _mm_loadu_si128((const __m128i *)(r->p[l] + 16 * i)), big_endian);
		else
			w[i % 4] = _mm_sha1msg2_epu32(w[i % 4], w[(i + 3) % 4]);
		due = i == 0 ? _mm_add_epi32(r->e[l], w[0]) : _mm_sha1nexte_epu32(r->e[l], w[i % 4]);
		r->e[l] = r->a[l];
		r->a[l] = rnds4(r->a[l], due, (int)i / 5);
		if (i >= 3 && i < 19)
			w[(i + 1) % 4] = _mm_xor_si128(
			        _mm_sha1msg1_epu32(w[(i + 1) % 4], w[(i + 2) % 4]), w[(i + 3) % 4]);
	}
}

INLINE TARGET void block(struct regs *r, unsigned n)
{
	__m128i a[LANES], e[LANES];

	for (unsigned l = 0; l < n; l++) {
		a[l] = r->a[l];
		e[l] = r->e[l];
	}
#define GROUPS(i)                                                                                            \
	group(r, n, i), group(r, n, i + 1), group(r, n, i + 2), group(r, n, i + 3), group(r, n, i + 4)
	GROUPS(0);
	GROUPS(5);
	GROUPS(10);
	GROUPS(15);
#undef GROUPS
	for (unsigned l = 0; l < n; l++) {
		r->e[l] = _mm_sha1nexte_epu32(r->e[l], e[l]);
		r->a[l] = _mm_add_epi32(r->a[l], a[l]);
		r->p[l] += SL_SHA1_BLOCK;
	}
}

INLINE TARGET void stretch(struct lane **lane, unsigned n, unsigned blocks)
{
	struct regs r;

	for (unsigned l = 0; l < n; l++) {
		r.a[l] = lane[l]->abcd;
		r.e[l] = lane[l]->e;
		r.p[l] = lane[l]->p;
	}
	for (unsigned i = 0; i < blocks; i++)
		block(&r, n);
	for (unsigned l = 0; l < n; l++) {
		lane[l]->abcd = r.a[l];
		lane[l]->e = r.e[l];
		lane[l]->p = r.p[l];
		lane[l]->blocks -= blocks;
	}
}

/* Separate functions: each has the registers to itself. */
#define STRETCH(n)                                                                                           \
	static __attribute__((noinline)) TARGET void stretch_##n(struct lane **lane, unsigned blocks)        \
	{                                                                                                    \
		stretch(lane, n, blocks);                                                                    \
	}
STRETCH(1)
STRETCH(2)
STRETCH(3)
STRETCH(4)
#undef STRETCH

static TARGET void hash(struct lane **lane, unsigned n)
{
	unsigned blocks = lane[0]->blocks;

	for (unsigned l = 1; l < n; l++)
		blocks = lane[l]->blocks < blocks ? lane[l]->blocks : blocks;
	switch (n) {
	case 4:
		stretch_4(lane, blocks);
		break;
	case 3:
		stretch_3(lane, blocks);
		break;
	case 2:
		stretch_2(lane, blocks);
		break;
	default:
		stretch_1(lane, blocks);
		break;
	}
}

/* ---- lanes ---- */

INLINE TARGET void load_state(struct lane *l, const uint8_t *words)
{
	uint32_t e;

	l->abcd = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)words), _MM_SHUFFLE(0, 1, 2, 3));
	memcpy(&e, words + 16, sizeof e);
	l->e = _mm_set_epi32((int)e, 0, 0, 0);
}

INLINE void put_bits(uint8_t *end_of_block, uint64_t bytes)
{
	uint64_t bits = __builtin_bswap64(bytes * 8);

	memcpy(end_of_block - LENGTH_BYTES, &bits, LENGTH_BYTES);
}

/* Copies go by 16 bytes: up to 15 behind the packet are read, which are there (SL_SRTP_TAIL_MAX), and
 * overwritten here. */
INLINE TARGET void begin(struct lane *l, struct sl_srtp_op *op)
{
	const struct sl_cm_context *c = (const struct sl_cm_context *)op->ctx;
	unsigned full = op->len / SL_SHA1_BLOCK, rest = op->len % SL_SHA1_BLOCK;
	uint32_t roc = __builtin_bswap32((uint32_t)(op->index >> 16));
	const uint8_t *from = op->rtp + full * SL_SHA1_BLOCK;

	l->op = op;
	l->end_blocks = rest + SL_SRTP_ROC_BYTES + 1 + LENGTH_BYTES > SL_SHA1_BLOCK ? 2 : 1;
	for (unsigned i = 0; i < sizeof l->end; i += 16)
		_mm_store_si128((__m128i *)(l->end + i), _mm_setzero_si128());
	for (unsigned i = 0; i < rest; i += 16)
		_mm_store_si128((__m128i *)(l->end + i), _mm_loadu_si128((const __m128i *)(from + i)));
	_mm_storeu_si128((__m128i *)(l->end + rest), _mm_set_epi32(0, 0, END_MARK, (int)roc));
	put_bits(l->end + l->end_blocks * SL_SHA1_BLOCK,
	        SL_SHA1_BLOCK + op->len + (uint64_t)SL_SRTP_ROC_BYTES);
	load_state(l, c->ipad);
	l->stage = full ? PACKET : END;
	l->p = full ? op->rtp : l->end;
	l->blocks = full ? full : l->end_blocks;
}

/* The state as bytes; only its first 16 and the fifth word are meaningful. */
INLINE TARGET void store_digest(const struct lane *l, uint8_t *out)
{
	const __m128i big_endian = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	uint32_t e = __builtin_bswap32((uint32_t)_mm_extract_epi32(l->e, 3));

	_mm_storeu_si128((__m128i *)out, _mm_shuffle_epi8(l->abcd, big_endian));
	memcpy(out + 16, &e, sizeof e);
}

/* The inner digest as a message, in whole vectors: they are loaded again as such at once. */
INLINE TARGET void put_outer_block(struct lane *l)
{
	const __m128i big_endian = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	const __m128i mark = _mm_set_epi32(0, (int)((uint32_t)END_MARK << 24), 0, 0);
	__m128i *to = (__m128i *)l->end;

	_mm_store_si128(to, _mm_shuffle_epi8(l->abcd, big_endian));
	_mm_store_si128(to + 1, _mm_shuffle_epi8(_mm_or_si128(l->e, mark), big_endian));
	_mm_store_si128(to + 2, _mm_setzero_si128());
	_mm_store_si128(to + 3,
	        _mm_shuffle_epi8(_mm_set_epi32(0, 0, 0, 8 * (SL_SHA1_BLOCK + SL_SHA1_BYTES)), big_endian));
}

/* The lane's stretch is over. True when the MAC is: it stands in l->end. */
INLINE TARGET bool next_stage(struct lane *l)
{
	const struct sl_cm_context *c = (const struct sl_cm_context *)l->op->ctx;

	switch (l->stage) {
	case PACKET:
		l->stage = END;
		l->p = l->end;
		l->blocks = l->end_blocks;
		return false;
	case END:
		l->stage = OUTER;
		put_outer_block(l);
		load_state(l, c->opad);
		l->p = l->end;
		l->blocks = 1;
		return false;
	default:
		store_digest(l, l->end);
		return true;
	}
}

/* ---- bursts ---- */

INLINE TARGET void take(struct lane *l, struct sl_srtp_op *op, bool protect, sl_srtp_ctr_fn *ctr)
{
	const struct sl_cm_context *c = (const struct sl_cm_context *)op->ctx;

	if (protect && !sl_cm_is_clear(c))
		ctr(c, op);
	begin(l, op);
}

INLINE TARGET void finish(struct lane *l, bool protect, sl_srtp_ctr_fn *ctr)
{
	struct sl_srtp_op *op = l->op;
	const struct sl_cm_context *c = (const struct sl_cm_context *)op->ctx;

	if (protect)
		sl_srtp_append_cm(op, l->end);
	else if (!sl_cm_tag_is(op->rtp + op->len + c->common.mki_len, l->end, c->common.tag_len))
		op->status = -EBADMSG;
	else if (!sl_cm_is_clear(c))
		ctr(c, op);
}

struct queue {
	const struct sl_cm_burst *burst;
	unsigned next;
};

/* False: no packet is left for this lane. */
INLINE TARGET bool refill(struct lane *l, struct queue *q, bool protect, sl_srtp_ctr_fn *ctr)
{
	struct sl_srtp_op *const *op = q->burst->op + q->next;

	if (q->next == q->burst->n)
		return false;
	if (q->next + AHEAD < q->burst->n)
		sl_cm_prefetch(op[AHEAD]);
	q->next++;
	take(l, *op, protect, ctr);
	return true;
}

INLINE TARGET void run(const struct sl_cm_burst *b, bool protect, sl_srtp_ctr_fn *ctr)
{
	struct lane lanes[LANES], *lane[LANES];
	struct queue q = {b, 0};
	unsigned n = 0;

	for (unsigned i = 0; i < b->n && i < AHEAD; i++)
		sl_cm_prefetch(b->op[i]);
	while (n < LANES && refill(&lanes[n], &q, protect, ctr)) {
		lane[n] = &lanes[n];
		n++;
	}
	while (n > 0) {
		hash(lane, n);
		for (unsigned l = 0; l < n; l++) {
			if (lane[l]->blocks > 0 || !next_stage(lane[l]))
				continue;
			finish(lane[l], protect, ctr);
			if (!refill(lane[l], &q, protect, ctr))
				lane[l--] = lane[--n];
		}
	}
}

TARGET void sl_srtp_shani_protect(const struct sl_cm_burst *b, sl_srtp_ctr_fn *ctr)
{
	run(b, true, ctr);
}

TARGET void sl_srtp_shani_unprotect(const struct sl_cm_burst *b, sl_srtp_ctr_fn *ctr)
{
	run(b, false, ctr);
}
