/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A conversation: records of a control byte, a length and a message, all handled by one worker under a fake clock. So that
 * an input reaches the state behind authentication, hashes are zero, a nonce of the right shape is replaced by a
 * good one, and a FINGERPRINT at the end is made right. */

#include "dataplane/wire/crc32.h"
#include "tests/fuzz/turn_check.h"

enum { FLOW_BITS = 3, WAIT_SHIFT = 2, WAIT_BITS = 7, TICK = 0x20, NONCE_LEN = 37, MESSAGE_MAX = 2048 };
static const uint16_t waits_s[] = {0, 0, 0, 1, 30, 299, 300, 601};

static struct rig r;
static struct client clients[FLOW_BITS + 1];

static void zero_sha1(
        void *ctx, const uint8_t *key, size_t key_len, const struct sl_iov *iov, unsigned n, uint8_t *out)
{
	memset(out, 0, 20);
}

static void zero_sha256(
        void *ctx, const uint8_t *key, size_t key_len, const struct sl_iov *iov, unsigned n, uint8_t *out)
{
	memset(out, 0, 32);
}

static void start(void)
{
	static const char *const from[] = {"198.51.100.1:1000", "198.51.100.2:1000", "198.51.100.2:1001",
	        "[2001:db8:1::1]:1000"};
	rig_open(&r, 1);
	rig_provision(&r, "secret", (const char *const[]){"+10.5.0.0/16", "-203.0.113.128/25", NULL});
	r.turn[0].crypto = (struct sl_stun_crypto){NULL, zero_sha1, zero_sha256};
	for (unsigned i = 0; i <= FLOW_BITS; i++)
		clients[i] = client_at(&r, from[i], i == 3);
}

static void mend(struct client *c, uint8_t *msg, size_t len)
{
	uint8_t *nonce = (uint8_t *)memmem(msg, len, "\0\25\0\45obMatJos2", 13);

	if (nonce && (size_t)(msg + len - nonce) >= 4 + NONCE_LEN) {
		client_login(c);
		memcpy(nonce + 4, c->nonce, NONCE_LEN);
	}
	if (len >= 28 && memcmp(msg + len - 8, "\x80\x28\0\4", 4) == 0) {
		uint32_t crc = htonl(sl_crc32(msg, len - 8) ^ 0x5354554e);
		memcpy(msg + len - 4, &crc, 4);
	}
}

static void say(struct client *c, const uint8_t *msg, size_t len)
{
	struct sl_turn_verdict v =
	        sl_turn_handle(&r.turn[0], &c->flow, msg, (unsigned)len, &r.now, r.reply, sizeof r.reply);

	if (v.action == SL_TURN_DROP)
		SL_FUZZ_CHECK(v.drop <= SL_N_DROPS && v.drop != SL_DROP_internal);
	if (v.action == SL_TURN_REPLY) {
		struct sl_stun m;
		SL_FUZZ_CHECK(v.reply_len <= sizeof r.reply && sl_stun_parse(r.reply, v.reply_len, &m) == SL_STUN_OK);
		SL_FUZZ_CHECK(m.cls == SL_STUN_SUCCESS || m.cls == SL_STUN_ERROR);
	}
	if (v.action == SL_TURN_RELAY)
		SL_FUZZ_CHECK(v.data.off + v.data.len <= len && r.sessions[0].peers[v.peer].alloc == v.alloc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;

	if (!started)
		start();
	started = true;
	while (size >= 3) {
		uint8_t control = data[0];
		size_t len = (size_t)data[1] << 8 | data[2];
		data += 3;
		size -= 3;
		len = len < size ? len : size;
		len = len < MESSAGE_MAX ? len : MESSAGE_MAX;
		uint8_t *msg = (uint8_t *)malloc(len ? len : 1); /* exactly as long, so that ASan sees an over-read */
		SL_FUZZ_CHECK(msg != NULL);
		memcpy(msg, data, len);
		struct client *c = &clients[control & FLOW_BITS];
		rig_wait(&r, waits_s[control >> WAIT_SHIFT & WAIT_BITS]);
		if (control & TICK)
			rig_tick(&r);
		mend(c, msg, len);
		say(c, msg, len);
		free(msg);
		data += len;
		size -= len;
	}
	check_worker(&r, 0);
	check_empties(&r, 0);
	return 0;
}
