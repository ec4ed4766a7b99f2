/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Workers of the packet path without ports: frames are put in by hand and what is sent is looked at in the transmit
 * buffers. Buffers are DPDK's (without hugepages), so the stages run as they do in a worker. Time is the test's. */

#include "unit.h"

#include "dataplane/path/media.h"

#define RIG_V4 "192.0.2.1"
#define RIG_V6 "2001:db8:1::1"
enum { RIG_PORT_MIN = 30000, RIG_PORT_MAX = 39999, RIG_FRAME_MAX = 2048, RIG_EVENTS = 64 };

/* n_workers 1 or 2. The same EAL serves all tests of a process. */
void rig_start(unsigned n_workers);
void rig_stop(void);
/* As after a crash of the working half: tables are new, cold records stay. */
void rig_restart(void);
struct sl_worker *rig_worker(unsigned i);
void rig_pass_ms(unsigned ms);
/* What the guard goes by from now on; until then it is off. */
void rig_guard(const struct sl_cmd_guard_policy *told);
/* These prefixes are allowed until the rig stops; after rig_guard(). */
void rig_allow(const char *prefix);
/* TURN on worker 0, at port 3478 of both addresses; without a configuration of users. Before the first packet. */
#define RIG_RELAY_V4 "192.0.2.2"
#define RIG_RELAY_V6 "2001:db8:1::2"
enum { RIG_RELAY_MIN = 50176, RIG_RELAY_MAX = 51199 };
void rig_turn(void);
/* An allocation of client ("ADDRESS:PORT") with a channel to peer, or a permission when channel is 0: its relayed address. */
struct sl_endpoint rig_allocation(const char *client, unsigned channel, const char *peer);
/* SIP at RIG_V4:5060, which is Linux's, with this exception rate; and how many packets Linux was given since the last call. */
void rig_sip(uint32_t exception_pps);
unsigned rig_to_linux(void);
/* Rates of a tenant. */
void rig_meter(uint32_t meter, uint32_t pps, uint32_t kbps);

/* Media command by client `slot`; asserts that it succeeds. */
void rig_command(uint32_t type, const void *body, size_t len);
/* Leg n of worker `worker` on address 0 (IPv4) or 1, with remote as "ADDRESS:PORT" or NULL. */
struct sl_cmd_leg rig_leg(unsigned worker, unsigned address, unsigned n, const char *remote);
void rig_join(const struct sl_cmd_leg *from, const struct sl_cmd_leg *to); /* one way */

/* A datagram as received. */
struct rig_packet {
	struct sl_endpoint src, dst;
	unsigned len;
	uint8_t data[RIG_FRAME_MAX];
	uint8_t tos, ttl; /* ttl: 0 = 60, of what is put in */
	bool df;          /* IPv4 */
};
/* An RTP packet of payload bytes that count up. */
struct rig_packet rig_rtp(const char *src, const struct sl_cmd_leg *to, uint8_t pt, uint16_t seq, uint32_t ts, uint32_t ssrc,
	unsigned payload);
struct rig_packet rig_datagram(const char *src, const struct sl_endpoint *dst, const void *data, unsigned len);
/* Put up to SL_BURST of them into a worker as one burst; then everything the other worker was given. */
void rig_in(unsigned worker, const struct rig_packet *p, unsigned n);
/* An IP packet as it is. */
void rig_in_ip(unsigned worker, const void *packet, unsigned len);
/* The same, and the other worker does not take what it was given. */
void rig_in_alone(unsigned worker, const struct rig_packet *p, unsigned n);
/* What was sent since the last call, oldest first; checksums are checked. Returns how many (at most max are copied). */
unsigned rig_out(struct rig_packet *out, unsigned max);
uint64_t rig_drops(enum sl_drop reason);
/* The next event of a worker: false when there is none. */
bool rig_event(struct sl_event *evt);

/* ---- what many tests begin with ---- */

int rig_setup(void **state);     /* one worker */
int rig_setup_two(void **state); /* two */
int rig_teardown(void **state);

struct sl_endpoint rig_endpoint(const char *text);
/* The packet went there. */
void rig_assert_to(const struct rig_packet *p, const char *text);
/* LEG_SET of c, whole. */
void rig_set(const struct sl_cmd_leg *c);
/* Legs a and b of worker 0, towards these, joined both ways. */
void rig_pair(struct sl_cmd_leg *a, struct sl_cmd_leg *b, const char *a_remote, const char *b_remote);
/* A master key of a suite, made of two bytes. */
struct sl_srtp_key rig_key(uint8_t fill, unsigned suite);
/* What a leg of worker 0 would tell about itself. */
struct sl_evt_leg rig_stats(const struct sl_cmd_leg *c);
