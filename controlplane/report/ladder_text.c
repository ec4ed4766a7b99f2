/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/report/ladder_text.h"

#include "controlplane/media/sdp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CODECS_SHOWN = 6 };

void sl_ladder_plain(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7f)
			*text = '?';
	}
}

/* The value of a header, to the end of its line; NULL = it is not there. */
static const char *header(const char *message, const char *name, size_t *len)
{
	size_t n = strlen(name);

	for (const char *p = strchr(message, '\n'); p && p[1] && p[1] != '\r' && p[1] != '\n'; p = strchr(p + 1, '\n')) {
		if (strncasecmp(p + 1, name, n) != 0 || p[1 + n] != ':')
			continue;
		const char *value = p + 2 + n;
		value += strspn(value, " \t");
		*len = strcspn(value, "\r\n");
		return value;
	}
	return NULL;
}

void sl_ladder_label(const char *message, char *out, size_t room)
{
	size_t len, line = strcspn(message, "\r\n");
	const char *cseq = header(message, "CSeq", &len);
	char method[24] = "";

	if (strncmp(message, "SIP/2.0 ", 8) != 0) {
		snprintf(out, room, "%.*s", (int)strcspn(message, " \r\n"), message);
		sl_ladder_plain(out);
		return;
	}
	if (cseq) {
		size_t digits = strspn(cseq, "0123456789 \t");
		snprintf(method, sizeof method, "%.*s", (int)(len - (digits < len ? digits : len)), cseq + (digits < len ? digits : len));
	}
	bool invite = !method[0] || strcmp(method, "INVITE") == 0;
	snprintf(out, room, "%.*s%s%s%s", (int)(line - 8), message + 8, invite ? "" : " (", invite ? "" : method, invite ? "" : ")");
	sl_ladder_plain(out);
}

/* ---- SDP ---- */

static const char *body_of(const char *message)
{
	const char *crlf = strstr(message, "\r\n\r\n"), *lf = strstr(message, "\n\n");

	return crlf ? crlf + 4 : lf ? lf + 2 : "";
}

static void put_section(FILE *f, const struct sl_sdp *sdp, const struct sl_sdp_media *m)
{
	static const char *const directions[] = {[SL_SDP_SENDRECV] = "sendrecv",
	        [SL_SDP_SENDONLY] = "sendonly",
	        [SL_SDP_RECVONLY] = "recvonly",
	        [SL_SDP_INACTIVE] = "inactive"};
	static const struct sl_ip none;
	char text[SL_ADDR_TEXT_MAX];

	fprintf(f, "%.*s ", (int)m->type.n, m->type.p);
	if (m->port == 0)
		fputs("rejected", f);
	else if (sl_ip_eq(&m->connection, &none))
		fprintf(f, "0.0.0.0:%u", m->port);
	else
		fputs(sl_endpoint_text(&(struct sl_endpoint){m->connection, htons(m->port)}, text), f);
	fprintf(f, " %s %.*s", directions[m->direction], (int)m->proto_text.n, m->proto_text.p);
	for (unsigned i = 0; i < m->n_codecs && i < CODECS_SHOWN; i++)
		fprintf(f, " %.*s", (int)m->codecs[i].name.n, m->codecs[i].name.p);
	if (m->n_codecs > CODECS_SHOWN)
		fprintf(f, " +%u", m->n_codecs - CODECS_SHOWN);
	fputc('\n', f);
}

void sl_ladder_sdp(const char *message, char *out, size_t room)
{
	const char *body = body_of(message);
	struct sl_sdp *sdp = strncmp(body, "v=0", 3) == 0 ? calloc(1, sizeof *sdp) : NULL;
	char error[160];
	FILE *f;

	out[0] = '\0';
	if (!sdp || !(f = fmemopen(out, room, "w"))) {
		free(sdp);
		return;
	}
	if (sl_sdp_parse(sdp, body, strlen(body), error, sizeof error) < 0)
		fprintf(f, "SDP: %s\n", error);
	for (unsigned i = 0; i < sdp->n_media; i++)
		put_section(f, sdp, &sdp->media[i]);
	fclose(f);
	out[room - 1] = '\0';
	free(sdp);
}

/* ---- records ---- */

void sl_ladder_members(const json_t *o, char *out, size_t room)
{
	const char *name;
	json_t *v;
	size_t used = 0;

	out[0] = '\0';
	json_object_foreach((json_t *)o, name, v)
	{
		char value[200];
		if (json_is_string(v))
			snprintf(value, sizeof value, "%s", json_string_value(v));
		else if (json_is_integer(v))
			snprintf(value, sizeof value, "%lld", (long long)json_integer_value(v));
		else if (json_is_real(v))
			snprintf(value, sizeof value, "%.2f", json_real_value(v));
		else if (json_is_boolean(v))
			snprintf(value, sizeof value, "%s", json_is_true(v) ? "yes" : "no");
		else
			continue;
		if (value[0] == '\0')
			continue;
		used += (size_t)snprintf(out + used, room - used, "%s%s=%s", used ? " " : "", name, value);
		if (used >= room)
			break;
	}
	sl_ladder_plain(out);
}
