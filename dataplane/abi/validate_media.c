/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/abi/validate_internal.h"

#include "dataplane/abi/region.h"

#include <string.h>

enum { MS_MAX = SL_LIMIT_LIFETIME_S * 1000 };
#define SRTP_PACKETS_MAX (UINT64_C(1) << 48) /* RFC 3711 9.2 */

static const struct {
	uint8_t key_len, salt_len;
} suites[] = {
#define X(name, number, key, salt, tag, ctag, sdp) [number] = {key, salt},
        SL_SRTP_SUITES(X)
#undef X
};

/* Whether a port and an id belong together, and whose they are, the receiver knows. */
static int check_ref(struct sl_verdict v, const char *field, const struct sl_leg_ref *ref)
{
	int rc;

	if (ref->id == 0)
		return sl_refuse(v, field, "id 0");
	if (ref->port == 0)
		return sl_refuse(v, field, "port 0");
	if ((rc = sl_check_range(v, field, ref->address, 0, SL_MEDIA_MAX_ADDRESSES - 1)))
		return rc;
	return sl_check_zero(v, field, ref->pad, sizeof ref->pad);
}

/* ---- addresses ---- */

static bool is_zero_ip(const struct sl_ip *ip)
{
	static const struct sl_ip none;

	return sl_ip_eq(ip, &none);
}

/* Media sent to a group would be a gift to whoever wants a flood. */
static int check_ip(struct sl_verdict v, const char *field, const struct sl_ip *ip)
{
	return is_zero_ip(ip) || sl_is_host(ip) ? 0 : sl_refuse(v, field, "not a unicast address");
}

static int check_endpoint(struct sl_verdict v, const char *field, const struct sl_endpoint *ep)
{
	if (is_zero_ip(&ep->ip) != (ep->port_be == 0))
		return sl_refuse(v, field, "an address without a port, or a port without an address");
	return check_ip(v, field, &ep->ip);
}

/* ---- keys ---- */

static bool all_zero(const uint8_t *p, size_t n)
{
	uint8_t any = 0;

	for (size_t i = 0; i < n; i++)
		any |= p[i];
	return any == 0;
}

static int check_key(struct sl_verdict v, const char *field, const struct sl_srtp_key *k)
{
	int rc;

	if (k->suite == SL_SRTP_NONE)
		return sl_check_zero(v, field, k, sizeof *k);
	if (k->suite >= SL_SRTP_N_SUITES)
		return sl_refuse(v, field, "unknown suite");
	if (k->mki_len > SL_SRTP_MKI_MAX)
		return sl_refuse(v, field, "MKI too long");
	if (k->flags & ~(SL_SRTP_PLAIN_RTP | SL_SRTP_PLAIN_RTCP | SL_SRTP_PLAIN_AUTH))
		return sl_refuse(v, field, "unknown flags");
	if (all_zero(k->key, sizeof k->key)) /* somebody forgot to fill it in */
		return sl_refuse(v, field, "a key of zeros");
	if (k->lifetime_packets > SRTP_PACKETS_MAX)
		return sl_refuse(v, field, "a lifetime beyond 2^48 packets");
	size_t key_len = suites[k->suite].key_len, salt_len = suites[k->suite].salt_len;
	if ((rc = sl_check_zero(v, field, k->mki + k->mki_len, sizeof k->mki - k->mki_len)) ||
	        (rc = sl_check_zero(v, field, k->key + key_len, sizeof k->key - key_len)) ||
	        (rc = sl_check_zero(v, field, k->salt + salt_len, sizeof k->salt - salt_len)) ||
	        (rc = sl_check_zero(v, field, &k->pad, sizeof k->pad)))
		return rc;
	return sl_check_zero(v, field, k->pad2, sizeof k->pad2);
}

static int check_keys(struct sl_verdict v, const struct sl_cmd_leg *l)
{
	int rc = check_key(v, "key_out", &l->key_out);
	bool any = l->key_out.suite != SL_SRTP_NONE || l->flags & SL_LEG_REQUIRE_SRTP;

	for (unsigned i = 0; i < SL_SRTP_KEYS_MAX && rc == 0; i++) {
		rc = check_key(v, "key_in", &l->key_in[i]);
		any |= l->key_in[i].suite != SL_SRTP_NONE;
	}
	/* It would leave as it is, and whoever set the key believes otherwise. */
	if (rc == 0 && any && l->flags & SL_LEG_RAW)
		return sl_refuse(v, "flags", "what is no RTP cannot be encrypted");
	return rc;
}

/* ---- legs ---- */

static int check_ports(struct sl_verdict v, const struct sl_cmd_leg *l)
{
	bool muxed = l->rtcp_port == 0 || l->flags & SL_LEG_RTCP_MUX;

	if (l->rtcp_port == l->leg.port)
		return sl_refuse(v, "rtcp_port", "the RTP port too (0 = RTCP is on the RTP port)");
	if (l->leg.port % 2 && !muxed) /* RFC 3550 11 */
		return sl_refuse(v, "leg", "an odd RTP port");
	return 0;
}

static int check_payload_types(struct sl_verdict v, const struct sl_cmd_leg *l)
{
	int rc;

	if ((rc = sl_check_range(v, "dtmf_pt", l->dtmf_pt, 0, SL_LIMIT_PT)) ||
	        (rc = sl_check_range(v, "dtmf_pt_out", l->dtmf_pt_out, 0, SL_LIMIT_PT)) ||
	        (rc = sl_check_range(v, "audio_pt", l->audio_pt, 0, SL_LIMIT_PT)) ||
	        (rc = sl_check_range(v, "n_pt_map", l->n_pt_map, 0, SL_LEG_PT_MAP_MAX)) ||
	        (rc = sl_check_range(v, "n_clocks", l->n_clocks, 0, SL_LEG_CLOCKS_MAX)))
		return rc;
	for (unsigned i = 0; i < l->n_pt_map; i++) {
		if ((rc = sl_check_range(v, "pt_map", l->pt_map[i].from, 0, SL_LIMIT_PT)) ||
		        (rc = sl_check_range(v, "pt_map", l->pt_map[i].to, 0, SL_LIMIT_PT)))
			return rc;
	}
	for (unsigned i = 0; i < l->n_clocks; i++) {
		if ((rc = sl_check_range(v, "clocks", l->clocks[i].pt, 0, SL_LIMIT_PT)) ||
		        (rc = sl_check_range(v, "clocks", l->clocks[i].hz, 1, SL_LIMIT_CLOCK_HZ)) ||
		        (rc = sl_check_zero(v, "clocks", l->clocks[i].pad, sizeof l->clocks[i].pad)))
			return rc;
	}
	return 0;
}

static int check_leg(struct sl_verdict v, const struct sl_cmd_leg *l)
{
	int rc;

	if ((rc = check_ref(v, "leg", &l->leg)) || (rc = check_ports(v, l)))
		return rc;
	if (l->flags & ~(uint32_t)SL_LEG_FLAGS_ALL)
		return sl_refuse(v, "flags", "unknown ones");
	if (l->dscp != SL_DSCP_CARRY && (rc = sl_check_range(v, "dscp", l->dscp, 0, SL_LIMIT_DSCP)))
		return rc;
	if ((rc = sl_check_range(v, "inactivity_ms", l->inactivity_ms, 0, MS_MAX)) ||
	        (rc = sl_check_range(v, "learn", l->learn, 0, SL_LEARN_N - 1)) ||
	        (rc = sl_check_range(v, "meter", l->meter, 0, SL_GUARD_MAX_METERS - 1)) ||
	        (rc = check_payload_types(v, l)) || (rc = sl_check_zero(v, "pad", &l->pad, sizeof l->pad)) ||
	        (rc = check_endpoint(v, "remote_rtp", &l->remote_rtp)) ||
	        (rc = check_endpoint(v, "remote_rtcp", &l->remote_rtcp)) ||
	        (rc = check_ip(v, "learn_ip", &l->learn_ip)))
		return rc;
	return check_keys(v, l);
}

/* ---- the other commands ---- */

static int check_route(struct sl_verdict v, const struct sl_cmd_route *r)
{
	int rc = check_ref(v, "from", &r->from);

	return rc ? rc : check_ref(v, "to", &r->to);
}

static int check_dtmf(struct sl_verdict v, const struct sl_cmd_dtmf *d)
{
	int rc;

	if ((rc = check_ref(v, "leg", &d->leg)) ||
	        (rc = sl_check_range(v, "duration_ms", d->duration_ms, SL_LIMIT_DTMF_MIN_MS, SL_LIMIT_DTMF_MS)) ||
	        (rc = sl_check_range(v, "pause_ms", d->pause_ms, 0, SL_LIMIT_DTMF_MS)) ||
	        (rc = sl_check_range(v, "event", d->event, 0, SL_LIMIT_DTMF_EVENT)) ||
	        (rc = sl_check_range(v, "volume", d->volume, 0, SL_LIMIT_DTMF_VOLUME)))
		return rc;
	return sl_check_zero(v, "pad", d->pad, sizeof d->pad);
}

static int check_play(struct sl_verdict v, const struct sl_cmd_play *p, bool start)
{
	int rc = check_ref(v, "leg", &p->leg);

	if (rc)
		return rc;
	if ((p->clip != SL_CLIP_NONE) != start)
		return sl_refuse(v, "clip", start ? "none" : "given, and PLAY_STOP has none");
	if ((rc = sl_check_range(v, "start_ms", p->start_ms, 0, MS_MAX)) ||
	        (rc = sl_check_range(v, "pt", p->pt, 0, SL_LIMIT_PT)))
		return rc;
	return sl_check_zero(v, "pad", p->pad, sizeof p->pad);
}

static int check_tap(struct sl_verdict v, const struct sl_cmd_tap *t, bool set)
{
	int rc = check_ref(v, "leg", &t->leg);

	if (rc)
		return rc;
	if ((t->tap != 0) != set)
		return sl_refuse(v, "tap", set ? "0" : "given, and TAP_CLEAR has none");
	if ((rc = sl_check_range(v, "what", t->what, set ? 1 : 0, SL_TAP_RECEIVED | SL_TAP_SENT)))
		return rc;
	return sl_check_zero(v, "pad", t->pad, sizeof t->pad);
}

int sl_check_media_command(struct sl_verdict v, const struct sl_command *cmd)
{
	switch (cmd->h.type) {
	case SL_CMD_LEG_SET:
		return check_leg(v, &cmd->leg);
	case SL_CMD_LEG_DELETE:
	case SL_CMD_LEG_QUERY:
		return check_ref(v, "leg", &cmd->leg_ref);
	case SL_CMD_LEG_LIST:
	case SL_CMD_LEGS_SWEEP:
		return 0;
	case SL_CMD_ROUTE_ADD:
	case SL_CMD_ROUTE_DELETE:
		return check_route(v, &cmd->route);
	case SL_CMD_DTMF_SEND:
		return check_dtmf(v, &cmd->dtmf);
	case SL_CMD_PLAY_START:
	case SL_CMD_PLAY_STOP:
		return check_play(v, &cmd->play, cmd->h.type == SL_CMD_PLAY_START);
	case SL_CMD_TAP_SET:
	case SL_CMD_TAP_CLEAR:
		return check_tap(v, &cmd->tap, cmd->h.type == SL_CMD_TAP_SET);
	default:
		return sl_refuse(v, "type", "unknown command");
	}
}

/* ---- what a control plane receives ---- */

int sl_check_leg_event(struct sl_verdict v, const struct sl_evt_leg *e)
{
	int rc;

	if ((rc = check_ref(v, "leg", &e->leg)) ||
	        (rc = sl_check_range(v, "change", e->change, SL_LEG_STATE, SL_LEG_CHANGES_N - 1)) ||
	        (rc = sl_check_range(v, "worker", e->worker, 0, SL_MAX_WORKERS - 1)) ||
	        (rc = sl_check_range(v, "locked", e->locked, 0, 1)) ||
	        (rc = sl_check_range(v, "flags", e->flags, 0, SL_LEG_SECURE_IN | SL_LEG_SECURE_OUT)) ||
	        (rc = sl_check_range(v, "dtmf_volume", e->dtmf_volume, 0, SL_LIMIT_DTMF_VOLUME)) ||
	        (rc = sl_check_range(v, "rx_pt", e->rx_pt, 0, SL_PT_NONE)) ||
	        (rc = check_endpoint(v, "remote_rtp", &e->remote_rtp)))
		return rc;
	return check_endpoint(v, "remote_rtcp", &e->remote_rtcp);
}

/* A tap's copy is a leg's, the guard's is nobody's. */
static int check_bulk_origin(struct sl_verdict v, const struct sl_bulk *b)
{
	if (b->kind == SL_BULK_GUARD) {
		if (b->leg_id != 0)
			return sl_refuse(v, "leg_id", "given, and the guard's copies have none");
		if (b->what != SL_TAP_RECEIVED)
			return sl_refuse(v, "what", "not received");
		return sl_check_range(v, "reason", b->reason, 0, SL_N_DROPS - 1);
	}
	if (b->what != SL_TAP_RECEIVED && b->what != SL_TAP_SENT)
		return sl_refuse(v, "what", "neither received nor sent");
	if (b->leg_id == 0)
		return sl_refuse(v, "leg_id", "0");
	return sl_check_zero(v, "reason", &b->reason, sizeof b->reason);
}

int sl_bulk_validate(const struct sl_bulk *b, char *text, size_t text_len)
{
	struct sl_verdict v = {text, text_len};
	int rc;

	if ((rc = sl_check_range(v, "kind", b->kind, SL_BULK_TAP_RTP, SL_BULK_GUARD)) ||
	        (rc = sl_check_range(v, "len", b->len, 1, SL_BULK_DATA_MAX)))
		return rc;
	if (b->full_len < b->len || (b->full_len > b->len && b->len < SL_BULK_DATA_MAX))
		return sl_refuse(v, "full_len", "does not go with len");
	if (b->tap == 0)
		return sl_refuse(v, "tap", "0");
	if ((rc = check_bulk_origin(v, b)) || (rc = sl_check_zero(v, "pad", &b->pad, sizeof b->pad)))
		return rc;
	return sl_check_zero(v, "pad2", b->pad2, sizeof b->pad2);
}

/* ---- clips ---- */

static int check_frames(struct sl_verdict v, const struct sl_clip *c)
{
	uint64_t first = sizeof *c + (uint64_t)c->n_frames * sizeof c->frames[0];

	if (first > c->size_bytes)
		return sl_refuse(v, "n_frames", "more than fit");
	for (uint32_t i = 0; i < c->n_frames; i++) {
		uint64_t offset = c->frames[i].offset, len = c->frames[i].len;
		if (len == 0 || len > SL_CLIP_FRAME_MAX)
			return sl_check_range(v, "frames: len", len, 1, SL_CLIP_FRAME_MAX);
		if (offset < first || offset + len > c->size_bytes)
			return sl_refuse(v, "frames", "a frame outside the clip");
	}
	return 0;
}

int sl_clip_validate(const struct sl_clip *c, size_t bytes, char *text, size_t text_len)
{
	struct sl_verdict v = {text, text_len};
	int rc;

	if (bytes < sizeof *c || bytes > SL_CLIP_MAX_BYTES)
		return sl_check_range(v, "bytes", bytes, sizeof *c, SL_CLIP_MAX_BYTES);
	if (c->magic != SL_CLIP_MAGIC)
		return sl_refuse(v, "magic", "not a clip");
	if (c->size_bytes != bytes)
		return sl_refuse(v, "size_bytes", "not the file's");
	if ((rc = sl_check_text(v, "codec", c->codec, sizeof c->codec, 1)) ||
	        (rc = sl_check_zero(v, "reserved", c->reserved, sizeof c->reserved)) ||
	        (rc = sl_check_range(v, "frame_ms", c->frame_ms, SL_CLIP_FRAME_MS, SL_CLIP_FRAME_MS)) ||
	        (rc = sl_check_range(v, "clock_hz", c->clock_hz, 1, SL_LIMIT_CLOCK_HZ)))
		return rc;
	if ((uint64_t)c->frame_ts * 1000 != (uint64_t)c->clock_hz * c->frame_ms)
		return sl_refuse(v, "frame_ts", "not as many units as clock_hz has in frame_ms");
	if (c->n_frames == 0)
		return sl_refuse(v, "n_frames", "0");
	return check_frames(v, c);
}
