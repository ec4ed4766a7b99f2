/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* SRTP and SRTCP in bursts (RFC 3711, 6188, 7714). This interface encrypts and authenticates under an index that the
 * caller chose; roll-over counters, replay windows and reserved indices are the caller's
 * (dataplane/session/srtp_index.h), so that they survive a restart. Two backends: libipsec-mb (default on x86) and
 * rte_cryptodev (hardware; any PMD).
 *
 * One engine per worker, used by that thread only. Nothing is allocated after sl_srtp_open(). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/abi/msg_media.h"
#include "dataplane/session/srtp_index.h"

enum {
	SL_SRTP_BURST = 64,
	SL_SRTP_TAIL_MAX = 16 + SL_SRTP_MKI_MAX + 4, /* tag, MKI, and scratch: room needed behind a packet */
	SL_SRTCP_TAIL_MAX = 4 + 16 + SL_SRTP_MKI_MAX,
	SL_SRTP_CONTEXT_SMALL = 256, /* AES_CM_128 suites fit in this */
};
#define SL_SRTCP_INDEX_MAX UINT32_C(0x7fffffff)

enum sl_srtp_backend { SL_SRTP_IPSEC_MB, SL_SRTP_CRYPTODEV };

struct sl_srtp_suite_info {
	const char *sdp_name; /* RFC 4568 6.2, 6188, 7714 */
	uint8_t key_len, salt_len, tag_len, rtcp_tag_len;
	bool aead;
};
/* NULL for SL_SRTP_NONE and numbers that are no suite. */
const struct sl_srtp_suite_info *sl_srtp_suite_info(unsigned suite);

struct sl_srtp;

struct sl_srtp_options {
	enum sl_srtp_backend backend;
	const char *device;    /* cryptodev: a device that EAL knows or a vdev to make ("crypto_aesni_mb"); else NULL */
	unsigned worker;       /* cryptodev: queue pair */
	unsigned n_workers;
	unsigned n_contexts;   /* cryptodev: sessions to make room for */
	void *(*zalloc)(const char *what, size_t bytes); /* 64-byte aligned, zeroed; NULL = aligned_alloc */
};

/* 0; -ENOMEM; -ENOTSUP (this processor or device cannot do the suites) with the reason in err. Start thread. */
int sl_srtp_open(struct sl_srtp **out, const struct sl_srtp_options *o, char *err, size_t err_len);
void sl_srtp_close(struct sl_srtp *s);
const char *sl_srtp_describe(const struct sl_srtp *s); /* "ipsec-mb 1.3.0, AVX2", for the log */

/* ---- contexts: session keys of one direction, made from one master key ---- */

/* What any backend's context begins with. The rest is the backend's. Plain memory without pointers into itself. */
struct sl_srtp_context {
	uint8_t suite, mki_len, tag_len, flags; /* as in struct sl_srtp_key; 0 = no context */
	uint8_t mki[SL_SRTP_MKI_MAX];
};

/* Bytes of a context for RTP, a multiple of 64; 64-byte aligned memory is needed. At most SL_SRTP_CONTEXT_SMALL for the
 * AES_CM_128 suites. 0 for an unknown suite. */
size_t sl_srtp_context_bytes(const struct sl_srtp *s, unsigned suite);
size_t sl_srtp_context_bytes_max(const struct sl_srtp *s); /* of all suites */
/* Derive the session keys (RFC 3711 4.3, key derivation rate 0) and lay the context out. 0, -EINVAL (suite, MKI length,
 * flags; an AEAD always has its tag), -ENOSPC (cryptodev: no session left), -EIO (libcrypto failed). */
int sl_srtp_context_init(struct sl_srtp *s, struct sl_srtp_context *ctx, const struct sl_srtp_key *key);
/* Release what it holds and wipe it; a zeroed one is fine. */
void sl_srtp_context_end(struct sl_srtp *s, struct sl_srtp_context *ctx);

/* For RTCP the session keys are kept bare and expanded when used: it is rare. */
struct sl_srtcp_context {
	uint8_t suite, mki_len, tag_len, flags;
	uint8_t mki[SL_SRTP_MKI_MAX];
	uint8_t key[32], auth[20], salt[14], pad[2];
};
int sl_srtcp_context_init(struct sl_srtp *s, struct sl_srtcp_context *ctx, const struct sl_srtp_key *key);

/* Does the MKI at the end of a packet of len bytes name this context's key (constant time is not needed: MKIs are
 * public)? True when the context has none. */
bool sl_srtp_mki_is(const struct sl_srtp_context *ctx, const uint8_t *packet, size_t len);
bool sl_srtcp_mki_is(const struct sl_srtcp_context *ctx, const uint8_t *packet, size_t len);

/* ---- bursts ---- */

struct sl_srtp_op {
	struct sl_srtp_context *ctx;
	uint8_t *rtp;        /* in place; SL_SRTP_TAIL_MAX bytes may be written behind len, whichever direction */
	uint16_t len;        /* in and out: grows by MKI and tag when protected, shrinks when unprotected */
	uint16_t header_len; /* sl_rtp_header_len() */
	int16_t status;      /* out: 0, -EBADMSG (not authentic), -EMSGSIZE (too short or long), -EIO (device failed) */
	uint64_t index;      /* ROC << 16 | SEQ; the packet's own SEQ must be its low 16 bits */
};

/* n <= SL_SRTP_BURST, indices at most SL_SRTP_INDEX_MAX, packets in memory of their own. When status is not 0, the
 * packet's bytes and length are unspecified: drop it. */
void sl_srtp_protect(struct sl_srtp *s, struct sl_srtp_op *ops, unsigned n);
void sl_srtp_unprotect(struct sl_srtp *s, struct sl_srtp_op *ops, unsigned n);

/* One RTCP compound packet (RFC 3711 3.4). protect: room SL_SRTCP_TAIL_MAX behind *len; the E bit is set unless the
 * key's flags say otherwise. unprotect: *index is what the packet carries, authenticated; replay is the caller's to
 * check before the packet is used. 0, -EBADMSG, -EMSGSIZE, -EINVAL (index above SL_SRTCP_INDEX_MAX), -EIO (libcrypto
 * failed). */
int sl_srtcp_protect(struct sl_srtp *s, const struct sl_srtcp_context *ctx, uint8_t *rtcp, uint16_t *len,
	uint32_t index);
int sl_srtcp_unprotect(struct sl_srtp *s, const struct sl_srtcp_context *ctx, uint8_t *rtcp, uint16_t *len,
	uint32_t *index);
/* The index that a packet claims, before authentication: for an early look at the replay window. -1 when too short. */
int64_t sl_srtcp_index_of(const struct sl_srtcp_context *ctx, const uint8_t *rtcp, size_t len);
