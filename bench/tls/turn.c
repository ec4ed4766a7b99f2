/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Allocate, 401, Allocate, ChannelBind: what a client says before it may send (RFC 8656, long-term credentials of RFC 8489 9.2). */

#include "bench/tls/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "dataplane/wire/stun.h"

enum { UDP = 17, TEXT_MAX = 512 };

static void hmac_sha1(void *ctx, const uint8_t *key, size_t key_len, const struct sl_iov *iov, unsigned n, uint8_t *out)
{
	uint8_t text[FRAME_BYTES_MAX];
	size_t len = 0;

	for (unsigned i = 0; i < n && len + iov[i].len <= sizeof text; i++) {
		memcpy(text + len, iov[i].base, iov[i].len);
		len += iov[i].len;
	}
	HMAC(EVP_sha1(), key, (int)key_len, text, len, out, NULL);
}

static const struct sl_stun_crypto CRYPTO = { .hmac_sha1 = hmac_sha1 };

size_t turn_request(struct load *l, struct client *c, uint8_t *out, size_t room)
{
	struct sl_stun_builder b;

	RAND_bytes(c->tid, sizeof c->tid);
	sl_stun_begin(&b, out, room, c->stage == STAGE_BIND ? SL_TURN_CHANNEL_BIND : SL_TURN_ALLOCATE, SL_STUN_REQUEST, c->tid);
	if (c->stage == STAGE_BIND) {
		sl_stun_add_u32(&b, SL_ATTR_CHANNEL_NUMBER, (uint32_t)CHANNEL << 16);
		sl_stun_add_xor_addr(&b, SL_ATTR_XOR_PEER_ADDRESS, &l->o.peer);
	} else {
		sl_stun_add_u32(&b, SL_ATTR_REQUESTED_TRANSPORT, (uint32_t)UDP << 24);
	}
	if (c->stage != STAGE_PROBE) {
		sl_stun_add(&b, SL_ATTR_USERNAME, l->o.user, strlen(l->o.user));
		sl_stun_add(&b, SL_ATTR_REALM, l->realm, strlen(l->realm));
		sl_stun_add(&b, SL_ATTR_NONCE, c->nonce, c->nonce_len);
		sl_stun_add_integrity(&b, &CRYPTO, false, l->key, sizeof l->key);
	}
	return sl_stun_end(&b);
}

/* Nonce and, the first time, realm of a 401 or 438. */
static bool take_challenge(struct load *l, struct client *c, const struct sl_stun *m)
{
	char text[TEXT_MAX];

	if (m->nonce.off == 0 || m->nonce.len > sizeof c->nonce)
		return false;
	memcpy(c->nonce, sl_span_at(m, m->nonce), m->nonce.len);
	c->nonce_len = (uint8_t)m->nonce.len;
	if (l->has_key)
		return true;
	if (m->realm.off == 0 || m->realm.len >= sizeof l->realm)
		return false;
	memcpy(l->realm, sl_span_at(m, m->realm), m->realm.len);
	int n = snprintf(text, sizeof text, "%s:%s:%s", l->o.user, l->realm, l->o.password);
	return l->has_key = n > 0 && (size_t)n < sizeof text && EVP_Digest(text, (size_t)n, l->key, NULL, EVP_md5(), NULL) == 1;
}

int turn_answer(struct load *l, struct client *c, const uint8_t *msg, size_t len)
{
	struct sl_stun m;

	if (sl_stun_parse(msg, len, &m) != SL_STUN_OK || memcmp(m.tid, c->tid, sizeof c->tid) != 0 || m.cls == SL_STUN_INDICATION)
		return 0;
	if (m.cls == SL_STUN_ERROR && c->stage == STAGE_PROBE && m.error_code == 401 && take_challenge(l, c, &m)) {
		c->stage = STAGE_ALLOCATE;
		return 1;
	}
	if (m.cls != SL_STUN_SUCCESS) {
		snprintf(l->why, sizeof l->why, "%s answered %u", c->stage == STAGE_BIND ? "ChannelBind" : "Allocate", m.error_code);
		return -1;
	}
	if (l->has_key && !sl_stun_integrity_ok(&m, &CRYPTO, false, l->key, sizeof l->key)) {
		snprintf(l->why, sizeof l->why, "an answer's MESSAGE-INTEGRITY is wrong");
		return -1;
	}
	if (c->stage != STAGE_BIND && !l->o.arrivals) {
		c->stage = STAGE_BIND;
		return 1;
	}
	return 2;
}
