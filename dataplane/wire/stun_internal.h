/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Numbers of the STUN format that the parser and the builder share (RFC 8489 5, 14). */

enum {
	SL_STUN_COOKIE_OFFSET = 4,
	SL_STUN_TID_OFFSET = 8,
	SL_STUN_ATTR_HEADER_BYTES = 4,
	SL_STUN_SHA1_BYTES = 20,
	SL_STUN_SHA256_BYTES = 32,
	SL_STUN_FAMILY_IPV4 = 1,
	SL_STUN_FAMILY_IPV6 = 2,
	SL_STUN_OPTIONAL_MIN = 0x8000, /* from here on an attribute may be ignored */
};

#define SL_STUN_FINGERPRINT_XOR 0x5354554eu
