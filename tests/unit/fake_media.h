/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* An engine that moves no media, for tests of what stands in front of it: it keeps what it was asked last, as
 * text, and answers what the test has set. */

#include "controlplane/media/media.h"

enum { FAKE_CALLS_MAX = 8, FAKE_ASKED_MAX = 8192 };

struct fake_media {
	char asked[FAKE_ASKED_MAX]; /* the latest call: its name and every argument that is not the default */
	unsigned n_calls, n_offers, n_deletes;
	struct sl_media_error error; /* of the next calls; code SL_MEDIA_OK = they succeed */
	const char *warning;         /* of the next SDP; NULL = none */
	bool late;                   /* refresh and delete are answered by fake_media_done() */
	unsigned n_late;
	struct {
		sl_media_done done;
		void *ctx;
		bool deletes;
		struct sl_media_session *session;
	} waiting[FAKE_CALLS_MAX];
	unsigned n_sessions;
	struct sl_media_session *sessions[FAKE_CALLS_MAX];
};

/* The one that the functions of media.h mean by any pointer given to them. */
extern struct fake_media fake_media;
struct sl_media *fake_media_reset(void);
/* A call of two parties that talk, with counts: it is what query and delete of that call-id tell. */
struct sl_media_session *fake_media_call(const char *call_id, const char *a, const char *b);
void fake_media_done(void); /* answer all that wait */
