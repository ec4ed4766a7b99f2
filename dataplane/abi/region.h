/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The shared region: one memfd made and sealed against resizing by the dataplane's keeper, mapped by the dataplane's
 * working half and by up to SL_MAX_CLIENTS control-plane processes. It outlives either working half.
 *
 * Layout: struct sl_region, then for each client slot one ring set for the housekeeper and one per worker; offsets by
 * sl_region_ring_offset(), never pointers. Cold records of allocations lie in a second memfd of the same keeper
 * (dataplane/session/cold.h) that is never handed out: no client needs them, and no client can then forge one. */

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/abi/counters.h"
#include "dataplane/abi/guard_top.h"
#include "dataplane/abi/msg.h"
#include "dataplane/abi/ring.h"

enum {
	SL_REGION_VERSION = 4,
	SL_MAX_CLIENTS = 8,
	SL_MAX_WORKERS = 32,
	SL_MAX_PORTS = 16,
	SL_COMMAND_SLOTS = 1024,
	SL_EVENT_SLOTS = 4096,
	SL_BULK_SLOTS = 1024,  /* of SL_BULK_BYTES each, worker to client */
	SL_MAX_CLIPS = 1024,   /* per client */
	SL_CLIENT_NAME_MAX = 31,
	SL_PORT_NAME_MAX = 31,
};
#define SL_REGION_MAGIC UINT64_C(0x5343454c554c5331)

/* Writer: the worker. Readers: housekeeper (watchdog), clients. Relaxed everywhere: each value stands alone. */
struct sl_region_worker {
	_Alignas(64) uint64_t heartbeat; /* changes at least every few ms while the worker lives; for show: the watchdog has its own */
	uint32_t lcore;
	uint32_t reserved;
	_Alignas(64) uint64_t counters[SL_N_WORKER_COUNTERS];
	_Alignas(64) uint64_t drops[SL_N_DROPS];
	_Alignas(64) uint64_t ports[SL_MAX_PORTS][SL_N_PORT_COUNTERS];
	_Alignas(64) uint64_t would_drop[SL_N_DROPS]; /* by the guard, were it not in dry run; also counted by what happened then */
	_Alignas(64) struct sl_guard_top top;
};

/* Writer: the dataplane's main thread (start) and housekeeper (link, speed). Readers: clients. */
struct sl_region_port {
	char name[SL_PORT_NAME_MAX + 1];
	char driver[32];
	char checksum[32]; /* "hardware", "software": what is active */
	uint8_t mac[6];
	uint16_t n_queues;
	uint16_t mtu;
	uint16_t link_up;
	uint32_t speed_mbps;
	uint64_t rx_missed, rx_errors, tx_errors; /* the driver's own counters */
};

/* Writer: the housekeeper. Readers: clients. */
struct sl_region_client {
	char name[SL_CLIENT_NAME_MAX + 1];
	_Atomic uint32_t generation; /* of the attachment: grows at each attach of this slot */
	_Atomic uint32_t attached;
};

struct sl_region {
	/* Written once before the region is handed out. */
	uint64_t magic;
	uint32_t version;
	uint32_t layout_hash; /* sl_region_layout_hash() of the program that made it */
	uint64_t size_bytes;
	uint32_t n_workers, n_ports;

	/* Writer: dataplane's main thread at each start of the working half, before it sets ready. */
	_Atomic uint32_t generation; /* of the working half; starts at 1 */
	_Atomic uint32_t ready;      /* 1 while workers run */
	uint64_t tsc_hz;
	uint64_t start_unix_ms;      /* of this working half */
	uint32_t restarts;           /* of the working half since the keeper began */
	uint32_t pid;
	uint64_t max_allocations;
	uint64_t max_legs;
	uint32_t hugepages;          /* 1 = hugepages, 0 = --no-huge */

	/* Writer: housekeeper, every few ms, CLOCK_MONOTONIC. */
	_Alignas(64) _Atomic uint64_t heartbeat_ms;
	uint64_t housekeeper_drops;  /* packets it could not pass on (TAP or ring full) */
	/* The guard as it is in force. */
	uint32_t guard_bans, guard_marks_final, guard_marks_provisional, guard_prefixes;
	uint64_t guard_bytes;        /* of all of its tables: fixed but for the lists */
	uint8_t guard_enabled, guard_dry_run, guard_pressure /* percent let through */, guard_owner /* client slot; 0xff = the dataplane's own configuration */;

	uint64_t streams[SL_N_STREAM_COUNTERS]; /* each second */

	struct sl_region_port ports[SL_MAX_PORTS];
	struct sl_region_client clients[SL_MAX_CLIENTS];
	struct sl_region_worker workers[SL_MAX_WORKERS];
};

/* Ring sets: index 0 is the housekeeper's, 1 + w is worker w's. */
/* The housekeeper's set has no bulk ring: its place is there, never populated. */
enum sl_ring_direction { SL_RING_COMMANDS, SL_RING_EVENTS, SL_RING_BULK };

size_t sl_region_size(unsigned n_workers);
size_t sl_region_ring_offset(unsigned n_workers, unsigned slot, unsigned set, enum sl_ring_direction dir);
/* Of every size and offset above: two builds whose hash agrees lay the region out alike. */
uint32_t sl_region_layout_hash(void);

/* ---- attaching: SOCK_SEQPACKET on the dataplane's UNIX socket ---- */

struct sl_hello { /* client to dataplane */
	uint64_t magic;
	uint32_t version, layout_hash;
	char name[SL_CLIENT_NAME_MAX + 1]; /* the same name gets the same slot and session-id space again */
};

struct sl_welcome { /* dataplane to client; with two descriptors on success: region memfd, eventfd kicked on events */
	uint64_t magic;
	int32_t error;      /* 0 or negative errno: -EPROTO other layout, -EBUSY no free slot, -EPERM */
	uint32_t slot;      /* also the high bits of every session id this client may use */
	uint32_t generation;        /* of the dataplane */
	uint32_t client_generation; /* of this attachment */
	uint32_t n_workers;
	char text[128];     /* why not, in words */
};

/* Client side. Connects, checks, maps. The socket stays open: its end means that the working half is gone. */
struct sl_client {
	int sock, event_fd;
	struct sl_region *region;
	size_t region_bytes;
	uint32_t slot, generation, client_generation, n_workers;
	struct sl_ring commands[1 + SL_MAX_WORKERS]; /* producer */
	struct sl_ring events[1 + SL_MAX_WORKERS];   /* consumer */
	struct sl_ring bulk[1 + SL_MAX_WORKERS];     /* consumer; [0] unused */
	unsigned next_set; /* round robin of receive */
};

/* name: of this client, 1..31 bytes. 0, or negative errno with the reason in text (text_len bytes). Blocks for at most
 * timeout_ms. On error nothing stays open. */
int sl_client_attach(struct sl_client *c, const char *socket_path, const char *name, int timeout_ms, char *text,
	size_t text_len);
void sl_client_detach(struct sl_client *c);
/* set: 0 housekeeper, 1 + w worker w. 0, -ENOBUFS (full), -EPROTO, -ESTALE (dataplane restarted: attach again). */
int sl_client_send(struct sl_client *c, unsigned set, const struct sl_command *cmd);
/* 1 with *evt filled and *set saying from whom, 0 when nothing waits, -EPROTO. Round robin over sets. */
int sl_client_receive(struct sl_client *c, struct sl_event *evt, unsigned *set);
/* Copy of the next packet in worker's bulk ring: 1, 0 when nothing waits, -EPROTO. Not validated: sl_bulk_validate(). */
int sl_client_receive_bulk(struct sl_client *c, unsigned worker, struct sl_bulk *out);

/* ---- clips, over the same socket after the welcome ---- */

struct sl_clip_offer { /* client to dataplane, with one descriptor: a memfd as struct sl_clip says */
	uint64_t magic;   /* SL_REGION_MAGIC */
	/* Number, 1..UINT32_MAX, the client's choice. One in use is replaced at once: plays of it go on with the new content
	 * from their next frame, so what is not the same sound had better have another number. */
	uint32_t clip;
	uint32_t remove;  /* 1 = no descriptor: the number is free again; plays of it end */
};

/* Clips stay while their client is away, under its name and as long as the working half lives; after a restart of the
 * dataplane they are to be offered again. Those of an earlier attachment that are not offered again make room when there
 * are SL_MAX_CLIPS of them.
 *
 * Register or remove (memfd < 0) a clip. Answered by the housekeeper's EVENT_ACK with seq = SL_CLIP_ACK_SEQ | clip & mask.
 * 0, -EAGAIN (socket full: come again), -ESTALE (as sl_client_send()), or negative errno. The caller keeps memfd. */
enum { SL_CLIP_ACK_SEQ = 0x40000000, SL_CLIP_ACK_MASK = 0x3fffffff };
int sl_client_clip(struct sl_client *c, uint32_t clip, int memfd);

/* ---- lists of prefixes, over the same socket ---- */

#define SL_GUARD_OFFER_MAGIC UINT64_C(0x5245464647534c53)
struct sl_guard_offer { /* client to dataplane, with one descriptor: a memfd that holds struct sl_guard_list */
	uint64_t magic;    /* SL_GUARD_OFFER_MAGIC */
	uint32_t seq;      /* 0..SL_GUARD_ACK_MASK, the client's choice */
	uint32_t reserved; /* zero */
};

/* Give the guard another list of prefixes, whole: n = 0 is the empty one. The memfd is sealed as a clip's is. It is checked and built while
 * packets flow by the old one, and answered by the housekeeper's EVENT_ACK with seq = SL_GUARD_ACK_SEQ | seq once it is in force, or with what is wrong
 * with it: nothing has changed then. One is built at a time; one that waits is answered -ECANCELED when a newer one comes.
 * 0, -EAGAIN (socket full: come again), -ESTALE (as sl_client_send()), or negative errno. The caller keeps memfd. */
#define SL_GUARD_ACK_SEQ UINT32_C(0x80000000)
enum { SL_GUARD_ACK_MASK = 0x3fffffff };
int sl_client_guard_list(struct sl_client *c, uint32_t seq, int memfd);
