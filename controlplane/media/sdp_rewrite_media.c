/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A media section as an edit wants it. */

#include "controlplane/media/sdp_writer.h"

/* One media section while it is written. */
struct section {
	const struct sl_sdp_media *m;
	const struct sl_sdp_media_edit *e;
	bool reject;
	const struct sl_ip *connection; /* what has to be understood as its address in the end */
	bool add_connection, add_rtcp, add_mux, add_crypto, add_direction; /* not written yet */
	bool connection_done, rtcp_done, direction_done;                   /* further lines of the kind are dropped */
	bool drop_rtcp;
	unsigned connection_after, attributes_after; /* lines behind which to add them */
};

static bool is_removed(const struct sl_sdp_media_edit *e, int pt)
{
	return pt >= 0 && (e->remove_pt[pt / 64] >> pt % 64 & 1);
}

static bool all_removed(const struct sl_sdp_media *m, const struct sl_sdp_media_edit *e)
{
	for (unsigned i = 0; i < m->n_codecs; i++) {
		if (!is_removed(e, m->codecs[i].pt))
			return false;
	}
	return m->n_codecs > 0;
}

static void put_pt(struct sl_sdp_writer *w, uint64_t done[2], unsigned pt)
{
	if (done[pt / 64] >> pt % 64 & 1)
		return;
	done[pt / 64] |= UINT64_C(1) << pt % 64;
	sl_sdp_put_text(w, " ");
	sl_sdp_put_number(w, pt);
}

/* Payload types: those of the order first, without the removed and without any that were not there. */
static void put_payload_types(struct sl_sdp_writer *w, const struct section *s)
{
	uint64_t done[2] = {~UINT64_C(0), ~UINT64_C(0)};
	const struct sl_sdp_media *m = s->m;

	for (unsigned i = 0; i < m->n_codecs; i++) {
		unsigned pt = m->codecs[i].pt;
		if (!is_removed(s->e, (int)pt))
			done[pt / 64] &= ~(UINT64_C(1) << pt % 64);
	}
	for (unsigned i = 0; i < s->e->n_order && i < SL_SDP_MAX_CODECS; i++) {
		if (s->e->order[i] < 128)
			put_pt(w, done, s->e->order[i]);
	}
	for (unsigned i = 0; i < m->n_codecs; i++)
		put_pt(w, done, m->codecs[i].pt);
}

static const char *proto_name(enum sl_sdp_proto p)
{
	static const char *const names[] = {"RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP",
		"UDP/TLS/RTP/SAVPF"};

	return names[p];
}

static void put_m(struct sl_sdp_writer *w, const struct section *s, unsigned i)
{
	const struct sl_sdp_media_edit *e = s->e;
	struct sl_sdp_m_tokens t = sl_sdp_m_tokens(sl_sdp_line_value(w->sdp, i));
	const char *from = w->sdp->text + w->sdp->lines[i].at;

	if (s->reject || e->relay) {
		sl_sdp_put(w, from, (size_t)(t.port.p - from));
		sl_sdp_put_number(w, s->reject ? 0 : ntohs(e->local_rtp.port_be));
		from = t.port.p + t.port.n;
	}
	if (e->set_proto && sl_sdp_is_rtp(s->m->proto) && sl_sdp_is_rtp(e->proto) && e->proto != s->m->proto) {
		sl_sdp_put(w, from, (size_t)(t.proto.p - from));
		sl_sdp_put_text(w, proto_name(e->proto));
		from = t.proto.p + t.proto.n;
	}
	if (s->m->n_codecs > 0 && !all_removed(s->m, e) && (e->n_order > 0 || e->remove_pt[0] || e->remove_pt[1])) {
		sl_sdp_put(w, from, (size_t)(t.proto.p + t.proto.n - from));
		put_payload_types(w, s);
		sl_sdp_put_end_of_line(w, i);
		return;
	}
	sl_sdp_put_rest_of_line(w, i, from);
}

static uint16_t rtcp_port(const struct sl_sdp_media_edit *e)
{
	return e->local_rtcp_port ? e->local_rtcp_port : ntohs(e->local_rtp.port_be);
}

/* RFC 3605 2.1: without an address that of c= counts. */
static void put_rtcp(struct sl_sdp_writer *w, const struct section *s, bool with_address)
{
	sl_sdp_put_text(w, "a=rtcp:");
	sl_sdp_put_number(w, rtcp_port(s->e));
	if (with_address) {
		sl_sdp_put_text(w, " IN ");
		sl_sdp_put_address(w, &s->e->local_rtp.ip);
	}
}

/* All lines of the new a=crypto; the last one's end is the caller's. */
static void put_crypto(struct sl_sdp_writer *w, const struct section *s)
{
	for (unsigned i = 0; i < s->e->n_crypto; i++) {
		sl_sdp_begin_line(w);
		sl_sdp_put_text(w, "a=crypto:");
		int n = sl_sdp_crypto_text(&s->e->crypto[i], w->out + w->n, w->room - w->n);
		if (n < 0) {
			w->full = true;
			return;
		}
		w->n += (size_t)n;
		if (i + 1 < s->e->n_crypto)
			sl_sdp_put_text(w, sl_sdp_line_end(w->sdp));
	}
}

static void put_direction(struct sl_sdp_writer *w, const struct section *s)
{
	static const char *const names[] = {"a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"};

	sl_sdp_put_text(w, names[s->e->direction]);
}

static void write_a_rtcp(struct sl_sdp_writer *w, struct section *s, unsigned i)
{
	if (s->drop_rtcp || s->rtcp_done)
		return;
	s->rtcp_done = true;
	put_rtcp(w, s, s->m->rtcp_own_ip);
	sl_sdp_put_end_of_line(w, i);
}

static void write_a_crypto(struct sl_sdp_writer *w, struct section *s, unsigned i)
{
	if (!s->add_crypto)
		return;
	s->add_crypto = false;
	put_crypto(w, s);
	sl_sdp_put_end_of_line(w, i);
}

static void write_a_direction(struct sl_sdp_writer *w, struct section *s, unsigned i)
{
	if (s->direction_done)
		return;
	s->direction_done = true;
	put_direction(w, s);
	sl_sdp_put_end_of_line(w, i);
}

/* Is an attribute taken away that nothing replaces? */
static bool drop_media_attribute(const struct sl_sdp_writer *w, const struct section *s, enum sl_sdp_attribute a,
	struct sl_slice value)
{
	const struct sl_sdp_media_edit *e = s->e;

	switch (a) {
	case SL_SDP_A_RTPMAP:
	case SL_SDP_A_FMTP:
	case SL_SDP_A_RTCP_FB:
		return !all_removed(s->m, e) && is_removed(e, sl_sdp_value_pt(&value));
	case SL_SDP_A_RTCP_MUX:
	case SL_SDP_A_RTCP_MUX_ONLY:
		return e->mux == SL_SDP_MUX_REMOVE;
	case SL_SDP_A_BUNDLE_ONLY:
		return w->edit->remove_bundle && e->relay;
	default:
		return (sl_sdp_is_ice(a) && e->relay && e->ice == SL_SDP_ICE_REMOVE) || (sl_sdp_is_dtls(a) && e->remove_dtls);
	}
}

static void write_media_attribute(struct sl_sdp_writer *w, struct section *s, unsigned i)
{
	struct sl_slice value;
	enum sl_sdp_attribute a = sl_sdp_attribute(sl_sdp_line_value(w->sdp, i), &value);

	if (drop_media_attribute(w, s, a, value))
		return;
	if (a == SL_SDP_A_RTCP && s->e->relay && !s->reject && sl_sdp_is_rtp(s->m->proto))
		write_a_rtcp(w, s, i);
	else if (a == SL_SDP_A_CRYPTO && s->e->set_crypto)
		write_a_crypto(w, s, i);
	else if (sl_sdp_is_direction(a) && s->e->set_direction)
		write_a_direction(w, s, i);
	else
		sl_sdp_copy_line(w, i);
}

static void write_media_line(struct sl_sdp_writer *w, struct section *s, unsigned i)
{
	switch (w->sdp->lines[i].type) {
	case 'm':
		put_m(w, s, i);
		break;
	case 'c':
		if (!s->e->relay || s->reject) {
			sl_sdp_copy_line(w, i);
		} else if (!s->connection_done) {
			s->connection_done = true;
			sl_sdp_put_c(w, i, &s->e->local_rtp.ip);
		}
		break;
	case 'a':
		write_media_attribute(w, s, i);
		break;
	default:
		sl_sdp_copy_line(w, i);
	}
}

static void add_lines(struct sl_sdp_writer *w, struct section *s, unsigned i)
{
	const char *end = sl_sdp_line_end(w->sdp);

	if (i == s->connection_after && s->add_connection) {
		sl_sdp_begin_line(w);
		sl_sdp_put_text(w, "c=IN ");
		sl_sdp_put_address(w, s->connection);
		sl_sdp_put_text(w, end);
	}
	if (i != s->attributes_after)
		return;
	if (s->add_rtcp) {
		sl_sdp_begin_line(w);
		put_rtcp(w, s, false);
		sl_sdp_put_text(w, end);
	}
	if (s->add_mux) {
		sl_sdp_begin_line(w);
		sl_sdp_put_text(w, "a=rtcp-mux");
		sl_sdp_put_text(w, end);
	}
	if (s->add_crypto && s->m->n_crypto == 0) {
		put_crypto(w, s);
		sl_sdp_put_text(w, end);
	}
	if (s->add_direction) {
		sl_sdp_begin_line(w);
		put_direction(w, s);
		sl_sdp_put_text(w, end);
	}
}

/* Behind which lines of the section is something added? */
static void find_places(const struct sl_sdp *sdp, struct section *s)
{
	unsigned first = s->m->first_line, end = first + s->m->n_lines;

	s->connection_after = s->attributes_after = first;
	if (first + 1 < end && sdp->lines[first + 1].type == 'i')
		s->connection_after = s->attributes_after = first + 1;
	for (unsigned i = first + 1; i < end && sdp->lines[i].type != 'a'; i++) {
		if (sdp->lines[i].type == 'c' || sdp->lines[i].type == 'b' || sdp->lines[i].type == 'k')
			s->attributes_after = i;
	}
}

/* What of the edit is not said by any line yet? */
static void find_missing(const struct sl_sdp_writer *w, struct section *s)
{
	const struct sl_sdp *sdp = w->sdp;
	const struct sl_sdp_media *m = s->m;
	const struct sl_sdp_media_edit *e = s->e;
	bool has_direction = false;

	for (unsigned i = m->first_line; i < m->first_line + m->n_lines; i++) {
		struct sl_slice value;
		if (sdp->lines[i].type == 'a')
			has_direction |= sl_sdp_is_direction(sl_sdp_attribute(sl_sdp_line_value(sdp, i), &value));
	}
	s->add_direction = e->set_direction && !has_direction && e->direction != m->direction;
	s->add_mux = e->mux == SL_SDP_MUX_ADD && !m->rtcp_mux && sl_sdp_is_rtp(m->proto);
	s->add_crypto = e->set_crypto && e->n_crypto > 0;
	if (s->reject || (m->port == 0 && !e->relay))
		return;
	s->connection = e->relay ? &e->local_rtp.ip : &m->connection;
	if (!m->has_connection && sdp->has_connection)
		s->add_connection = !sl_ip_eq(w->connection ? w->connection : &sdp->connection, s->connection);
	else
		s->add_connection = !m->has_connection && e->relay;
	if (!e->relay)
		return;
	uint16_t port = ntohs(e->local_rtp.port_be);
	s->drop_rtcp = e->no_rtcp_attribute || port == 0;
	s->add_rtcp = sl_sdp_is_rtp(m->proto) && !m->has_rtcp && !s->drop_rtcp && rtcp_port(e) != port + 1;
}

bool sl_sdp_is_rejected(const struct sl_sdp *sdp, const struct sl_sdp_media *m, const struct sl_sdp_media_edit *e)
{
	if (e->reject || all_removed(m, e))
		return true;
	return e->relay && sl_sdp_m_tokens(sl_sdp_line_value(sdp, m->first_line)).formats.n == 0;
}

void sl_sdp_write_media(struct sl_sdp_writer *w, unsigned index)
{
	struct section s = {.m = &w->sdp->media[index], .e = &w->edit->media[index]};

	s.reject = sl_sdp_is_rejected(w->sdp, s.m, s.e);
	find_places(w->sdp, &s);
	find_missing(w, &s);
	for (unsigned i = s.m->first_line; i < s.m->first_line + s.m->n_lines; i++) {
		write_media_line(w, &s, i);
		add_lines(w, &s, i);
	}
}
