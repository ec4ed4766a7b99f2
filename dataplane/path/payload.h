/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What the checksum of a received datagram says about its payload alone. */

#include <arpa/inet.h>

#include "dataplane/path/cksum.h"
#include "dataplane/path/context.h"

/* One's complement sum of p's UDP payload, taken from its checksum (not zero): payload = checksummed - pseudo-header - UDP
 * header. The protocol number cancels out against the one that the new checksum would add. */
static inline uint64_t sl_payload_sum(const struct sl_pkt *p, uint16_t cksum)
{
	uint32_t ports = (uint32_t)p->dst.port_be << 16 | p->src.port_be;
	uint16_t len = htons((uint16_t)(p->payload_len + 8));
	return (uint64_t)(uint16_t)~cksum + sl_unsum_ip(&p->src.ip) + sl_unsum_ip(&p->dst.ip) + sl_sub32(ports) +
		2 * sl_sub16(len);
}
