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
#include <unistd.h>

#include <libconfig.h>

#include "config/options_read.h"

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

static int write_out(config_t *c, int fd)
{
	int copy = dup(fd), rc = 0;
	FILE *out = copy < 0 ? NULL : fdopen(copy, "w");

	if (out == NULL) {
		rc = -errno;
		if (copy >= 0)
			close(copy);
		return rc;
	}
	if (ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0)
		rc = -errno;
	else
		config_write(c, out);
	if (fclose(out) != 0 && rc == 0)
		rc = -errno;
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
		put_token(&c, token);
		rc = write_out(&c, fd);
	}
	sl_wipe_texts(config_root_setting(&c));
	config_destroy(&c);
	return rc;
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
