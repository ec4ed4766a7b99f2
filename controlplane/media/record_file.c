/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "controlplane/media/record_internal.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controlplane/media/wav.h"
#include "dataplane/wire/crc32.h"

enum {
	FILE_MODE = 0640,
	SAFE_MAX = 96,      /* bytes of a call-id in a name */
	SAME_NAME_MAX = 100,
};
static const char PART[] = ".part";

int sl_record_file_open(struct sl_record_file *f, const char *folder, const char *name)
{
	f->fd = -1;
	f->offset = 0;
	f->n = f->n_records = 0;
	int n = snprintf(f->path, sizeof f->path, "%s/%s", folder, name);
	int m = snprintf(f->part, sizeof f->part, "%s/.%s%s", folder, name, PART);
	if (n < 0 || m < 0 || m >= (int)sizeof f->part)
		return -ENAMETOOLONG;
	f->fd = open(f->part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	if (f->fd < 0)
		return f->error = -errno;
	flock(f->fd, LOCK_EX | LOCK_NB); /* it is not left over from a crash */
	return 0;
}

/* All of it or nothing: what a full disk took of it is cut off again by the caller. */
static int write_at(int fd, int64_t at, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t r = pwrite(fd, p, n, at);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -errno : -EIO;
		p += r;
		at += r;
		n -= (size_t)r;
	}
	return 0;
}

void sl_record_file_put(struct sl_record_file *f, int64_t at, const void *data, size_t n, unsigned records)
{
	int rc = f->fd < 0 ? -EBADF : write_at(f->fd, at, data, n);

	if (rc == 0) {
		if (at + (int64_t)n > f->offset)
			f->offset = at + (int64_t)n;
		return;
	}
	f->lost_records += records;
	if (f->fd < 0)
		return;
	f->error = rc;
	/* Should this fail as well, the next write at that place covers what is there. */
	if (at >= f->offset && ftruncate(f->fd, f->offset) != 0)
		f->error = -errno;
}

void sl_record_file_flush(struct sl_record_file *f)
{
	if (f->n > 0)
		sl_record_file_put(f, f->offset, f->buffer, f->n, f->n_records);
	f->n = f->n_records = 0;
}

void sl_record_file_add(struct sl_record_file *f, const void *head, size_t head_len, const void *body, size_t body_len)
{
	if (head_len + body_len > sizeof f->buffer - f->n)
		sl_record_file_flush(f);
	memcpy(f->buffer + f->n, head, head_len);
	memcpy(f->buffer + f->n + head_len, body, body_len);
	f->n += (uint32_t)(head_len + body_len);
	f->n_records++;
}

/* Never over a file that is there. */
static int rename_new(const char *from, const char *to)
{
	char other[PATH_MAX];
	const char *dot = strrchr(to, '.');

	for (unsigned i = 1; i <= SAME_NAME_MAX; i++) {
		if (i > 1)
			snprintf(other, sizeof other, "%.*s-%u%s", (int)(dot - to), to, i, dot);
		if (renameat2(AT_FDCWD, from, AT_FDCWD, i > 1 ? other : to, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno == EINVAL) /* a file system that cannot */
			return rename(from, to) == 0 ? 0 : -errno;
		if (errno != EEXIST)
			break;
	}
	return -errno;
}

int sl_record_file_finish(struct sl_record_file *f)
{
	if (f->fd < 0)
		return f->error;
	sl_record_file_flush(f);
	int rc = rename_new(f->part, f->path);
	if (close(f->fd) != 0 && rc == 0)
		rc = -errno;
	f->fd = -1;
	if (rc != 0)
		f->error = rc;
	return f->error;
}

void sl_record_safe_name(struct sl_slice text, char *out, size_t room)
{
	size_t max = room - sizeof "-01234567", n = text.n < SAFE_MAX ? text.n : SAFE_MAX;
	bool changed = text.n > n || n > max;

	n = n < max ? n : max;
	for (size_t i = 0; i < n; i++) {
		char c = text.p[i];
		bool safe = (isalnum((unsigned char)c) && (unsigned char)c < 0x80) || (c && strchr("_@+=", c)) ||
			(i > 0 && (c == '-' || c == '.'));
		out[i] = safe ? c : '_';
		changed |= !safe;
	}
	out[n] = '\0';
	if (n == 0)
		snprintf(out, room, "unnamed");
	else if (changed) /* two that look alike now are still two */
		snprintf(out + n, room - n, "-%08x", sl_crc32((const uint8_t *)text.p, text.n));
}

/* ---- what a crash left ---- */

/* ".NAME.part" of ours, and nobody writes it. */
static int open_left(const char *path, const char *name)
{
	size_t n = strlen(name);

	if (name[0] != '.' || n <= sizeof PART || strcmp(name + n - strlen(PART), PART) != 0)
		return -1;
	int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* The head of a WAV is written last. The number of channels in the one it has is true. */
static void mend_wav(int fd)
{
	uint8_t head[SL_WAV_HEADER_BYTES];
	struct stat st;

	if (fstat(fd, &st) != 0 || st.st_size < SL_WAV_HEADER_BYTES || st.st_size - SL_WAV_HEADER_BYTES > SL_WAV_MAX_DATA)
		return;
	if (pread(fd, head, sizeof head, 0) != sizeof head)
		return;
	sl_wav_header(head, head[22] == 2 ? 2 : 1, (uint32_t)(st.st_size - SL_WAV_HEADER_BYTES));
	write_at(fd, 0, head, sizeof head);
}

unsigned sl_record_recover(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *e;
	unsigned n = 0;

	while (dir && (e = readdir(dir)) != NULL) {
		char from[PATH_MAX], to[PATH_MAX];
		int len = (int)strlen(e->d_name) - (int)strlen(PART) - 1;
		if (len <= 0 || snprintf(from, sizeof from, "%s/%s", folder, e->d_name) >= (int)sizeof from ||
				snprintf(to, sizeof to, "%s/%.*s", folder, len, e->d_name + 1) >= (int)sizeof to)
			continue;
		int fd = open_left(from, e->d_name);
		if (fd < 0)
			continue;
		const char *end = strrchr(to, '.');
		bool wav = end && strcmp(end, ".wav") == 0;
		if (wav)
			mend_wav(fd);
		if (wav || (end && strcmp(end, ".pcap") == 0))
			n += rename_new(from, to) == 0;
		close(fd);
	}
	if (dir)
		closedir(dir);
	return n;
}
