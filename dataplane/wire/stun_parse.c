/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/wire/stun.h"

#include "dataplane/wire/crc32.h"
#include "dataplane/wire/cursor.h"
#include "dataplane/wire/stun_internal.h"

/* What may still count once an integrity attribute was seen (RFC 8489 14.5, 14.6). */
enum stage { BEFORE_INTEGRITY, AFTER_SHA1, AFTER_SHA256, AFTER_FINGERPRINT };

enum {
	SOFTWARE_MAX_BYTES = 763, /* RFC 8489 14.14 */
	V4_ATTR_BYTES = 8,
	V6_ATTR_BYTES = 20,
	CHANGE_IP = 4, /* RFC 5780 7.2 */
	CHANGE_PORT = 2,
};

static inline unsigned padded(unsigned n)
{
	return (n + 3) & ~3u;
}

static inline bool first_bool(bool *seen)
{
	bool first = !*seen;

	*seen = true;
	return first;
}

/* MAPPED-ADDRESS and its XOR'ed kin: one family, its own length, nothing else (RFC 8489 14.1, 14.2). */
static bool addr_shape_ok(const uint8_t *v, unsigned n)
{
	return (n == V4_ATTR_BYTES && v[1] == SL_STUN_FAMILY_IPV4) ||
	       (n == V6_ATTR_BYTES && v[1] == SL_STUN_FAMILY_IPV6);
}

static void xor_addr(const struct sl_stun *m, const uint8_t *v, unsigned n, struct sl_endpoint *out)
{
	const uint8_t *mask = m->raw + SL_STUN_COOKIE_OFFSET; /* the cookie, then the transaction id */
	uint32_t a[4], x[4];
	uint16_t port, port_mask;

	memcpy(&port, v + 2, 2);
	memcpy(&port_mask, mask, 2);
	out->port_be = port ^ port_mask;
	memcpy(x, mask, 16);
	if (n == V4_ATTR_BYTES) {
		memcpy(a, v + 4, 4);
		sl_ip_set_v4(&out->ip, a[0] ^ x[0]);
		return;
	}
	memcpy(a, v + 4, 16);
	for (unsigned i = 0; i < 4; i++)
		out->ip.d[i] = a[i] ^ x[i];
}

/* Each algorithm: number, parameter length, parameters padded to four (RFC 8489 14.11). The list may be of
 * one (PASSWORD-ALGORITHM), whose own padding then belongs to the attribute and not to its value. */
static bool algorithms_ok(const uint8_t *v, unsigned n, bool single)
{
	struct sl_cursor c = sl_cursor_over(v, n);
	unsigned count = 0;

	do {
		sl_cursor_u16(&c);
		unsigned params = sl_cursor_u16(&c);
		bool last_unpadded = sl_cursor_left(&c) == params;

		sl_cursor_take(&c, last_unpadded ? params : padded(params));
		count++;
	} while (!c.bad && sl_cursor_left(&c) > 0);
	return !c.bad && (!single || count == 1);
}

/* Is the length, or for the self-describing the shape, of a known attribute right? Unknown ones may have any.
 */
static bool shape_ok(unsigned type, const uint8_t *v, unsigned n)
{
	switch (type) {
	case SL_ATTR_USERNAME:
		return n <= SL_STUN_USERNAME_MAX;
	case SL_ATTR_REALM:
		return n <= SL_STUN_REALM_MAX;
	case SL_ATTR_NONCE:
		return n <= SL_STUN_NONCE_MAX;
	case SL_ATTR_SOFTWARE:
		return n <= SOFTWARE_MAX_BYTES;
	case SL_ATTR_USERHASH:
		return n == 32;
	case SL_ATTR_MESSAGE_INTEGRITY:
		return n == SL_STUN_SHA1_BYTES;
	case SL_ATTR_MESSAGE_INTEGRITY_SHA256:
		return n >= 16 && n <= SL_STUN_SHA256_BYTES && n % 4 == 0;
	case SL_ATTR_CHANNEL_NUMBER:
	case SL_ATTR_LIFETIME:
	case SL_ATTR_REQUESTED_TRANSPORT:
	case SL_ATTR_REQUESTED_ADDRESS_FAMILY:
	case SL_ATTR_ADDITIONAL_ADDRESS_FAMILY:
	case SL_ATTR_DRAFT_ADDITIONAL_ADDRESS_FAMILY:
	case SL_ATTR_FINGERPRINT:
	case SL_ATTR_CONNECTION_ID:
	case SL_ATTR_CHANGE_REQUEST:
		return n == 4;
	case SL_ATTR_RESPONSE_PORT: /* RFC 5780 7.5 leaves open whether its padding counts */
		return n == 2 || n == 4;
	case SL_ATTR_EVEN_PORT:
		return n == 1;
	case SL_ATTR_DONT_FRAGMENT:
		return n == 0;
	case SL_ATTR_RESERVATION_TOKEN:
	case SL_ATTR_ICMP:
		return n == 8;
	case SL_ATTR_MAPPED_ADDRESS:
	case SL_ATTR_XOR_MAPPED_ADDRESS:
	case SL_ATTR_XOR_PEER_ADDRESS:
	case SL_ATTR_XOR_RELAYED_ADDRESS:
		return addr_shape_ok(v, n);
	case SL_ATTR_PASSWORD_ALGORITHM:
		return algorithms_ok(v, n, true);
	case SL_ATTR_PASSWORD_ALGORITHMS:
		return algorithms_ok(v, n, false);
	case SL_ATTR_ERROR_CODE: /* class 3 to 6, number 0 to 99 (RFC 8489 14.8) */
		return n >= 4 && (v[2] & 7) >= 3 && (v[2] & 7) <= 6 && v[3] < 100;
	case SL_ATTR_ADDRESS_ERROR_CODE:
		return n >= 4;
	case SL_ATTR_UNKNOWN_ATTRIBUTES:
		return n % 2 == 0;
	default:
		return true;
	}
}

/* The first free one, or the last. */
static struct sl_span *next_origin(struct sl_stun *m)
{
	unsigned i = 0;

	while (i < SL_STUN_MAX_ORIGINS - 1 && m->origins[i].off != 0)
		i++;
	return &m->origins[i];
}

/* The member of *m that keeps where an attribute lies, for those kept that way. */
static struct sl_span *span_of(struct sl_stun *m, unsigned type)
{
	switch (type) {
	case SL_ATTR_USERNAME:
		return &m->username;
	case SL_ATTR_USERHASH:
		return &m->userhash;
	case SL_ATTR_REALM:
		return &m->realm;
	case SL_ATTR_NONCE:
		return &m->nonce;
	case SL_ATTR_SOFTWARE:
		return &m->software;
	case SL_ATTR_PASSWORD_ALGORITHMS:
		return &m->password_algorithms;
	case SL_ATTR_PASSWORD_ALGORITHM:
		return &m->password_algorithm;
	case SL_ATTR_MESSAGE_INTEGRITY:
		return &m->integrity;
	case SL_ATTR_MESSAGE_INTEGRITY_SHA256:
		return &m->integrity_sha256;
	case SL_ATTR_DATA:
		return &m->data;
	case SL_ATTR_RESERVATION_TOKEN:
		return &m->reservation_token;
	case SL_ATTR_ERROR_CODE:
		return &m->error_reason;
	case SL_ATTR_ACCESS_TOKEN:
		return &m->access_token;
	case SL_ATTR_ORIGIN:
		return next_origin(m);
	case SL_ATTR_MOBILITY_TICKET:
		return &m->mobility_ticket;
	default:
		return NULL;
	}
}

static void keep_span(struct sl_stun *m, struct sl_span *s, unsigned type, const uint8_t *v, unsigned n)
{
	if (s->off != 0)
		return;
	s->off = (uint16_t)(v - m->raw);
	s->len = (uint16_t)n;
	if (type == SL_ATTR_PASSWORD_ALGORITHM) {
		m->password_algorithm_number = sl_be16_at(v);
	} else if (type == SL_ATTR_ERROR_CODE) {
		m->error_code = (uint16_t)((v[2] & 7) * 100 + v[3]);
		s->off += 4;
		s->len -= 4;
	}
}

static void keep_peer(struct sl_stun *m, const uint8_t *v, unsigned n)
{
	if (m->n_peers == SL_STUN_MAX_PEERS)
		m->too_many_peers = true;
	else
		xor_addr(m, v, n, &m->peers[m->n_peers++]);
}

/* Keep a well-formed attribute that is not a span. The first of its type counts (RFC 8489 14). */
static void keep_value(struct sl_stun *m, unsigned type, const uint8_t *v, unsigned n)
{
	switch (type) {
	case SL_ATTR_XOR_PEER_ADDRESS:
		keep_peer(m, v, n);
		break;
	case SL_ATTR_LIFETIME:
		if (first_bool(&m->has_lifetime))
			m->lifetime_s = sl_be32_at(v);
		break;
	case SL_ATTR_CHANNEL_NUMBER:
		if (first_bool(&m->has_channel))
			m->channel = sl_be16_at(v);
		break;
	case SL_ATTR_REQUESTED_TRANSPORT:
		if (first_bool(&m->has_transport))
			m->transport = v[0];
		break;
	case SL_ATTR_REQUESTED_ADDRESS_FAMILY:
		if (first_bool(&m->has_family))
			m->family = v[0];
		break;
	case SL_ATTR_ADDITIONAL_ADDRESS_FAMILY:
	case SL_ATTR_DRAFT_ADDITIONAL_ADDRESS_FAMILY:
		if (first_bool(&m->has_additional_family)) {
			m->additional_family = v[0];
			m->additional_by_draft = type == SL_ATTR_DRAFT_ADDITIONAL_ADDRESS_FAMILY;
		}
		break;
	case SL_ATTR_EVEN_PORT:
		if (first_bool(&m->has_even_port))
			m->even_port_reserve = v[0] >> 7;
		break;
	case SL_ATTR_DONT_FRAGMENT:
		m->dont_fragment = true;
		break;
	case SL_ATTR_XOR_MAPPED_ADDRESS:
		if (first_bool(&m->has_mapped))
			xor_addr(m, v, n, &m->mapped);
		break;
	case SL_ATTR_XOR_RELAYED_ADDRESS:
		if (first_bool(&m->has_relayed))
			xor_addr(m, v, n, &m->relayed);
		break;
	case SL_ATTR_CONNECTION_ID:
		if (first_bool(&m->has_connection_id))
			m->connection_id = sl_be32_at(v);
		break;
	case SL_ATTR_CHANGE_REQUEST:
		if (first_bool(&m->has_change_request)) {
			m->change_ip = v[3] & CHANGE_IP;
			m->change_port = v[3] & CHANGE_PORT;
		}
		break;
	case SL_ATTR_RESPONSE_PORT:
		if (first_bool(&m->has_response_port))
			memcpy(&m->response_port_be, v, sizeof m->response_port_be);
		break;
	case SL_ATTR_PADDING:
		m->has_padding = true;
		break;
	case SL_ATTR_MAPPED_ADDRESS: /* understood, and of no use to us */
	case SL_ATTR_UNKNOWN_ATTRIBUTES:
		break;
	default:
		if (type < SL_STUN_OPTIONAL_MIN && m->n_unknown < SL_STUN_MAX_UNKNOWN)
			m->unknown[m->n_unknown++] = (uint16_t)type;
	}
}

static inline bool counts(enum stage stage, unsigned type)
{
	return stage == BEFORE_INTEGRITY || type == SL_ATTR_FINGERPRINT ||
	       (stage == AFTER_SHA1 && type == SL_ATTR_MESSAGE_INTEGRITY_SHA256);
}

/* v: the value; the CRC covers all before the attribute, whose header takes four bytes. */
static bool fingerprint_ok(const struct sl_stun *m, const uint8_t *v)
{
	size_t covered = (size_t)(v - m->raw) - SL_STUN_ATTR_HEADER_BYTES;

	return sl_be32_at(v) == (sl_crc32(m->raw, covered) ^ SL_STUN_FINGERPRINT_XOR);
}

static enum sl_stun_parse parse_attributes(struct sl_stun *m)
{
	struct sl_cursor c = sl_cursor_over(m->raw + SL_STUN_HEADER_BYTES, m->len - SL_STUN_HEADER_BYTES);
	enum stage stage = BEFORE_INTEGRITY;

	while (sl_cursor_left(&c) > 0) {
		unsigned type = sl_cursor_u16(&c);
		unsigned n = sl_cursor_u16(&c);
		const uint8_t *v = sl_cursor_take(&c, padded(n));

		if (c.bad || stage == AFTER_FINGERPRINT) /* FINGERPRINT is the last (RFC 8489 14.7) */
			return SL_STUN_MALFORMED;
		if (!counts(stage, type))
			continue;
		if (!shape_ok(type, v, n))
			return SL_STUN_MALFORMED;
		if (type == SL_ATTR_FINGERPRINT) {
			if (!fingerprint_ok(m, v))
				return SL_STUN_BAD_FINGERPRINT;
			m->has_fingerprint = true;
			stage = AFTER_FINGERPRINT;
			continue;
		}
		struct sl_span *span = span_of(m, type);
		if (span)
			keep_span(m, span, type, v, n);
		else
			keep_value(m, type, v, n);
		if (type == SL_ATTR_MESSAGE_INTEGRITY)
			stage = AFTER_SHA1;
		else if (type == SL_ATTR_MESSAGE_INTEGRITY_SHA256)
			stage = AFTER_SHA256;
	}
	return SL_STUN_OK;
}

/* Only what says "absent" is cleared: the arrays and addresses behind it mean nothing without their counts.
 */
static inline void clear(struct sl_stun *m)
{
	const size_t from = offsetof(struct sl_stun, username), to = offsetof(struct sl_stun, mapped);

	memset((char *)m + from, 0, to - from);
	m->n_peers = 0;
	m->too_many_peers = false;
	m->n_unknown = 0;
}

enum sl_stun_parse sl_stun_parse(const uint8_t *buf, size_t len, struct sl_stun *out)
{
	if (len < SL_STUN_HEADER_BYTES || len > UINT16_MAX || !sl_stun_looks_like(buf) ||
	        (size_t)sl_be16_at(buf + 2) + SL_STUN_HEADER_BYTES != len)
		return SL_STUN_NOT_STUN;

	unsigned type = sl_be16_at(buf); /* class and method bits are interleaved: RFC 8489 figure 3 */
	clear(out);
	out->raw = buf;
	out->len = (uint16_t)len;
	out->method = (uint16_t)((type & 0xf) | (type >> 1 & 0x70) | (type >> 2 & 0xf80));
	out->cls = (enum sl_stun_class)((type >> 4 & 1) | (type >> 7 & 2));
	out->tid = buf + SL_STUN_TID_OFFSET;
	return parse_attributes(out);
}
