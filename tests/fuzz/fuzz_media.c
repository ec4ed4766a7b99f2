/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Calls through the media engine, with any SDP at any time. The input is pieces that end with a zero byte: a
 * letter says what is done (see run()), two bytes choose options, the rest is its SDP. Whatever happened,
 * when all calls are deleted nothing is left. */

#include "tests/fuzz/media_link.h"

#include "controlplane/journal.h"

static struct sl_media *media;
static int journal;
static int64_t now_ms = 1000000;
static char out[65536 * 4];

static struct sl_slice slice(const char *text)
{
	return (struct sl_slice){text, strlen(text)};
}

static struct sl_media_options options(unsigned a, unsigned b)
{
	struct sl_media_options o = {.dscp = a & 1 ? 10 : -1, .delete_delay_s = -1};

	o.flags = (b & 15) * 8193u & (SL_MF_RESET - 1);
	o.set_proto = a & 2;
	o.proto = (enum sl_sdp_proto)(a >> 2 & 3);
	o.rtcp_mux = (uint8_t)(b >> 4);
	o.ice = (enum sl_sdp_ice)(a >> 4 & 1);
	o.address_family = a & 0x20 ? AF_INET6 : 0;
	o.set_learn = a & 0x40;
	o.learn = (uint8_t)(b & 3);
	if (a & 0x80)
		sl_ip_parse("192.0.2.77", &o.received_from);
	o.strip[0] = slice("PCMA");
	o.n_strip = b & 1;
	o.offer[0] = slice("PCMU");
	o.n_offer = b >> 1 & 1;
	return o;
}

static void reopen(void)
{
	char text[160];
	size_t n = media ? sl_media_n_sessions(media) : 0;

	sl_media_close(media);
	media = sl_media_open(&media_link.config, (void *)&media_link, journal, text, sizeof text);
	SL_FUZZ_CHECK(media != NULL && sl_media_n_sessions(media) == n); /* none is lost by its own record */
	sl_media_tick(media, now_ms);
}

static void done(void *ctx, const struct sl_media_session *s, const struct sl_media_error *e)
{
	++*(unsigned *)ctx;
}

static void delete_call(struct sl_slice tag, int delay)
{
	unsigned n = 0;

	sl_media_delete(media, slice("call"), tag, (struct sl_slice){0}, delay, done, &n);
	now_ms += SL_MEDIA_WAIT_MS;
	sl_media_tick(media, now_ms);
	SL_FUZZ_CHECK(n == 1);
}

static void run(char what, unsigned a, unsigned b, struct sl_slice sdp)
{
	struct sl_media_request q = {
	        .call_id = slice("call"), .from_tag = slice("a"), .sdp = sdp, .options = options(a, b)};
	struct sl_media_reply r = {.sdp = out, .sdp_room = sizeof out};
	struct sl_media_error e = {0};
	struct sl_media_who who = {.call_id = q.call_id, .tag = slice(a & 1 ? "a" : "b")};
	char tag[SL_MEDIA_ID_MAX + 1];

	switch (what) {
	case 'o': /* offer of A, to whom B's branch says */
		q.via_branch = slice(b & 1 ? "branch1" : "branch2");
		sl_media_offer(media, &q, &r, &e);
		return;
	case 'O': /* offer within the dialog, of either side */
		q.from_tag = slice(b & 1 ? "a" : "b");
		q.to_tag = slice(b & 1 ? "b" : "a");
		sl_media_offer(media, &q, &r, &e);
		return;
	case 'n':
		q.from_tag = slice(b & 1 ? "a" : "b");
		q.to_tag = slice(b & 1 ? "b" : "a");
		sl_media_answer(media, &q, &r, &e);
		return;
	case 's':
		q.to_tag = slice("s");
		sl_media_subscribe(media, &who, &q, &r, tag, &e);
		return;
	case 'S':
		q.to_tag = slice("s");
		sl_media_subscribe_answer(media, &q, &e);
		return;
	case 'p':
		q.from_tag = slice("p");
		sl_media_publish(media, &q, &r, &e);
		return;
	case 'b':
		sl_media_block(media, &who, SL_LEG_BLOCK_MEDIA, b & 1, &e);
		return;
	case 'd':
		delete_call(who.tag, b & 1 ? 5 : 0);
		return;
	case 't':
		now_ms += 1000 * (int64_t)a;
		sl_media_tick(media, now_ms);
		return;
	case 'r':
		media_link_attach(a % SL_MAX_CLIENTS);
		return;
	case 'x': /* the brain is restarted */
		reopen();
		return;
	default:
		return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_media_counts c;
	const uint8_t *end = data + size;

	if (!media) {
		media_link_config();
		media_link_attach(0);
		journal = sl_journal_memfd("fuzz");
		reopen();
	}
	while (end - data > 3) {
		const uint8_t *zero = memchr(data + 3, 0, (size_t)(end - data - 3)),
		              *next = zero ? zero : end;
		run((char)data[0], data[1], data[2],
		        (struct sl_slice){(const char *)data + 3, (size_t)(next - data - 3)});
		data = zero ? zero + 1 : end;
	}
	if (sl_media_find(media, slice("call")))
		delete_call((struct sl_slice){0}, 0);
	now_ms += SL_MEDIA_WAIT_MS; /* what ended by itself waits for its last counts */
	sl_media_tick(media, now_ms);
	sl_media_counts(media, &c);
	SL_FUZZ_CHECK(c.sessions == 0 && c.legs == 0 && c.ports_free + c.ports_guarded == 3 * 256);
	return 0;
}
