/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Mobility (RFC 8016): a client that shows its ticket takes its allocation along to another five-tuple.
 *
 * A ticket names the allocation and says how often it has moved, masked and authenticated by a key that outlives the process. It is no credential: the
 * request must come from the allocation's user. The last ticket counts; the one that the answer to a move carries counts once the client has shown by
 * its data, or by that ticket, that the answer came. Until then the old five-tuple goes on, and the move can be asked for again. */

#include "dataplane/path/turn_internal.h"
#include "dataplane/stream/stream.h"

enum { TICKET_WORDS = 4, NONCE = 0, ID, MOVES, MAC };
struct ticket {
	uint64_t word[TICKET_WORDS];
};

/* One of the keyed hashes of a ticket: masks of ID and MOVES, and the MAC over the others. */
static uint64_t ticket_hash(const struct sl_turn *t, const struct ticket *k, unsigned which)
{
	struct {
		char what[16];
		uint64_t which, word[MAC];
	} of = {.what = "mobility ticket", .which = which};

	memcpy(of.word, k->word, which == MAC ? sizeof of.word : sizeof of.word[NONCE]);
	return sl_siphash(&t->nonce_key, &of, sizeof of);
}

static void mask(const struct sl_turn *t, struct ticket *k)
{
	k->word[ID] ^= ticket_hash(t, k, ID);
	k->word[MOVES] ^= ticket_hash(t, k, MOVES);
}

void sl_turn_ticket_add(const struct sl_turn_request *r, struct sl_stun_builder *b)
{
	const struct sl_turn *t = r->t;
	struct ticket k;

	/* No byte of it is zero: coturn's client keeps it as a string. One in eight is drawn again. */
	do {
		k = (struct ticket){.word = {sl_prng_next(&t->sessions->prng), sl_turn_id(t, r->alloc),
					    t->sessions->cold.allocs[r->alloc].moves + (r->arriving ? 1u : 0u)}};
		mask(t, &k);
		k.word[MAC] = ticket_hash(t, &k, MAC);
	} while (memchr(k.word, 0, sizeof k.word));
	sl_stun_add(b, SL_ATTR_MOBILITY_TICKET, k.word, sizeof k.word);
}

/* Was it made by us? Then *id and *moves are what it says. */
static bool ticket_open(const struct sl_turn_request *r, uint64_t *id, uint64_t *moves)
{
	struct ticket k;

	if (r->m.mobility_ticket.len != sizeof k.word)
		return false;
	memcpy(k.word, sl_span_at(&r->m, r->m.mobility_ticket), sizeof k.word);
	uint64_t mac = ticket_hash(r->t, &k, MAC);
	if (!sl_equal_ct(&mac, &k.word[MAC], sizeof mac))
		return false;
	mask(r->t, &k);
	*id = k.word[ID];
	*moves = k.word[MOVES];
	return true;
}

unsigned sl_turn_mobility_wanted(struct sl_turn_request *r)
{
	if (r->m.mobility_ticket.off == 0)
		return 0;
	if (!sl_turn_conf_settings(r->t->conf)->mobility)
		return 405;
	if (r->m.mobility_ticket.len != 0)
		return 400;
	r->flags |= SL_ALLOC_IS_MOBILE;
	return 0;
}

/* The allocation of this id, mobile and alive, if the ticket is good for it. */
static uint32_t find_by_ticket(struct sl_turn_request *r, uint64_t id, uint64_t moves)
{
	const struct sl_sessions *s = r->t->sessions;
	uint32_t alloc = (uint32_t)id;

	if (alloc >= s->n_allocs || s->allocs[alloc].expires_s <= r->now->s || sl_turn_id(r->t, alloc) != id ||
		!(s->allocs[alloc].flags & SL_ALLOC_IS_MOBILE))
		return SL_NONE;
	uint32_t last = s->cold.allocs[alloc].moves;
	r->ticket_ahead = moves == last + UINT64_C(1) && (s->allocs[alloc].flags & SL_ALLOC_IS_MOVING);
	return moves == last || r->ticket_ahead ? alloc : SL_NONE;
}

int sl_turn_ticket_look(struct sl_turn_request *r)
{
	uint64_t id, moves;

	if (!sl_turn_conf_settings(r->t->conf)->mobility) {
		r->ticket_code = 405;
		return -1;
	}
	if (!ticket_open(r, &id, &moves)) {
		r->ticket_code = 400;
		return -1;
	}
	if (r->alloc != SL_NONE) {
		/* From where the allocation is, or may move to: then the ticket, an older one perhaps, is its own. */
		if (id != sl_turn_id(r->t, r->alloc))
			r->ticket_code = 400;
		return -1;
	}
	unsigned worker = (unsigned)(id >> 56);
	if (worker != r->t->worker && worker < r->t->n_workers)
		return (int)worker;
	r->alloc = find_by_ticket(r, id, moves);
	r->arriving = r->alloc != SL_NONE;
	if (!r->arriving)
		r->ticket_code = 437;
	return -1;
}

static bool tell_moved(struct sl_turn *t, const struct sl_flow *f, bool here)
{
	return !t->moved || t->moved(t->ctx, f, here);
}

/* What it may move to is the buckets' again. */
static void forget(struct sl_turn *t, uint32_t alloc)
{
	const struct sl_flow *to = sl_moving_to(t->sessions, alloc);

	if (!to)
		return;
	tell_moved(t, to, false);
	sl_moving_end(t->sessions, alloc);
}

unsigned sl_turn_mobility_begin(struct sl_turn_request *r)
{
	struct sl_turn *t = r->t;
	struct sl_flow forgotten;

	if (!r->arriving)
		return 0;
	if (r->ticket_ahead)
		sl_turn_mobility_complete(t, r->alloc);
	const struct sl_flow *to = sl_moving_to(t->sessions, r->alloc);
	if (to && sl_flow_eq(to, r->flow))
		return 0;
	if (!tell_moved(t, r->flow, true))
		return 508;
	forget(t, r->alloc);
	if (sl_moving_begin(t->sessions, r->alloc, r->flow, r->now->s, &forgotten))
		tell_moved(t, &forgotten, false);
	return 0;
}

void sl_turn_mobility_complete(struct sl_turn *t, uint32_t alloc)
{
	struct sl_sessions *s = t->sessions;
	const struct sl_flow *moving = sl_moving_to(s, alloc), from = s->allocs[alloc].client;

	if (!moving)
		return;
	const struct sl_flow to = *moving;
	if (!sl_alloc_move(s, alloc, &to, s->cold.allocs[alloc].moves + 1))
		return;
	sl_moving_end(s, alloc);
	tell_moved(t, &from, false);
	sl_turn_source_give(t, &from.ip);
	sl_turn_source_count(t, &to.ip);
	t->counters[SL_C_allocations_moved]++;
	if (t->event)
		t->event(t->ctx, alloc, SL_ALLOC_MOVED, SL_ALLOC_END_NONE);
	/* What is still on its way over the old connection is not waited for. */
	if (sl_flow_is_stream(&from) && t->order) {
		const struct sl_stream_record r = {.kind = SL_STREAM_DO_CLOSE, .flow = from};
		t->order(t->ctx, &r);
	}
}

void sl_turn_mobility_end(struct sl_turn *t, uint32_t alloc)
{
	forget(t, alloc);
	tell_moved(t, &t->sessions->allocs[alloc].client, false);
}

bool sl_turn_mobility_lost(struct sl_turn *t, uint32_t alloc, const struct sl_flow *f)
{
	struct sl_sessions *s = t->sessions;
	const struct sl_flow lost = sl_flow_lost(&s->allocs[alloc].client, alloc);

	if (!sl_flow_eq(&s->allocs[alloc].client, f)) {
		forget(t, alloc);
		return true;
	}
	if (!(s->allocs[alloc].flags & SL_ALLOC_IS_MOBILE))
		return false;
	sl_turn_mobility_complete(t, alloc);
	return !sl_flow_eq(&s->allocs[alloc].client, f) || sl_alloc_move(s, alloc, &lost, s->cold.allocs[alloc].moves);
}
