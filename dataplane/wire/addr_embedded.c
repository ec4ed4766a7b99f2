/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* IPv4 addresses hidden in IPv6 ones. A peer policy that looks only at the outer form can be walked around: a
 * translator or tunnel between us and the peer would deliver the packet to the address inside. */

#include "dataplane/wire/addr.h"

struct found {
	struct sl_ip *out;
	unsigned n;
};

static void add(struct found *f, uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	const uint8_t v4[4] = {a, b, c, d};
	uint32_t v4_be;

	memcpy(&v4_be, v4, sizeof v4_be);
	sl_ip_set_v4(&f->out[f->n++], v4_be);
}

/* RFC 8215 leaves the prefix length inside 64:ff9b:1::/48 to the operator, and RFC 6052 2.2 places the address
 * accordingly (skipping byte 8), so every place is a candidate. 0.0.0.0/8 is no destination: zeros in a place mean
 * that the address lies elsewhere, and it must not be refused for them. */
static void nat64_local_use(const uint8_t *b, struct found *f)
{
	if (b[6] != 0)
		add(f, b[6], b[7], b[9], b[10]);
	if (b[7] != 0)
		add(f, b[7], b[9], b[10], b[11]);
	if (b[9] != 0)
		add(f, b[9], b[10], b[11], b[12]);
	if (b[12] != 0 || f->n == 0)
		add(f, b[12], b[13], b[14], b[15]);
}

unsigned sl_ip_embedded_v4(const struct sl_ip *ip, struct sl_ip out[SL_IP_EMBEDDED_MAX])
{
	const uint8_t *b = ip->b;
	struct found f = {.out = out};
	uint32_t w0 = ntohl(ip->d[0]), w1 = ntohl(ip->d[1]), w2 = ntohl(ip->d[2]), w3 = ntohl(ip->d[3]);

	if (w0 == 0x0064ff9b && w1 >> 16 == 1) {
		nat64_local_use(b, &f);
		return f.n;
	}
	if (w0 == 0x0064ff9b && w1 == 0 && w2 == 0) /* NAT64, well-known prefix */
		add(&f, b[12], b[13], b[14], b[15]);
	/* Mapped; translated; compatible, of which :: and ::1 are not. */
	if (ip->q[0] == 0 && (w2 == 0xffff || w2 == 0xffff0000 || (w2 == 0 && w3 > 1)))
		add(&f, b[12], b[13], b[14], b[15]);
	if (w0 >> 16 == 0x2002) /* 6to4 */
		add(&f, b[2], b[3], b[4], b[5]);
	if (w0 == 0x20010000) { /* Teredo */
		add(&f, b[4], b[5], b[6], b[7]);
		add(&f, b[12] ^ 0xff, b[13] ^ 0xff, b[14] ^ 0xff, b[15] ^ 0xff);
	}
	if ((w2 & 0xfdffffff) == 0x00005efe) /* ISATAP, with the universal bit set or not */
		add(&f, b[12], b[13], b[14], b[15]);
	return f.n;
}
