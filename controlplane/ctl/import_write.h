/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Between the files that write a configuration of ours from one of coturn. Defaults of coturn that differ from ours are written out. */

#include "config/options.h"
#include "controlplane/ctl/import.h"
#include "dataplane/wire/addr.h"

enum { IMPORT_TURN_PORT = 3478, IMPORT_TURNS_PORT = 5349, IMPORT_TEXT_MAX = 1024 };

#define IMPORT_EACH(m, option, v) \
	for (const struct import_value *v = (m)->options[option].values, *v##_end = v + (m)->options[option].n; v != v##_end; v++)

/* import_write.c: a text of our configuration, quoted. */
void import_write_text(FILE *out, const char *text);

/* ---- import_listen.c: listeners, certificates, what is relayed on ---- */

/* Where coturn listens: its addresses, or those that it relays on; it takes all of a machine's when neither is said. */
struct import_places {
	struct sl_ip ip[SL_CONF_MAX_LISTENERS];
	unsigned n;
	bool guessed;
};

void import_find_places(struct import *m, struct import_places *p);
void import_write_listen(struct import *m, FILE *out, const struct import_places *p);
void import_write_listeners(struct import *m, FILE *out, const struct import_places *p);
void import_write_relay(struct import *m, FILE *out, const struct import_places *listening);

/* ---- import_users.c: realm, users, secrets, tables ---- */

void import_write_realm(struct import *m, FILE *out);
/* The address of a Redis that coturn is told of by o, as ours. */
void import_write_redis(struct import *m, FILE *out, enum coturn_option o);
