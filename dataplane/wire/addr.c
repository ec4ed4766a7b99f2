/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/wire/addr.h"

#include <errno.h>
#include <stdio.h>

enum { V4_OFFSET_BITS = 96, IP_BITS = 128 };

/* The text of an IPv6 address is at most this long (an IPv4 tail included), with its NUL. */
enum { IP_TEXT_MAX = INET6_ADDRSTRLEN };

int sl_ip_parse(const char *text, struct sl_ip *out)
{
	uint8_t v6[16];
	uint32_t v4_be;

	if (inet_pton(AF_INET, text, &v4_be) == 1) {
		sl_ip_set_v4(out, v4_be);
		return 0;
	}
	if (inet_pton(AF_INET6, text, v6) == 1) {
		sl_ip_set_v6(out, v6);
		return 0;
	}
	return -EINVAL;
}

/* Parse the n characters at text as an address. */
static int parse_ip_part(const char *text, size_t n, struct sl_ip *out)
{
	char part[IP_TEXT_MAX];

	if (n >= sizeof part)
		return -EINVAL;
	memcpy(part, text, n);
	part[n] = '\0';
	return sl_ip_parse(part, out);
}

/* A decimal number of plain digits up to max that ends the string; no sign, no blank, no leading zero. */
static int parse_number(const char *text, unsigned max, unsigned *out)
{
	unsigned n = 0;

	if (*text == '\0' || (*text == '0' && text[1] != '\0'))
		return -EINVAL;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		n = n * 10 + (unsigned)(*text - '0');
		if (n > max)
			return -EINVAL;
	}
	*out = n;
	return 0;
}

int sl_endpoint_parse(const char *text, struct sl_endpoint *out)
{
	const char *colon = strrchr(text, ':');
	struct sl_ip ip;
	unsigned port;
	bool bracketed = text[0] == '[';

	if (colon == NULL || parse_number(colon + 1, UINT16_MAX, &port) != 0)
		return -EINVAL;
	size_t host_len = (size_t)(colon - text);
	if (bracketed) {
		if (host_len < 2 || text[host_len - 1] != ']')
			return -EINVAL;
		text++;
		host_len -= 2;
	}
	/* IPv6 needs its brackets, and brackets are for nothing else: 2001:db8::1:3478 could be read in two
	 * ways. */
	if (bracketed != (memchr(text, ':', host_len) != NULL) || parse_ip_part(text, host_len, &ip) != 0)
		return -EINVAL;
	out->ip = ip;
	out->port_be = htons((uint16_t)port);
	return 0;
}

/* Byte i of the mask of len bits. */
static inline uint8_t mask_byte(unsigned len, unsigned i)
{
	if (len >= 8 * (i + 1))
		return 0xff;
	return len <= 8 * i ? 0 : (uint8_t)(0xff << (8 * (i + 1) - len));
}

int sl_prefix_parse(const char *text, struct sl_prefix *out)
{
	const char *slash = strchr(text, '/');
	size_t ip_len = slash ? (size_t)(slash - text) : strlen(text);
	unsigned offset_bits = memchr(text, ':', ip_len) ? 0 : V4_OFFSET_BITS;
	unsigned len = IP_BITS - offset_bits;
	struct sl_ip ip;

	if (parse_ip_part(text, ip_len, &ip) != 0)
		return -EINVAL;
	if (slash && parse_number(slash + 1, len, &len) != 0)
		return -EINVAL;
	len += offset_bits;
	for (unsigned i = 0; i < 16; i++) {
		if (ip.b[i] & ~mask_byte(len, i))
			return -EINVAL;
	}
	out->ip = ip;
	out->len = (uint8_t)len;
	return 0;
}

/* Addresses are written several times for each SIP message: no printf here. */
static char *put_number(char *at, unsigned n)
{
	char digits[8];
	unsigned i = sizeof digits;

	do
		digits[--i] = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	memcpy(at, digits + i, sizeof digits - i);
	return at + (sizeof digits - i);
}

static char *put_v4(char *at, const struct sl_ip *ip)
{
	for (unsigned i = 0; i < 4; i++) {
		if (i > 0)
			*at++ = '.';
		at = put_number(at, ip->b[12 + i]);
	}
	*at = '\0';
	return at;
}

const char *sl_ip_text(const struct sl_ip *ip, char *buf)
{
	if (sl_ip_is_v4(ip))
		put_v4(buf, ip);
	else
		inet_ntop(AF_INET6, ip->b, buf, SL_ADDR_TEXT_MAX);
	return buf;
}

const char *sl_endpoint_text(const struct sl_endpoint *ep, char *buf)
{
	char *at = buf;

	if (sl_ip_is_v4(&ep->ip)) {
		at = put_v4(at, &ep->ip);
	} else {
		*at++ = '[';
		inet_ntop(AF_INET6, ep->ip.b, at, IP_TEXT_MAX);
		at += strlen(at);
		*at++ = ']';
	}
	*at++ = ':';
	at = put_number(at, ntohs(ep->port_be));
	*at = '\0';
	return buf;
}

static bool prefix_is_v4(const struct sl_prefix *p)
{
	return sl_ip_is_v4(&p->ip) && p->len >= V4_OFFSET_BITS;
}

const char *sl_prefix_text(const struct sl_prefix *p, char *buf)
{
	char ip[SL_ADDR_TEXT_MAX];
	bool v4 = prefix_is_v4(p);

	if (v4)
		sl_ip_text(&p->ip, ip);
	else
		inet_ntop(AF_INET6, p->ip.b, ip, sizeof ip);
	snprintf(buf, SL_ADDR_TEXT_MAX, "%.*s/%u", IP_TEXT_MAX, ip,
	        p->len - (v4 ? (unsigned)V4_OFFSET_BITS : 0));
	return buf;
}

bool sl_prefix_contains(const struct sl_prefix *p, const struct sl_ip *ip)
{
	unsigned whole = p->len / 8;

	/* ::/0 is all of IPv6 and none of IPv4, though an IPv4 address lies inside it as we keep it. */
	if (prefix_is_v4(p) != sl_ip_is_v4(ip))
		return false;
	if (memcmp(p->ip.b, ip->b, whole) != 0)
		return false;
	return whole >= 16 || ((p->ip.b[whole] ^ ip->b[whole]) & mask_byte(p->len, whole)) == 0;
}
