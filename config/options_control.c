/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The group "control". */

#include "config/options_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "dataplane/abi/msg.h"
#include "dataplane/abi/region.h"

enum {
	TOKEN_MIN = 16,
	TOKEN_MAX = 256,
	PATH_BYTES_MAX = 4095,
	SOCKET_PATH_MAX = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1,
};

#define CONTROL(member) offsetof(struct sl_conf_control, member)

const struct sl_opt sl_control_options[] = {
	{ "api_socket", SL_OPT_TEXT, CONTROL(api_socket), .min = 1, .max = SOCKET_PATH_MAX, .def_text = "/run/sluice/api.sock" },
	{ "api_tcp", SL_OPT_OTHER },
	{ "api_token", SL_OPT_TEXT, CONTROL(api_token), .min = TOKEN_MIN, .max = TOKEN_MAX },
	{ "api_token_file", SL_OPT_OTHER },
	{ "database", SL_OPT_TEXT, CONTROL(database), .min = 1, .max = PATH_BYTES_MAX, .def_text = "/var/lib/sluice/sluice.db" },
	{ "client_name", SL_OPT_TEXT, CONTROL(client_name), .min = 1, .max = SL_CLIENT_NAME_MAX, .def_text = "main" },
};
const size_t sl_n_control_options = sizeof sl_control_options / sizeof sl_control_options[0];

/* The token is the file's first line. Whoever can read the file can steer the appliance, so it is not everybody. */
static void read_token_file(struct sl_reader *r, const config_setting_t *s, struct sl_conf_control *control)
{
	const char *path = sl_read_text(r, s, 1, PATH_BYTES_MAX);
	char line[TOKEN_MAX + 2];
	struct stat st;
	ssize_t n;
	int fd;

	if (path == NULL)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		sl_read_fail(r, s, "%s cannot be read: %s; must be a file with the token in its first line", path,
			fd < 0 ? strerror(errno) : "not a regular file");
	} else if ((st.st_mode & S_IRWXO) != 0) {
		sl_read_fail(r, s, "%s is open to everybody (mode %03o); do: chmod 640 %s", path, st.st_mode & 0777, path);
	} else if ((n = read(fd, line, sizeof line - 1)) < 0) {
		sl_read_fail(r, s, "%s cannot be read: %s", path, strerror(errno));
	} else {
		line[n] = '\0';
		line[strcspn(line, "\r\n")] = '\0';
		if (strlen(line) < TOKEN_MIN || strlen(line) > TOKEN_MAX)
			sl_read_fail(r, s, "the token in %s has %zu bytes; %d..%d are allowed", path, strlen(line), TOKEN_MIN, TOKEN_MAX);
		else
			control->api_token = sl_read_dup(r, s, line);
		explicit_bzero(line, sizeof line);
	}
	if (fd >= 0)
		close(fd);
}

void sl_read_control(struct sl_reader *r, const config_setting_t *group, struct sl_conf_control *control)
{
	const config_setting_t *tcp, *token_file;
	const char *text;

	sl_read_group(r, group, sl_control_options, sl_n_control_options, control);
	if (group == NULL)
		return;
	token_file = config_setting_get_member(group, "api_token_file");
	if (token_file != NULL && control->api_token != NULL)
		sl_read_fail(r, token_file, "stands beside api_token; only one of the two is allowed");
	else if (token_file != NULL)
		read_token_file(r, token_file, control);

	tcp = config_setting_get_member(group, "api_tcp");
	if (tcp == NULL)
		return;
	text = sl_read_text(r, tcp, 1, SL_ADDR_TEXT_MAX - 1);
	if (text != NULL && (sl_endpoint_parse(text, &control->api_tcp) != 0 || control->api_tcp.port_be == 0))
		sl_read_fail(r, tcp, "\"%s\" is not an address with a port; such as \"127.0.0.1:8080\"", text);
	control->has_api_tcp = true;
}
