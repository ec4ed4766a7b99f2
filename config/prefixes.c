/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "config/prefixes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { V4_BITS = 96, ROOM_FIRST = 256 };

bool sl_prefix_is_all(const struct sl_prefix *p)
{
	return p->len == 0 || (p->len == V4_BITS && sl_ip_is_v4(&p->ip));
}

/* "10.0.0.1/8": what was meant is known, when all but the host bits is right. */
static bool without_host_bits(const char *text, struct sl_prefix *out)
{
	char host[SL_ADDR_TEXT_MAX], *end;
	const char *slash = strchr(text, '/');

	if (slash == NULL || (size_t)(slash - text) >= sizeof host || slash[1] < '0' || slash[1] > '9')
		return false;
	memcpy(host, text, (size_t)(slash - text));
	host[slash - text] = '\0';
	unsigned long len = strtoul(slash + 1, &end, 10);
	bool v6 = strchr(host, ':') != NULL;
	if (*end != '\0' || len > (v6 ? 128 : 32) || sl_ip_parse(host, &out->ip) != 0)
		return false;
	out->len = (uint8_t)(len + (v6 ? 0 : V4_BITS));
	for (unsigned bit = out->len; bit < 128; bit++)
		out->ip.b[bit / 8] &= (uint8_t)~(0x80 >> bit % 8);
	return true;
}

int sl_prefix_read(const char *text, struct sl_prefix *out, char *why, size_t why_len)
{
	char right[SL_ADDR_TEXT_MAX];
	struct sl_prefix p;

	if (sl_prefix_parse(text, out) == 0)
		return 0;
	if (without_host_bits(text, &p))
		snprintf(why, why_len, "\"%.64s\" has bits beyond its length; write \"%s\", or the address alone", text, sl_prefix_text(&p, right));
	else
		snprintf(why, why_len, "\"%.64s\" is not a prefix; such as \"192.0.2.0/24\", \"2001:db8::/32\" or \"192.0.2.7\"", text);
	return -EINVAL;
}

/* A regular file, whatever may be behind the name: a pipe or a device would keep us for ever. */
static FILE *open_file(const char *path, char *why, size_t why_len)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		FILE *f = fdopen(fd, "r");
		if (f != NULL)
			return f;
	}
	int error = errno;
	snprintf(why, why_len, "%s cannot be read: %s; must be a file with a prefix in each line", path,
		fd < 0 ? strerror(error) : "not a regular file");
	if (fd >= 0)
		close(fd);
	return NULL;
}

/* The prefix's text in a line, its end cut off; NULL = the line has none. */
static char *first_word(char *line)
{
	static const char blanks[] = " \t\r\n\f\v";

	line[strcspn(line, "#;")] = '\0';
	line += strspn(line, blanks);
	size_t len = strlen(line);
	while (len > 0 && strchr(blanks, line[len - 1]) != NULL)
		line[--len] = '\0';
	return len > 0 ? line : NULL;
}

static int add_line(char *line, struct sl_prefix **list, size_t *n, size_t *room, size_t max, char *why, size_t why_len)
{
	char *text = first_word(line);

	if (text == NULL)
		return 0;
	if (*n == max) {
		snprintf(why, why_len, "is one prefix too many; %zu are allowed, those of all lists and files together", max);
		return -E2BIG;
	}
	if (*n == *room) {
		size_t more = *room > 0 ? 2 * *room : ROOM_FIRST;
		struct sl_prefix *grown = realloc(*list, more * sizeof **list);

		if (grown == NULL) {
			snprintf(why, why_len, "no memory left for more than %zu prefixes", *n);
			return -ENOMEM;
		}
		*list = grown;
		*room = more;
	}
	int rc = sl_prefix_read(text, &(*list)[*n], why, why_len);
	*n += rc == 0;
	return rc;
}

int sl_prefixes_read_file(const char *path, struct sl_prefix **list, size_t *n, size_t max, char *why, size_t why_len)
{
	char line[SL_PREFIX_LINE_MAX + 2], about[256] = "";
	size_t had = *n, room = *n;
	unsigned long number = 0;
	int rc = 0;
	FILE *f = open_file(path, why, why_len);

	if (f == NULL)
		return -EINVAL;
	while (rc == 0 && fgets(line, sizeof line, f) != NULL) {
		number++;
		if (strchr(line, '\n') == NULL && !feof(f)) {
			snprintf(about, sizeof about, "the line is longer than %d bytes, or has a zero byte in it", SL_PREFIX_LINE_MAX);
			rc = -EINVAL;
		} else {
			rc = add_line(line, list, n, &room, max, about, sizeof about);
		}
	}
	if (rc == 0 && ferror(f)) {
		snprintf(about, sizeof about, "cannot be read: %s", strerror(errno));
		rc = -EIO;
	}
	fclose(f);
	if (rc < 0) {
		snprintf(why, why_len, "%s:%lu: %s", path, number, about);
		*n = had;
	}
	return rc;
}
