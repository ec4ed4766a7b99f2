/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What the tests of calls share: one engine a test, a call between A and B, and looking at it. */

#include "tests/unit/media_rig.h"

#include <arpa/inet.h>

#define VIDEO_A SDP_A "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
#define VIDEO_B SDP_B "m=video 6002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"

static struct rig r;

static inline int setup(void **state)
{
	rig_open(&r);
	return 0;
}

static inline int teardown(void **state)
{
	rig_close(&r);
	return 0;
}

static inline bool is_at(const struct sl_endpoint *e, const char *ip, unsigned port)
{
	struct sl_ip want;

	return sl_ip_parse(ip, &want) == 0 && sl_ip_eq(&e->ip, &want) && ntohs(e->port_be) == port;
}

static inline bool is_nowhere(const struct sl_endpoint *e)
{
	return is_at(e, "::", 0);
}

/* A call between A and B; *a, *b: the ports that face each. */
static inline void call(const char *id, unsigned *a, unsigned *b)
{
	assert_int_equal(rig_offer(&r, id, "a", NULL, NULL, SDP_A, NULL), SL_MEDIA_OK);
	*b = rig_port(&r, 0);
	assert_int_equal(rig_answer(&r, id, "a", "b", NULL, SDP_B, NULL), SL_MEDIA_OK);
	*a = rig_port(&r, 0);
}

static inline const struct sl_media_session *session(const char *id)
{
	return sl_media_find(r.m, rig_slice(id));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
