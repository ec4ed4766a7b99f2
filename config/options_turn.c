/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The groups "turn" and "control". */

#include "config/options_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "dataplane/abi/msg.h"
#include "dataplane/abi/region.h"

enum {
	RELAY_PORT_LOWEST = 1024,
	LIFETIME_MAX_S = 86400,
	PASSWORD_MAX = 256,
	USERS_MAX = 1000000,
	SECRETS_MAX = 64, /* old and new ones during a rotation, for a few tenants */
	RULES_MAX = 1024,
	TOKEN_MIN = 16,
	TOKEN_MAX = 256,
	PATH_BYTES_MAX = 4095,
	SOCKET_PATH_MAX = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1,
	SOFTWARE_MAX = sizeof(((struct sl_cmd_turn *)NULL)->software) - 1,
};

#define TURN(member) offsetof(struct sl_conf_turn, member)

const struct sl_opt sl_turn_options[] = {
	{ "listen", SL_OPT_OTHER },
	{ "relay_addresses", SL_OPT_OTHER },
	{ "relay_ports", SL_OPT_OTHER },
	{ "realm", SL_OPT_TEXT, TURN(realm), .min = 1, .max = SL_MSG_REALM_MAX - 1, .def_text = "",
		.required = true }, /* "": there is no group turn */
	{ "software", SL_OPT_TEXT, TURN(software), .min = 0, .max = SOFTWARE_MAX, .def_text = "Sluice" },
	{ "users", SL_OPT_OTHER },
	{ "secrets", SL_OPT_OTHER },
	{ "default_lifetime", SL_OPT_UINT, TURN(default_lifetime_s), .min = 1, .max = LIFETIME_MAX_S, .def = 600 },
	{ "max_lifetime", SL_OPT_UINT, TURN(max_lifetime_s), .min = 1, .max = LIFETIME_MAX_S, .def = 3600 },
	{ "permission_lifetime", SL_OPT_UINT, TURN(permission_lifetime_s), .min = 1, .max = LIFETIME_MAX_S, .def = 300 },
	{ "channel_lifetime", SL_OPT_UINT, TURN(channel_lifetime_s), .min = 1, .max = LIFETIME_MAX_S, .def = 600 },
	{ "nonce_lifetime", SL_OPT_UINT, TURN(nonce_lifetime_s), .min = 1, .max = LIFETIME_MAX_S, .def = 3600 },
	{ "user_quota", SL_OPT_UINT, TURN(user_quota), .min = 1, .max = 1 << 22, .zero = "no limit" },
	{ "max_permissions", SL_OPT_UINT, TURN(max_permissions), .min = 1, .max = 65535, .def = 64 },
	{ "sha256", SL_OPT_BOOL, TURN(sha256), .def = true },
	{ "rfc5766_channels", SL_OPT_BOOL, TURN(rfc5766_channels), .def = false },
	{ "peers", SL_OPT_OTHER },
};
const size_t sl_n_turn_options = sizeof sl_turn_options / sizeof sl_turn_options[0];

/* RFC 8489 14.3: a USERNAME has fewer than 509 bytes. */
const struct sl_opt sl_user_options[] = {
	{ "name", SL_OPT_TEXT, offsetof(struct sl_conf_user, name), .min = 1, .max = SL_MSG_USERNAME_MAX, .required = true },
	{ "password", SL_OPT_TEXT, offsetof(struct sl_conf_user, password), .min = 1, .max = PASSWORD_MAX, .required = true },
};
const size_t sl_n_user_options = sizeof sl_user_options / sizeof sl_user_options[0];

static void read_listeners(struct sl_reader *r, const config_setting_t *group, struct sl_conf_turn *turn)
{
	const config_setting_t *list =
		sl_read_list(r, group, "listen", 1, SL_CONF_MAX_LISTENERS, "listeners", &turn->n_listeners);

	for (unsigned i = 0; i < turn->n_listeners; i++) {
		const config_setting_t *s = config_setting_get_elem(list, i);
		const char *text = sl_read_text(r, s, 1, SL_ADDR_TEXT_MAX - 1);

		if (text != NULL && (sl_endpoint_parse(text, &turn->listeners[i]) != 0 || turn->listeners[i].port_be == 0))
			sl_read_fail(r, s, "\"%s\" is not an address with a port; such as \"192.0.2.1:3478\" or \"[2001:db8::1]:3478\"",
				text);
	}
}

static void read_relay(struct sl_reader *r, const config_setting_t *group, struct sl_conf_turn *turn)
{
	const config_setting_t *list =
		sl_read_list(r, group, "relay_addresses", 1, SL_CONF_MAX_RELAY, "relay addresses", &turn->n_relay);
	unsigned n;

	for (unsigned i = 0; i < turn->n_relay; i++) {
		const config_setting_t *s = config_setting_get_elem(list, i);
		const char *text = sl_read_text(r, s, 1, SL_ADDR_TEXT_MAX - 1);

		if (text != NULL && sl_ip_parse(text, &turn->relay[i]) != 0)
			sl_read_fail(r, s, "\"%s\" is not an address; such as \"192.0.2.1\" or \"2001:db8::1\"", text);
	}
	turn->relay_port_min = 49152; /* RFC 8656 7.2: SHOULD be from 49152..65535 */
	turn->relay_port_max = 65535;
	if (group == NULL || config_setting_get_member(group, "relay_ports") == NULL)
		return;
	list = sl_read_list(r, group, "relay_ports", 2, 2, "ports, the lowest and the highest", &n);
	if (list == NULL)
		return;
	turn->relay_port_min =
		(uint16_t)sl_read_int(r, config_setting_get_elem(list, 0), RELAY_PORT_LOWEST, UINT16_MAX, NULL);
	turn->relay_port_max =
		(uint16_t)sl_read_int(r, config_setting_get_elem(list, 1), RELAY_PORT_LOWEST, UINT16_MAX, NULL);
}

/* An array of n zeroed elements that the configuration owns; complains when memory ends. */
static void *make_array(struct sl_reader *r, const config_setting_t *s, unsigned n, size_t element_bytes)
{
	void *p = calloc(n > 0 ? n : 1, element_bytes);

	if (p == NULL)
		sl_read_fail(r, s, "no memory left to keep %u of them", n);
	return p;
}

static void read_users(struct sl_reader *r, const config_setting_t *group, struct sl_conf_turn *turn)
{
	unsigned n;
	const config_setting_t *list = sl_read_list(r, group, "users", 0, USERS_MAX, "users", &n);

	if (list == NULL || (turn->users = make_array(r, list, n, sizeof turn->users[0])) == NULL)
		return;
	turn->n_users = n;
	for (unsigned i = 0; i < n && !r->failed; i++) {
		const config_setting_t *user = config_setting_get_elem(list, i);

		if (config_setting_is_group(user))
			sl_read_group(r, user, sl_user_options, sl_n_user_options, &turn->users[i]);
		else
			sl_read_fail(r, user, "must be a group: { name = \"...\"; password = \"...\"; }");
	}
}

static void read_secrets(struct sl_reader *r, const config_setting_t *group, struct sl_conf_turn *turn)
{
	unsigned n;
	const config_setting_t *list = sl_read_list(r, group, "secrets", 0, SECRETS_MAX, "secrets", &n);

	if (list == NULL || (turn->secrets = make_array(r, list, n, sizeof turn->secrets[0])) == NULL)
		return;
	turn->n_secrets = n;
	for (unsigned i = 0; i < n; i++) {
		const config_setting_t *s = config_setting_get_elem(list, i);

		turn->secrets[i] = sl_read_dup(r, s, sl_read_text(r, s, 1, SL_MSG_SECRET_MAX));
	}
}

static void read_peer_rule(struct sl_reader *r, const config_setting_t *group, struct sl_conf_peer_rule *rule)
{
	const config_setting_t *s;
	const char *text;

	if (!config_setting_is_group(group) || config_setting_length(group) != 1) {
		sl_read_fail(r, group, "must be { allow = \"PREFIX\"; } or { deny = \"PREFIX\"; }");
		return;
	}
	s = config_setting_get_elem(group, 0);
	rule->allow = strcmp(config_setting_name(s), "allow") == 0;
	if (!rule->allow && strcmp(config_setting_name(s), "deny") != 0) {
		sl_read_fail(r, s, "is not known here; known are allow, deny");
		return;
	}
	text = sl_read_text(r, s, 1, SL_ADDR_TEXT_MAX - 1);
	if (text != NULL && sl_prefix_parse(text, &rule->prefix) != 0)
		sl_read_fail(r, s, "\"%s\" is not a prefix; such as \"10.0.0.0/8\" or \"2001:db8::/32\", without host bits", text);
}

static void read_peer_rules(struct sl_reader *r, const config_setting_t *group, struct sl_conf_turn *turn)
{
	unsigned n;
	const config_setting_t *list = sl_read_list(r, group, "peers", 0, RULES_MAX, "rules", &n);

	if (list == NULL || (turn->peer_rules = make_array(r, list, n, sizeof turn->peer_rules[0])) == NULL)
		return;
	turn->n_peer_rules = n;
	for (unsigned i = 0; i < n; i++)
		read_peer_rule(r, config_setting_get_elem(list, i), &turn->peer_rules[i]);
}

void sl_read_turn(struct sl_reader *r, const config_setting_t *group, struct sl_conf_turn *turn)
{
	sl_read_group(r, group, sl_turn_options, sl_n_turn_options, turn);
	read_listeners(r, group, turn);
	read_relay(r, group, turn);
	read_users(r, group, turn);
	read_secrets(r, group, turn);
	read_peer_rules(r, group, turn);
}

/* ---- control ---- */

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
