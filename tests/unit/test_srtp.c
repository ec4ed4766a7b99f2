/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* SRTP and SRTCP of the burst engine against libsrtp2, in both directions and in every suite that libsrtp2 does right.
 * Debian's libsrtp2 (on NSS) derives AES-192 session keys as if they were AES-256 keys; those suites are held against a
 * key derivation and cipher of our own here, over OpenSSL. */

#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <srtp2/srtp.h>

#include "dataplane/wire/rtp.h"
#include "drivers/srtp.h"

enum { ROOM = 2048, PACKETS = 200, BURST = 32, SSRC = 0x01020304, FIRST_SEQ = 65480, FIRST_ROC = 7 };

static struct sl_srtp *engine;

static int setup(void **state)
{
	char err[200];
	struct sl_srtp_options o = {.backend = SL_SRTP_IPSEC_MB, .n_workers = 1};
	assert_int_equal(srtp_init(), srtp_err_status_ok);
	assert_int_equal(sl_srtp_open(&engine, &o, err, sizeof err), 0);
	return 0;
}

static int teardown(void **state)
{
	sl_srtp_close(engine);
	srtp_shutdown();
	return 0;
}

static struct sl_srtp_key random_key(unsigned suite, unsigned mki_len)
{
	struct sl_srtp_key k = {.suite = (uint8_t)suite, .mki_len = (uint8_t)mki_len};
	const struct sl_srtp_suite_info *info = sl_srtp_suite_info(suite);
	assert_int_equal(RAND_bytes(k.key, info->key_len), 1);
	assert_int_equal(RAND_bytes(k.salt, info->salt_len), 1);
	for (unsigned i = 0; i < mki_len; i++)
		k.mki[i] = (uint8_t)(i + 1);
	return k;
}

static struct sl_srtp_context *context(const struct sl_srtp_key *k)
{
	size_t bytes = sl_srtp_context_bytes(engine, k->suite);
	struct sl_srtp_context *c = aligned_alloc(64, bytes);
	memset(c, 0, bytes);
	assert_int_equal(sl_srtp_context_init(engine, c, k), 0);
	return c;
}

static void drop(struct sl_srtp_context *c)
{
	sl_srtp_context_end(engine, c);
	free(c);
}

/* An RTP packet with csrcs and, when asked, a header extension; returns its length. */
static unsigned make_rtp(uint8_t *p, uint64_t index, uint32_t ssrc, unsigned csrcs, bool extension, unsigned payload,
	unsigned *header_len)
{
	unsigned n = SL_RTP_HEADER_BYTES;
	p[0] = (uint8_t)(0x80 | (extension ? 0x10 : 0) | csrcs);
	p[1] = 8;
	sl_rtp_put16(p + 2, (uint16_t)index);
	sl_rtp_put32(p + 4, (uint32_t)index * 160);
	sl_rtp_put32(p + 8, ssrc);
	for (unsigned i = 0; i < csrcs; i++, n += 4)
		sl_rtp_put32(p + n, i + 1);
	if (extension) {
		memcpy(p + n, "\xbe\xde\x00\x01\x10\xff\x00\x00", 8);
		n += 8;
	}
	for (unsigned i = 0; i < payload; i++)
		p[n + i] = (uint8_t)(index + i);
	*header_len = sl_rtp_header_len(p, n + payload);
	assert_int_equal(*header_len, n);
	return n + payload;
}

/* ---- libsrtp2 ---- */

static bool oracle_does(unsigned suite)
{
	return suite != SL_SRTP_AES_CM_192_80 && suite != SL_SRTP_AES_CM_192_32;
}

static void policy_of(unsigned suite, srtp_policy_t *p)
{
	void (*const set[SL_SRTP_N_SUITES])(srtp_crypto_policy_t *) = {
		[SL_SRTP_AES_CM_128_80] = srtp_crypto_policy_set_rtp_default,
		[SL_SRTP_AES_CM_128_32] = srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32,
		[SL_SRTP_AES_CM_256_80] = srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80,
		[SL_SRTP_AES_CM_256_32] = srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32,
		[SL_SRTP_AEAD_128_GCM] = srtp_crypto_policy_set_aes_gcm_128_16_auth,
		[SL_SRTP_AEAD_256_GCM] = srtp_crypto_policy_set_aes_gcm_256_16_auth,
	};
	set[suite](&p->rtp);
	/* RFC 4568 6.2, 6188: SRTCP keeps the long tag. */
	if (suite == SL_SRTP_AES_CM_128_32)
		srtp_crypto_policy_set_rtp_default(&p->rtcp);
	else if (suite == SL_SRTP_AES_CM_256_32)
		srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&p->rtcp);
	else
		set[suite](&p->rtcp);
}

static srtp_t oracle(const struct sl_srtp_key *k, uint32_t ssrc, uint32_t roc)
{
	const struct sl_srtp_suite_info *info = sl_srtp_suite_info(k->suite);
	uint8_t key[SL_SRTP_KEY_MAX + SL_SRTP_SALT_MAX], mki[SL_SRTP_MKI_MAX];
	srtp_master_key_t master = {.key = key, .mki_id = mki, .mki_size = k->mki_len}, *masters[] = {&master};
	srtp_policy_t p = {.ssrc = {ssrc_specific, ssrc}, .window_size = 1024, .keys = masters, .num_master_keys = 1};
	srtp_t s;
	memcpy(key, k->key, info->key_len);
	memcpy(key + info->key_len, k->salt, info->salt_len);
	memcpy(mki, k->mki, sizeof mki);
	policy_of(k->suite, &p);
	assert_int_equal(srtp_create(&s, &p), srtp_err_status_ok);
	assert_int_equal(srtp_set_stream_roc(s, ssrc, roc), srtp_err_status_ok);
	return s;
}

/* ---- both ways ---- */

struct sent {
	uint8_t plain[ROOM], secret[ROOM];
	unsigned plain_len;
};
static struct sent sent[PACKETS];

static unsigned payload_of(unsigned i)
{
	static const unsigned sizes[] = {160, 0, 1, 15, 16, 17, 20, 33, 160, 1200, 1400, 64};
	return sizes[i % SL_COUNT(sizes)];
}

static void ours_to_oracle(unsigned suite, unsigned mki_len)
{
	struct sl_srtp_key k = random_key(suite, mki_len);
	struct sl_srtp_context *c = context(&k);
	srtp_t s = oracle(&k, SSRC, FIRST_ROC);
	struct sl_srtp_op ops[BURST];
	for (unsigned i = 0; i < PACKETS; i += BURST) {
		unsigned n = PACKETS - i < BURST ? PACKETS - i : BURST;
		for (unsigned j = 0; j < n; j++) {
			struct sent *p = &sent[i + j];
			unsigned header;
			uint64_t index = ((uint64_t)FIRST_ROC << 16 | FIRST_SEQ) + i + j;
			p->plain_len = make_rtp(p->plain, index, SSRC, (i + j) % 4, (i + j) % 3 == 1, payload_of(i + j), &header);
			memcpy(p->secret, p->plain, p->plain_len);
			ops[j] = (struct sl_srtp_op){.ctx = c, .rtp = p->secret, .len = (uint16_t)p->plain_len,
				.header_len = (uint16_t)header, .index = index};
		}
		sl_srtp_protect(engine, ops, n);
		for (unsigned j = 0; j < n; j++) {
			struct sent *p = &sent[i + j];
			int len = ops[j].len;
			assert_int_equal(ops[j].status, 0);
			assert_int_equal(len, p->plain_len + mki_len + sl_srtp_suite_info(suite)->tag_len);
			assert_int_equal(srtp_unprotect_mki(s, p->secret, &len, mki_len != 0), srtp_err_status_ok);
			assert_int_equal(len, p->plain_len);
			assert_memory_equal(p->secret, p->plain, p->plain_len);
		}
	}
	srtp_dealloc(s);
	drop(c);
}

static void oracle_to_ours(unsigned suite, unsigned mki_len)
{
	struct sl_srtp_key k = random_key(suite, mki_len);
	struct sl_srtp_context *c = context(&k);
	srtp_t s = oracle(&k, SSRC, FIRST_ROC);
	struct sl_srtp_op ops[BURST];
	for (unsigned i = 0; i < PACKETS; i += BURST) {
		unsigned n = PACKETS - i < BURST ? PACKETS - i : BURST;
		for (unsigned j = 0; j < n; j++) {
			struct sent *p = &sent[i + j];
			unsigned header;
			uint64_t index = ((uint64_t)FIRST_ROC << 16 | FIRST_SEQ) + i + j;
			p->plain_len = make_rtp(p->plain, index, SSRC, (i + j) % 4, (i + j) % 3 == 1, payload_of(i + j), &header);
			memcpy(p->secret, p->plain, p->plain_len);
			int len = (int)p->plain_len;
			assert_int_equal(srtp_protect_mki(s, p->secret, &len, mki_len != 0, 0), srtp_err_status_ok);
			assert_true(sl_srtp_mki_is(c, p->secret, (size_t)len));
			unsigned behind_tag = sl_srtp_suite_info(suite)->aead ? mki_len : 0; /* RFC 7714 8: the tag is part of the text */
			if (j % 5 == 4) /* a forgery among the good ones, in the tag or in what it covers */
				p->secret[j % 2 ? (unsigned)len - 1 - behind_tag : header - 1] ^= 0x40;
			ops[j] = (struct sl_srtp_op){.ctx = c, .rtp = p->secret, .len = (uint16_t)len,
				.header_len = (uint16_t)header, .index = index};
		}
		sl_srtp_unprotect(engine, ops, n);
		for (unsigned j = 0; j < n; j++) {
			if (j % 5 == 4) {
				assert_int_equal(ops[j].status, -EBADMSG);
				continue;
			}
			assert_int_equal(ops[j].status, 0);
			assert_int_equal(ops[j].len, sent[i + j].plain_len);
			assert_memory_equal(sent[i + j].secret, sent[i + j].plain, sent[i + j].plain_len);
		}
	}
	srtp_dealloc(s);
	drop(c);
}

static void test_both_ways(void **state)
{
	for (unsigned suite = 1; suite < SL_SRTP_N_SUITES; suite++)
		for (unsigned mki_len = 0; oracle_does(suite) && mki_len <= SL_SRTP_MKI_MAX; mki_len++) {
			ours_to_oracle(suite, mki_len);
			oracle_to_ours(suite, mki_len);
		}
}

/* One burst of every suite and of streams with keys of their own. */
static void test_mixed_burst(void **state)
{
	struct sl_srtp_key keys[BURST];
	struct sl_srtp_context *c[BURST];
	srtp_t s[BURST];
	struct sl_srtp_op ops[BURST];
	for (unsigned i = 0; i < BURST; i++) {
		unsigned suite = 1 + i % (SL_SRTP_N_SUITES - 1);
		keys[i] = random_key(oracle_does(suite) ? suite : SL_SRTP_AES_CM_128_80, i % 3);
		c[i] = context(&keys[i]);
		s[i] = oracle(&keys[i], SSRC + i, i);
	}
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < BURST; i++) {
			unsigned header;
			uint64_t index = (uint64_t)i << 16 | (100 + round);
			sent[i].plain_len = make_rtp(sent[i].plain, index, SSRC + i, i % 2, false, payload_of(i + round), &header);
			memcpy(sent[i].secret, sent[i].plain, sent[i].plain_len);
			ops[i] = (struct sl_srtp_op){.ctx = c[i], .rtp = sent[i].secret, .len = (uint16_t)sent[i].plain_len,
				.header_len = (uint16_t)header, .index = index};
		}
		sl_srtp_protect(engine, ops, BURST);
		for (unsigned i = 0; i < BURST; i++) {
			int len = ops[i].len;
			assert_int_equal(ops[i].status, 0);
			assert_int_equal(srtp_unprotect_mki(s[i], sent[i].secret, &len, keys[i].mki_len != 0), srtp_err_status_ok);
			assert_memory_equal(sent[i].secret, sent[i].plain, sent[i].plain_len);
		}
	}
	for (unsigned i = 0; i < BURST; i++) {
		srtp_dealloc(s[i]);
		drop(c[i]);
	}
}

static void test_cut_off(void **state)
{
	for (unsigned suite = 1; suite < SL_SRTP_N_SUITES; suite++) {
		struct sl_srtp_key k = random_key(suite, 2);
		struct sl_srtp_context *c = context(&k);
		unsigned header, n = make_rtp(sent[0].plain, 5, SSRC, 1, true, 60, &header);
		struct sl_srtp_op op = {.ctx = c, .rtp = sent[0].plain, .len = (uint16_t)n, .header_len = (uint16_t)header, .index = 5};
		sl_srtp_protect(engine, &op, 1);
		for (unsigned len = header; len < op.len; len++) {
			uint8_t *copy = malloc(len + SL_SRTP_TAIL_MAX);
			memcpy(copy, sent[0].plain, len);
			struct sl_srtp_op cut = {.ctx = c, .rtp = copy, .len = (uint16_t)len, .header_len = (uint16_t)header, .index = 5};
			sl_srtp_unprotect(engine, &cut, 1);
			assert_true(cut.status == -EBADMSG || cut.status == -EMSGSIZE);
			free(copy);
		}
		struct sl_srtp_op other = op; /* the right bytes under another index */
		other.index = 5 | 1 << 16;
		sl_srtp_unprotect(engine, &other, 1);
		assert_int_equal(other.status, -EBADMSG);
		drop(c);
	}
}

/* ---- SRTCP ---- */

static unsigned make_rtcp(uint8_t *p, uint32_t ssrc)
{
	static const uint8_t rr[] = {0x80, 201, 0, 1, 0, 0, 0, 0, 0x81, 202, 0, 3, 0, 0, 0, 0, 1, 3, 'a', 'b', 'c', 0, 0, 0};
	memcpy(p, rr, sizeof rr);
	sl_rtp_put32(p + 4, ssrc);
	sl_rtp_put32(p + 12, ssrc);
	return sizeof rr;
}

static void rtcp_both_ways(unsigned suite, unsigned mki_len)
{
	struct sl_srtp_key k = random_key(suite, mki_len);
	struct sl_srtcp_context c;
	assert_int_equal(sl_srtcp_context_init(engine, &c, &k), 0);
	srtp_t s = oracle(&k, SSRC, 0);
	for (uint32_t i = 1; i < 20; i++) {
		uint8_t plain[ROOM], packet[ROOM];
		unsigned n = make_rtcp(plain, SSRC);
		uint16_t len = (uint16_t)n;
		memcpy(packet, plain, n);
		assert_int_equal(sl_srtcp_protect(engine, &c, packet, &len, 1000 * i), 0);
		assert_int_equal(sl_srtcp_index_of(&c, packet, len), 1000 * i);
		int theirs = len;
		assert_int_equal(srtp_unprotect_rtcp_mki(s, packet, &theirs, mki_len != 0), srtp_err_status_ok);
		assert_int_equal(theirs, n);
		assert_memory_equal(packet, plain, n);
	}
	srtp_dealloc(s);
	s = oracle(&k, SSRC, 0);
	for (uint32_t i = 1; i < 20; i++) {
		uint8_t plain[ROOM], packet[ROOM];
		unsigned n = make_rtcp(plain, SSRC);
		int theirs = (int)n;
		uint32_t index;
		memcpy(packet, plain, n);
		assert_int_equal(srtp_protect_rtcp_mki(s, packet, &theirs, mki_len != 0, 0), srtp_err_status_ok);
		uint16_t len = (uint16_t)theirs;
		assert_true(sl_srtcp_mki_is(&c, packet, len));
		assert_int_equal(sl_srtcp_unprotect(engine, &c, packet, &len, &index), 0);
		assert_int_equal(index, i);
		assert_int_equal(len, n);
		assert_memory_equal(packet, plain, n);
		packet[9] ^= 1;
		len = (uint16_t)theirs;
		assert_true(sl_srtcp_unprotect(engine, &c, packet, &len, &index) < 0);
	}
	srtp_dealloc(s);
}

/* libsrtp2 looks for SRTCP's MKI where SRTP's tag would leave it: with tags of two lengths it finds none. */
static unsigned oracle_mki_max(unsigned suite)
{
	const struct sl_srtp_suite_info *info = sl_srtp_suite_info(suite);
	return info->tag_len == info->rtcp_tag_len ? SL_SRTP_MKI_MAX : 0;
}

static void test_rtcp(void **state)
{
	for (unsigned suite = 1; suite < SL_SRTP_N_SUITES; suite++)
		for (unsigned mki_len = 0; oracle_does(suite) && mki_len <= oracle_mki_max(suite); mki_len++)
			rtcp_both_ways(suite, mki_len);
}

/* ---- AES-CM by OpenSSL, for AES-192 and as a second opinion ---- */

static const EVP_CIPHER *ctr_of(unsigned key_len)
{
	return key_len == 16 ? EVP_aes_128_ctr() : key_len == 24 ? EVP_aes_192_ctr() : EVP_aes_256_ctr();
}

static void aes_ctr(const uint8_t *key, unsigned key_len, const uint8_t iv[16], uint8_t *data, unsigned len)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n;
	assert_int_equal(EVP_EncryptInit_ex(c, ctr_of(key_len), NULL, key, iv), 1);
	assert_int_equal(EVP_EncryptUpdate(c, data, &n, data, (int)len), 1);
	EVP_CIPHER_CTX_free(c);
}

/* RFC 3711 4.3.1, 4.3.3; RFC 6188 3. */
static void derive(const struct sl_srtp_key *k, uint8_t label, uint8_t *out, unsigned len)
{
	uint8_t iv[16] = {0};
	memcpy(iv, k->salt, 14);
	iv[7] ^= label;
	memset(out, 0, len);
	aes_ctr(k->key, sl_srtp_suite_info(k->suite)->key_len, iv, out, len);
}

static unsigned reference(const struct sl_srtp_key *k, uint8_t *p, unsigned len, unsigned header, uint64_t index)
{
	const struct sl_srtp_suite_info *info = sl_srtp_suite_info(k->suite);
	uint8_t key[32], auth[20], salt[14], iv[16] = {0}, mac[20], roc[4];
	unsigned mac_len = sizeof mac;
	derive(k, 0, key, info->key_len);
	derive(k, 1, auth, sizeof auth);
	derive(k, 2, salt, sizeof salt);
	memcpy(iv, salt, sizeof salt);
	for (unsigned i = 0; i < 4; i++)
		iv[4 + i] ^= p[8 + i]; /* SSRC */
	for (unsigned i = 0; i < 6; i++)
		iv[8 + i] ^= (uint8_t)(index >> (40 - 8 * i));
	aes_ctr(key, info->key_len, iv, p + header, len - header);
	sl_rtp_put32(roc, (uint32_t)(index >> 16));
	memcpy(p + len, roc, 4);
	assert_non_null(HMAC(EVP_sha1(), auth, sizeof auth, p, len + 4, mac, &mac_len));
	memcpy(p + len, mac, info->tag_len);
	return len + info->tag_len;
}

static void test_counter_mode(void **state)
{
	for (unsigned suite = SL_SRTP_AES_CM_128_80; suite <= SL_SRTP_AES_CM_256_32; suite++) {
		struct sl_srtp_key k = random_key(suite, 0);
		struct sl_srtp_context *c = context(&k);
		for (unsigned i = 0; i < 100; i++) {
			uint8_t plain[ROOM], packet[ROOM], expected[ROOM];
			uint64_t index = (UINT64_C(0x12345678) << 16 | 65500) + i;
			unsigned header, n = make_rtp(plain, index, SSRC, i % 3, i % 2, payload_of(i), &header);
			memcpy(packet, plain, n);
			memcpy(expected, plain, n);
			unsigned len = reference(&k, expected, n, header, index);
			struct sl_srtp_op op = {.ctx = c, .rtp = packet, .len = (uint16_t)n, .header_len = (uint16_t)header, .index = index};
			sl_srtp_protect(engine, &op, 1);
			assert_int_equal(op.status, 0);
			assert_int_equal(op.len, len);
			assert_memory_equal(packet, expected, len);
			sl_srtp_unprotect(engine, &op, 1);
			assert_int_equal(op.status, 0);
			assert_memory_equal(packet, plain, n);
		}
		drop(c);
	}
}

/* RFC 3711 B.3: session keys of a master key. */
static void test_key_derivation_vector(void **state)
{
	static const uint8_t master[16] = {0xE1, 0xF9, 0x7A, 0x0D, 0x3E, 0x01, 0x8B, 0xE0, 0xD6, 0x4F, 0xA3, 0x2C, 0x06, 0xDE, 0x41, 0x39};
	static const uint8_t salt[14] = {0x0E, 0xC6, 0x75, 0xAD, 0x49, 0x8A, 0xFE, 0xEB, 0xB6, 0x96, 0x0B, 0x3A, 0xAB, 0xE6};
	static const uint8_t cipher[16] = {0xC6, 0x1E, 0x7A, 0x93, 0x74, 0x4F, 0x39, 0xEE, 0x10, 0x73, 0x4A, 0xFE, 0x3F, 0xF7, 0xA0, 0x87};
	static const uint8_t salting[14] = {0x30, 0xCB, 0xBC, 0x08, 0x86, 0x3D, 0x8C, 0x85, 0xD4, 0x9D, 0xB3, 0x4A, 0x9A, 0xE1};
	struct sl_srtp_key k = {.suite = SL_SRTP_AES_CM_128_80};
	uint8_t out[16];
	memcpy(k.key, master, sizeof master);
	memcpy(k.salt, salt, sizeof salt);
	derive(&k, 0, out, sizeof cipher);
	assert_memory_equal(out, cipher, sizeof cipher);
	derive(&k, 2, out, sizeof salting);
	assert_memory_equal(out, salting, sizeof salting);
}

static void test_refused(void **state)
{
	struct sl_srtp_key k = random_key(SL_SRTP_AES_CM_128_80, 0);
	_Alignas(64) uint8_t memory[SL_SRTP_CONTEXT_SMALL] = {0};
	struct sl_srtp_context *c = (struct sl_srtp_context *)(void *)memory;
	assert_true(sl_srtp_context_bytes(engine, SL_SRTP_AES_CM_128_80) <= SL_SRTP_CONTEXT_SMALL);
	assert_int_equal(sl_srtp_context_bytes(engine, SL_SRTP_N_SUITES), 0);
	assert_null(sl_srtp_suite_info(SL_SRTP_NONE));
	k.suite = SL_SRTP_N_SUITES;
	assert_int_equal(sl_srtp_context_init(engine, c, &k), -EINVAL);
	k.suite = SL_SRTP_AES_CM_128_80;
	k.mki_len = SL_SRTP_MKI_MAX + 1;
	assert_int_equal(sl_srtp_context_init(engine, c, &k), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_mixed_burst),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_rtcp),
		cmocka_unit_test(test_counter_mode),
		cmocka_unit_test(test_key_derivation_vector),
		cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
