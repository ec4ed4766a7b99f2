/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The dataplane's side of the contract: makes the region, lets clients in, hands rings to workers.
 *
 * Who talks to whom: clients write into the region, so the dataplane believes nothing that lies there. Which
 * slot is attached travels from the housekeeper to the workers in struct sl_abi_shared, which is private to
 * the process; region->clients only shows it to the world. n_workers is the server's own copy.
 *
 * Handing a slot over: each attach and each detach adds 1 to the slot's epoch (odd = attached). A worker that
 * sees a new epoch takes up or lets go its handles, then stores that epoch as seen. The housekeeper zeroes
 * and hands out a slot only when every worker has seen its current, even epoch, so no ring is zeroed under a
 * worker's hands. */

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/abi/region.h"

/* ---- region (server and client) ---- */

/* Make the region: a memfd of sl_region_size(n_workers), sealed against resizing, header filled in.
 * n_workers 1..SL_MAX_WORKERS, n_ports 0..SL_MAX_PORTS. Returns the descriptor (close-on-exec), owned by the
 * caller, or negative errno. Caller: the dataplane's keeper, once. */
int sl_region_create(unsigned n_workers, unsigned n_ports);

/* Check seals, magic, version, layout and size of a region and map it whole, read-write. 0, or negative errno
 * with the reason in text. The caller owns the mapping (munmap) and keeps the descriptor. */
int sl_region_map(int memfd, struct sl_region **out, size_t *bytes, char *text, size_t text_len);

/* Bytes of one client's rings; they begin at sl_region_ring_offset(n_workers, slot, 0, SL_RING_COMMANDS). */
size_t sl_region_slot_bytes(unsigned n_workers);

/* Handle on a ring of this attachment, both indices taken as 0 whatever the shared memory says. */
void sl_ring_attach_fresh(struct sl_ring *ring, struct sl_region *r, unsigned n_workers, unsigned slot,
        unsigned set, enum sl_ring_direction dir, int producer);

/* ---- state shared by housekeeper and workers, in private memory ---- */

struct sl_abi_shared {
	/* Writer: housekeeper (release). Readers: workers (acquire). */
	_Alignas(64) _Atomic uint32_t
	        changes; /* grows with every change of an epoch: the one word workers poll */
	_Atomic uint32_t epoch[SL_MAX_CLIENTS]; /* odd = attached */
	struct {
		/* Writer: this worker (release). Reader: housekeeper (acquire). */
		_Alignas(64) _Atomic uint32_t seen[SL_MAX_CLIENTS]; /* epoch it acts on */
		_Atomic uint32_t corrupt[SL_MAX_CLIENTS]; /* epoch in which it met absurd indices; 0 = none */
	} workers[SL_MAX_WORKERS];
};

/* ---- housekeeper ---- */

enum { SL_ABI_MAX_PENDING = 16, SL_ABI_HELLO_MS = 2000, SL_ABI_LET_GO_MS = 1000 };

struct sl_abi_slot {
	int sock; /* -1 = detached */
	int event_fd;
	uint32_t client_generation;
	uint64_t detached_ms; /* when: of several unused slots the oldest is given away first */
	char name[SL_CLIENT_NAME_MAX + 1];
	struct sl_ring commands;             /* consumer, set 0 */
	struct sl_ring events;               /* producer, set 0 */
	uint32_t kicked[1 + SL_MAX_WORKERS]; /* producer index of each event ring at the last kick */
	uint32_t kicked_bulk[SL_MAX_WORKERS]; /* ... and of each bulk ring */
};

/* A connection that is not a client yet. */
struct sl_abi_pending {
	int sock;     /* -1 = free entry */
	bool greeted; /* hello received, waiting for workers to let go of slot */
	unsigned slot;
	uint64_t deadline_ms;
	char name[SL_CLIENT_NAME_MAX + 1];
};

struct sl_abi_server_ops {
	/* A line for the log; severity as syslog(3). May be NULL. */
	void (*log)(void *ctx, int severity, const char *text);
	/* A slot was attached or detached: the housekeeper drops what the client left half done. May be NULL.
	 */
	void (*changed)(void *ctx, unsigned slot, bool attached);
	/* A client offers a clip: memfd is sealed, bytes long within the bounds, and closed when this returns; or
	 * it takes one back: memfd < 0. 0, or negative errno with words in text. NULL = clips are refused. */
	int (*clip)(void *ctx, unsigned slot, uint32_t clip, int memfd, size_t bytes, char *text, size_t text_len);
	/* A client offers a list of prefixes, in a memfd as above. 0: taken up (the descriptor duplicated), to be answered by
	 * sl_abi_server_guard_ack(); or negative errno with words in text, answered at once. NULL = lists are refused. */
	int (*guard_list)(void *ctx, unsigned slot, uint32_t seq, int memfd, size_t bytes, char *text, size_t text_len);
	void *ctx;
};

/* Owner: the housekeeper thread; workers touch only .shared through struct sl_abi_worker. */
struct sl_abi_server {
	struct sl_abi_shared shared;
	struct sl_region *region;
	unsigned n_workers;
	int memfd, listen_fd, epoll_fd;
	char path[108];
	struct sl_abi_server_ops ops;
	struct sl_abi_slot slots[SL_MAX_CLIENTS];
	struct sl_abi_pending pending[SL_ABI_MAX_PENDING];
	unsigned next_slot;                 /* round robin of pop_command */
	uint64_t events_lost, ring_corrupt; /* of the housekeeper's own rings */
};

/* Take path (SOCK_SEQPACKET, mode 0660; a dead socket file there is replaced, a live one is -EADDRINUSE); nobody can
 * connect before sl_abi_server_listen(). region and memfd stay the caller's and must outlive the server; n_workers as the region was
 * made. Call after region->generation has been raised for this working half. ops may be NULL. 0, or negative errno with the reason. */
int sl_abi_server_open(struct sl_abi_server *s, const char *path, struct sl_region *region, int memfd,
        unsigned n_workers, const struct sl_abi_server_ops *ops, char *text, size_t text_len);

/* Let clients connect: when they are answered at once from now on. Who came earlier would wait for an answer, give up
 * and come back late, and media waits for that. 0 or negative errno. */
int sl_abi_server_listen(struct sl_abi_server *s);

/* Close every connection and remove the socket file. Workers must have stopped. */
void sl_abi_server_close(struct sl_abi_server *s);

/* A descriptor that polls readable when sl_abi_server_poll() has something to do (handshakes in progress
 * excepted: call it at least every few ms anyway). */
int sl_abi_server_fd(const struct sl_abi_server *s);

/* Accept, shake hands, notice clients that went away or broke their rings. Never blocks. now_ms:
 * CLOCK_MONOTONIC. */
void sl_abi_server_poll(struct sl_abi_server *s, uint64_t now_ms);

/* Wake each client that got events since the last call: one eventfd write each. Call every <= 1 ms. */
void sl_abi_server_kick(struct sl_abi_server *s);

/* Next command to the housekeeper, copied out and not yet validated: true with *slot and *cmd. Round robin.
 */
bool sl_abi_server_pop_command(struct sl_abi_server *s, unsigned *slot, struct sl_command *cmd);

/* Send an event to one client. 0, -ENOTCONN, -ENOBUFS (counted in events_lost), -EPROTO (client is cut off).
 */
int sl_abi_server_post_to(struct sl_abi_server *s, unsigned slot, const struct sl_event *evt);

/* Answer a command: EVENT_ACK with its seq, error (0 or negative errno) and text (NULL = empty). As post_to.
 */
int sl_abi_server_ack(
        struct sl_abi_server *s, unsigned slot, const struct sl_command *cmd, int error, const char *text);

/* Answer a list of prefixes that was taken up, if the client that offered it is still there: slot and its attachment then. */
void sl_abi_server_guard_ack(struct sl_abi_server *s, unsigned slot, uint32_t client_generation, uint32_t seq, int error, const char *text);

/* Something an operator should read, where he looks: a line for our log, and EVENT_LOG to every attached client,
 * whose logs show it too. severity: as syslog(3); text beyond 239 bytes is cut. Attaching and cutting off clients is
 * announced by the server itself. */
void sl_abi_server_announce(struct sl_abi_server *s, int severity, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

/* Send an event to every attached client. */
void sl_abi_server_post(struct sl_abi_server *s, const struct sl_event *evt);

/* Cut a client off: its socket is closed, its slot freed once workers let go. reason goes to the log. */
void sl_abi_server_cut(struct sl_abi_server *s, unsigned slot, const char *reason);

/* ---- workers ---- */

/* Owner: one worker thread. No system call, no wait. */
struct sl_abi_worker {
	struct sl_abi_shared *shared;
	struct sl_region *region;
	uint64_t *counters; /* region->workers[worker].counters: events_lost and ring_corrupt are counted here
	                     */
	unsigned n_workers, worker;
	unsigned next_slot;
	uint32_t changes;
	uint32_t attached; /* bit per slot whose rings are ours to use */
	uint32_t epoch[SL_MAX_CLIENTS];
	struct sl_ring commands[SL_MAX_CLIENTS]; /* consumer */
	struct sl_ring events[SL_MAX_CLIENTS];   /* producer */
	struct sl_ring bulk[SL_MAX_CLIENTS];     /* producer */
};

/* Before the worker's loop starts, on any thread. The server must be open and outlive the worker. */
void sl_abi_worker_init(struct sl_abi_worker *w, struct sl_abi_server *s, unsigned worker);

/* Notice attached and detached clients: one relaxed-cost load when nothing changed. Call every ~256 rounds; a
 * worker that does not keeps a slot from being given out again for SL_ABI_LET_GO_MS. */
void sl_abi_worker_poll(struct sl_abi_worker *w);

/* Next command to this worker, copied out and not yet validated: true with *slot and *cmd. Round robin over
 * clients. */
bool sl_abi_worker_pop_command(struct sl_abi_worker *w, unsigned *slot, struct sl_command *cmd);

/* Send an event to every attached client; what does not fit is counted in events_lost. */
void sl_abi_worker_post(struct sl_abi_worker *w, const struct sl_event *evt);

/* Send an event to one client: 0, -ENOTCONN, -ENOBUFS (counted), -EPROTO (counted, the client will be cut
 * off). */
int sl_abi_worker_post_to(struct sl_abi_worker *w, unsigned slot, const struct sl_event *evt);

/* As sl_abi_worker_post_to, for a sender that keeps what does not fit and tries again: a full ring is no loss
 * then, and not counted as one. */
int sl_abi_worker_offer(struct sl_abi_worker *w, unsigned slot, const struct sl_event *evt);

/* Copy a packet into the bulk ring of one client: the first bytes of *b, SL_BULK_HEADER_BYTES + b->len, are all that is
 * read. 0, -ENOTCONN, -ENOBUFS (the caller counts it), -EPROTO (counted, the client will be cut off). */
int sl_abi_worker_bulk(struct sl_abi_worker *w, unsigned slot, const struct sl_bulk *b, uint32_t bytes);
/* Is half of that ring free? What strangers send leaves the rest of it to copies of calls. */
bool sl_abi_worker_bulk_has_room(struct sl_abi_worker *w, unsigned slot);
