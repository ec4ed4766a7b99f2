/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Floods for the lab: attacks are described one by one, mixed by share, and sent as whole Ethernet frames over a packet socket. What is
 * sent depends on the seed alone. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/wire/addr.h"

/* Where an attack goes by itself, when its line does not say. */
enum flood_aim { AIM_TURN, AIM_RELAY, AIM_MEDIA, AIM_SIP, AIM_OTHER, N_AIMS };

/* X(NAME, "name", aim, "help"): kinds of attack. */
#define FLOOD_KINDS(X)                                                                                       \
	X(STUN, "stun", AIM_TURN, "Binding requests")                                                        \
	X(ALLOCATE, "allocate", AIM_TURN, "Allocate requests without credentials")                           \
	X(FORGED, "forged", AIM_TURN, "Allocate requests with credentials that are made up")                 \
	X(REFRESH, "refresh", AIM_TURN, "Refresh requests, lifetime 0, with credentials that are made up")   \
	X(CHANNEL, "channel", AIM_TURN, "ChannelData on channel 0x4000")                                     \
	X(PEER, "peer", AIM_RELAY, "datagrams to relay ports")                                               \
	X(RTP, "rtp", AIM_MEDIA, "RTP")                                                                      \
	X(RTCP, "rtcp", AIM_MEDIA, "RTCP sender reports")                                                    \
	X(REGISTER, "register", AIM_SIP, "REGISTER, each of another user")                                   \
	X(INVITE, "invite", AIM_SIP, "INVITE with SDP")                                                      \
	X(OPTIONS, "options", AIM_SIP, "OPTIONS")                                                            \
	X(GUESS, "guess", AIM_SIP, "REGISTER of one user with passwords that are guessed, over a nonce that is made up") \
	X(SYN, "syn", AIM_SIP, "TCP SYN")                                                                    \
	X(ICMP, "icmp", AIM_OTHER, "echo requests")                                                          \
	X(DRIP, "drip", AIM_OTHER, "stun, allocate, register and invite in turn, each source once and then all again")   \
	X(TRUNCATED, "truncated", AIM_TURN, "frames cut off anywhere")                                       \
	X(LENGTHS, "lengths", AIM_TURN, "IP, UDP or STUN lengths that lie")                                  \
	X(CHECKSUMS, "checksums", AIM_TURN, "IP and UDP checksums that are wrong")                           \
	X(VLAN, "vlan", AIM_TURN, "one to three VLAN tags")                                                  \
	X(CHAINS, "chains", AIM_TURN, "IPv6 extension headers in chains, IPv4 options")                      \
	X(FRAGMENTS, "fragments", AIM_TURN, "first fragments without an end, ends without a start, overlaps, tiny ones") \
	X(TINY, "tiny", AIM_TURN, "datagrams of 0 to 3 bytes")                                               \
	X(JUMBO, "jumbo", AIM_TURN, "datagrams as long as the interface takes")                              \
	X(SOURCES, "sources", AIM_TURN, "sources that nobody can have: loopback, multicast, broadcast, the target's own") \
	X(ETHER, "ether", AIM_TURN, "Ethernet types nobody handles, and frames to another MAC")              \
	X(JUNK, "junk", AIM_TURN, "random bytes")                                                            \
	X(STUN_BROKEN, "stun-broken", AIM_TURN, "STUN whose attributes or fingerprint are wrong")            \
	X(SIP_BROKEN, "sip-broken", AIM_SIP, "SIP that is not quite")                                        \
	X(RTP_BROKEN, "rtp-broken", AIM_MEDIA, "RTP whose version, CSRCs, padding or extension are wrong")   \
	X(MALFORMED, "malformed", AIM_OTHER, "all from truncated to rtp-broken, in turn")
enum flood_kind {
#define X(NAME, name, aim, help) FLOOD_##NAME,
	FLOOD_KINDS(X)
#undef X
	FLOOD_N_KINDS
};
struct flood_kind_info {
	const char *name;
	enum flood_aim aim;
	const char *help;
};
extern const struct flood_kind_info flood_kinds[FLOOD_N_KINDS];

enum {
	FLOOD_MAX_ATTACKS = 64,
	FLOOD_FRAME_MAX = 9600,
	FLOOD_PORT_DEFAULT = 0, /* by source, or drawn */
};

/* One line of a plan. */
struct flood_attack {
	enum flood_kind kind;
	unsigned share;          /* of all that is sent, beside the other attacks' */
	struct sl_ip to;
	bool has_port;
	uint16_t port[2];        /* first and last; drawn for each packet. Not said: by the kind's aim */
	struct sl_prefix from;
	uint16_t from_port;      /* FLOOD_PORT_DEFAULT: a source keeps one of its own; where sources are drawn, so are ports */
	uint64_t sources;        /* how many different; 0 = drawn anew for each packet */
	unsigned size;           /* bytes of payload, where the kind leaves that open; 0 = its own */
	uint32_t ssrc;           /* 0 = drawn for each packet */
	uint16_t channel;
	uint64_t turn;           /* packets made so far */
};

struct flood_options {
	const char *interface, *ready_file, *report, *gateway;
	uint8_t mac[6];
	bool has_mac;
	double rate, seconds; /* rate 0 = as fast as it goes */
	uint64_t seed;
	unsigned n_attacks;
	struct flood_attack attacks[FLOOD_MAX_ATTACKS];
	/* What lines leave open. */
	uint16_t aims[N_AIMS][2];
};

/* 0; 1 = help was asked for and given; -EINVAL with a line on stderr. */
int flood_options_read(int argc, char **argv, struct flood_options *o);
/* One line of a plan, "key=value" words: kind share to from port sources size ssrc channel. Adds to o's attacks. -EINVAL with text. */
int flood_attack_parse(struct flood_options *o, const char *line, char *text, size_t text_len);

/* What frames are made of. */
struct flood_maker {
	const struct flood_options *options;
	uint8_t own_mac[6], gateway_mac[6];
	unsigned mtu;
	uint64_t random; /* state */
};
void flood_maker_init(struct flood_maker *m, const struct flood_options *o, const uint8_t own_mac[6], const uint8_t gateway_mac[6], unsigned mtu);
/* A pseudo-random function of the seed (SplitMix64, Steele, Lea, Flood 2014): what is sent can be sent again. */
static inline uint64_t flood_random(struct flood_maker *m)
{
	uint64_t z = (m->random += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}
/* n > 0 */
static inline uint32_t flood_below(struct flood_maker *m, uint32_t n)
{
	return (uint32_t)(((flood_random(m) >> 32) * n) >> 32);
}

/* The next frame of an attack, into FLOOD_FRAME_MAX bytes; its length. */
unsigned flood_frame(struct flood_maker *m, struct flood_attack *a, uint8_t *frame);
