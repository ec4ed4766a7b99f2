/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/guard/signals.h"

#include <string.h>

enum {
	NET_BITS = 64, /* of an IPv6 address: what one customer has */
	ENTRIES = SL_SIGNALS_SETS * SL_SIGNALS_WAYS,
};

void sl_signals_note(struct sl_signals *s, const struct sl_ip *ip, enum sl_guard_signal what)
{
	struct sl_ip source = sl_ip_is_v4(ip) ? *ip : sl_ip_masked(ip, NET_BITS);
	unsigned set = (unsigned)sl_guard_hash(&s->key, &source, 0) % SL_SIGNALS_SETS, least = 0;

	for (unsigned i = 0; i < SL_SIGNALS_WAYS; i++) {
		if (s->e[set][i].sum != 0 && sl_ip_eq(&s->e[set][i].ip, &source)) {
			s->e[set][i].sum += s->e[set][i].sum < UINT16_MAX;
			s->e[set][i].count[what] += s->e[set][i].count[what] < UINT16_MAX;
			return;
		}
		if (s->e[set][i].sum < s->e[set][least].sum)
			least = i;
	}
	s->n += s->e[set][least].sum == 0;
	memset(&s->e[set][least], 0, sizeof s->e[set][least]);
	s->e[set][least].ip = source;
	s->e[set][least].count[what] = 1;
	s->e[set][least].sum = 1;
}

/* Who has done most, of equals the next one after who was told last; n > 0. */
static unsigned first_of(const struct sl_signals *s)
{
	unsigned best = s->at, most = 0;

	for (unsigned i = 0; i < ENTRIES; i++) {
		unsigned at = (s->at + i) % ENTRIES;
		if (s->e[at / SL_SIGNALS_WAYS][at % SL_SIGNALS_WAYS].sum > most) {
			most = s->e[at / SL_SIGNALS_WAYS][at % SL_SIGNALS_WAYS].sum;
			best = at;
		}
	}
	return best;
}

bool sl_signals_tell(struct sl_signals *s, uint64_t now_ms, struct sl_evt_guard_signals *out)
{
	if (s->n == 0 || (now_ms != s->last_ms && now_ms - s->last_ms < SL_SIGNALS_MS))
		return false;
	s->last_ms = now_ms;
	memset(out, 0, sizeof *out);
	for (; out->n < SL_GUARD_SIGNALS_PER_MSG && s->n > 0; s->n--) {
		unsigned at = first_of(s), set = at / SL_SIGNALS_WAYS, way = at % SL_SIGNALS_WAYS;
		out->sources[out->n].ip = s->e[set][way].ip;
		memcpy(out->sources[out->n].count, s->e[set][way].count, sizeof s->e[set][way].count);
		out->n++;
		s->e[set][way].sum = 0;
		s->at = (at + 1) % ENTRIES;
	}
	return true;
}
