/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "peer.h"

enum { LINE_MAX_BYTES = 2048, SOUND_MAX_BYTES = 4 << 20, DEFAULT_RATE = 50, DEFAULT_SIZE = 160, DEFAULT_PT = 8 };

static bool number(const char *text, uint64_t max, uint64_t *out)
{
	char *end;

	*out = strtoull(text, &end, 0);
	return end != text && *end == '\0' && *out <= max;
}

/* "192.0.2.1:5000" or "[2001:db8::1]:5000". */
static bool address(const char *text, struct sockaddr_storage *out)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};
	struct sockaddr_in four = {.sin_family = AF_INET};
	char host[64];
	const char *colon = strrchr(text, ':');
	uint64_t port;
	size_t n;

	if (colon == NULL || !number(colon + 1, UINT16_MAX, &port))
		return false;
	if (text[0] == '[' && colon > text + 1 && colon[-1] == ']')
		text++, n = (size_t)(colon - text) - 1;
	else
		n = (size_t)(colon - text);
	if (n >= sizeof(host))
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, host, &four.sin_addr) == 1) {
		four.sin_port = htons((uint16_t)port);
		memcpy(out, &four, sizeof(four));
		return true;
	}
	if (inet_pton(AF_INET6, host, &six.sin6_addr) == 1) {
		six.sin6_port = htons((uint16_t)port);
		memcpy(out, &six, sizeof(six));
		return true;
	}
	return false;
}

static bool sound(const char *path, struct endpoint *e)
{
	FILE *f = fopen(path, "rb");

	if (f == NULL)
		return false;
	e->sound = malloc(SOUND_MAX_BYTES + MAX_PACKET);
	e->sound_bytes = e->sound != NULL ? fread(e->sound, 1, SOUND_MAX_BYTES, f) : 0;
	fclose(f);
	return e->sound_bytes > 0;
}

static bool small(const char *value, uint64_t max, unsigned *out)
{
	uint64_t n;

	if (!number(value, max, &n))
		return false;
	*out = (unsigned)n;
	return true;
}

static bool set_media(struct endpoint *e, const char *key, const char *value, bool *known)
{
	unsigned n = 0;
	bool ok;

	if (strcmp(key, "ssrc") == 0)
		return small(value, UINT32_MAX, &e->ssrc);
	if (strcmp(key, "ts") == 0)
		return e->has_ts = small(value, UINT32_MAX, &e->ts);
	if (strcmp(key, "rate") == 0)
		return small(value, 1000, &e->rate) && e->rate > 0;
	if (strcmp(key, "size") == 0)
		return small(value, MAX_PACKET - 256, &e->size) && e->size >= STAMP_BYTES;
	if (strcmp(key, "start_ms") == 0)
		return small(value, 1000000, &e->start_ms);
	if (strcmp(key, "stop_ms") == 0)
		return small(value, 1000000, &e->stop_ms);
	if (strcmp(key, "rtcp_ms") == 0)
		return small(value, 1000000, &e->rtcp_ms) && e->rtcp_ms > 0;
	if (strcmp(key, "count") == 0)
		return number(value, UINT32_MAX, &e->count);
	if (strcmp(key, "seq") == 0) {
		ok = small(value, UINT16_MAX, &n);
		e->seq = (uint16_t)n;
		return e->has_seq = ok;
	}
	if (strcmp(key, "pt") == 0) {
		ok = small(value, 127, &n);
		e->pt = (uint8_t)n;
		return ok;
	}
	if (strcmp(key, "dtmf_pt") == 0) {
		ok = small(value, 127, &n);
		e->dtmf_pt = (uint8_t)n;
		return ok;
	}
	*known = false;
	return true;
}

static bool set(struct endpoint *e, const char *key, const char *value)
{
	bool known = true;

	if (strcmp(key, "name") == 0)
		return snprintf(e->name, sizeof(e->name), "%s", value) < (int)sizeof(e->name);
	if (strcmp(key, "local") == 0)
		return address(value, &e->local);
	if (strcmp(key, "remote") == 0)
		return e->has_remote = address(value, &e->remote);
	if (strcmp(key, "rtcp_remote") == 0)
		return address(value, &e->rtcp_remote);
	if (strcmp(key, "mux") == 0)
		return e->mux = strcmp(value, "yes") == 0;
	if (strcmp(key, "raw") == 0)
		return e->raw = strcmp(value, "yes") == 0;
	if (strcmp(key, "packed") == 0)
		return e->packed = strcmp(value, "yes") == 0;
	if (strcmp(key, "send") == 0)
		return e->no_send = strcmp(value, "no") == 0;
	if (strcmp(key, "id") == 0)
		return small(value, UINT32_MAX, &e->id);
	if (strcmp(key, "play") == 0)
		return sound(value, e);
	if (strcmp(key, "record") == 0)
		return snprintf(e->record, sizeof(e->record), "%s", value) < (int)sizeof(e->record);
	if (strcmp(key, "dtmf") == 0)
		return snprintf(e->dtmf, sizeof(e->dtmf), "%s", value) < (int)sizeof(e->dtmf);
	if (strcmp(key, "key_out") == 0)
		return (e->out = crypt_open(value, false)) != NULL;
	if (strcmp(key, "key_in") == 0)
		return (e->in = crypt_open(value, true)) != NULL;
	return set_media(e, key, value, &known) && known;
}

static uint32_t drawn(void)
{
	uint32_t n = 0;

	if (getrandom(&n, sizeof(n), 0) != sizeof(n))
		abort();
	return n;
}

static bool complete(struct endpoint *e, int index)
{
	in_port_t port;

	if (e->local.ss_family == 0)
		return false;
	if (e->id == 0)
		e->id = (uint32_t)index + 1;
	/* RFC 3550 5.1: unpredictable. The roll-over of seq is left to tests that want it. */
	while (e->ssrc == 0)
		e->ssrc = drawn();
	if (!e->has_seq)
		e->seq = (uint16_t)(drawn() & INT16_MAX);
	if (!e->has_ts)
		e->ts = drawn();
	if (e->sound != NULL) { /* the last packet is a whole one */
		memset(e->sound + e->sound_bytes, e->pt == 0 ? 0xff : 0xd5, MAX_PACKET);
		e->count = (e->sound_bytes + e->size - 1) / e->size;
	}
	if (e->has_remote && e->rtcp_remote.ss_family == 0) {
		e->rtcp_remote = e->remote;
		if (!e->mux) { /* sin_port and sin6_port lie at the same place */
			memcpy(&port, (char *)&e->rtcp_remote + offsetof(struct sockaddr_in, sin_port), sizeof(port));
			port = htons((uint16_t)(ntohs(port) + 1));
			memcpy((char *)&e->rtcp_remote + offsetof(struct sockaddr_in, sin_port), &port, sizeof(port));
		}
	}
	return true;
}

int plan_read(const char *path, struct endpoint *e, int room)
{
	FILE *f = fopen(path, "r");
	char line[LINE_MAX_BYTES];
	int n = 0, at = 0;

	if (f == NULL) {
		fprintf(stderr, "rtp_peer: cannot read the plan %s\n", path);
		return -1;
	}
	while (fgets(line, sizeof(line), f) != NULL) {
		struct endpoint *one = &e[n];
		char *save = NULL, *word, *value;
		bool any = false;

		at++;
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#')
			continue;
		if (n >= room)
			break;
		*one = (struct endpoint){.rate = DEFAULT_RATE, .size = DEFAULT_SIZE, .pt = DEFAULT_PT, .fd = -1, .rtcp_fd = -1};
		for (word = strtok_r(line, " \t", &save); word != NULL; word = strtok_r(NULL, " \t", &save)) {
			value = strchr(word, '=');
			if (value != NULL)
				*value++ = '\0';
			if (value == NULL || !set(one, word, value)) {
				fprintf(stderr, "rtp_peer: %s:%d: '%s' is not a setting, or its value is wrong\n", path, at, word);
				n = -1;
				goto out;
			}
			any = true;
		}
		if (!any)
			continue;
		if (!complete(one, n)) {
			fprintf(stderr, "rtp_peer: %s:%d: no local=ADDRESS:PORT\n", path, at);
			n = -1;
			goto out;
		}
		n++;
	}
out:
	fclose(f);
	return n;
}
