/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/turn/range.h"

#include <errno.h>
#include <string.h>

enum { BITS = 128 };

/* The last address of the prefix that begins at ip. */
static struct sl_ip last_of(const struct sl_ip *ip, unsigned len)
{
	struct sl_ip last = *ip;

	for (unsigned bit = len; bit < BITS; bit++)
		last.b[bit / 8] |= (uint8_t)(0x80 >> (bit % 8));
	return last;
}

/* The address behind ip; false: there is none. */
static bool step(struct sl_ip *ip)
{
	for (unsigned i = sizeof ip->b; i-- > 0;) {
		if (++ip->b[i] != 0)
			return true;
	}
	return false;
}

static int compare(const struct sl_ip *a, const struct sl_ip *b)
{
	return memcmp(a->b, b->b, sizeof a->b);
}

/* From the first address on, each time the largest prefix that begins there and does not pass the last one. */
static int cover(struct sl_ip first, const struct sl_ip *last, unsigned least, struct sl_prefix *out)
{
	int n = 0;

	do {
		unsigned len = BITS;
		while (len > least) {
			struct sl_ip begin = sl_ip_masked(&first, len - 1), end = last_of(&first, len - 1);
			if (!sl_ip_eq(&begin, &first) || compare(&end, last) > 0)
				break;
			len--;
		}
		out[n++] = (struct sl_prefix){first, (uint8_t)len};
		first = last_of(&first, len);
	} while (compare(&first, last) < 0 && step(&first));
	return n;
}

int sl_range_parse(const char *text, struct sl_prefix out[SL_RANGE_PREFIXES])
{
	const char *dash = strchr(text, '-');
	char head[SL_ADDR_TEXT_MAX];
	struct sl_ip first, last;

	if (!dash)
		return sl_prefix_parse(text, &out[0]) == 0 ? 1 : -EINVAL;
	if ((size_t)(dash - text) >= sizeof head)
		return -EINVAL;
	memcpy(head, text, (size_t)(dash - text));
	head[dash - text] = '\0';
	if (sl_ip_parse(head, &first) < 0 || sl_ip_parse(dash + 1, &last) < 0 || sl_ip_is_v4(&first) != sl_ip_is_v4(&last) || compare(&first, &last) > 0)
		return -EINVAL;
	return cover(first, &last, sl_ip_is_v4(&first) ? 96 : 0, out);
}
