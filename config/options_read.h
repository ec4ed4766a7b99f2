/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Private to config/: typed reading of libconfig settings. Each group's scalar options are rows of a table, so that
 * range, default and "needs a restart" of an option stand in one place, and an option without a row is an error.
 * The reader's error is sticky: the first complaint stays, and reading goes on harmlessly until someone asks. */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include <libconfig.h>

#include "config/options.h"

struct sl_reader {
	const config_t *file;
	const char *path;
	char *err; /* the caller's buffer */
	size_t err_len;
	bool failed;
};

enum sl_opt_kind {
	SL_OPT_UINT,   /* unsigned */
	SL_OPT_U16,    /* uint16_t */
	SL_OPT_BOOL,   /* bool */
	SL_OPT_TEXT,   /* char *, allocated */
	SL_OPT_CHOICE, /* an enum, by position in choices */
	SL_OPT_OTHER,  /* known by name, read by its group's own code */
};

struct sl_opt {
	const char *name;
	enum sl_opt_kind kind;
	size_t offset;        /* in the structure that the group fills */
	long long min, max;   /* of numbers; of texts in bytes */
	long long def;        /* default of numbers, booleans and choices */
	const char *def_text; /* default of texts; NULL = none */
	const char *zero;     /* 0 is allowed beside min..max, and means this */
	const char *const *choices;
	bool required;
	bool restart; /* a change needs a restart of the dataplane */
};

/* Complain about a setting: "FILE:LINE: option 'NAME': TEXT". */
void sl_read_fail(struct sl_reader *r, const config_setting_t *s, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same about an option by its name, as in "dataplane.ports[1].tap"; when it is not in the file, the line is that
 * of the nearest group around it. */
void sl_read_fail_at(struct sl_reader *r, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Set every option of the table in *into to what group says or to its default; complain about options that the table
 * does not know. group NULL (an optional group is missing) gives the defaults. Texts are the caller's to free. */
void sl_read_group(struct sl_reader *r, const config_setting_t *group, const struct sl_opt *table, size_t n, void *into);
/* The same without the complaint: a group whose options fill several structures. */
void sl_read_known(struct sl_reader *r, const config_setting_t *group, const struct sl_opt *table, size_t n, void *into);

/* The group's member of that name, checked to be a group. NULL if it is absent or wrong; absent is an error when
 * required. */
const config_setting_t *sl_read_subgroup(struct sl_reader *r, const config_setting_t *group, const char *name, bool required);

/* The member of that name, checked to be a list or an array with min..max entries; *n is their number. NULL with *n 0
 * if it is absent or wrong; absent is an error when min is above 0. what: the entries' kind in words, "addresses". */
const config_setting_t *sl_read_list(struct sl_reader *r, const config_setting_t *group, const char *name, unsigned min,
	unsigned max, const char *what, unsigned *n);

/* One value, from a list's entry or an option. On a wrong type or range they complain and return min, or NULL. */
long long sl_read_int(struct sl_reader *r, const config_setting_t *s, long long min, long long max, const char *zero);
const char *sl_read_text(struct sl_reader *r, const config_setting_t *s, long long min_bytes, long long max_bytes);

/* A name for a network interface or a port: what the kernel takes, without what shells and file systems trip over. */
void sl_read_name(struct sl_reader *r, const config_setting_t *s, char out[SL_CONF_NAME_MAX + 1]);

/* An array of n zeroed elements (room for one at least) that the configuration owns; complains about s and returns NULL when memory ends. */
void *sl_read_array(struct sl_reader *r, const config_setting_t *s, unsigned n, size_t element_bytes);

/* strdup that complains when memory ends. */
char *sl_read_dup(struct sl_reader *r, const config_setting_t *s, const char *text);

/* Do two structures filled by this table differ in an option that needs a restart? Its name goes to *name. */
bool sl_opt_differs(const struct sl_opt *table, size_t n, const void *a, const void *b, const char **name);

/* Free the texts of a structure filled by this table; wipes them first. */
void sl_opt_free(const struct sl_opt *table, size_t n, void *from);

/* Wipe and free one text. */
void sl_text_free(char *text);

/* libconfig keeps copies of every text and frees them as they are: wipe passwords, secrets and tokens before. */
void sl_wipe_texts(config_setting_t *s);

/* Is there a number in the text of a configuration file that libconfig would cut? 0, or -EINVAL with the reason in err. */
int sl_check_numbers(const char *text, const char *file, char *err, size_t err_len);

extern const struct sl_opt sl_dataplane_options[], sl_fragment_options[], sl_port_options[];
extern const size_t sl_n_dataplane_options, sl_n_fragment_options, sl_n_port_options;
extern const struct sl_opt sl_turn_options[], sl_control_options[];
extern const size_t sl_n_turn_options, sl_n_control_options;
/* Names of enum sl_turn_transport, NULL at the end. */
extern const char *const sl_turn_transports[];
extern const struct sl_opt sl_media_options[];
extern const size_t sl_n_media_options;
extern const struct sl_opt sl_conf_sip_options[], sl_sip_listener_options[];
extern const size_t sl_n_conf_sip_options, sl_n_sip_listener_options;
extern const struct sl_opt sl_guard_options[];
extern const size_t sl_n_guard_options;

void sl_read_dataplane(struct sl_reader *r, const config_setting_t *group, struct sl_conf_dataplane *dp);
void sl_read_turn(struct sl_reader *r, const config_setting_t *group, struct sl_conf_turn *turn);
void sl_free_turn(struct sl_conf_turn *turn);
/* The option of the group that a reload cannot change and that differs; NULL = none. */
const char *sl_turn_difference(const struct sl_conf_turn *a, const struct sl_conf_turn *b);
/* Is listener i what text says: "192.0.2.1:3478" (of any transport), or "tls:192.0.2.1:443"? And its text; buf: SL_ADDR_TEXT_MAX bytes. */
bool sl_turn_listener_is(const struct sl_conf_turn *turn, unsigned i, const char *text);
const char *sl_turn_listener_text(const struct sl_conf_turn *turn, unsigned i, char *buf);
/* A listener's list of further certificates, at most SL_CONF_MAX_CERTIFICATES. */
void sl_read_certificates(struct sl_reader *r, const config_setting_t *group, struct sl_conf_certificate *into, unsigned *n);
void sl_free_certificates(struct sl_conf_certificate *certificates, unsigned n);
void sl_read_media(struct sl_reader *r, const config_setting_t *group, struct sl_conf_media *m);
void sl_read_sip(struct sl_reader *r, const config_setting_t *group, struct sl_conf_sip *sip);
void sl_free_sip(struct sl_conf_sip *sip);
/* After those of turn, media and sip: limits name their listeners. Fills c->guard. */
void sl_read_guard(struct sl_reader *r, const config_setting_t *group, struct sl_config *c);
/* *json: the group as JSON text, malloc'd; NULL when there is none. */
void sl_read_provision(struct sl_reader *r, const config_setting_t *group, char **json);
void sl_read_control(struct sl_reader *r, const config_setting_t *group, struct sl_conf_control *control);

/* What no single option can tell; called when every option by itself is right. n_cores: of the machine. */
void sl_check_config(struct sl_reader *r, const struct sl_config *c, unsigned n_cores);
/* Its part about the group "turn"; called when the group is there. */
void sl_check_turn(struct sl_reader *r, const struct sl_config *c);
/* About the group "media"; called when the group is there. */
void sl_check_media(struct sl_reader *r, const struct sl_config *c);
/* A UDP port that Linux listens on: the dataplane must not take it first. */
void sl_check_udp_port(struct sl_reader *r, const struct sl_config *c, const char *name, const struct sl_endpoint *ep);
/* A TCP port of Linux beside TURN's. */
void sl_check_tcp_port(struct sl_reader *r, const struct sl_config *c, const char *name, const struct sl_endpoint *ep);
/* And about the group "sip". */
void sl_check_sip(struct sl_reader *r, const struct sl_config *c);
/* And about the group "guard". */
void sl_check_guard(struct sl_reader *r, const struct sl_config *c);

/* Where a file's relative name points: beside path. */
void sl_beside(const char *path, const char *name, char out[PATH_MAX]);

enum { SL_OPTION_NAME_MAX = 64 };
/* The name of an option with its indices, for the length of a statement. */
#define SL_OPTION(...) sl_option_name((char[SL_OPTION_NAME_MAX]){ 0 }, __VA_ARGS__)
const char *sl_option_name(char *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* An address that packets can be sent to: neither unspecified nor multicast. */
bool sl_is_unicast(const struct sl_ip *ip);
