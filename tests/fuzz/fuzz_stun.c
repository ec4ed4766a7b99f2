/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/wire/crc32.h"
#include "dataplane/wire/stun.h"
#include "tests/fuzz/fuzz.h"

/* Reads every byte it is given, as a real hash would; both hashes have room for SHA-256's 32 bytes. */
static void read_all(
        void *ctx, const uint8_t *key, size_t key_len, const struct sl_iov *iov, unsigned n, uint8_t *out)
{
	memset(out, 0, 32);
	for (unsigned i = 0; i < n; i++)
		out[i] = (uint8_t)sl_crc32(iov[i].base, iov[i].len);
}

static void read_span(const struct sl_stun *m, struct sl_span s)
{
	SL_FUZZ_CHECK(s.off == 0 || (s.off >= 24 && s.off + s.len <= m->len));
	sl_crc32(sl_span_at(m, s), s.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct sl_stun_crypto c = {NULL, read_all, read_all};
	struct sl_stun m;

	if (sl_stun_parse(data, size, &m) != SL_STUN_OK)
		return 0;
	SL_FUZZ_CHECK(m.len == size && m.n_peers <= SL_STUN_MAX_PEERS && m.n_unknown <= SL_STUN_MAX_UNKNOWN);
	const struct sl_span spans[] = {m.username, m.userhash, m.realm, m.nonce, m.software,
	        m.password_algorithms, m.password_algorithm, m.integrity, m.integrity_sha256, m.data,
	        m.reservation_token, m.error_reason};
	for (size_t i = 0; i < sizeof spans / sizeof *spans; i++)
		read_span(&m, spans[i]);
	sl_stun_integrity_ok(&m, &c, false, data, 0);
	sl_stun_integrity_ok(&m, &c, true, data, 0);
	return 0;
}
