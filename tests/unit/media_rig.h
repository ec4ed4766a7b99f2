/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The media engine over a link to no dataplane: commands are recorded, and answered when a test says so. */

#include "tests/unit/unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/media/media.h"

enum { RIG_COMMANDS = 65536, RIG_CLIPS = 32, RIG_SDP = 65536 };

/* What stands for struct sl_dp. */
struct fake_link {
	const struct sl_dp_media_ops *ops;
	void *ctx;
	bool attached;
	unsigned slot, n_workers;
	struct sl_command *commands; /* since the last clear */
	unsigned n_commands, limit;  /* limit: so many are taken, the rest waits; 0 = all */
	size_t waiting;
	struct {
		uint32_t clip;
		bool removed;
	} clips[RIG_CLIPS];
	unsigned n_clips;
};

struct rig {
	struct sl_config config;
	struct fake_link link;
	struct sl_media *m;
	int journal; /* memfd */
	int64_t now_ms;
	char sdp[RIG_SDP]; /* of the last reply, NUL-terminated */
	struct sl_media_reply reply;
	struct sl_media_error error;
	/* what the last done callback was given */
	unsigned n_done;
	enum sl_media_result done_code;
	bool done_session;
	struct sl_evt_leg done_stats;
	unsigned n_ended, n_dtmf; /* hooks */
	char ended[64];
};

/* 203.0.113.1 "public" (and 2001:db8::1), 10.0.0.1 "private"; 2 workers. */
void rig_open(struct rig *r);
void rig_open_engine(struct rig *r); /* again, over the same journal: the brain was restarted */
void rig_close_engine(struct rig *r);
void rig_kill_engine(struct rig *r); /* without any farewell: as kill -9 leaves it */
void rig_close(struct rig *r);
void rig_attach(struct rig *r, unsigned slot);
void rig_detach(struct rig *r);
void rig_tick(struct rig *r, int64_t ms); /* time passes */

struct sl_slice rig_slice(const char *text);
/* NULL = not given. options: zeroed ones with dscp and delay not asked when NULL. */
enum sl_media_result rig_offer(struct rig *r, const char *call, const char *from, const char *to,
        const char *branch, const char *sdp, const struct sl_media_options *o);
enum sl_media_result rig_answer(struct rig *r, const char *call, const char *from, const char *to,
        const char *branch, const char *sdp, const struct sl_media_options *o);
struct sl_media_options rig_options(void);
void rig_delete(struct rig *r, const char *call, const char *tag, const char *branch, int delay_s);
sl_media_done rig_done(void);

/* The last LEG_SET of a port that was sent; NULL = none. */
const struct sl_cmd_leg *rig_leg(const struct rig *r, uint16_t port);
unsigned rig_count(const struct rig *r, uint32_t type);
/* Is there a route between these ports, going by all commands recorded? */
bool rig_route(const struct rig *r, uint16_t from, uint16_t to);
void rig_clear(struct rig *r);
/* The dataplane tells something of a leg. */
void rig_event(struct rig *r, const struct sl_leg_ref *leg, enum sl_leg_change change, uint32_t seq,
        const struct sl_evt_leg *counts);
/* Answer what was sent so far and not answered: ENDED for LEG_DELETE, STATE for LEG_QUERY. */
void rig_answer_commands(struct rig *r, const struct sl_evt_leg *counts);

/* Of the last reply: port of its m= line number i (from 0); 0 when there is none. */
unsigned rig_port(const struct rig *r, unsigned i);
bool rig_has(const struct rig *r, const char *text); /* in the last reply's SDP */

#define SDP_HEAD(ip) "v=0\r\no=- 1 1 IN IP4 " ip "\r\ns=-\r\nc=IN IP4 " ip "\r\nt=0 0\r\n"
#define SDP_A                                                                                                \
	SDP_HEAD("198.51.100.10")                                                                            \
	"m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\n"                                           \
	"a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
#define SDP_B                                                                                                \
	SDP_HEAD("192.0.2.20")                                                                               \
	"m=audio 6000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n"                                             \
	"a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
