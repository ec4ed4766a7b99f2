/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* STUN messages (RFC 8489) with the TURN methods and attributes (RFC 8656): a pure parser and a builder.
 * Nothing here allocates, reads a clock or keeps state. Keyed hashes are passed in as functions, because the
 * workers' come from libipsec-mb and the tests' from OpenSSL. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/wire/addr.h"

enum {
	SL_STUN_HEADER_BYTES = 20,
	SL_STUN_TID_BYTES = 12,
	SL_STUN_MAGIC = 0x2112A442,
	SL_STUN_MAX_ORIGINS = 4,   /* ORIGIN values kept of a request */
	SL_STUN_MAX_PEERS = 16,    /* XOR-PEER-ADDRESS values kept of one CreatePermission */
	SL_STUN_MAX_UNKNOWN = 8,   /* unknown comprehension-required types kept for the 420 answer */
	SL_STUN_USERNAME_MAX = 508, /* RFC 8489 14.3: fewer than 509 bytes */
	SL_STUN_REALM_MAX = 127 * 6,
	SL_STUN_NONCE_MAX = 127 * 6,
};

enum sl_stun_class { SL_STUN_REQUEST = 0, SL_STUN_INDICATION = 1, SL_STUN_SUCCESS = 2, SL_STUN_ERROR = 3 };

enum sl_stun_method {
	SL_STUN_BINDING = 0x001,
	SL_TURN_ALLOCATE = 0x003,
	SL_TURN_REFRESH = 0x004,
	SL_TURN_SEND = 0x006,
	SL_TURN_DATA = 0x007,
	SL_TURN_CREATE_PERMISSION = 0x008,
	SL_TURN_CHANNEL_BIND = 0x009,
	SL_TURN_CONNECT = 0x00a,            /* RFC 6062 */
	SL_TURN_CONNECTION_BIND = 0x00b,
	SL_TURN_CONNECTION_ATTEMPT = 0x00c,
};

/* X(name, type): attributes by IANA number. */
#define SL_STUN_ATTRS(X)                                                                                     \
	X(MAPPED_ADDRESS, 0x0001)                                                                    \
	X(CHANGE_REQUEST, 0x0003)                                                                    \
	X(USERNAME, 0x0006)                                                                          \
	X(MESSAGE_INTEGRITY, 0x0008)                                                                 \
	X(ERROR_CODE, 0x0009)                                                                        \
	X(UNKNOWN_ATTRIBUTES, 0x000A)                                                                \
	X(CHANNEL_NUMBER, 0x000C)                                                                    \
	X(LIFETIME, 0x000D)                                                                          \
	X(XOR_PEER_ADDRESS, 0x0012)                                                                  \
	X(DATA, 0x0013)                                                                              \
	X(REALM, 0x0014)                                                                             \
	X(NONCE, 0x0015)                                                                             \
	X(XOR_RELAYED_ADDRESS, 0x0016)                                                               \
	X(REQUESTED_ADDRESS_FAMILY, 0x0017)                                                          \
	X(EVEN_PORT, 0x0018)                                                                         \
	X(REQUESTED_TRANSPORT, 0x0019)                                                               \
	X(DONT_FRAGMENT, 0x001A)                                                                     \
	X(ACCESS_TOKEN, 0x001B)                                                                      \
	X(MESSAGE_INTEGRITY_SHA256, 0x001C)                                                          \
	X(PASSWORD_ALGORITHM, 0x001D)                                                                \
	X(USERHASH, 0x001E)                                                                          \
	X(XOR_MAPPED_ADDRESS, 0x0020)                                                                \
	X(RESERVATION_TOKEN, 0x0022)                                                                 \
	X(PADDING, 0x0026)                                                                           \
	X(RESPONSE_PORT, 0x0027)                                                                     \
	X(CONNECTION_ID, 0x002A)                                                                     \
	X(ADDITIONAL_ADDRESS_FAMILY, 0x8000)                                                         \
	X(ADDRESS_ERROR_CODE, 0x8001)                                                                \
	X(PASSWORD_ALGORITHMS, 0x8002)                                                               \
	X(ICMP, 0x8004)                                                                              \
	X(SOFTWARE, 0x8022)                                                                          \
	X(ALTERNATE_SERVER, 0x8023)                                                                  \
	X(FINGERPRINT, 0x8028)                                                                       \
	X(RESPONSE_ORIGIN, 0x802B)                                                                   \
	X(OTHER_ADDRESS, 0x802C)                                                                     \
	X(THIRD_PARTY_AUTHORIZATION, 0x802E)                                                         \
	X(ORIGIN, 0x802F)                                                                            \
	X(MOBILITY_TICKET, 0x8030)                                                                   \
	X(DRAFT_ADDITIONAL_ADDRESS_FAMILY, 0x8032)                                                   \
	X(DRAFT_ADDRESS_ERROR_CODE, 0x8033)

enum sl_stun_attr {
#define X(name, type) SL_ATTR_##name = type,
	SL_STUN_ATTRS(X)
#undef X
};

enum sl_stun_password_algorithm { SL_PASSWORD_MD5 = 1, SL_PASSWORD_SHA256 = 2 }; /* RFC 8489 18.5.1 */

/* A run of bytes inside the message: offset from its first byte. off 0 = attribute absent (a header is there). */
struct sl_span {
	uint16_t off;
	uint16_t len;
};

/* A parsed message. Points into the caller's buffer, which must outlive it. */
struct sl_stun {
	const uint8_t *raw;
	uint16_t len; /* of the message, header included */
	uint16_t method;
	enum sl_stun_class cls;
	const uint8_t *tid; /* 12 bytes */

	struct sl_span username, userhash, realm, nonce, software;
	struct sl_span password_algorithms, password_algorithm;
	struct sl_span integrity, integrity_sha256; /* the attribute's value */
	struct sl_span data, reservation_token, error_reason;
	struct sl_span access_token; /* RFC 7635 */
	struct sl_span origins[SL_STUN_MAX_ORIGINS]; /* ORIGIN, which coturn's clients send several times; off 0 ends them */
	struct sl_span mobility_ticket;      /* RFC 8016; of length 0 in an Allocate */

	bool has_lifetime, has_channel, has_transport, has_family, has_additional_family, has_even_port;
	bool dont_fragment, has_fingerprint, even_port_reserve, has_mapped, has_relayed;
	bool additional_by_draft; /* under the number that coturn's clients know it by */
	bool has_connection_id, has_change_request, has_response_port, has_padding;
	bool change_ip, change_port;        /* CHANGE-REQUEST (RFC 5780 7.2) */
	uint16_t response_port_be;
	uint32_t connection_id;             /* RFC 6062 6.2.1 */
	uint32_t lifetime_s;
	uint16_t channel;
	uint16_t password_algorithm_number; /* 0 = PASSWORD-ALGORITHM absent */
	uint8_t transport;                  /* IANA protocol number */
	uint8_t family, additional_family;  /* 1 = IPv4, 2 = IPv6, others as sent */
	uint16_t error_code;                /* of an error response */

	struct sl_endpoint mapped, relayed; /* XOR-MAPPED-ADDRESS, XOR-RELAYED-ADDRESS */
	uint8_t n_peers;                    /* XOR-PEER-ADDRESS in order */
	bool too_many_peers;
	struct sl_endpoint peers[SL_STUN_MAX_PEERS];
	uint8_t n_unknown;
	uint16_t unknown[SL_STUN_MAX_UNKNOWN];
};

enum sl_stun_parse {
	SL_STUN_OK = 0,
	SL_STUN_NOT_STUN,       /* first bits, cookie or length say it is something else */
	SL_STUN_MALFORMED,      /* STUN, but an attribute overruns or a known one has a wrong length */
	SL_STUN_BAD_FINGERPRINT /* RFC 8489 14.7 */
};

/* Parse len bytes at buf as one STUN message. Attributes after MESSAGE-INTEGRITY are ignored except
 * MESSAGE-INTEGRITY-SHA256 and FINGERPRINT; after MESSAGE-INTEGRITY-SHA256 except FINGERPRINT (RFC 8489 14.5, 14.6).
 * Of a repeated attribute the first counts (RFC 8489 14), XOR-PEER-ADDRESS and ORIGIN excepted.
 * Reads only buf[0..len); *out is complete only on SL_STUN_OK. */
enum sl_stun_parse sl_stun_parse(const uint8_t *buf, size_t len, struct sl_stun *out);

/* Cheap test of the first 8 bytes: could this be STUN? (RFC 8489 6.3; the demultiplexing of RFC 7983.) len >= 20. */
static inline bool sl_stun_looks_like(const uint8_t *b)
{
	uint32_t cookie;
	memcpy(&cookie, b + 4, 4);
	return (b[0] & 0xC0) == 0 && cookie == htonl(SL_STUN_MAGIC) && (b[3] & 3) == 0;
}

static inline const uint8_t *sl_span_at(const struct sl_stun *m, struct sl_span s)
{
	return m->raw + s.off;
}

/* A keyed hash over up to four pieces; writes out_len bytes (20 for SHA-1, 32 for SHA-256). */
struct sl_iov {
	const void *base;
	size_t len;
};
typedef void (*sl_hmac_fn)(void *ctx, const uint8_t *key, size_t key_len, const struct sl_iov *iov, unsigned n, uint8_t *out);
/* AEAD_AES_128_GCM, AEAD_AES_256_GCM (RFC 5116) by the key's length, 16 or 32: open in[0..len), whose last 16 bytes are the tag, into out, of len - 16
 * bytes. False, with out wiped, when it does not authenticate. */
typedef bool (*sl_gcm_open_fn)(void *ctx, const uint8_t *key, size_t key_len, const uint8_t nonce[12], const void *aad, size_t aad_len, const uint8_t *in,
	size_t len, uint8_t *out);
struct sl_stun_crypto {
	void *ctx;
	sl_hmac_fn hmac_sha1;   /* 20 bytes */
	sl_hmac_fn hmac_sha256; /* 32 bytes */
	sl_gcm_open_fn gcm_open; /* NULL: access tokens are refused */
};

/* Verify MESSAGE-INTEGRITY (RFC 8489 14.5) or, where sha256, MESSAGE-INTEGRITY-SHA256 (14.6; truncated values of
 * 16..32 bytes in steps of four). The header's length field is taken as ending with the attribute. Constant time.
 * False when absent. */
bool sl_stun_integrity_ok(const struct sl_stun *m, const struct sl_stun_crypto *c, bool sha256, const uint8_t *key,
	size_t key_len);

/* Builder: writes into a caller's buffer. An append that does not fit sets .overflow and writes nothing; check once. */
struct sl_stun_builder {
	uint8_t *buf;
	uint16_t cap;
	uint16_t len;
	bool overflow;
};

void sl_stun_begin(struct sl_stun_builder *b, uint8_t *buf, size_t cap, uint16_t method, enum sl_stun_class cls,
	const uint8_t tid[SL_STUN_TID_BYTES]);
void sl_stun_add(struct sl_stun_builder *b, uint16_t type, const void *value, size_t len);
void sl_stun_add_u32(struct sl_stun_builder *b, uint16_t type, uint32_t value);
/* XOR'ed by cookie and transaction id (RFC 8489 14.2), in IPv4 form when the address is IPv4. */
void sl_stun_add_xor_addr(struct sl_stun_builder *b, uint16_t type, const struct sl_endpoint *ep);
/* The same as it is (MAPPED-ADDRESS, ALTERNATE-SERVER, OTHER-ADDRESS, RESPONSE-ORIGIN). */
void sl_stun_add_addr(struct sl_stun_builder *b, uint16_t type, const struct sl_endpoint *ep);
/* ERROR-CODE with the reason phrase of RFC 8489 / 8656 for that code. */
void sl_stun_add_error(struct sl_stun_builder *b, unsigned code);
/* The same with an empty phrase, which is for people to read (RFC 8489 14.8): for answers that must be short. */
void sl_stun_add_error_bare(struct sl_stun_builder *b, unsigned code);
void sl_stun_add_unknown(struct sl_stun_builder *b, const uint16_t *types, unsigned n);
void sl_stun_add_integrity(struct sl_stun_builder *b, const struct sl_stun_crypto *c, bool sha256, const uint8_t *key,
	size_t key_len);
void sl_stun_add_fingerprint(struct sl_stun_builder *b);
/* Total length, or 0 if anything overflowed. */
size_t sl_stun_end(const struct sl_stun_builder *b);

const char *sl_stun_method_name(unsigned method);
const char *sl_stun_error_reason(unsigned code);

/* Constant-time comparison: true when equal. */
bool sl_equal_ct(const void *a, const void *b, size_t len);
