/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Classic pcap files: of UDP packets, with IP and UDP heads made for them, or of whole frames. Pure. */

#include <stddef.h>
#include <stdint.h>

#include "dataplane/wire/addr.h"

enum {
	SL_PCAP_FILE_BYTES = 24,
	SL_PCAP_RECORD_BYTES = 16,
	SL_PCAP_HEADERS_MAX = SL_PCAP_RECORD_BYTES + 40 + 8, /* IPv6 and UDP */
};

/* Head of a file with times in nanoseconds and packets that begin with their IP header (LINKTYPE_RAW). */
void sl_pcap_file(uint8_t out[SL_PCAP_FILE_BYTES]);
/* The same for packets of another link type (LINKTYPE_ETHERNET is 1). */
void sl_pcap_file_of(uint8_t out[SL_PCAP_FILE_BYTES], unsigned linktype);
/* One packet as it is, n of its full bytes: SL_PCAP_RECORD_BYTES + n are written, which is returned. */
size_t sl_pcap_record(uint8_t *out, uint64_t unix_ns, const uint8_t *data, unsigned n, unsigned full);

/* What precedes n bytes of payload, which were full on the wire; returns its length. IPv4 when neither end has an IPv6
 * address; an end that is not known is all zero. */
size_t sl_pcap_packet(uint8_t out[SL_PCAP_HEADERS_MAX], uint64_t unix_ns, const struct sl_endpoint *from,
	const struct sl_endpoint *to, const uint8_t *payload, unsigned n, unsigned full);
