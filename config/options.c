/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "config/options.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/options_read.h"

static const char *const log_levels[] = { "error", "warning", "info", "debug", NULL };

static const struct sl_opt root_options[] = {
	{ "log_level", SL_OPT_TEXT, offsetof(struct sl_config, log_level), .choices = log_levels, .def_text = "info" },
	{ "dataplane", SL_OPT_OTHER },
	{ "turn", SL_OPT_OTHER },
	{ "media", SL_OPT_OTHER },
	{ "sip", SL_OPT_OTHER },
	{ "guard", SL_OPT_OTHER },
	{ "provision", SL_OPT_OTHER },
	{ "control", SL_OPT_OTHER },
};
static const size_t n_root_options = sizeof root_options / sizeof root_options[0];

void sl_wipe_texts(config_setting_t *s)
{
	if (config_setting_type(s) == CONFIG_TYPE_STRING) {
		char *text = (char *)(uintptr_t)config_setting_get_string(s);

		if (text != NULL)
			explicit_bzero(text, strlen(text));
		return;
	}
	for (int i = 0; i < config_setting_length(s); i++)
		sl_wipe_texts(config_setting_get_elem(s, (unsigned)i));
}

/* The whole text of a file, or NULL with errno set. The caller wipes and frees it. */
static char *read_text(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t room = 0;

	if (f == NULL)
		return NULL;
	if (getdelim(&text, &room, '\0', f) < 0) {
		free(text);
		text = feof(f) ? strdup("") : NULL;
	}
	fclose(f);
	return text;
}

/* Look at the text of path and of each file that it included. */
static int check_numbers(const config_t *file, const char *path, char *err, size_t err_len)
{
	int status = 0;

	for (unsigned i = 0; i < file->num_filenames && status == 0; i++) {
		const char *name = file->filenames[i];
		char included[PATH_MAX];
		char *text;

		snprintf(included, sizeof included, "%s/%s", file->include_dir, name);
		text = read_text(strcmp(name, path) == 0 ? path : included);
		if (text != NULL)
			status = sl_check_numbers(text, name, err, err_len);
		sl_text_free(text);
	}
	return status;
}

/* @include "x" names a file beside the one that includes it, not one below wherever the program was started. */
static void set_include_dir(config_t *file, const char *path)
{
	char copy[PATH_MAX];

	if (strlen(path) < sizeof copy) {
		memcpy(copy, path, strlen(path) + 1);
		config_set_include_dir(file, dirname(copy));
	}
}

/* libconfig's few complaints, with what to do about them. */
static const char *syntax_help(const char *what)
{
	static const char *const known[][2] = {
		{ "syntax error", "syntax error, here or on the line before; options are written NAME = VALUE; with groups in "
				  "{ }, lists in ( ), arrays in [ ], texts in double quotes" },
		{ "duplicate setting name", "this option is set twice in its group; set it once" },
		{ "cannot open include file", "cannot open the file to include; its name counts from this file's folder" },
		{ "mismatched element type in array", "the values between [ and ] must be all of one kind" },
	};

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		if (what != NULL && strcmp(what, known[i][0]) == 0)
			return known[i][1];
	}
	return what != NULL ? what : "cannot be read";
}

static int parse_file(config_t *file, const char *path, char *err, size_t err_len)
{
	struct stat st;
	int error = 0;

	if (stat(path, &st) != 0 || access(path, R_OK) != 0)
		error = errno;
	else if (S_ISDIR(st.st_mode))
		error = EISDIR;
	if (error != 0) {
		snprintf(err, err_len, "%s: cannot be read: %s", path, strerror(error));
		return -error;
	}
	set_include_dir(file, path);
	if (config_read_file(file, path))
		return 0;
	const char *where = config_error_file(file), *what = config_error_text(file);
	snprintf(err, err_len, "%s:%d: %s", where != NULL ? where : path, config_error_line(file), syntax_help(what));
	return -EINVAL;
}

static int fill(struct sl_config *c, const config_t *file, unsigned n_cores, char *err, size_t err_len)
{
	struct sl_reader r = { .file = file, .path = c->path, .err = err, .err_len = err_len };
	const config_setting_t *root = config_root_setting(file);

	sl_read_group(&r, root, root_options, n_root_options, c);
	sl_read_dataplane(&r, sl_read_subgroup(&r, root, "dataplane", true), &c->dataplane);
	const config_setting_t *turn = sl_read_subgroup(&r, root, "turn", false);
	const config_setting_t *media = sl_read_subgroup(&r, root, "media", false);

	if (turn == NULL && media == NULL)
		sl_read_fail_at(&r, "turn", "is missing, and media as well; one of the two must be set, or there is nothing to do");
	sl_read_turn(&r, turn, &c->turn);
	sl_read_media(&r, media, &c->media);
	sl_read_sip(&r, sl_read_subgroup(&r, root, "sip", false), &c->sip);
	sl_read_guard(&r, sl_read_subgroup(&r, root, "guard", false), c);
	sl_read_provision(&r, sl_read_subgroup(&r, root, "provision", false), &c->provision);
	sl_read_control(&r, sl_read_subgroup(&r, root, "control", false), &c->control);
	if (!r.failed)
		sl_check_config(&r, c, n_cores);
	return r.failed ? -EINVAL : 0;
}

int sl_config_load_for(const char *path, unsigned n_cores, struct sl_config **out, char *err, size_t err_len)
{
	struct sl_config *c = calloc(1, sizeof *c);
	config_t file;
	int status;

	*out = NULL;
	if (err_len > 0)
		err[0] = '\0';
	if (c == NULL || (c->path = strdup(path)) == NULL) {
		free(c);
		snprintf(err, err_len, "%s: no memory left to read it", path);
		return -ENOMEM;
	}
	config_init(&file);
	status = parse_file(&file, path, err, err_len);
	if (status == 0)
		status = check_numbers(&file, path, err, err_len);
	if (status == 0)
		status = fill(c, &file, n_cores, err, err_len);
	sl_wipe_texts(config_root_setting(&file));
	config_destroy(&file);
	if (status == 0)
		*out = c;
	else
		sl_config_free(c);
	return status;
}

int sl_config_load(const char *path, struct sl_config **out, char *err, size_t err_len)
{
	long n_cores = sysconf(_SC_NPROCESSORS_CONF);

	return sl_config_load_for(path, n_cores > 0 ? (unsigned)n_cores : 1, out, err, err_len);
}

void sl_config_free(struct sl_config *c)
{
	if (c == NULL)
		return;
	sl_opt_free(sl_dataplane_options, sl_n_dataplane_options, &c->dataplane);
	for (unsigned i = 0; i < c->dataplane.n_ports; i++)
		sl_opt_free(sl_port_options, sl_n_port_options, &c->dataplane.ports[i]);
	for (unsigned i = 0; i < c->dataplane.n_eal; i++)
		sl_text_free(c->dataplane.eal[i]);
	sl_free_turn(&c->turn);
	sl_opt_free(sl_media_options, sl_n_media_options, &c->media);
	sl_free_sip(&c->sip);
	free(c->guard.prefixes);
	sl_text_free(c->provision);
	sl_opt_free(sl_control_options, sl_n_control_options, &c->control);
	sl_opt_free(root_options, n_root_options, c);
	free(c->path);
	explicit_bzero(c, sizeof *c);
	free(c);
}

static bool has_secrets(const struct sl_config *c)
{
	const struct sl_conf_turn *t = &c->turn;

	for (unsigned i = 0; i < t->n_realms; i++) {
		if (t->realms[i].n_users > 0 || t->realms[i].n_secrets > 0 || t->realms[i].n_oauth_keys > 0)
			return true;
	}
	for (unsigned i = 0; i < t->n_alternates; i++) {
		if (t->alternates[i].load_url != NULL && strchr(t->alternates[i].load_url, '@') != NULL)
			return true;
	}
	/* How to reach a database holds a password as a rule. */
	return t->n_user_sources > 0 || t->accounting.webhook_secret != NULL || t->accounting.redis != NULL || c->control.api_token != NULL ||
		c->provision != NULL;
}

bool sl_config_is_exposed(const struct sl_config *c)
{
	struct stat st;

	return has_secrets(c) && stat(c->path, &st) == 0 && (st.st_mode & S_IROTH) != 0;
}

/* ---- what a reload cannot change ---- */

static bool interfaces_differ(const struct sl_conf_interface *a, const struct sl_conf_interface *b)
{
	if (a->vlan != b->vlan || strcmp(a->tap, b->tap) != 0 || a->n_addresses != b->n_addresses)
		return true;
	for (unsigned i = 0; i < a->n_addresses; i++) {
		if (!sl_ip_eq(&a->addresses[i].ip, &b->addresses[i].ip) ||
			a->addresses[i].prefix_len != b->addresses[i].prefix_len)
			return true;
	}
	return false;
}

static bool ports_differ(const struct sl_conf_port *a, const struct sl_conf_port *b)
{
	const char *option;

	if (strcmp(a->name, b->name) != 0 || a->n_interfaces != b->n_interfaces ||
		sl_opt_differs(sl_port_options, sl_n_port_options, a, b, &option))
		return true;
	for (unsigned i = 0; i < a->n_interfaces; i++) {
		if (interfaces_differ(&a->interfaces[i], &b->interfaces[i]))
			return true;
	}
	return false;
}

static const char *dataplane_difference(const struct sl_conf_dataplane *a, const struct sl_conf_dataplane *b)
{
	const char *option;

	if (a->n_workers != b->n_workers || memcmp(a->worker_cores, b->worker_cores, sizeof a->worker_cores) != 0)
		return "workers";
	if (sl_opt_differs(sl_dataplane_options, sl_n_dataplane_options, a, b, &option))
		return option;
	if (sl_opt_differs(sl_fragment_options, sl_n_fragment_options, a, b, &option))
		return "fragments";
	if (a->n_eal != b->n_eal)
		return "eal";
	for (unsigned i = 0; i < a->n_eal; i++) {
		if (strcmp(a->eal[i], b->eal[i]) != 0)
			return "eal";
	}
	if (a->n_ports != b->n_ports)
		return "ports";
	for (unsigned i = 0; i < a->n_ports; i++) {
		if (ports_differ(&a->ports[i], &b->ports[i]))
			return "ports";
	}
	return NULL;
}

static bool media_addresses_differ(const struct sl_conf_media *a, const struct sl_conf_media *b)
{
	if (a->n_addresses != b->n_addresses)
		return true;
	for (unsigned i = 0; i < a->n_addresses; i++) {
		if (!sl_ip_eq(&a->addresses[i].ip, &b->addresses[i].ip) ||
			!sl_ip_eq(&a->addresses[i].advertised, &b->addresses[i].advertised) ||
			strcmp(a->addresses[i].interface, b->addresses[i].interface) != 0)
			return true;
	}
	return false;
}

static const char *media_difference(const struct sl_conf_media *a, const struct sl_conf_media *b)
{
	const char *option;

	/* First: the rest differs too when the group comes or goes. */
	if (media_addresses_differ(a, b))
		return "addresses";
	if (a->port_min != b->port_min || a->port_max != b->port_max)
		return "ports";
	return sl_opt_differs(sl_media_options, sl_n_media_options, a, b, &option) ? option : NULL;
}

static const char *sip_difference(const struct sl_conf_sip *a, const struct sl_conf_sip *b)
{
	const char *option;

	if (a->n_listeners != b->n_listeners)
		return "listeners";
	for (unsigned i = 0; i < a->n_listeners; i++) {
		const struct sl_conf_sip_listener *x = &a->listeners[i], *y = &b->listeners[i];

		/* Certificates are read again. */
		if (strcmp(x->name, y->name) != 0 || x->role != y->role || x->transport != y->transport ||
			!sl_endpoint_eq(&x->address, &y->address) || !sl_endpoint_eq(&x->advertised, &y->advertised) ||
			strcmp(x->media, y->media) != 0)
			return "listeners";
	}
	if (a->n_nameservers != b->n_nameservers)
		return "nameservers";
	for (unsigned i = 0; i < a->n_nameservers; i++) {
		if (!sl_endpoint_eq(&a->nameservers[i], &b->nameservers[i]))
			return "nameservers";
	}
	return sl_opt_differs(sl_conf_sip_options, sl_n_conf_sip_options, a, b, &option) ? option : NULL;
}

bool sl_config_needs_restart(const struct sl_config *a, const struct sl_config *b, char *what, size_t what_len)
{
	const char *group = "dataplane", *option = dataplane_difference(&a->dataplane, &b->dataplane);

	if (option == NULL) {
		group = "turn";
		option = sl_turn_difference(&a->turn, &b->turn);
	}
	if (option == NULL) {
		group = "media";
		option = media_difference(&a->media, &b->media);
	}
	if (option == NULL) {
		group = "sip";
		option = sip_difference(&a->sip, &b->sip);
	}
	if (option == NULL) {
		group = "guard";
		option = sl_opt_differs(sl_guard_options, sl_n_guard_options, &a->guard, &b->guard, &option) ? option : NULL;
	}
	if (option == NULL)
		return false;
	snprintf(what, what_len, "%s.%s", group, option);
	return true;
}
