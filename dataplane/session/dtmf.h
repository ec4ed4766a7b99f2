/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* RFC 4733 telephone events: a receiver that reports each event once, a sender that works off a queue. Small structs,
 * no packets, no tables; time is an argument, in low 32 bits of the worker's milliseconds. */

#include <stdbool.h>
#include <stdint.h>

enum {
	SL_DTMF_PAYLOAD_BYTES = 4, /* RFC 4733 2.3 */
	SL_DTMF_STEP_MS = 20,      /* between packets sent (RFC 4733 2.5.1.2), the wheel's turn */
	SL_DTMF_LOST_MS = 250,     /* no packet for so long: its last ones were lost */
	SL_DTMF_LATE_MS = 2000,    /* how long packets of an event before are taken for late ones */
	SL_DTMF_FINAL_PACKETS = 3, /* RFC 4733 2.5.1.4 */
	SL_DTMF_SEGMENT = 0xffff,  /* timestamp units: a longer event is sent in several (RFC 4733 2.5.1.3) */
	SL_DTMF_QUEUE = 12,
	SL_DTMF_REPORTS_MAX = 2,
};

/* ---- received ---- */

struct sl_dtmf_report {
	uint8_t event, volume;
	uint16_t ms; /* UINT16_MAX = that or more */
};

/* The event being received. Zeroed = none yet. */
struct sl_dtmf_rx {
	uint32_t ts;       /* of its segment */
	uint32_t before;   /* units of its earlier segments */
	uint32_t last_ms;  /* when its last packet came */
	uint16_t duration; /* units of its segment so far */
	uint8_t event, volume;
	bool known;        /* ts and event are of an event, under way or over */
	bool under_way;    /* ... and it is not reported yet */
	struct sl_dtmf_report told; /* what SL_LEG_DTMF is about */
};

/* A packet of an event came: ts of its RTP header, payload as it came, hz of its payload type. Returns how many events
 * are to be reported now (out): the one before when its end was lost, and this one when it says that it ended. */
unsigned sl_dtmf_receive(struct sl_dtmf_rx *rx, uint32_t ts, const uint8_t *payload, unsigned len, uint32_t hz,
	uint32_t now_ms, struct sl_dtmf_report out[SL_DTMF_REPORTS_MAX]);
/* True when the event under way has fallen silent, with *out to be reported. */
bool sl_dtmf_silent(struct sl_dtmf_rx *rx, uint32_t hz, uint32_t now_ms, struct sl_dtmf_report *out);

/* ---- sent ---- */

struct sl_dtmf_event {
	uint8_t event, volume;
	uint16_t duration_ms, pause_ms;
};

enum sl_dtmf_phase { SL_DTMF_IDLE, SL_DTMF_EVENT, SL_DTMF_SEGMENT_ENDS, SL_DTMF_EVENT_ENDS };

/* Zeroed = nothing to send. */
struct sl_dtmf_tx {
	uint32_t ts;       /* RTP timestamp of the segment under way */
	uint32_t before;   /* units of earlier segments */
	uint32_t began_ms;
	uint32_t quiet_ms; /* the pause after the last event lasts until then */
	uint8_t phase;     /* enum sl_dtmf_phase */
	uint8_t left;      /* final packets to send */
	uint8_t n, first;  /* of the queue, the event under way included */
	bool pausing;      /* quiet_ms is set */
	struct sl_dtmf_event queue[SL_DTMF_QUEUE];
};

enum sl_dtmf_step { SL_DTMF_NOTHING, SL_DTMF_GAP, SL_DTMF_PACKET };

struct sl_dtmf_packet {
	uint32_t ts;
	bool marker; /* the first of its event */
	uint8_t payload[SL_DTMF_PAYLOAD_BYTES];
};

/* Queue an event. False: the queue is full. */
bool sl_dtmf_queue(struct sl_dtmf_tx *tx, const struct sl_dtmf_event *e);
/* What to send now, to be called every SL_DTMF_STEP_MS: nothing (the queue is empty), nothing yet (the pause between
 * two events), or *out. ts: of media sent now; hz: clock of the events. A late call makes one packet, not several. */
enum sl_dtmf_step sl_dtmf_send(struct sl_dtmf_tx *tx, uint32_t now_ms, uint32_t ts, uint32_t hz,
	struct sl_dtmf_packet *out);
