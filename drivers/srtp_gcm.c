/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* AES-GCM (NIST SP 800-38D) of one packet with 256-bit vectors of AES and carry-less multiplication, for the
 * AEAD suites of RFC 7714. Against libipsec-mb on a processor without AVX-512 it takes half the time and half
 * the context.
 *
 * A packet is a row of slots of a block each: header, text ..., lengths. Slot i is encrypted under counter i
 * + 1: the header's slot gives the mask of the tag (SP 800-38D 7.1, step 6), the text begins at counter 2, as
 * it must. In GHASH the slot that is n from the end is multiplied by H^n. So both go over the same pairs of
 * slots.
 *
 * GHASH works on byte-reversed blocks, which makes them bit-reflected polynomials. Powers of H are kept
 * multiplied by x, so that a product of reflected operands needs no shift; up to sixteen slots are
 * multiplied, then reduced once. */

#include "drivers/srtp_x86.h"

#include <errno.h>
#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))
#define TARGET __attribute__((target("aes,pclmul,vaes,vpclmulqdq,avx2")))

enum {
	BLOCK = SL_AES_BLOCK,
	PAIR = 2 * BLOCK,
	GROUP_SLOTS = SL_GCM_POWERS, /* slots between reductions */
	GROUP_PAIRS = GROUP_SLOTS / 2,
	END_SLOTS = 3, /* the last group holds the end of the text and the lengths */
	ROUNDS_128 = 10,
	ROUNDS_256 = 14,
};

/* ---- GHASH ---- */

INLINE TARGET __m128i reversed(__m128i x)
{
	return _mm_shuffle_epi8(x, _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}

INLINE TARGET __m256i reversed_pair(__m256i x)
{
	return _mm256_shuffle_epi8(x, _mm256_broadcastsi128_si256(_mm_set_epi8(
	                                      0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)));
}

/* A 256-bit product modulo x^128 + x^7 + x^2 + x + 1, reflected: the low half is folded into the high one by
 * 64 bits. */
INLINE TARGET __m128i reduce(__m128i low, __m128i middle, __m128i high)
{
	const __m128i poly = _mm_set_epi64x((long long)UINT64_C(0xc200000000000000), 1);
	__m128i t = _mm_clmulepi64_si128(low, poly, 0x10);

	middle = _mm_xor_si128(middle, _mm_xor_si128(t, _mm_shuffle_epi32(low, _MM_SHUFFLE(1, 0, 3, 2))));
	t = _mm_clmulepi64_si128(middle, poly, 0x10);
	return _mm_xor_si128(high, _mm_xor_si128(t, _mm_shuffle_epi32(middle, _MM_SHUFFLE(1, 0, 3, 2))));
}

INLINE TARGET __m128i multiply(__m128i x, __m128i power)
{
	__m128i middle =
	        _mm_xor_si128(_mm_clmulepi64_si128(x, power, 0x01), _mm_clmulepi64_si128(x, power, 0x10));

	return reduce(_mm_clmulepi64_si128(x, power, 0x00), middle, _mm_clmulepi64_si128(x, power, 0x11));
}

struct sum { /* of products in pairs, not reduced; middle is Karatsuba's, of the sums of halves */
	__m256i low, middle, high;
};

INLINE TARGET void add_pair(struct sum *s, __m256i x, __m256i power)
{
	__m256i x_halves = _mm256_xor_si256(x, _mm256_shuffle_epi32(x, _MM_SHUFFLE(1, 0, 3, 2)));
	__m256i power_halves = _mm256_xor_si256(power, _mm256_shuffle_epi32(power, _MM_SHUFFLE(1, 0, 3, 2)));

	s->low = _mm256_xor_si256(s->low, _mm256_clmulepi64_epi128(x, power, 0x00));
	s->high = _mm256_xor_si256(s->high, _mm256_clmulepi64_epi128(x, power, 0x11));
	s->middle = _mm256_xor_si256(s->middle, _mm256_clmulepi64_epi128(x_halves, power_halves, 0x00));
}

INLINE TARGET __m128i total(const struct sum *s)
{
	__m256i middle = _mm256_xor_si256(s->middle, _mm256_xor_si256(s->low, s->high));

#define BOTH(x) _mm_xor_si128(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1))
	return reduce(BOTH(s->low), BOTH(middle), BOTH(s->high));
#undef BOTH
}

/* The first n (1..16) bytes of 16 that can be read, and zeros. */
INLINE TARGET __m128i first_bytes(__m128i x, unsigned n)
{
	static const uint8_t ones_zeros[2 * BLOCK] = {
	        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};

	return _mm_and_si128(x, _mm_loadu_si128((const __m128i *)(ones_zeros + BLOCK - n)));
}

/* ---- AES ---- */

struct keys {
	const uint8_t *round; /* round keys; the powers of H follow, rising */
	unsigned rounds;
	__m128i iv; /* counter 0 */
};

INLINE TARGET __m128i round_key(const struct keys *k, unsigned r)
{
	return _mm_load_si128((const __m128i *)(k->round + r * BLOCK));
}

/* H^n and H^(n - 1), for one pair of slots. H^0 is not there: what stands in its place is multiplied by 0. */
INLINE TARGET __m256i powers(const struct keys *k, unsigned n)
{
	const uint8_t *zeroth = k->round + k->rounds * BLOCK;
	__m256i rising = _mm256_loadu_si256((const __m256i *)(zeroth + (n - 1) * BLOCK));

	return _mm256_permute2x128_si256(rising, rising, 1);
}

INLINE TARGET void aes_round(__m256i *x, unsigned n, __m128i key)
{
	__m256i both = _mm256_broadcastsi128_si256(key);

	for (unsigned i = 0; i < n; i++)
		x[i] = _mm256_aesenc_epi128(x[i], both);
}

/* n is a constant. */
INLINE TARGET void some_key_stream(const struct keys *k, uint32_t counter, __m256i *out, unsigned n)
{
	const __m256i to_end = _mm256_broadcastsi128_si256(
	        _mm_set_epi8(12, 13, 14, 15, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
	__m256i base = _mm256_broadcastsi128_si256(_mm_xor_si128(k->iv, round_key(k, 0))), last,
	        x[GROUP_PAIRS];
	__m256i counters = _mm256_set_epi32((int)counter + 1, 0, 0, 0, (int)counter, 0, 0, 0);

	for (unsigned i = 0; i < n; i++) {
		x[i] = _mm256_xor_si256(base, _mm256_shuffle_epi8(counters, to_end));
		counters = _mm256_add_epi32(counters, _mm256_set_epi32(2, 0, 0, 0, 2, 0, 0, 0));
	}
	for (unsigned r = 1; r < ROUNDS_128; r++)
		aes_round(x, n, round_key(k, r));
	if (k->rounds != ROUNDS_128)
		for (unsigned r = ROUNDS_128; r < ROUNDS_256; r++)
			aes_round(x, n, round_key(k, r));
	last = _mm256_broadcastsi128_si256(round_key(k, k->rounds));
	for (unsigned i = 0; i < n; i++)
		out[i] = _mm256_aesenclast_epi128(x[i], last);
}

INLINE TARGET void key_stream(const struct keys *k, uint32_t counter, __m256i *out, unsigned n)
{
	switch (n) {
#define CASE(n)                                                                                              \
	case n:                                                                                              \
		some_key_stream(k, counter, out, n);                                                         \
		break;
		CASE(1)
		CASE(2)
		CASE(3)
		CASE(4)
		CASE(5)
		CASE(6)
		CASE(7)
	default:
		some_key_stream(k, counter, out, GROUP_PAIRS);
		break;
#undef CASE
	}
}

/* ---- packets ---- */

/* What goes through the slots. */
struct row {
	uint8_t *p;    /* text not yet done ... */
	unsigned left; /* ... and how much of it */
	uint64_t clear_bits, data_bits;
	__m128i hash; /* enters the next slot */
	bool protect;
};

INLINE TARGET __m128i lengths(const struct row *r)
{
	return _mm_set_epi64x((long long)r->clear_bits, (long long)r->data_bits);
}

/* Up to 16 bytes of text; returns them encrypted and reversed. Up to 15 bytes behind them are read and
 * overwritten. */
INLINE TARGET __m128i crypt_block(struct row *r, __m128i stream)
{
	unsigned n = r->left < BLOCK ? r->left : BLOCK;
	__m128i in = _mm_loadu_si128((const __m128i *)r->p), out = _mm_xor_si128(in, stream);

	_mm_storeu_si128((__m128i *)r->p, out);
	r->p += n;
	r->left -= n;
	return reversed(first_bytes(r->protect ? out : in, n));
}

INLINE TARGET __m256i crypt_pair(struct row *r, __m256i stream)
{
	__m256i in = _mm256_loadu_si256((const __m256i *)r->p), out = _mm256_xor_si256(in, stream);

	_mm256_storeu_si256((__m256i *)r->p, out);
	r->p += PAIR;
	r->left -= PAIR;
	return reversed_pair(r->protect ? out : in);
}

INLINE TARGET __m256i pair_of(__m128i low, __m128i high)
{
	return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

/* The first pair: the header's last block, which stands in r->hash, and the first of text, or the lengths. */
INLINE TARGET __m256i first_pair(struct row *r, __m256i stream)
{
	__m128i header = r->hash;

	r->hash = _mm_setzero_si128();
	if (r->left == 0)
		return pair_of(header, lengths(r));
	return pair_of(header, crypt_block(r, _mm256_extracti128_si256(stream, 1)));
}

/* The last pair or two, with less than a pair of text, and the lengths. slots: left, 1 to 3. */
INLINE TARGET void last_pairs(
        struct row *r, const struct keys *k, struct sum *s, __m256i stream, unsigned slots, __m128i carry)
{
	const __m128i none = _mm_setzero_si128();
	__m128i low = slots > 1 ? crypt_block(r, _mm256_castsi256_si128(stream)) : lengths(r);
	__m128i high = slots == 1   ? none
	               : slots == 2 ? lengths(r)
	                            : crypt_block(r, _mm256_extracti128_si256(stream, 1));

	add_pair(s, pair_of(_mm_xor_si128(low, carry), high), powers(k, slots));
	if (slots == END_SLOTS)
		add_pair(s, pair_of(lengths(r), none), powers(k, 1));
}

/* One group of slots, of which the first is number `slot` of the packet. The new r->hash. */
INLINE TARGET void group(
        struct row *r, const struct keys *k, unsigned slot, unsigned slots, bool last, __m128i *mask)
{
	struct sum s = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256()};
	__m256i stream[GROUP_PAIRS];
	unsigned i = 0, end = last ? END_SLOTS : 0;

	key_stream(k, slot + 1, stream, (slots + 1) / 2);
	if (slot == 0) {
		*mask = _mm256_castsi256_si128(stream[0]);
		add_pair(&s, first_pair(r, stream[0]), powers(k, slots));
		i = 2;
	}
	for (; i + end < slots; i += 2) {
		__m256i x = _mm256_xor_si256(crypt_pair(r, stream[i / 2]), _mm256_zextsi128_si256(r->hash));
		r->hash = _mm_setzero_si128();
		add_pair(&s, x, powers(k, slots - i));
	}
	if (i < slots)
		last_pairs(r, k, &s, stream[i / 2], slots - i, r->hash);
	r->hash = total(&s);
}

/* All blocks of what is only authenticated, but for the last, are hashed here; that one enters the row. A
 * bare RTP header is one block. Up to 15 bytes behind it are read. */
INLINE TARGET __m128i clear_part(const struct keys *k, const uint8_t *p, unsigned len)
{
	__m128i hash = _mm_setzero_si128(), first_power = round_key(k, k->rounds + 1);

	for (; len > BLOCK; len -= BLOCK, p += BLOCK)
		hash = multiply(
		        _mm_xor_si128(hash, reversed(_mm_loadu_si128((const __m128i *)p))), first_power);
	return _mm_xor_si128(hash, reversed(first_bytes(_mm_loadu_si128((const __m128i *)p), len)));
}

/* RFC 7714 8.1: 00 00 | SSRC | ROC | SEQ and the salt; the counter's four bytes are 0. */
INLINE TARGET __m128i make_iv(const struct sl_gcm_context *c, const struct sl_srtp_op *op)
{
	uint64_t index = __builtin_bswap64(op->index << 16); /* its bytes, in the low 48 bits */
	uint32_t ssrc;

	memcpy(&ssrc, op->rtp + SL_RTP_SSRC_AT, sizeof ssrc);
	return _mm_xor_si128(_mm_loadu_si128((const __m128i *)c->salt),
	        _mm_set_epi64x((long long)(index >> 16), (long long)((uint64_t)ssrc << 16 | index << 48)));
}

static unsigned rounds_of(const struct sl_gcm_context *c)
{
	return c->common.suite == SL_SRTP_AEAD_128_GCM ? ROUNDS_128 : ROUNDS_256;
}

INLINE TARGET __m128i crypt(const struct sl_gcm_context *c, const struct sl_srtp_op *op, bool protect)
{
	struct keys k = {c->round_keys[0], rounds_of(c), make_iv(c, op)};
	unsigned clear = c->common.flags & SL_SRTP_PLAIN_RTP ? op->len : op->header_len,
	         text = op->len - clear;
	struct row r = {op->rtp + clear, text, clear * UINT64_C(8), text * UINT64_C(8),
	        clear_part(&k, op->rtp, clear), protect};
	unsigned left = 2 + (text + BLOCK - 1) / BLOCK, slot = 0, slots;
	__m128i mask = _mm_setzero_si128();

	for (; left > GROUP_SLOTS; left -= slots, slot += slots) {
		slots = left < GROUP_SLOTS + END_SLOTS ? GROUP_SLOTS - 2 : GROUP_SLOTS;
		group(&r, &k, slot, slots, false, &mask);
	}
	group(&r, &k, slot, left, true, &mask);
	return _mm_xor_si128(reversed(r.hash), mask);
}

TARGET void sl_srtp_gcm_protect(const struct sl_gcm_context *c, struct sl_srtp_op *op)
{
	_mm_storeu_si128((__m128i *)(op->rtp + op->len), crypt(c, op, true));
}

TARGET void sl_srtp_gcm_unprotect(const struct sl_gcm_context *c, struct sl_srtp_op *op)
{
	__m128i tag = _mm_loadu_si128((const __m128i *)(op->rtp + op->len)), differ;

	differ = _mm_xor_si128(tag, crypt(c, op, false));
	if (!_mm_testz_si128(differ, differ))
		op->status = -EBADMSG;
}

/* ---- keys ---- */

/* H is the encrypted zero block, the key stream of counter 0 under IV 0. */
TARGET void sl_srtp_gcm_init(struct sl_gcm_context *c)
{
	struct keys k = {c->round_keys[0], rounds_of(c), _mm_setzero_si128()};
	uint8_t *to = c->round_keys[k.rounds + 1];
	uint64_t h[2], over;
	__m256i stream;
	__m128i power, first;

	some_key_stream(&k, 0, &stream, 1);
	_mm_storeu_si128((__m128i *)h, reversed(_mm256_castsi256_si128(stream)));
	over = 0 - (h[1] >> 63); /* times x, in reflected order */
	h[1] = (h[1] << 1 | h[0] >> 63) ^ (over & UINT64_C(0xc200000000000000));
	h[0] = h[0] << 1 ^ (over & 1);
	first = power = _mm_loadu_si128((const __m128i *)h);
	for (unsigned i = 0; i < SL_GCM_POWERS; i++, power = multiply(power, first))
		_mm_store_si128((__m128i *)(to + i * BLOCK), power);
	explicit_bzero(h, sizeof h);
}
