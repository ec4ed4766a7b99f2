/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The edit: lines are copied as they are unless it names them. A line replaced keeps its end; attributes added go where
 * one of their kind stood, else behind what precedes the section's attributes (RFC 8866 5 orders m i c b k a). */

#include "controlplane/media/sdp_writer.h"

#include <errno.h>

static bool drop_session_attribute(const struct sl_sdp_writer *w, unsigned i)
{
	const struct sl_sdp_edit *e = w->edit;
	struct sl_slice value;
	enum sl_sdp_attribute a = sl_sdp_attribute(sl_sdp_line_value(w->sdp, i), &value);

	if (a == SL_SDP_A_GROUP)
		return e->remove_bundle && sl_slice_is(sl_sdp_token(&value), "BUNDLE");
	if (a == SL_SDP_A_CRYPTO) /* has no place here (RFC 4568 4); a key that is meant for us is shown to nobody else */
		return w->any_crypto;
	if (sl_sdp_is_ice(a))
		return w->any_relay && e->ice == SL_SDP_ICE_REMOVE;
	return sl_sdp_is_dtls(a) && e->remove_dtls;
}

static void write_session_line(struct sl_sdp_writer *w, unsigned i)
{
	const struct sl_sdp_edit *e = w->edit;

	switch (w->sdp->lines[i].type) {
	case 'o':
		if (e->replace_origin) {
			sl_sdp_put_o(w, i, &e->session_ip);
			return;
		}
		break;
	case 'c':
		if (w->connection) {
			sl_sdp_put_c(w, i, w->connection);
			return;
		}
		break;
	case 'a':
		if (drop_session_attribute(w, i))
			return;
		break;
	default:
		break;
	}
	sl_sdp_copy_line(w, i);
}

static void write_session(struct sl_sdp_writer *w, unsigned end)
{
	const struct sl_sdp *sdp = w->sdp;
	unsigned last = end;

	while (last > 0 && sdp->lines[last - 1].type == 0)
		last--; /* empty lines at the end stay there */
	for (unsigned i = 0; i < end; i++) {
		write_session_line(w, i);
		if (i + 1 == last && w->edit->add_session_attribute) {
			sl_sdp_begin_line(w);
			sl_sdp_put_text(w, "a=");
			sl_sdp_put_text(w, w->edit->add_session_attribute);
			sl_sdp_put_text(w, sl_sdp_line_end(sdp));
		}
	}
}

int sl_sdp_rewrite(const struct sl_sdp *sdp, const struct sl_sdp_edit *edit, char *out, size_t room)
{
	struct sl_sdp_writer w = {.sdp = sdp, .edit = edit, .out = out, .room = room};

	for (unsigned i = 0; i < sdp->n_media; i++) {
		const struct sl_sdp_media_edit *e = &edit->media[i];
		w.any_relay |= e->relay;
		w.any_crypto |= e->set_crypto;
		if (w.connection || !e->relay || sdp->media[i].has_connection || sl_sdp_is_rejected(sdp, &sdp->media[i], e))
			continue;
		w.connection = &e->local_rtp.ip;
	}
	if (edit->replace_session_connection)
		w.connection = &edit->session_ip;
	write_session(&w, sdp->n_media > 0 ? sdp->media[0].first_line : sdp->n_lines);
	for (unsigned i = 0; i < sdp->n_media; i++)
		sl_sdp_write_media(&w, i);
	return w.full ? -ENOSPC : (int)w.n;
}
