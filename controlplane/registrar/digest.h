/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Arithmetic of digest authentication (RFC 7616, RFC 8760), the same for server and client. Pure but for OpenSSL's contexts, which are made
 * once. Owner: the brain's thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controlplane/media/sdp.h"

enum sl_digest_algorithm { SL_DIGEST_SHA256, SL_DIGEST_MD5, SL_DIGEST_N };
enum { SL_DIGEST_BYTES_MAX = 32, SL_DIGEST_HEX = 2 * SL_DIGEST_BYTES_MAX + 1 };

/* What an Authorization header or a challenge says; slices of its text, quotes taken off, escapes left in. p NULL = not there. */
struct sl_digest_params {
	struct sl_slice username, realm, nonce, uri, response, algorithm, cnonce, opaque, qop, nc, stale;
};

/* One "name=value" at *text, which is moved behind it and the comma. False at the end, or where it is no parameter. */
bool sl_digest_param(const char **text, struct sl_slice *name, struct sl_slice *value);
/* Put it where it belongs; a name that is not known is left out, of two the first counts. */
void sl_digest_take(struct sl_digest_params *p, struct sl_slice name, struct sl_slice value);
/* The algorithm that a parameter names (none = MD5), SL_DIGEST_N = not one of ours. */
enum sl_digest_algorithm sl_digest_algorithm_of(struct sl_slice name);
const char *sl_digest_algorithm_name(enum sl_digest_algorithm a);
bool sl_digest_is(struct sl_slice s, const char *text); /* without regard to case */

/* HA1 = H(username:realm:password). 0, or -ENOTSUP: this OpenSSL has not got the algorithm. */
int sl_digest_ha1(enum sl_digest_algorithm a, const char *username, const char *realm, const char *password,
        uint8_t ha1[SL_DIGEST_BYTES_MAX]);
/* The response as hexadecimal digits: of nonce, uri, cnonce, nc and qop of p (without qop as RFC 2069). 0 or -ENOTSUP. */
int sl_digest_response(enum sl_digest_algorithm a, const uint8_t *ha1, const struct sl_digest_params *p, const char *method,
        char out[SL_DIGEST_HEX]);
