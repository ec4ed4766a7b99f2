/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Between the files of the engine. What others see of a session, party and section comes first in each
 * structure, so that a pointer to the one is a pointer to the other. */

#include <sys/queue.h>

#include "controlplane/journal.h"
#include "controlplane/media/media.h"
#include "controlplane/media/negotiate.h"
#include "controlplane/media/ports.h"
#include "dataplane/abi/region.h"
#include "dataplane/wire/siphash.h"

enum {
	SL_MEDIA_MS = 1000,
	SL_MEDIA_AWAY_GRACE_MS =
	        2000,             /* a dataplane that restarts is waited for: new calls are taken meanwhile */
	SL_MEDIA_SDP_KEPT = 8192, /* bytes of an SDP that is kept for subscribers */
	SL_MEDIA_STATS_MS = 5000, /* between statistics rounds */
	SL_LEG_SLOT_SHIFT = 61,   /* the slot of a client in the id of a leg */
	SL_MEDIA_SWEEP_TICKS = 20, /* every session is looked at once in so many ticks */
};

struct party;

/* One media section of a party, and its leg. */
struct section {
	struct sl_media_section pub;
	uint8_t kind;       /* enum sl_nego_kind */
	bool muted;         /* its party said 0.0.0.0: nothing is sent there (RFC 3264 8.4) */
	bool mux_offered;   /* its party offered rtcp-mux, or was offered it */
	bool mux_only;      /* it was offered nothing else */
	uint8_t mux_accept; /* enum sl_nego_accept: what it gets back for having offered */
	bool fresh;         /* its counts were told since the dataplane was asked */
	bool dirty;         /* the dataplane is to be told of leg.set */
	uint8_t n_large;    /* keys in leg.set that are counted as large */
	struct sl_nego_types types;
	struct sl_sdp_crypto theirs,
	        ours; /* in force; suite SL_SRTP_NONE = none. ours has their tag, or the one we offered */
	uint8_t n_offered;
	struct sl_sdp_crypto offered[SL_NEGO_SUITES]; /* to it, not answered yet */
	struct sl_cmd_play play;                      /* to its leg; clip SL_CLIP_NONE = none */
	char play_name[256];                          /* of that clip */
	struct sl_leg_ref
	        to; /* the route out of its leg to its peer's, as told to the dataplane; id 0 = none */
	struct party
	        *source; /* of a subscriber: whose section is heard here, and which one of it; NULL = none */
	uint8_t source_at;
	struct sl_leg_ref heard; /* the route from there, likewise */
};

struct party {
	struct sl_media_party pub;
	struct session *session;
	struct party *peer; /* whom it talks to, or was offered to; routes need both to agree */
	char *sdp; /* what it was sent last, which says what it may send; NULL = nothing, or too long */
	size_t sdp_len;
	char interface[SL_CONF_NAME_MAX + 1];
	int64_t offered_ms; /* when it was offered, until it answers; 0 = nothing is open */
	bool ending;        /* its legs' last counts are awaited: to be left alone */
};

struct wait;
TAILQ_HEAD(waits, wait);

struct session {
	struct sl_media_session pub;
	struct session *hash_next;
	uint32_t index; /* in media->sessions */
	int64_t slot;   /* in the journal; -1 = none */
	uint32_t epoch; /* of the attachment that knows it */
	uint16_t meter; /* of its tenant; not in the journal */
	uint8_t worker;
	bool on_hold;
	bool checking; /* nobody is heard: the dataplane was asked whether that is true */
	unsigned n_waits;
	struct sl_record *record; /* under way; NULL = none, whatever pub.recording wants */
	unsigned n_recorded;      /* legs it has */
	uint8_t record_format,
	        record_now; /* enum sl_conf_tristate as wanted; enum sl_record_format as it is */
	char record_name[64];
};

/* Somebody waits for a session's counts. */
struct wait {
	TAILQ_ENTRY(wait) link;
	struct session *session;
	struct party *party; /* its end is awaited; NULL with a whole session's, or with a query */
	bool ends;           /* the legs were deleted; else they were asked */
	uint32_t seq;        /* of the questions */
	unsigned left;       /* legs that have not answered */
	int64_t deadline_ms;
	sl_media_done done; /* may be NULL */
	void *ctx;
};

/* Where a leg's events go: by the low half of its id, which is its index here plus one. */
struct leg_entry {
	struct section *section; /* NULL = free */
	struct party *party;
	uint32_t tag; /* the middle of the id: drawn anew for each leg */
	uint32_t next_free;
};

struct sl_media {
	const struct sl_config *config;
	const struct sl_conf_media *conf;
	struct sl_dp *dp;
	struct sl_media_hooks hooks;
	int64_t now_ms; /* of the last tick */
	struct sl_prng prng;
	unsigned n_workers;
	uint32_t max_sessions, session_limit; /* room, and what the configuration allows now */
	char loop_mark[48];                   /* a=... of loop protection */

	struct session **sessions; /* [max_sessions], holes are NULL */
	uint32_t *free_sessions, n_free_sessions;
	struct session **hash; /* by call-id; [hash_size] a power of two */
	uint32_t hash_size, n_sessions;
	struct sl_siphash_key hash_key;

	struct leg_entry *legs; /* [max_legs] */
	uint32_t max_legs, n_legs, first_free_leg;
	uint32_t worker_legs[SL_MAX_WORKERS], max_worker_legs;
	uint32_t worker_large[SL_MAX_WORKERS], max_worker_large; /* keys of large suites */
	struct sl_port_pool *ports;

	bool attached;
	unsigned dp_slot;
	uint32_t epoch;        /* of the attachment; grows */
	int64_t away_since_ms; /* -1 = was never there */
	uint32_t replay_at;    /* the next session to tell; UINT32_MAX = all are told */
	uint32_t seq;
	struct waits waits;
	uint32_t sweep_at; /* the next session to look at */
	int64_t next_stats_ms;

	struct sl_plays *plays;
	struct sl_recorder *recorder; /* NULL = recording is off */
	uint32_t next_tap;
	struct sl_journal *journal;
	struct sl_media_counts counts;
	struct sl_plan *plan; /* of the offer or answer under way */
};

static inline struct session *session_of(const struct sl_media_session *s)
{
	return (struct session *)s;
}
static inline struct party *party_at(const struct session *s, unsigned i)
{
	return (struct party *)s->pub.parties[i];
}
static inline struct section *section_at(const struct party *p, unsigned i)
{
	return (struct section *)p->pub.sections[i];
}
static inline bool section_has_leg(const struct section *x)
{
	return x->pub.leg.ref.id != 0;
}

/* party.c */
/* Code and text at once; returns the code. */
enum sl_media_result sl_media_fail(struct sl_media_error *e, enum sl_media_result code, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));
bool sl_slice_eq(struct sl_slice s, const char *text);
void sl_slice_copy(struct sl_slice s, char *out, size_t room);
int64_t sl_unix_ms(void);
struct session *sl_session_find(const struct sl_media *m, struct sl_slice call_id);
struct session *sl_session_new(
        struct sl_media *m, struct sl_slice call_id);         /* not entered yet; NULL: no memory */
void sl_session_enter(struct sl_media *m, struct session *s); /* from now on it is found */
void sl_session_leave(struct sl_media *m, struct session *s);
void sl_session_free(struct session *s);
struct party *sl_party_new(struct session *s, struct sl_slice tag, struct sl_slice via_branch);
void sl_party_remove(struct party *p); /* out of its session, and free: its legs are gone */
void sl_party_forget_sdp(struct party *p);
struct section *sl_party_section(
        struct party *p, unsigned i); /* made when it is not there; NULL: no memory */
/* Parties whose end is not under way. */
struct party *sl_party_by_tag(const struct session *s, struct sl_slice tag);
struct party *sl_party_by_branch(const struct session *s, struct sl_slice via_branch);
/* The party that offers, and whom it is offered to, by the request's tags and branch; NULL = a new one is
 * needed. */
void sl_party_of_offer(
        const struct session *s, const struct sl_media_request *q, struct party **from, struct party **to);
/* The party that answers a's offer; NULL = nobody was offered anything. */
struct party *sl_party_of_answer(const struct session *s, struct party *a, const struct sl_media_request *q);

/* section.c */
bool sl_section_wants_leg(const struct section *x);
void sl_section_wipe(struct section *x); /* what belongs to a leg that is gone, keys above all */
void sl_section_key_in(
        struct section *x, const struct sl_sdp_crypto *c); /* what its party encrypts with from now on */
void sl_section_plain(struct section *x);                  /* RTP without keys */
void sl_section_raw(struct section *x);                    /* no RTP that we could read */

/* legs.c: the dataplane's side of sections */
int sl_legs_open(struct sl_media *m);           /* -ENOMEM */
uint64_t sl_leg_id(unsigned slot, uint64_t id); /* the same id in another slot */
int sl_leg_new(struct sl_media *m, struct section *x, struct party *p, unsigned address,
        uint16_t port);                                                     /* or -ENOSPC */
int sl_leg_restore(struct sl_media *m, struct section *x, struct party *p); /* or -EINVAL, -EBUSY */
void sl_legs_relist(struct sl_media *m);                               /* after restoring: which are free */
struct leg_entry *sl_leg_entry(const struct sl_media *m, uint64_t id); /* or NULL */
void sl_leg_moved(struct sl_media *m, struct section *x);
/* Entry and port go; the section has no leg any more. told: somebody knows of the port. */
void sl_leg_forget(struct sl_media *m, struct section *x, bool told);
void sl_leg_count_keys(struct sl_media *m, struct section *x); /* leg.set has changed: count its large ones */
bool sl_session_is_live(
        const struct sl_media *m, const struct session *s); /* the dataplane has been told of it */
/* To the worker that owns ref; nothing while the session is not live. */
void sl_leg_command(struct sl_media *m, const struct session *s, struct sl_command *cmd,
        const struct sl_leg_ref *ref, uint32_t seq);
/* LEG_SET, LEG_DELETE, LEG_QUERY of a section that has a leg. */
void sl_leg_post(
        struct sl_media *m, const struct session *s, uint32_t type, const struct section *x, uint32_t seq);
/* Signalling or a command has changed parties or sections: tell the dataplane what is different, save the
 * session. */
void sl_session_changed(struct sl_media *m, struct session *s);
void sl_session_tell(
        struct sl_media *m, struct session *s); /* all of it, to a dataplane that does not know it */

/* replay.c: the dataplane comes and goes */
extern const struct sl_dp_media_ops sl_media_dp_ops;
void sl_media_replay_pump(struct sl_media *m);

/* end.c: sessions and parties end, counts are awaited */
void sl_session_timeout(
        struct sl_media *m, struct session *s, const char *why); /* counted, and the hook told */
void sl_session_end(struct sl_media *m, struct session *s, const char *why, sl_media_done done, void *ctx);
void sl_party_end(struct sl_media *m, struct party *p, sl_media_done done, void *ctx);
void sl_session_refresh(struct sl_media *m, struct session *s, sl_media_done done, void *ctx);
void sl_waits_tick(struct sl_media *m);                      /* those whose time is over */
void sl_waits_drop(struct sl_media *m);                      /* all, with what is known */
void sl_wait_answered(struct sl_media *m, uint32_t seq);     /* one question was answered, or refused */
void sl_wait_leg_ended(struct sl_media *m, struct party *p); /* a leg of this party has ended */

/* stats.c */
void sl_media_leg_event(struct sl_media *m, const struct sl_event *evt);
void sl_media_refused(struct sl_media *m, const struct sl_event *evt);
void sl_stats_tick(struct sl_media *m);
void sl_timeouts_tick(struct sl_media *m);

/* playctl.c */
bool sl_who_is(const struct sl_media_who *who, const struct party *p);
/* The session, when somebody in it is meant. */
enum sl_media_result sl_who_find(
        struct sl_media *m, const struct sl_media_who *who, struct session **out, struct sl_media_error *e);
int sl_plays_open(struct sl_media *m); /* -ENOMEM */
void sl_plays_close(struct sl_media *m);
void sl_plays_attached(struct sl_media *m); /* all clips are offered again */
void sl_plays_clip_told(struct sl_media *m, uint32_t clip, int error, const char *text);
void sl_play_again(struct sl_media *m, struct session *s, struct section *x); /* after a restart */
void sl_play_over(struct section *x);

/* recording.c */
int sl_recording_open(struct sl_media *m, char *text, size_t text_len);
void sl_recording_want(struct sl_media *m, struct session *s, enum sl_conf_tristate format);
void sl_recording_changed(struct sl_media *m, struct session *s); /* the call has: record what it is now */
void sl_recording_tell(
        struct sl_media *m, struct session *s); /* taps, to a dataplane that does not know them */
void sl_recording_end(struct sl_media *m, struct session *s);
void sl_recording_packet(struct sl_media *m, const struct sl_bulk *b);
void sl_recording_counts(const struct sl_media *m, struct sl_media_counts *out);

/* save.c: sessions in the journal */
struct sl_journal_shape sl_save_shape(const struct sl_conf_media *conf);
int sl_save_open(struct sl_media *m, int fd, char *text, size_t text_len);
uint32_t *sl_save_ports(struct sl_media *m); /* memory of the port pool beside the records */
void sl_save_restore(struct sl_media *m);
void sl_session_save(struct sl_media *m, struct session *s);
void sl_session_unsave(struct sl_media *m, struct session *s);
