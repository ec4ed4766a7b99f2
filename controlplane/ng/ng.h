/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The ng protocol (rtpengine's), by which SIP proxies steer media: listens on media.ng_udp and media.ng_tcp,
 * answers what controlplane/media can do.
 *
 * A thread of its own owns sockets, allow-list, cookies and text (decoding, encoding); the brain runs what
 * was asked, in batches, when sl_ng_fd() is readable. Everything here is called on the brain's thread, except
 * where said. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/options.h"
#include "controlplane/media/media.h"

/* X(NAME, as the request names it). Every command that is known, in the order of its counters. */
#define SL_NG_COMMANDS(X)                                                                                    \
	X(PING, "ping")                                                                                      \
	X(OFFER, "offer")                                                                                    \
	X(ANSWER, "answer")                                                                                  \
	X(DELETE, "delete")                                                                                  \
	X(QUERY, "query")                                                                                    \
	X(LIST, "list")                                                                                      \
	X(STATISTICS, "statistics")                                                                          \
	X(BLOCK_MEDIA, "block media")                                                                        \
	X(UNBLOCK_MEDIA, "unblock media")                                                                    \
	X(SILENCE_MEDIA, "silence media")                                                                    \
	X(UNSILENCE_MEDIA, "unsilence media")                                                                \
	X(BLOCK_DTMF, "block DTMF")                                                                          \
	X(UNBLOCK_DTMF, "unblock DTMF")                                                                      \
	X(PLAY_MEDIA, "play media")                                                                          \
	X(STOP_MEDIA, "stop media")                                                                          \
	X(PLAY_DTMF, "play DTMF")                                                                            \
	X(START_RECORDING, "start recording")                                                                \
	X(STOP_RECORDING, "stop recording")                                                                  \
	X(PAUSE_RECORDING, "pause recording")                                                                \
	X(SUBSCRIBE_REQUEST, "subscribe request")                                                            \
	X(SUBSCRIBE_ANSWER, "subscribe answer")                                                              \
	X(UNSUBSCRIBE, "unsubscribe")                                                                        \
	X(PUBLISH, "publish")

enum sl_ng_command {
#define X(name, text) SL_NG_##name,
	SL_NG_COMMANDS(X)
#undef X
	SL_NG_UNKNOWN, /* answered with an error that names it */
	SL_NG_N_COMMANDS
};

/* "ping"; "unknown" for SL_NG_UNKNOWN. As the label of a counter. */
const char *sl_ng_command_name(enum sl_ng_command c);

/* Since the start; relaxed reads of what the thread writes. */
struct sl_ng_counts {
	uint64_t requests[SL_NG_N_COMMANDS]; /* executed: a retransmission does not count here */
	uint64_t errors[SL_NG_N_COMMANDS];   /* of which answered with an error */
	uint64_t load_limits;                /* of which (not errors) answered "load limit" */
	uint64_t duplicates_answered;        /* from the cache of replies */
	uint64_t duplicates_dropped;         /* while the first is still being executed */
	uint64_t refused_sources; /* datagrams and connections from addresses that may not steer us */
	uint64_t bad_messages;    /* no cookie, no dictionary, broken, too long, too deep: not answered or
	                             answered with an error */
	uint64_t overloaded;      /* dropped because too many were being executed */
	uint64_t send_failures;   /* answers the socket did not take */
	uint64_t tcp_accepted, tcp_refused, tcp_timeouts; /* refused: too many */
	uint64_t cache_evicted;                      /* cached replies that had to go before their time */
	uint64_t warnings;                           /* answers with a warning */
	uint32_t tcp_connections, in_flight, cached; /* now */
};

struct sl_ng;

/* Listen, and start the thread. media must outlive it. The configuration names at least one listener
 * (media.n_ng_udp, media.n_ng_tcp). NULL with words in text (which name the option). */
struct sl_ng *sl_ng_open(const struct sl_config *config, struct sl_media *media, char *text, size_t text_len);
/* End the thread and close the sockets; answers still owed are not given. Before sl_media_close(), which may
 * still complete (done callbacks) what was asked. NULL is fine. */
void sl_ng_close(struct sl_ng *ng);

/* Readable when requests wait: for the brain's loop, which then calls sl_ng_run(): bounded work, more keeps
 * the descriptor readable. */
int sl_ng_fd(const struct sl_ng *ng);
void sl_ng_run(struct sl_ng *ng);

/* The allow-list of a reloaded configuration; listeners need a restart. */
void sl_ng_reconfigure(struct sl_ng *ng, const struct sl_config *config);

/* Any thread. */
void sl_ng_counts(const struct sl_ng *ng, struct sl_ng_counts *out);
