/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "controlplane/media/sdp_writer.h"

#include <stdio.h>

void sl_sdp_put(struct sl_sdp_writer *w, const char *p, size_t n)
{
	if (n > w->room - w->n) {
		w->full = true;
		return;
	}
	memcpy(w->out + w->n, p, n);
	w->n += n;
}

void sl_sdp_put_text(struct sl_sdp_writer *w, const char *text)
{
	sl_sdp_put(w, text, strlen(text));
}

void sl_sdp_put_number(struct sl_sdp_writer *w, unsigned v)
{
	char text[12];

	sl_sdp_put(w, text, (size_t)snprintf(text, sizeof text, "%u", v));
}

const char *sl_sdp_line_end(const struct sl_sdp *sdp)
{
	return sdp->crlf ? "\r\n" : "\n";
}

void sl_sdp_begin_line(struct sl_sdp_writer *w)
{
	if (w->n > 0 && w->out[w->n - 1] != '\n')
		sl_sdp_put_text(w, sl_sdp_line_end(w->sdp));
}

void sl_sdp_put_rest_of_line(struct sl_sdp_writer *w, unsigned i, const char *p)
{
	const struct sl_sdp *sdp = w->sdp;
	size_t next = i + 1 < sdp->n_lines ? sdp->lines[i + 1].at : sdp->len;

	sl_sdp_put(w, p, (size_t)(sdp->text + next - p));
}

void sl_sdp_copy_line(struct sl_sdp_writer *w, unsigned i)
{
	sl_sdp_put_rest_of_line(w, i, w->sdp->text + w->sdp->lines[i].at);
}

void sl_sdp_put_end_of_line(struct sl_sdp_writer *w, unsigned i)
{
	sl_sdp_put_rest_of_line(w, i, w->sdp->text + w->sdp->lines[i].at + w->sdp->lines[i].n);
}

void sl_sdp_put_address(struct sl_sdp_writer *w, const struct sl_ip *ip)
{
	static const struct sl_ip unspecified;
	char text[SL_ADDR_TEXT_MAX];

	/* RFC 3264 8.4 knows hold by this one alone. */
	bool zero = sl_ip_eq(ip, &unspecified);
	sl_sdp_put_text(w, zero || sl_ip_is_v4(ip) ? "IP4 " : "IP6 ");
	sl_sdp_put_text(w, zero ? "0.0.0.0" : sl_ip_text(ip, text));
}

/* Line i with ip instead of its family and address. */
static void put_connection(struct sl_sdp_writer *w, unsigned i, struct sl_slice family, struct sl_slice address,
	const struct sl_ip *ip)
{
	const char *from = w->sdp->text + w->sdp->lines[i].at;

	sl_sdp_put(w, from, (size_t)(family.p - from));
	sl_sdp_put_address(w, ip);
	sl_sdp_put_rest_of_line(w, i, address.p + address.n);
}

void sl_sdp_put_c(struct sl_sdp_writer *w, unsigned i, const struct sl_ip *ip)
{
	struct sl_slice value = sl_sdp_line_value(w->sdp, i);

	sl_sdp_token(&value);
	struct sl_slice family = sl_sdp_token(&value), address = sl_sdp_token(&value);
	put_connection(w, i, family, address, ip);
}

void sl_sdp_put_o(struct sl_sdp_writer *w, unsigned i, const struct sl_ip *ip)
{
	struct sl_slice value = sl_sdp_line_value(w->sdp, i);
	struct sl_slice address = sl_sdp_last_token(&value), family = sl_sdp_last_token(&value);

	put_connection(w, i, family, address, ip);
}
