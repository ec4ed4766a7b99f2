/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/pktgen/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "drivers/srtp.h"

enum { LINE_MAX_BYTES = 512, BASE64_MAX = 68, FIRST_ROOM = 256 };

/* What the reader needs to remember between lines. */
struct reader {
	struct plan *p;
	uint32_t room_streams[N_DIRECTIONS], room_copies;
	unsigned dir; /* of the stream that copies belong to */
	bool any;
};

/* Make room for one more of n; the new part is not cleared. */
static void *grown(void *old, uint32_t n, uint32_t *room, size_t each)
{
	if (n < *room)
		return old;
	*room = n == 0 ? FIRST_ROOM : 2 * n;
	return realloc(old, *room * each);
}

/* Padded with '=' or not: RFC 4568 has it, some write it without. Bytes of raw, or -1. */
static int read_base64(const char *text, uint8_t raw[BASE64_MAX])
{
	char padded[BASE64_MAX + 1];
	size_t n = strlen(text);

	if (n > BASE64_MAX - 3)
		return -1;
	memcpy(padded, text, n);
	while (n % 4 != 0)
		padded[n++] = '=';
	int bytes = EVP_DecodeBlock(raw, (const uint8_t *)padded, (int)n);
	OPENSSL_cleanse(padded, sizeof padded);
	return bytes;
}

static bool read_key(const char *text, struct sl_srtp_key *key)
{
	uint8_t raw[BASE64_MAX];
	const char *colon = strchr(text, ':');

	memset(key, 0, sizeof *key);
	if (strcmp(text, "-") == 0)
		return true;
	if (colon == NULL)
		return false;
	for (unsigned suite = 1; suite < SL_SRTP_N_SUITES; suite++) {
		const struct sl_srtp_suite_info *info = sl_srtp_suite_info(suite);
		size_t len = strlen(info->sdp_name);
		if (len != (size_t)(colon - text) || memcmp(info->sdp_name, text, len) != 0)
			continue;
		if (read_base64(colon + 1, raw) < info->key_len + info->salt_len)
			return false;
		key->suite = (uint8_t)suite;
		memcpy(key->key, raw, info->key_len);
		memcpy(key->salt, raw + info->key_len, info->salt_len);
		OPENSSL_cleanse(raw, sizeof raw);
		return true;
	}
	return false;
}

static const char *add_stream(struct reader *r, char *words[4])
{
	struct plan *p = r->p;
	struct plan_stream s = {.first_copy = p->n_copies};

	if ((words[0][0] != '0' && words[0][0] != '1') || words[0][1] != '\0')
		return "the direction is 0 or 1";
	unsigned dir = (unsigned)(words[0][0] - '0');
	if (sl_endpoint_parse(words[1], &s.from) != 0 || sl_endpoint_parse(words[2], &s.to) != 0 ||
		sl_ip_is_v4(&s.from.ip) != sl_ip_is_v4(&s.to.ip))
		return "two endpoints of one address family are wanted";
	if (!read_key(words[3], &s.key))
		return "the key is - or SUITE:BASE64";
	p->streams[dir] = grown(p->streams[dir], p->n_streams[dir], &r->room_streams[dir], sizeof s);
	if (p->streams[dir] == NULL)
		return "no memory";
	if (p->n_streams[dir] == 0)
		p->sent_suite[dir] = s.key.suite;
	else if (p->sent_suite[dir] != s.key.suite ||
		 sl_ip_is_v4(&p->streams[dir][0].from.ip) != sl_ip_is_v4(&s.from.ip))
		return "all streams of a direction are of one suite and address family";
	p->streams[dir][p->n_streams[dir]++] = s;
	r->dir = dir;
	r->any = true;
	return NULL;
}

/* Note where copy i arrives. */
static const char *add_arrival(struct plan *p, const struct sl_endpoint *to, uint32_t i)
{
	unsigned a = 0;

	while (a < p->n_addresses && !sl_ip_eq(&p->address[a], &to->ip))
		a++;
	if (a == PLAN_ADDRESSES_MAX)
		return "too many addresses for copies to arrive at";
	if (a == p->n_addresses) {
		p->copy_at[a] = malloc(PLAN_PORTS * sizeof *p->copy_at[a]);
		if (p->copy_at[a] == NULL)
			return "no memory";
		memset(p->copy_at[a], 0xff, PLAN_PORTS * sizeof *p->copy_at[a]);
		p->address[p->n_addresses++] = to->ip;
	}
	uint32_t *at = &p->copy_at[a][ntohs(to->port_be)];
	if (*at != PLAN_NO_COPY)
		return "another copy arrives at that endpoint";
	*at = i;
	return NULL;
}

static const char *add_copy(struct reader *r, char *words[3])
{
	struct plan *p = r->p;
	unsigned dir = r->dir;

	if (!r->any)
		return "a copy stands below its stream";
	struct plan_copy c = {.dir = dir, .stream = p->n_streams[dir] - 1};
	if (sl_endpoint_parse(words[0], &c.from) != 0 || sl_endpoint_parse(words[1], &c.to) != 0)
		return "two endpoints are wanted";
	if (!read_key(words[2], &c.key))
		return "the key is - or SUITE:BASE64";
	if (c.stream == 0 && p->n_copies_each[dir] == 0)
		p->back_suite[dir] = c.key.suite;
	else if (p->back_suite[dir] != c.key.suite)
		return "all copies of a direction are of one suite";
	if (c.stream == 0)
		p->n_copies_each[dir]++;
	p->copies = grown(p->copies, p->n_copies, &r->room_copies, sizeof c);
	if (p->copies == NULL)
		return "no memory";
	p->copies[p->n_copies] = c;
	return add_arrival(p, &c.to, p->n_copies++);
}

/* One line of the plan; what is wrong with it, or NULL. */
static const char *read_line(struct reader *r, char *line)
{
	char *words[6] = {NULL}, *rest = NULL;
	unsigned n = 0;

	for (char *w = strtok_r(line, " \t\r\n", &rest); w != NULL && n < 6; w = strtok_r(NULL, " \t\r\n", &rest))
		words[n++] = w;
	if (n == 0)
		return NULL;
	if (n == 5 && strcmp(words[0], "stream") == 0)
		return add_stream(r, words + 1);
	if (n == 4 && strcmp(words[0], "copy") == 0)
		return add_copy(r, words + 1);
	return "neither 'stream DIRECTION FROM TO KEY' nor 'copy FROM TO KEY'";
}

static const char *check_whole(const struct plan *p)
{
	if (p->n_streams[0] == 0)
		return "no stream of direction 0";
	if (p->n_streams[1] != 0 && p->n_streams[1] != p->n_streams[0])
		return "as many streams of direction 1 as of 0, or none, are wanted";
	uint64_t next = 0;
	for (unsigned dir = 0; dir < N_DIRECTIONS; dir++)
		for (uint32_t i = 0; i < p->n_streams[dir]; i++) {
			if (p->n_copies_each[dir] == 0 || p->streams[dir][i].first_copy != next)
				return "direction 0 comes first, and all streams of a direction have as many copies";
			next += p->n_copies_each[dir];
		}
	return next == p->n_copies ? NULL : "all streams of a direction have as many copies";
}

int plan_read(struct plan *p, const char *path)
{
	char line[LINE_MAX_BYTES];
	struct reader r = {.p = p};
	const char *wrong = NULL;
	unsigned number = 0;

	*p = (struct plan){0};
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		fprintf(stderr, "sluice-pktgen: plan %s cannot be opened\n", path);
		return -1;
	}
	while (wrong == NULL && fgets(line, sizeof line, file) != NULL) {
		number++;
		wrong = read_line(&r, line);
	}
	OPENSSL_cleanse(line, sizeof line);
	fclose(file);
	if (wrong == NULL)
		wrong = check_whole(p);
	if (wrong == NULL)
		return 0;
	fprintf(stderr, "sluice-pktgen: plan %s, line %u: %s\n", path, number, wrong);
	plan_free(p);
	return -1;
}

void plan_free(struct plan *p)
{
	for (unsigned dir = 0; dir < N_DIRECTIONS; dir++) {
		if (p->streams[dir] != NULL)
			OPENSSL_cleanse(p->streams[dir], p->n_streams[dir] * sizeof *p->streams[dir]);
		free(p->streams[dir]);
	}
	if (p->copies != NULL)
		OPENSSL_cleanse(p->copies, p->n_copies * sizeof *p->copies);
	free(p->copies);
	for (unsigned a = 0; a < p->n_addresses; a++)
		free(p->copy_at[a]);
	*p = (struct plan){0};
}
