/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "controlplane/media/clip.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controlplane/media/clip_load.h"
#include "dataplane/abi/msg_media.h"

enum {
	CODEC_MAX = sizeof(((struct sl_clip *)0)->codec) - 1,
	PATH_ROOM = SL_CLIP_NAME_MAX + CODEC_MAX + 16, /* a name with what the store puts behind it */
};

/* Which state of which file a clip was made from. */
struct origin {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
};

struct entry {
	char *path; /* below the folder */
	char codec[CODEC_MAX + 1];
	struct origin from;
	int memfd;
	size_t bytes;
	unsigned duration_ms;
};

struct sl_clip_store {
	char *folder;
	size_t total_bytes;
	uint32_t n;
	struct entry entries[SL_CLIP_STORE_MAX]; /* number i + 1 */
};

struct sl_clip_store *sl_clip_store_new(const char *folder)
{
	struct sl_clip_store *s = calloc(1, sizeof *s);

	if (s && folder && !(s->folder = strdup(folder))) {
		free(s);
		return NULL;
	}
	return s;
}

void sl_clip_store_free(struct sl_clip_store *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->n; i++) {
		close(s->entries[i].memfd);
		free(s->entries[i].path);
	}
	free(s->folder);
	free(s);
}

__attribute__((format(printf, 4, 5))) static int fail(int rc, char *text, size_t text_len, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, text_len, format, ap);
	va_end(ap);
	return rc;
}

/* ---- names ---- */

/* What may be part of a file's name when it comes from an SDP. */
static bool codec_is_plain(const char *codec)
{
	size_t n = strlen(codec);

	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)codec[i]) && codec[i] != '-' && codec[i] != '_' && codec[i] != '+')
			return false;
	}
	return n > 0 && n <= CODEC_MAX;
}

/* The name below the folder, or why it is none. */
static int plain_name(const struct sl_clip_store *s, struct sl_slice name, char path[PATH_ROOM], char *text,
	size_t text_len)
{
	size_t folder = strlen(s->folder);

	while (folder > 0 && s->folder[folder - 1] == '/')
		folder--;
	if (name.n > folder && memcmp(name.p, s->folder, folder) == 0 && name.p[folder] == '/') {
		name.p += folder + 1;
		name.n -= folder + 1;
	}
	if (name.n == 0 || name.n > SL_CLIP_NAME_MAX)
		return fail(-EINVAL, text, text_len, "a clip's name has 1..%d bytes", SL_CLIP_NAME_MAX);
	for (size_t i = 0, begin = 0; i <= name.n; i++) {
		if (i < name.n && (unsigned char)name.p[i] < ' ')
			return fail(-EINVAL, text, text_len, "a clip's name with a control character");
		if (i < name.n && name.p[i] != '/')
			continue;
		size_t n = i - begin;
		if (n == 0 || (n <= 2 && memcmp(name.p + begin, "..", n) == 0))
			return fail(-EINVAL, text, text_len, "a clip's name that does not lie below media.clip_folder");
		begin = i + 1;
	}
	memcpy(path, name.p, name.n);
	path[name.n] = '\0';
	return 0;
}

/* ---- files ---- */

/* Open path below the folder, a step at a time, so that no link leads out of it. Negative errno. */
static int open_below(const char *folder, const char *path)
{
	int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *slash;
	char step[SL_CLIP_NAME_MAX + 1];

	while (dir >= 0 && (slash = strchr(path, '/')) != NULL) {
		size_t n = (size_t)(slash - path);
		memcpy(step, path, n);
		step[n] = '\0';
		int next = openat(dir, step, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int error = errno;
		close(dir);
		errno = error;
		dir = next;
		path = slash + 1;
	}
	if (dir < 0)
		return -errno;
	/* Non-blocking: a pipe somebody put there must not hold us up. */
	int fd = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int rc = fd < 0 ? -errno : fd;
	close(dir);
	return rc;
}

static struct origin origin_of(const struct stat *st)
{
	return (struct origin){.dev = st->st_dev, .ino = st->st_ino, .size = st->st_size, .mtime = st->st_mtim};
}

static bool same_origin(const struct origin *a, const struct origin *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mtime.tv_sec == b->mtime.tv_sec &&
		a->mtime.tv_nsec == b->mtime.tv_nsec;
}

/* All of the file, up to n bytes; less when it became shorter meanwhile. */
static ssize_t read_whole(int fd, uint8_t *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = read(fd, buf + done, n - done);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

/* A new memfd of the file's content, or negative errno. */
static int load_file(int file, size_t size, const char *path, const char *codec, struct entry *e, char *text,
	size_t text_len)
{
	char why[160] = "no memory";
	uint8_t *content = malloc(size);
	ssize_t n = content ? read_whole(file, content, size) : -ENOMEM;
	int fd = (int)n;

	if (n < 0)
		snprintf(why, sizeof why, "%s", strerror((int)-n));
	else
		fd = sl_clip_load((enum sl_clip_kind)sl_clip_kind_of(path), content, (size_t)n, codec, &e->bytes, &e->duration_ms,
			why, sizeof why);
	free(content);
	return fd < 0 ? fail(fd, text, text_len, "clip %s: %s", path, why) : fd;
}

/* ---- entries ---- */

/* Plays are rare beside packets, and clips are few: nothing is hashed. */
static struct entry *find(struct sl_clip_store *s, const char *path, const char *codec)
{
	for (uint32_t i = 0; i < s->n; i++) {
		if (strcmp(s->entries[i].path, path) == 0 && strcasecmp(s->entries[i].codec, codec) == 0)
			return &s->entries[i];
	}
	return NULL;
}

static void fill(const struct sl_clip_store *s, const struct entry *e, bool changed, struct sl_clip_handle *out)
{
	*out = (struct sl_clip_handle){.number = (uint32_t)(e - s->entries) + 1, .memfd = e->memfd,
		.duration_ms = e->duration_ms, .changed = changed};
}

/* Put a clip just made where the file's former state was, or in a new place. */
static int keep(struct sl_clip_store *s, struct entry *old, const struct entry *e, struct sl_clip_handle *out,
	char *text, size_t text_len)
{
	size_t others = s->total_bytes - (old ? old->bytes : 0);

	if (others + e->bytes > SL_CLIP_STORE_MAX_BYTES)
		return fail(-ENOSPC, text, text_len, "clips take more than %d MB in all", SL_CLIP_STORE_MAX_BYTES >> 20);
	if (!old && s->n == SL_CLIP_STORE_MAX)
		return fail(-ENOSPC, text, text_len, "more than %d clips", SL_CLIP_STORE_MAX);
	char *path = old ? old->path : strdup(e->path);
	if (!path)
		return fail(-ENOMEM, text, text_len, "no memory");
	if (old)
		close(old->memfd);
	else
		old = &s->entries[s->n++];
	*old = *e;
	old->path = path;
	s->total_bytes = others + e->bytes;
	fill(s, old, true, out);
	return 0;
}

/* The clip of one file that may or may not be there. */
static int get_file(struct sl_clip_store *s, char *path, const char *codec, struct sl_clip_handle *out, char *text,
	size_t text_len)
{
	struct entry *old = find(s, path, codec), e = {.path = path};
	struct stat st;
	int file = open_below(s->folder, path);

	if (file == -ELOOP)
		return fail(file, text, text_len, "clip %s: links are not followed; put the file itself there", path);
	if (file < 0)
		return fail(file, text, text_len, "clip %s: %s", path, strerror(-file));
	int rc = 0;
	if (fstat(file, &st) != 0 || !S_ISREG(st.st_mode))
		rc = fail(-EINVAL, text, text_len, "clip %s: not a file", path);
	else if (rc == 0 && (st.st_size == 0 || st.st_size > SL_CLIP_MAX_BYTES))
		rc = fail(st.st_size ? -E2BIG : -EINVAL, text, text_len, "clip %s: %lld bytes, allowed 1..%d", path,
			(long long)st.st_size, SL_CLIP_MAX_BYTES);
	if (rc != 0)
		goto close_file;
	e.from = origin_of(&st);
	if (old && same_origin(&old->from, &e.from)) {
		fill(s, old, false, out);
		goto close_file;
	}
	snprintf(e.codec, sizeof e.codec, "%s", codec);
	rc = e.memfd = load_file(file, (size_t)st.st_size, path, codec, &e, text, text_len);
	if (rc < 0)
		goto close_file;
	rc = keep(s, old, &e, out, text, text_len);
	if (rc != 0)
		close(e.memfd);
close_file:
	close(file);
	return rc;
}

/* The files that a name may stand for, best first. */
static unsigned candidates(const char *name, const char *codec, char paths[][PATH_ROOM])
{
	static const char *const pcma[] = {".alaw", ".wav", ".ulaw", NULL}, *const pcmu[] = {".ulaw", ".wav", ".alaw", NULL},
		*const others[] = {".rtpclip", ".wav", NULL}; /* the WAV says why it does not do */
	bool alaw = strcasecmp(codec, "PCMA") == 0, ulaw = strcasecmp(codec, "PCMU") == 0;
	char lower[CODEC_MAX + 1];
	unsigned n = 0;

	if (sl_clip_kind_of(name) >= 0) {
		snprintf(paths[n++], PATH_ROOM, "%s", name);
		return n;
	}
	snprintf(lower, sizeof lower, "%s", codec);
	for (char *c = lower; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	snprintf(paths[n++], PATH_ROOM, "%.*s.%s.rtpclip", SL_CLIP_NAME_MAX, name, lower);
	for (const char *const *end = alaw ? pcma : ulaw ? pcmu : others; *end; end++)
		snprintf(paths[n++], PATH_ROOM, "%.*s%s", SL_CLIP_NAME_MAX, name, *end);
	if (alaw || ulaw)
		snprintf(paths[n++], PATH_ROOM, "%.*s.rtpclip", SL_CLIP_NAME_MAX, name);
	return n;
}

int sl_clip_store_get(struct sl_clip_store *s, struct sl_slice name, const char *codec, struct sl_clip_handle *out,
	char *text, size_t text_len)
{
	enum { CANDIDATES_MAX = 5 };
	char path[PATH_ROOM], paths[CANDIDATES_MAX][PATH_ROOM];

	if (!s->folder)
		return fail(-ENOENT, text, text_len, "there are no clips: media.clip_folder is not set");
	if (!codec_is_plain(codec))
		return fail(-ENOTSUP, text, text_len, "no clip is in a codec of that name");
	int rc = plain_name(s, name, path, text, text_len);
	if (rc != 0)
		return rc;
	unsigned n = candidates(path, codec, paths);
	for (unsigned i = 0; i < n; i++) {
		rc = get_file(s, paths[i], codec, out, text, text_len);
		if (rc != -ENOENT)
			return rc;
	}
	return fail(-ENOENT, text, text_len, "there is no clip %s in media.clip_folder", path);
}

bool sl_clip_store_next(const struct sl_clip_store *s, uint32_t *cursor, struct sl_clip_handle *out)
{
	if (*cursor >= s->n)
		return false;
	fill(s, &s->entries[(*cursor)++], false, out);
	return true;
}
