/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "config/stored.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libconfig.h>

#include "config/options_read.h"
#include "config/prefixes.h"
#include "dataplane/abi/msg_guard.h"

enum { FD_PATH_MAX = 32 };

static const char *fd_path(int fd, char buf[FD_PATH_MAX])
{
	snprintf(buf, FD_PATH_MAX, "/proc/self/fd/%d", fd);
	return buf;
}

int sl_config_stored_new(const char *path, const char *token)
{
	int fd = memfd_create("sluice-config", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	int rc = sl_config_stored_write(fd, path, token);
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

/* The token itself, where the option names a file that holds it. */
static void put_token(config_t *c, const char *token)
{
	config_setting_t *control = config_lookup(c, "control");

	if (control == NULL || token == NULL || !config_setting_remove(control, "api_token_file"))
		return;
	control = config_setting_add(control, "api_token", CONFIG_TYPE_STRING);
	if (control != NULL)
		config_setting_set_string(control, token);
}

/* Prefixes in texts of a few with blanks between: a setting for each would take libconfig twice as long, and one of all of them, whose time grows with
 * a text's length squared, a hundred times. */
static bool put_prefixes(config_setting_t *texts, const struct sl_prefix *p, size_t n)
{
	enum { IN_A_TEXT = 64 };
	char text[IN_A_TEXT * SL_ADDR_TEXT_MAX], one[SL_ADDR_TEXT_MAX];

	for (size_t i = 0; i < n;) {
		size_t used = 0;

		for (unsigned k = 0; k < IN_A_TEXT && i < n; k++, i++)
			used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", k > 0 ? " " : "", sl_prefix_text(&p[i], one));
		if (config_setting_set_string_elem(texts, -1, text) == NULL)
			return false;
	}
	return true;
}

/* One name of allow_files or deny_files: its prefixes into texts, or, when they cannot be read, the name by its whole path, so that whoever
 * loads the copy is told what is wrong. */
static bool put_file(config_setting_t *texts, config_setting_t *name, const char *path)
{
	char file[PATH_MAX], why[PATH_MAX + 256];
	struct sl_prefix *p = NULL;
	size_t n = 0;

	if (config_setting_type(name) != CONFIG_TYPE_STRING)
		return false;
	sl_beside(path, config_setting_get_string(name), file);
	bool done = sl_prefixes_read_file(file, &p, &n, SL_GUARD_LIST_MAX, why, sizeof why) == 0 && put_prefixes(texts, p, n);
	if (!done)
		config_setting_set_string(name, file);
	free(p);
	return done;
}

/* The lists of prefixes that are in files of their own: beside a memfd there is no file, and files change. */
static void put_files(config_setting_t *guard, const char *files_name, const char *list_name, const char *path)
{
	config_setting_t *files = config_setting_get_member(guard, files_name), *texts = config_setting_get_member(guard, list_name);

	if (files == NULL || (!config_setting_is_array(files) && !config_setting_is_list(files)))
		return;
	if (texts == NULL)
		texts = config_setting_add(guard, list_name, CONFIG_TYPE_ARRAY);
	for (int i = 0; texts != NULL && i < config_setting_length(files);) {
		config_setting_t *name = config_setting_get_elem(files, (unsigned)i);

		if (put_file(texts, name, path))
			config_setting_remove_elem(files, (unsigned)i);
		else
			i++;
	}
}

/* In one piece: whoever dies meanwhile leaves half a text only for as long as that takes, not for as long as it takes to make it. */
static int put_text(int fd, const char *text, size_t len)
{
	if (ftruncate(fd, 0) != 0)
		return -errno;
	for (size_t at = 0; at < len;) {
		ssize_t n = pwrite(fd, text + at, len - at, (off_t)at);

		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	return lseek(fd, 0, SEEK_SET) != 0 ? -errno : 0;
}

static int write_out(config_t *c, int fd)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return -errno;
	config_write(c, out);
	int rc = fclose(out) != 0 ? -ENOMEM : put_text(fd, text, len);
	if (text != NULL)
		explicit_bzero(text, len); /* secrets */
	free(text);
	return rc;
}

int sl_config_stored_write(int fd, const char *path, const char *token)
{
	char folder[PATH_MAX];
	config_t c;
	int rc = -EINVAL;

	if (strlen(path) >= sizeof folder)
		return -ENAMETOOLONG;
	strcpy(folder, path);
	config_init(&c);
	config_set_include_dir(&c, dirname(folder));
	if (config_read_file(&c, path)) {
		config_setting_t *guard = config_lookup(&c, "guard");

		put_token(&c, token);
		if (guard != NULL && config_setting_is_group(guard)) {
			put_files(guard, "allow_files", "allow", path);
			put_files(guard, "deny_files", "deny", path);
		}
		rc = write_out(&c, fd);
	}
	sl_wipe_texts(config_root_setting(&c));
	config_destroy(&c);
	return rc;
}

int sl_config_stored_copy(int to, int from)
{
	struct stat st;
	off_t at = 0;

	if (fstat(from, &st) != 0 || ftruncate(to, 0) != 0 || lseek(to, 0, SEEK_SET) != 0)
		return -errno;
	/* By the kernel: no secret passes through memory that would have to be wiped. */
	while (at < st.st_size) {
		ssize_t n = sendfile(to, from, &at, (size_t)(st.st_size - at));

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -EIO;
	}
	return 0;
}

int sl_config_stored_load(int fd, const char *path, struct sl_config **out, char *err, size_t err_len)
{
	char buf[FD_PATH_MAX];
	int rc = sl_config_load(fd_path(fd, buf), out, err, err_len);

	if (rc < 0)
		return rc;
	char *name = strdup(path);
	if (name == NULL) {
		sl_config_free(*out);
		*out = NULL;
		snprintf(err, err_len, "%s: no memory left to read it", path);
		return -ENOMEM;
	}
	free((*out)->path);
	(*out)->path = name;
	return 0;
}
