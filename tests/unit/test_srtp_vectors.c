/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Test vectors of RFC 3711 (B.2, B.3), RFC 6188 (7) and RFC 7714 (16, 17). */

#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "drivers/srtp_x86.h"

enum { PACKET_MAX = 256, KEYSTREAM_BYTES = 1044512, KEYSTREAM_SHOWN = 48 };

static struct sl_srtp *engine;

static unsigned unhex(uint8_t *out, const char *hex)
{
	unsigned n = 0;

	for (; hex[2 * n]; n++) {
		char byte[3] = {hex[2 * n], hex[2 * n + 1], 0};
		out[n] = (uint8_t)strtoul(byte, NULL, 16);
	}
	return n;
}

static void assert_hex(const uint8_t *got, const char *hex)
{
	uint8_t want[PACKET_MAX];
	unsigned n = unhex(want, hex);

	assert_memory_equal(got, want, n);
}

/* ---- key derivation ---- */

static void derivation(void **state)
{
	static const struct {
		unsigned suite;
		const char *key, *salt, *session_key, *session_salt, *session_auth;
	} vectors[] = {
	        {SL_SRTP_AES_CM_128_80, "e1f97a0d3e018be0d64fa32c06de4139",
	                "0ec675ad498afeebb6960b3aabe6", /* RFC 3711 B.3 */
	                "c61e7a93744f39ee10734afe3ff7a087", "30cbbc08863d8c85d49db34a9ae1",
	                "cebe321f6ff7716b6fd4ab49af256a156d38baa4"},
	        {SL_SRTP_AES_CM_256_80,
	                "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6", /* RFC 6188 7.2 */
	                "3b04803de51ee7c96423ab5b78d2",
	                "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4",
	                "fa31791685ca444a9e07c6c64e93", "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05"},
	        {SL_SRTP_AES_CM_192_80, "73edc66c4fa15776fb57f9505c17136550ffda71f3e8e5f1", /* RFC 6188 7.4 */
	                "c8522f3acd4ce86d5add78edbb11", "31874736a8f1143870c26e4857d8a5b2c4a354407faadabb",
	                "2372b82d639b6d8503a47adc0a6c", "355b10973cd95b9eacf4061c7e1a7151e7cfbfcb"},
	};

	for (unsigned i = 0; i < SL_COUNT(vectors); i++) {
		struct sl_srtp_key key = {.suite = (uint8_t)vectors[i].suite};
		struct sl_srtp_session_keys keys;
		unhex(key.key, vectors[i].key);
		unhex(key.salt, vectors[i].salt);
		assert_int_equal(sl_srtp_derive(&engine->bare, &key, SL_SRTP_LABEL_RTP, &keys), 0);
		assert_hex(keys.key, vectors[i].session_key);
		assert_hex(keys.salt, vectors[i].session_salt);
		assert_hex(keys.auth, vectors[i].session_auth);
	}
}

/* ---- contexts from session keys ---- */

static struct sl_srtp_context *context(unsigned suite, unsigned flags, const char *key, const char *salt)
{
	size_t bytes = sl_srtp_context_bytes(engine, suite);
	struct sl_srtp_context *c = (struct sl_srtp_context *)aligned_alloc(64, bytes);
	struct sl_srtp_session_keys keys = {0};

	assert_non_null(c);
	memset(c, 0, bytes);
	c->suite = (uint8_t)suite;
	c->flags = (uint8_t)flags;
	c->tag_len = sl_srtp_suite_info(suite)->tag_len;
	unhex(keys.key, key);
	unhex(keys.salt, salt);
	assert_int_equal(engine->engine->context_init(engine, c, &keys), 0);
	return c;
}

/* ---- AES-CM key stream: RFC 3711 B.2, RFC 6188 7.1, 7.3 ---- */

static const struct {
	unsigned suite;
	const char *key, *first, *last; /* three blocks each */
} streams[] = {
        {SL_SRTP_AES_CM_128_80, "2b7e151628aed2a6abf7158809cf4f3c",
                "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca8"
                "94c0",
                "ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae6a2cc3787889374fbeb4c81b17ba"
                "6c44"},
        {SL_SRTP_AES_CM_256_80, "57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98",
                "92bdd28a93c3f52511c677d08b5515a49da71b2378a854f67050756ded165bac63c4868b7096d88421b563b8c94c"
                "9a31",
                "cea518c90fd91ced9cbb18c078a547113dbc4814f4da5f00a08772b63c6a046d6eb246913062a16891433e97dd01"
                "a57f"},
        {SL_SRTP_AES_CM_192_80, "eab234764e517b2d3d160d587d8c86219740f65f99b6bcf7",
                "35096cba4610028dc1b57503804ce37c5de986291dcce161d5165ec4568f5c9a474a40c77894bc17180202272a4c"
                "264d",
                "d108d1a31a00bad6367ec23eb044b415c8f57129fdeb970b59f917b257662d4ca5dab625811034e8cebdfeb6dc15"
                "8dd3"},
};
static const char stream_salt[] = "f0f1f2f3f4f5f6f7f8f9fafbfcfd";

/* The beginning, as a packet of zeros with SSRC, ROC and SEQ 0. */
static void key_stream_of_packets(void **state)
{
	for (unsigned i = 0; i < SL_COUNT(streams); i++) {
		struct sl_srtp_context *c = context(streams[i].suite, 0, streams[i].key, stream_salt);
		uint8_t rtp[PACKET_MAX] = {0x80};
		struct sl_srtp_op op = {
		        .ctx = c, .rtp = rtp, .len = 12 + KEYSTREAM_SHOWN, .header_len = 12, .index = 0};
		sl_srtp_protect(engine, &op, 1);
		assert_int_equal(op.status, 0);
		assert_hex(rtp + 12, streams[i].first);
		sl_srtp_context_end(engine, c);
		free(c);
	}
}

/* All of it, which no packet reaches. */
static void whole_key_stream(void **state)
{
	uint8_t *data = (uint8_t *)malloc(KEYSTREAM_BYTES), key[SL_SRTP_KEY_MAX], iv[SL_SRTP_CM_IV];

	assert_non_null(data);
	for (unsigned i = 0; i < SL_COUNT(streams); i++) {
		memset(data, 0, KEYSTREAM_BYTES);
		memset(iv, 0, sizeof iv);
		unhex(iv, stream_salt);
		assert_true(sl_srtp_bare_ctr(
		        &engine->bare, key, unhex(key, streams[i].key), iv, data, KEYSTREAM_BYTES));
		assert_hex(data, streams[i].first);
		assert_hex(data + KEYSTREAM_BYTES - KEYSTREAM_SHOWN, streams[i].last);
	}
	free(data);
}

/* ---- AEAD: RFC 7714 16, 17 ---- */

static const char key_128[] = "000102030405060708090a0b0c0d0e0f";
static const char key_256[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
static const char aead_salt[] = "517569642070726f2071756f";
static const char rtp_plain[] =
        "8040f17b8041f8d35501a0b2"
        "47616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573";

static void aead_rtp(void **state)
{
	static const struct {
		unsigned suite, flags;
		const char *key, *result;
	} vectors[] = {
	        {SL_SRTP_AEAD_128_GCM, 0, key_128,
	                "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f"
	                "42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce"},
	        {SL_SRTP_AEAD_128_GCM, SL_SRTP_PLAIN_RTP, key_128,
	                "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064"
	                "697669736120696e20706172746573207472657322493f82d2bce397e9d79e3b19aa4216"},
	        {SL_SRTP_AEAD_256_GCM, 0, key_256,
	                "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3"
	                "b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13"},
	        {SL_SRTP_AEAD_256_GCM, SL_SRTP_PLAIN_RTP, key_256,
	                "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064"
	                "697669736120696e207061727465732074726573a866d5910f887463067ceefec45215d4"},
	};

	for (unsigned i = 0; i < SL_COUNT(vectors); i++) {
		struct sl_srtp_context *c =
		        context(vectors[i].suite, vectors[i].flags, vectors[i].key, aead_salt);
		uint8_t rtp[PACKET_MAX], plain[PACKET_MAX];
		unsigned len = unhex(plain, rtp_plain);
		memcpy(rtp, plain, len);
		struct sl_srtp_op op = {
		        .ctx = c, .rtp = rtp, .len = (uint16_t)len, .header_len = 12, .index = 0xf17b};
		sl_srtp_protect(engine, &op, 1);
		assert_int_equal(op.status, 0);
		assert_int_equal(2 * op.len, strlen(vectors[i].result));
		assert_hex(rtp, vectors[i].result);
		sl_srtp_unprotect(engine, &op, 1);
		assert_int_equal(op.status, 0);
		assert_int_equal(op.len, len);
		assert_memory_equal(rtp, plain, len);
		sl_srtp_context_end(engine, c);
		free(c);
	}
}

static const char rtcp_plain[] = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61"
                                 "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";

static void aead_rtcp(void **state)
{
	static const struct {
		unsigned suite, flags;
		const char *key, *result;
	} vectors[] = {
	        {SL_SRTP_AEAD_128_GCM, 0, key_128,
	                "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1"
	                "730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4"},
	        {SL_SRTP_AEAD_256_GCM, 0, key_256,
	                "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1"
	                "110555be8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4"},
	        {SL_SRTP_AEAD_128_GCM, SL_SRTP_PLAIN_RTCP, key_128,
	                "81c8000d4d6172734e5450314e545032525450200000042a0000e930"
	                "4c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef841dd9683dd78ec92ae58790125f62b30000"
	                "05d4"},
	        {SL_SRTP_AEAD_256_GCM, SL_SRTP_PLAIN_RTCP, key_256,
	                "81c8000d4d6172734e5450314e545032525450200000042a0000e930"
	                "4c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef91db4afbfeee5a978fab4393ed2615fe0000"
	                "05d4"},
	};

	for (unsigned i = 0; i < SL_COUNT(vectors); i++) {
		struct sl_srtcp_context c = {.suite = (uint8_t)vectors[i].suite,
		        .tag_len = 16,
		        .flags = (uint8_t)vectors[i].flags};
		uint8_t rtcp[PACKET_MAX], plain[PACKET_MAX];
		uint16_t plain_len = (uint16_t)unhex(plain, rtcp_plain), len = plain_len;
		uint32_t index;
		unhex(c.key, vectors[i].key);
		unhex(c.salt, aead_salt);
		memcpy(rtcp, plain, len);
		assert_int_equal(sl_srtcp_protect(engine, &c, rtcp, &len, 0x5d4), 0);
		assert_int_equal(2 * len, strlen(vectors[i].result));
		assert_hex(rtcp, vectors[i].result);
		assert_int_equal(sl_srtcp_unprotect(engine, &c, rtcp, &len, &index), 0);
		assert_int_equal(index, 0x5d4);
		assert_int_equal(len, plain_len);
		assert_memory_equal(rtcp, plain, len);
	}
}

static void names(void **state)
{
	static const char *const sdp[] = {NULL, "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32",
	        "AES_192_CM_HMAC_SHA1_80", "AES_192_CM_HMAC_SHA1_32", "AES_256_CM_HMAC_SHA1_80",
	        "AES_256_CM_HMAC_SHA1_32", "AEAD_AES_128_GCM", "AEAD_AES_256_GCM", NULL};

	for (unsigned suite = 0; suite < SL_COUNT(sdp); suite++) {
		const struct sl_srtp_suite_info *info = sl_srtp_suite_info(suite);
		assert_int_equal(info == NULL, sdp[suite] == NULL);
		if (info)
			assert_string_equal(info->sdp_name, sdp[suite]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(names),
	        cmocka_unit_test(derivation),
	        cmocka_unit_test(key_stream_of_packets),
	        cmocka_unit_test(whole_key_stream),
	        cmocka_unit_test(aead_rtp),
	        cmocka_unit_test(aead_rtcp),
	};
	const struct sl_srtp_options o = {.backend = SL_SRTP_IPSEC_MB};
	char err[200] = "";
	int failed = 0;

	for (unsigned plainest = 0; plainest < 2; plainest++) {
		if (sl_srtp_open(&engine, &o, err, sizeof err) != 0) {
			print_error("%s\n", err);
			return 1;
		}
		if (plainest)
			sl_srtp_ipsec_mb_choose(engine, 0);
		failed += cmocka_run_group_tests_name(sl_srtp_describe(engine), tests, NULL, NULL);
		sl_srtp_close(engine);
	}
	return failed;
}
