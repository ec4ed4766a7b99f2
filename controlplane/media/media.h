/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Media sessions as the control plane holds them: calls with parties (an SDP side, named by its tag), whose media
 * sections have legs in the dataplane. Used by the ng protocol and the HTTP API now, by SIP later. Owner: the brain's
 * thread; nothing here blocks.
 *
 * Every session lives in the journal too (a memfd of the keeper), so that it survives the working half: after a restart
 * sl_media_open() finds it again, and replay brings the dataplane to it, whichever of the two died. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/options.h"
#include "controlplane/dp/dp.h"
#include "controlplane/media/sdp.h"

enum {
	SL_MEDIA_ID_MAX = 255,        /* bytes of a call-id, tag or branch */
	SL_MEDIA_MAX_PARTIES = 64,    /* of one call: forks and subscribers count */
	SL_MEDIA_MAX_SECTIONS = 8,    /* relayed media sections of a party; more are rejected in the SDP */
	SL_MEDIA_MAX_FILTER = 32,
	SL_MEDIA_TEXT_MAX = 160,
};

enum sl_media_result {
	SL_MEDIA_OK,
	SL_MEDIA_ERR_NOT_FOUND,   /* "Unknown call-id", "Unknown tag" */
	SL_MEDIA_ERR_SYNTAX,      /* SDP or request malformed */
	SL_MEDIA_ERR_STATE,       /* an answer without offer, a deleted call ... */
	SL_MEDIA_ERR_SESSIONS,    /* session limit: "Parallel session limit reached" */
	SL_MEDIA_ERR_PORTS,       /* "Ran out of ports" */
	SL_MEDIA_ERR_LOAD,        /* load limit: packets or CPU */
	SL_MEDIA_ERR_AWAY,        /* the dataplane is away */
	SL_MEDIA_ERR_NO_MEMORY,
	SL_MEDIA_ERR_UNSUPPORTED,
};

struct sl_media_error {
	enum sl_media_result code;
	char text[SL_MEDIA_TEXT_MAX];
};

enum sl_media_flag {
	SL_MF_TRUST_ADDRESS = 1 << 0,     /* the SDP's address is where media comes from */
	SL_MF_SYMMETRIC = 1 << 1,
	SL_MF_ASYMMETRIC = 1 << 2,        /* media may come from elsewhere than it is sent to */
	SL_MF_STRICT_SOURCE = 1 << 3,
	SL_MF_MEDIA_HANDOVER = 1 << 4,
	SL_MF_PORT_LATCHING = 1 << 5,     /* keep learned addresses over re-offers */
	SL_MF_REPLACE_ORIGIN = 1 << 6,
	SL_MF_REPLACE_CONNECTION = 1 << 7,
	SL_MF_LOOP_PROTECT = 1 << 8,
	SL_MF_RECORD = 1 << 9,
	SL_MF_ALWAYS_TRANSCODE = 1 << 10, /* accepted with a warning, like all that asks for transcoding */
	SL_MF_UNIDIRECTIONAL = 1 << 11,
	SL_MF_NO_RTCP_ATTRIBUTE = 1 << 12,
	SL_MF_RESET = 1 << 13,
	SL_MF_STABLE_SSRC = 1 << 14,      /* ours: one outgoing SSRC per leg */
	SL_MF_BLOCK_DTMF = 1 << 15,
	SL_MF_ALLOW_NO_CODEC = 1 << 16,
	SL_MF_SIP_SOURCE = 1 << 17,       /* "SIP-source-address": received_from's address instead of the SDP's */
};
enum sl_media_mux { SL_MM_OFFER = 1, SL_MM_REQUIRE = 2, SL_MM_DEMUX = 4, SL_MM_ACCEPT = 8, SL_MM_REJECT = 16 };

/* What an offer or answer asks beside its SDP. Zeroed = the defaults. Slices live as long as the call. */
struct sl_media_options {
	uint32_t flags;             /* enum sl_media_flag */
	struct sl_slice from_interface, to_interface; /* "direction"; empty = the first configured */
	bool set_proto;             /* "transport-protocol" */
	enum sl_sdp_proto proto;
	enum sl_sdp_ice ice;
	uint8_t rtcp_mux;           /* enum sl_media_mux bits */
	uint8_t learn;              /* enum sl_learn */
	bool set_learn;
	int address_family;         /* 0 = as offered, AF_INET, AF_INET6 */
	struct sl_ip media_address; /* advertise this instead; zero = the interface's */
	struct sl_ip received_from; /* where the SIP message came from; zero = unknown */
	bool sdes_off;
	uint32_t sdes_no;           /* bit per suite number not to offer or accept */
	uint32_t sdes_only;         /* when not 0: only these */
	bool sdes_no_lifetime;
	int dscp;                   /* -1 = not asked; note that zeroing asks for 0: set it */
	unsigned n_strip, n_except, n_offer;
	struct sl_slice strip[SL_MEDIA_MAX_FILTER], except[SL_MEDIA_MAX_FILTER], offer[SL_MEDIA_MAX_FILTER]; /* codec names, "all" */
	int delete_delay_s;         /* -1 = the configured one */
	unsigned meter;             /* the tenant's token buckets in the dataplane (guard/warden.h); 0 = none */
	struct sl_slice label;
	struct sl_slice metadata;
};

struct sl_media_request {
	struct sl_slice call_id, from_tag, to_tag, via_branch; /* to_tag, via_branch may be empty */
	struct sl_slice sdp;
	struct sl_media_options options;
};

struct sl_media_reply {
	char *sdp;                  /* room given by the caller */
	size_t sdp_room, sdp_len;
	char warning[SL_MEDIA_TEXT_MAX]; /* empty = none */
};

struct sl_media; /* the engine */
struct sl_media_session;
struct sl_media_party;

struct sl_media_hooks {
	void *ctx;
	/* Something happened that a front end may want to pass on; any may be NULL. */
	void (*ended)(void *ctx, const struct sl_media_session *s, const char *why); /* timeout or API; not by its own delete */
	void (*dtmf)(void *ctx, const struct sl_media_session *s, const struct sl_media_party *p, unsigned event,
		unsigned duration_ms, unsigned volume);
};

/* config and dp stay the caller's. journal_fd: the keeper's memfd, -1 = none (tests: no survival). NULL with text. */
struct sl_media *sl_media_open(const struct sl_config *config, struct sl_dp *dp, int journal_fd, char *text, size_t text_len);
void sl_media_close(struct sl_media *m);
void sl_media_set_hooks(struct sl_media *m, const struct sl_media_hooks *hooks);
/* Call every ~50 ms: statistics, timeouts, deferred deletions, recordings. */
void sl_media_tick(struct sl_media *m, int64_t now_ms);
/* Limits and timeouts of a reloaded configuration; addresses and ports need a restart. */
void sl_media_reconfigure(struct sl_media *m, const struct sl_config *config);

enum sl_media_result sl_media_offer(struct sl_media *m, const struct sl_media_request *q, struct sl_media_reply *r,
	struct sl_media_error *e);
enum sl_media_result sl_media_answer(struct sl_media *m, const struct sl_media_request *q, struct sl_media_reply *r,
	struct sl_media_error *e);

/* Sessions as they are shown. Read only for everybody but the engine. */
struct sl_media_leg {
	struct sl_leg_ref ref;         /* id 0 = none */
	uint16_t rtcp_port;            /* 0 = muxed */
	uint32_t clip;                 /* playing; 0 = none */
	uint32_t tap;
	struct sl_evt_leg stats;       /* as last told by the dataplane */
	int64_t stats_ms;
	struct sl_cmd_leg set;         /* what the dataplane was told: replayed as it is */
	double mos_sum;                /* E-model, one sample a statistics round */
	float mos_last, mos_min, mos_max;
	int64_t mos_min_unix_ms, mos_max_unix_ms; /* when they were sampled */
	uint32_t mos_n;
};
struct sl_media_section {
	char type[16];
	uint8_t proto;                 /* enum sl_sdp_proto, towards this party */
	uint8_t direction;             /* as this party said last */
	uint8_t rejected, bundled;     /* bundled: shares the leg of section `bundle` */
	uint8_t bundle, pad[3];
	struct sl_media_leg leg;
	char codec[24];                /* its first audio or video codec, "PCMA/8000" */
};
struct sl_media_party {
	char tag[SL_MEDIA_ID_MAX + 1], via_branch[SL_MEDIA_ID_MAX + 1], label[64];
	int64_t created_unix_ms;
	uint32_t flags;                /* SL_PARTY_* */
	unsigned n_sections;
	struct sl_media_section *sections[SL_MEDIA_MAX_SECTIONS]; /* pointers stay while the party lives */
};
enum { SL_PARTY_OFFERED = 1, SL_PARTY_ANSWERED = 2, SL_PARTY_SUBSCRIBER = 4, SL_PARTY_BLOCKED = 8, SL_PARTY_SILENCED = 16,
	SL_PARTY_DTMF_BLOCKED = 32, SL_PARTY_PUBLISHER = 64 };
struct sl_media_session {
	char call_id[SL_MEDIA_ID_MAX + 1];
	int64_t created_unix_ms, last_signal_unix_ms, delete_at_ms; /* delete_at_ms 0 = not deleted */
	unsigned n_parties;
	struct sl_media_party *parties[SL_MEDIA_MAX_PARTIES]; /* pointers stay while the party lives */
	bool recording;
	char ended[48];                /* why, once it has */
};

size_t sl_media_n_sessions(const struct sl_media *m);
/* Its legs' token buckets, after a restart: numbers are not kept. A session that is not there is fine. */
void sl_media_set_meter(struct sl_media *m, struct sl_slice call_id, unsigned meter);
const struct sl_media_session *sl_media_find(const struct sl_media *m, struct sl_slice call_id);
/* Sessions in a stable order: *cursor 0 at first; NULL at the end. */
const struct sl_media_session *sl_media_next(const struct sl_media *m, uint32_t *cursor);
/* Who else is joined to this party's media: index of the party it sends to, or -1. */
int sl_media_peer(const struct sl_media_session *s, unsigned party);

/* Ask the dataplane for fresh counts of a session's legs, then done(ctx, session or NULL when it ended meanwhile).
 * done is called exactly once: at once (before the function returns) when there is nothing to wait for, an error for
 * example, else within SL_MEDIA_WAIT_MS. e is never NULL; SL_MEDIA_ERR_NOT_FOUND: "Unknown call-id", "Unknown tag". */
enum { SL_MEDIA_WAIT_MS = 100 };
typedef void (*sl_media_done)(void *ctx, const struct sl_media_session *s, const struct sl_media_error *e);
void sl_media_refresh(struct sl_media *m, struct sl_slice call_id, sl_media_done done, void *ctx);
/* Delete a call, or of it one party (tag, or branch with an empty tag): done with the final counts before it is gone.
 * delay_s -1 = the configured delay, 0 = now. The tag is ng's to-tag when there is one, else its from-tag. The whole call
 * ends when nobody is left to talk: the party is the one that offered, or the last one that answered, or the last branch.
 * Named by its branch, a party that answered has failed: others that were offered the call may yet answer.
 * A delayed deletion is done with the counts of now; until then the call is found, takes no answers, and an offer
 * revives it. */
void sl_media_delete(struct sl_media *m, struct sl_slice call_id, struct sl_slice tag, struct sl_slice via_branch,
	int delay_s, sl_media_done done, void *ctx);

/* Which parties a command names: by tag, address or label; all when everything is empty. */
struct sl_media_who {
	struct sl_slice call_id, tag, label;
	struct sl_ip address;
};
enum sl_media_result sl_media_block(struct sl_media *m, const struct sl_media_who *who, uint32_t leg_flag, bool on,
	struct sl_media_error *e); /* SL_LEG_BLOCK_MEDIA, SILENCE_MEDIA, BLOCK_DTMF */
/* clip: a stored clip's name, or file: a path below the configured clip folder; one of them. times 0 = for ever.
 * *duration_ms gets the clip's length. */
enum sl_media_result sl_media_play(struct sl_media *m, const struct sl_media_who *who, struct sl_slice clip,
	struct sl_slice file, unsigned times, unsigned start_ms, unsigned *duration_ms, struct sl_media_error *e);
enum sl_media_result sl_media_play_stop(struct sl_media *m, const struct sl_media_who *who, struct sl_media_error *e);
enum sl_media_result sl_media_dtmf(struct sl_media *m, const struct sl_media_who *who, const char *digits, unsigned duration_ms,
	unsigned pause_ms, unsigned volume, struct sl_media_error *e);
/* Recording of a whole call, a file per party and section: format "pcap" or "wav"; NULL = as configured. */
enum sl_media_result sl_media_record(struct sl_media *m, struct sl_slice call_id, bool on, const char *format,
	const char *name, struct sl_media_error *e);
/* Fan-out: a new party that hears `who`. request makes the SDP to send it; answer completes it; ng's "subscribe". */
enum sl_media_result sl_media_subscribe(struct sl_media *m, const struct sl_media_who *who, const struct sl_media_request *q,
	struct sl_media_reply *r, char *tag_out, struct sl_media_error *e);
enum sl_media_result sl_media_subscribe_answer(struct sl_media *m, const struct sl_media_request *q, struct sl_media_error *e);
enum sl_media_result sl_media_unsubscribe(struct sl_media *m, const struct sl_media_request *q, struct sl_media_error *e);
/* A party that only sends, for later subscribers. */
enum sl_media_result sl_media_publish(struct sl_media *m, const struct sl_media_request *q, struct sl_media_reply *r,
	struct sl_media_error *e);

struct sl_media_counts {
	uint64_t offers, answers, deletes, errors, timeouts, sessions_total, legs_refused, recordings, recording_lost;
	uint64_t sessions_lost; /* damaged in the journal at start */
	size_t sessions, parties, legs, ports_free, ports_guarded;
};
void sl_media_counts(const struct sl_media *m, struct sl_media_counts *out);
