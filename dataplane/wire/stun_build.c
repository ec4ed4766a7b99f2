/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/wire/stun.h"

#include "dataplane/wire/crc32.h"
#include "dataplane/wire/stun_internal.h"

static inline void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

void sl_stun_begin(struct sl_stun_builder *b, uint8_t *buf, size_t cap, uint16_t method,
        enum sl_stun_class cls, const uint8_t tid[SL_STUN_TID_BYTES])
{
	unsigned m = method, k = (unsigned)cls;

	b->buf = buf;
	b->cap = cap > UINT16_MAX ? UINT16_MAX : (uint16_t)cap;
	b->len = 0;
	b->overflow = cap < SL_STUN_HEADER_BYTES;
	if (b->overflow)
		return;
	put16(buf, (m & 0xf) | (m & 0x70) << 1 | (m & 0xf80) << 2 | (k & 1) << 4 | (k & 2) << 7);
	put16(buf + 2, 0);
	put32(buf + SL_STUN_COOKIE_OFFSET, SL_STUN_MAGIC);
	memcpy(buf + SL_STUN_TID_OFFSET, tid, SL_STUN_TID_BYTES);
	b->len = SL_STUN_HEADER_BYTES;
}

/* Append an attribute's header and zeroed padding, count it in the message length, and return where its value
 * goes; NULL when it does not fit, or when an earlier one did not: no attribute may follow a missing one. */
static uint8_t *append(struct sl_stun_builder *b, uint16_t type, size_t len)
{
	size_t whole = SL_STUN_ATTR_HEADER_BYTES + ((len + 3) & ~(size_t)3);

	if (b->overflow || len > UINT16_MAX || whole > (size_t)(b->cap - b->len)) {
		b->overflow = true;
		return NULL;
	}
	uint8_t *p = b->buf + b->len;
	put16(p, type);
	put16(p + 2, (unsigned)len);
	if (len & 3)
		memset(p + whole - 4, 0, 4); /* the value is written over the first of these */
	b->len = (uint16_t)(b->len + whole);
	put16(b->buf + 2, b->len - (unsigned)SL_STUN_HEADER_BYTES);
	return p + SL_STUN_ATTR_HEADER_BYTES;
}

void sl_stun_add(struct sl_stun_builder *b, uint16_t type, const void *value, size_t len)
{
	uint8_t *v = append(b, type, len);

	if (v && len > 0)
		memcpy(v, value, len);
}

void sl_stun_add_u32(struct sl_stun_builder *b, uint16_t type, uint32_t value)
{
	uint8_t *v = append(b, type, 4);

	if (v)
		put32(v, value);
}

static const uint8_t NO_MASK[16];

static void add_addr(struct sl_stun_builder *b, uint16_t type, const struct sl_endpoint *ep, const uint8_t *mask)
{
	bool v4 = sl_ip_is_v4(&ep->ip);
	unsigned n = v4 ? 4 : 16;
	const uint8_t *ip = v4 ? ep->ip.b + 12 : ep->ip.b;
	uint8_t *v = append(b, type, 4 + n);
	uint8_t port[2];

	if (!v)
		return;
	memcpy(port, &ep->port_be, 2);
	v[0] = 0;
	v[1] = v4 ? SL_STUN_FAMILY_IPV4 : SL_STUN_FAMILY_IPV6;
	v[2] = port[0] ^ mask[0];
	v[3] = port[1] ^ mask[1];
	for (unsigned i = 0; i < n; i++)
		v[4 + i] = ip[i] ^ mask[i];
}

void sl_stun_add_xor_addr(struct sl_stun_builder *b, uint16_t type, const struct sl_endpoint *ep)
{
	if (!b->overflow) /* the cookie, then the transaction id */
		add_addr(b, type, ep, b->buf + SL_STUN_COOKIE_OFFSET);
}

void sl_stun_add_addr(struct sl_stun_builder *b, uint16_t type, const struct sl_endpoint *ep)
{
	add_addr(b, type, ep, NO_MASK);
}

static void add_error(struct sl_stun_builder *b, unsigned code, const char *reason)
{
	size_t n = strlen(reason);
	uint8_t *v = append(b, SL_ATTR_ERROR_CODE, 4 + n);

	if (!v)
		return;
	v[0] = v[1] = 0;
	v[2] = (uint8_t)(code / 100);
	v[3] = (uint8_t)(code % 100);
	memcpy(v + 4, reason, n);
}

void sl_stun_add_error(struct sl_stun_builder *b, unsigned code)
{
	add_error(b, code, sl_stun_error_reason(code));
}

void sl_stun_add_error_bare(struct sl_stun_builder *b, unsigned code)
{
	add_error(b, code, "");
}

void sl_stun_add_unknown(struct sl_stun_builder *b, const uint16_t *types, unsigned n)
{
	uint8_t *v = append(b, SL_ATTR_UNKNOWN_ATTRIBUTES, 2 * (size_t)n);

	for (unsigned i = 0; v && i < n; i++)
		put16(v + 2 * (size_t)i, types[i]);
}

void sl_stun_add_integrity(struct sl_stun_builder *b, const struct sl_stun_crypto *c, bool sha256,
        const uint8_t *key, size_t key_len)
{
	const struct sl_iov before = {b->buf, b->len};
	uint8_t *v = sha256 ? append(b, SL_ATTR_MESSAGE_INTEGRITY_SHA256, SL_STUN_SHA256_BYTES)
	                    : append(b, SL_ATTR_MESSAGE_INTEGRITY, SL_STUN_SHA1_BYTES);

	if (v) /* the length field, inside before, counts the attribute already, as RFC 8489 14.5 wants */
		(sha256 ? c->hmac_sha256 : c->hmac_sha1)(c->ctx, key, key_len, &before, 1, v);
}

void sl_stun_add_fingerprint(struct sl_stun_builder *b)
{
	size_t covered = b->len;
	uint8_t *v = append(b, SL_ATTR_FINGERPRINT, 4);

	if (v)
		put32(v, sl_crc32(b->buf, covered) ^ SL_STUN_FINGERPRINT_XOR);
}

size_t sl_stun_end(const struct sl_stun_builder *b)
{
	return b->overflow ? 0 : b->len;
}
