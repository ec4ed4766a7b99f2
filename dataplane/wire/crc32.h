/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* CRC-32 of ISO-HDLC (Ethernet, zlib, V.42), as STUN's FINGERPRINT uses it (RFC 8489 14.7). */
uint32_t sl_crc32(const void *data, size_t len);
