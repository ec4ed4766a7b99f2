/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "drivers/srtp_x86.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

/* The counter block of block n is the IV with n in its last 16 bits, big-endian, and those bits are 0 in the
 * IV (RFC 3711 4.1.1): n is put there by exclusive or. A datagram has at most 4,096 blocks. */
INLINE __m128i first_block(const struct sl_cm_context *c, const struct sl_srtp_op *op)
{
	uint64_t high, low;
	uint32_t ssrc;

	memcpy(&high, c->salt, sizeof high);
	memcpy(&low, c->salt + sizeof high, sizeof low);
	memcpy(&ssrc, op->rtp + SL_RTP_SSRC_AT, sizeof ssrc);
	return _mm_set_epi64x((long long)(low ^ __builtin_bswap64(op->index << 16)),
	        (long long)(high ^ (uint64_t)ssrc << 32));
}

/* The same text for 16-byte and 32-byte vectors. */
#define TARGET       __attribute__((target("aes,ssse3,sse4.1")))
#define NAME(name)   name##_aesni
#define VEC          __m128i
#define VEC_BYTES    16
#define BROADCAST(x) (x)
#define LOAD(p)      _mm_loadu_si128((const __m128i *)(p))
#define STORE(p, x)  _mm_storeu_si128((__m128i *)(p), x)
#define XOR          _mm_xor_si128
#define ADD          _mm_add_epi32
#define SHUFFLE      _mm_shuffle_epi8
#define ENC          _mm_aesenc_si128
#define ENC_LAST     _mm_aesenclast_si128
#define LOW(x)       (x)
#define NUMBERS      _mm_set_epi32(0, 0, 0, 0)
#define STEP         _mm_set_epi32(1, 0, 0, 0)
#include "drivers/srtp_ctr.inc"

#define TARGET       __attribute__((target("aes,vaes,avx2")))
#define NAME(name)   name##_vaes
#define VEC          __m256i
#define VEC_BYTES    32
#define BROADCAST(x) _mm256_broadcastsi128_si256(x)
#define LOAD(p)      _mm256_loadu_si256((const __m256i *)(p))
#define STORE(p, x)  _mm256_storeu_si256((__m256i *)(p), x)
#define XOR          _mm256_xor_si256
#define ADD          _mm256_add_epi32
#define SHUFFLE      _mm256_shuffle_epi8
#define ENC          _mm256_aesenc_epi128
#define ENC_LAST     _mm256_aesenclast_epi128
#define LOW(x)       _mm256_castsi256_si128(x)
#define NUMBERS      _mm256_set_epi32(1, 0, 0, 0, 0, 0, 0, 0)
#define STEP         _mm256_set_epi32(2, 0, 0, 0, 2, 0, 0, 0)
#include "drivers/srtp_ctr.inc"
