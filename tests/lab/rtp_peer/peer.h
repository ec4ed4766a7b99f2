/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* RTP endpoints of the lab: many in one process, each with a socket of its own, numbered packets or a sound file to send,
 * SRTP by libsrtp2, and a careful eye on what comes back. One thread; times are CLOCK_MONOTONIC ns. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

enum {
	MAX_ENDPOINTS = 4096,
	MAX_STREAMS = 8,       /* SSRCs told apart at one endpoint */
	MAX_SENDERS = 8,       /* numbered senders told apart */
	MAX_EVENTS = 63,       /* DTMF digits kept */
	MAX_PACKET = 2048,
	RTP_HEADER = 12,
	STAMP_BYTES = 24,      /* at the beginning of a numbered payload */
	NAME_MAX_BYTES = 31,
	G711_PER_MS = 8,
};
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

/* Numbers seen: grows as needed. */
struct bits {
	uint8_t *byte;
	size_t bytes;
};

/* What one SSRC sent us, as it came over the wire: before it is decrypted. */
struct stream {
	uint32_t ssrc;
	uint64_t top, first;       /* SRTP indices by RFC 3711 3.3.1 */
	uint64_t received, repeated, reordered;
	uint64_t reused;           /* an index twice with different bytes: a keystream used twice, when it is SRTP */
	uint64_t *print;           /* [n_prints] of the packet with index first + i; 0 = none */
	size_t n_prints;
};

/* What one numbered sender's packets tell. */
struct sender {
	uint32_t id;
	uint64_t received, duplicates, reordered, first, last;
	struct bits seen;
};

struct rtcp_counts {
	uint64_t sent, received, sr, rr, bye, refused, strangers;
	uint32_t from_ssrc;        /* of the last SR or RR */
	uint32_t about_ssrc;       /* that its first report block is about */
	uint32_t lost, jitter;     /* what that block says */
	unsigned fraction;
	double rtt_ms;             /* 0 = unknown */
	uint32_t sr_mid;           /* middle 32 bits of the NTP time of the last SR received, and when that was */
	uint64_t sr_at;
};

struct crypt; /* crypto.c */

struct endpoint {
	/* the plan */
	char name[NAME_MAX_BYTES + 1];
	struct sockaddr_storage local, remote, rtcp_remote;
	bool has_remote, mux, raw, no_send;
	bool packed;               /* record without the gaps that timestamps leave */
	uint32_t id, ssrc, ts;     /* drawn when the plan does not say them, as is seq */
	uint16_t seq;
	bool has_seq, has_ts;
	uint8_t pt, dtmf_pt;
	unsigned rate, size, start_ms, stop_ms, rtcp_ms;
	uint64_t count;            /* packets to send; 0 = until the end */
	uint8_t *sound;            /* G.711 to send, padded to whole packets */
	size_t sound_bytes;
	char record[256];
	char dtmf[MAX_EVENTS + 1]; /* digits to send, one every DTMF_EVERY_MS */
	struct crypt *out, *in;

	/* what became of it */
	int fd, rtcp_fd;
	uint64_t due, rtcp_due;
	uint64_t sent, sent_bytes, send_errors, refused_ports;
	uint64_t received, received_bytes, auth_failures, replays, malformed, strangers, corrupt, unnumbered;
	uint64_t first_at, last_at, longest_gap, gap_from;
	uint64_t pts[2];           /* payload types seen, one bit each */
	struct stream streams[MAX_STREAMS];
	unsigned n_streams;
	struct sender senders[MAX_SENDERS];
	unsigned n_senders;
	uint8_t *recorded;
	size_t n_recorded, recorded_room;
	uint32_t record_ts;
	bool recording;
	char events[MAX_EVENTS + 1]; /* digits received */
	unsigned n_events;
	uint32_t event_ts;
	unsigned dtmf_step;        /* packets of the present digit sent */
	uint32_t dtmf_ts;
	struct rtcp_counts rtcp;
};

/* plan.c: one endpoint a line, "key=value" words; a line that begins with '#' is a comment. The number of endpoints, or -1 with a message. */
int plan_read(const char *path, struct endpoint *e, int room);
/* crypto.c: SRTP and SRTCP by "SUITE:BASE64" of a=crypto. NULL with a message. The others: CRYPT_*. */
struct crypt *crypt_open(const char *text, bool inbound);
extern bool crypt_by_openssl; /* cm.c for all that it can do, which serves many keys; else libsrtp2, which is the judge */
enum crypt_status { CRYPT_OK, CRYPT_REPLAY, CRYPT_WRONG };
enum crypt_status crypt_protect(struct crypt *c, uint8_t *p, int *len, bool rtcp);
enum crypt_status crypt_unprotect(struct crypt *c, uint8_t *p, int *len, bool rtcp);
/* cm.c: master is key and salt, key_len 16, 24 or 32; tag: bytes of an SRTP packet's. */
struct cm;
struct cm *cm_open(const uint8_t *master, int key_len, int tag);
bool cm_protect(struct cm *c, uint8_t *p, int *len);
int cm_unprotect(struct cm *c, uint8_t *p, int *len);
bool cm_protect_rtcp(struct cm *c, uint8_t *p, int *len);
int cm_unprotect_rtcp(struct cm *c, uint8_t *p, int *len);
/* send.c */
void send_next(struct endpoint *e, uint64_t now);
/* receive.c: everything that waits at the socket. */
void receive_all(struct endpoint *e);
/* rtcp.c */
void rtcp_send(struct endpoint *e, uint64_t now);
void rtcp_receive(struct endpoint *e, uint8_t *packet, int len, uint64_t now);
void rtcp_receive_all(struct endpoint *e);
/* report.c */
void report_write(FILE *f, const struct endpoint *e, int n, uint64_t now);

/* main.c */
uint64_t now_ns(void);
bool same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b);
socklen_t address_len(const struct sockaddr_storage *a);

static inline void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}
static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, (uint16_t)(v >> 16));
	put16(p + 2, (uint16_t)v);
}
static inline void put64(uint8_t *p, uint64_t v)
{
	put32(p, (uint32_t)(v >> 32));
	put32(p + 4, (uint32_t)v);
}
static inline uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}
static inline uint64_t get64(const uint8_t *p)
{
	return (uint64_t)get32(p) << 32 | get32(p + 4);
}

/* A numbered payload: magic, sender, number, time sent, then bytes that follow from the number. */
#define STAMP_MAGIC UINT32_C(0x534c5550)
