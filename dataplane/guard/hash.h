/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The guard's keyed hash of 24 bytes to 64 bits: AES rounds where the processor has them, SipHash elsewhere. The key is random per start. */

#include <stdint.h>

#include "dataplane/abi/msg_guard.h"
#include "dataplane/session/flow.h"
#include "dataplane/wire/addr.h"
#include "dataplane/wire/siphash.h"

#ifdef __AES__
static inline uint64_t sl_guard_hash_m128(const struct sl_hash_key *key, __m128i ip, uint64_t what)
{
	__m128i k0 = _mm_load_si128((const __m128i *)key->b), k1 = _mm_load_si128((const __m128i *)(key->b + 16));
	__m128i a = _mm_xor_si128(ip, k0);
	__m128i b = _mm_xor_si128(_mm_cvtsi64_si128((long long)what), k1);
	a = _mm_aesenc_si128(a, b);
	a = _mm_aesenc_si128(a, k1);
	a = _mm_aesenc_si128(a, k0);
	return (uint64_t)_mm_cvtsi128_si64(a);
}
#endif

static inline uint64_t sl_guard_hash(const struct sl_hash_key *key, const struct sl_ip *ip, uint64_t what)
{
#ifdef __AES__
	return sl_guard_hash_m128(key, _mm_loadu_si128((const __m128i *)ip), what);
#else
	struct {
		struct sl_ip ip;
		uint64_t what;
	} of = {*ip, what};
	struct sl_siphash_key k;
	memcpy(&k, key->b, sizeof k);
	return sl_siphash(&k, &of, sizeof of);
#endif
}
