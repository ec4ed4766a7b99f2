/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The .json beside a recording: written when it begins, so that a crash leaves it, and again when it ends. */

#include "controlplane/media/record_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

enum { META_MODE = 0640 };

/* Call-ids and tags may be any bytes: what is not UTF-8 is shown as '?'. */
static json_t *any_text(const char *s, size_t n)
{
	json_t *text = json_stringn(s, n);
	char *plain;

	if (text || !(plain = malloc(n + 1)))
		return text;
	for (size_t i = 0; i < n; i++)
		plain[i] = s[i] >= ' ' && s[i] < 0x7f ? s[i] : '?';
	text = json_stringn(plain, n);
	free(plain);
	return text;
}

static void set_text(json_t *o, const char *key, const char *s)
{
	if (s[0])
		json_object_set_new(o, key, any_text(s, strlen(s)));
}

static void set_number(json_t *o, const char *key, uint64_t v)
{
	json_object_set_new(o, key, json_integer((json_int_t)v));
}

static void set_endpoint(json_t *o, const char *key, const struct sl_endpoint *ep)
{
	char text[SL_ADDR_TEXT_MAX];

	if (ep->ip.q[0] | ep->ip.q[1])
		json_object_set_new(o, key, json_string(sl_endpoint_text(ep, text)));
}

static json_t *party(const struct sl_record *rec, unsigned i)
{
	static const char *const sides[] = {"left", "right"};
	const struct sl_record_track *t = &rec->tracks[i];
	const struct sl_record_seen *s = &rec->seen[i];
	json_t *o = json_object();

	if (rec->format == SL_RECORD_WAV)
		json_object_set_new(o, "channel", json_string(rec->n_tracks == 1 ? "mono" : sides[i & 1]));
	set_text(o, "tag", t->tag);
	set_text(o, "label", t->label);
	set_text(o, "codec", t->codec);
	set_endpoint(o, "local", &t->local);
	set_endpoint(o, "remote", &t->remote);
	set_number(o, "packets", s->packets);
	set_number(o, "bytes", s->bytes);
	set_number(o, "rtcp_packets", s->rtcp);
	set_number(o, "lost_ring", s->lost);
	if (rec->format == SL_RECORD_WAV) {
		set_number(o, "too_late", s->late);
		set_number(o, "not_g711", s->not_g711);
		set_number(o, "not_rtp", s->not_rtp);
		set_number(o, "beyond_end", s->too_long);
	}
	return o;
}

static void set_time(json_t *o, const char *key, int64_t unix_ms)
{
	enum { MS = 1000 };
	char text[48];
	time_t s = (time_t)(unix_ms / MS);
	struct tm tm;

	gmtime_r(&s, &tm);
	size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, sizeof text - n, ".%03dZ", (int)(unix_ms % MS));
	json_object_set_new(o, key, json_string(text));
}

static void add_warnings(const struct sl_record *rec, json_t *o)
{
	json_t *list = json_array();
	uint64_t not_g711 = 0;
	char text[160];

	for (unsigned i = 0; i < rec->n_tracks; i++)
		not_g711 += rec->seen[i].not_g711;
	if (not_g711 > 0) {
		snprintf(text, sizeof text, "%llu packets were not G.711 (events, comfort noise or another codec): they are not in "
			"the WAV; a pcap would have them", (unsigned long long)not_g711);
		json_array_append_new(list, json_string(text));
	}
	if (rec->file.error) {
		snprintf(text, sizeof text, "the file could not be written: %s", strerror(-rec->file.error));
		json_array_append_new(list, json_string(text));
	}
	json_object_set_new(o, "warnings", list);
}

static json_t *meta_of(const struct sl_record *rec, const char *why)
{
	json_t *o = json_object(), *parties = json_array(), *lost = json_object();
	struct timespec now;
	uint64_t ring = 0;

	json_object_set_new(o, "call_id", any_text(rec->call_id, rec->call_id_len));
	json_object_set_new(o, "file", json_string(rec->name));
	json_object_set_new(o, "format", json_string(rec->format == SL_RECORD_WAV ? "wav" : "pcap"));
	json_object_set_new(o, "state", json_string(why ? "complete" : "recording"));
	set_time(o, "start", rec->start_unix_ms);
	if (why) {
		clock_gettime(CLOCK_REALTIME, &now);
		set_time(o, "end", (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
		set_text(o, "ended_by", why);
	}
	for (unsigned i = 0; i < rec->n_tracks; i++) {
		json_array_append_new(parties, party(rec, i));
		ring += rec->seen[i].lost;
	}
	json_object_set_new(o, "parties", parties);
	set_number(lost, "ring", ring);
	set_number(lost, "queue", atomic_load_explicit(&rec->lost_queue, memory_order_relaxed));
	set_number(lost, "disk", sl_record_lost_disk(rec));
	json_object_set_new(o, "lost", lost);
	add_warnings(rec, o);
	return o;
}

int sl_record_meta_write(const struct sl_record *rec, const char *folder, const char *why)
{
	char path[PATH_MAX], part[PATH_MAX];
	json_t *o = meta_of(rec, why);
	int rc = -ENOMEM, fd = -1;

	if (snprintf(path, sizeof path, "%s/%s.json", folder, rec->base) >= (int)sizeof path ||
			snprintf(part, sizeof part, "%s/.%s.json.part", folder, rec->base) >= (int)sizeof part) {
		rc = -ENAMETOOLONG;
		goto done;
	}
	fd = o ? open(part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, META_MODE) : -1;
	if (fd < 0) {
		rc = o ? -errno : rc;
		goto done;
	}
	errno = EIO;
	rc = json_dumpfd(o, fd, JSON_INDENT(1)) == 0 && write(fd, "\n", 1) == 1 ? 0 : -errno;
	if (close(fd) != 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && rename(part, path) != 0)
		rc = -errno;
	if (rc != 0)
		unlink(part);
done:
	json_decref(o);
	return rc;
}
