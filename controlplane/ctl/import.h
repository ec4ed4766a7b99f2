/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* sluicectl import: a configuration of coturn as one of ours. Reading (import.c) keeps each option's values with their lines; writing
 * (import_write.c) makes the configuration of them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "controlplane/ctl/import_options.h"

enum coturn_option {
#define X(id, name, short_form, kind, how, text) COTURN_##id,
	COTURN_OPTIONS(X)
#undef X
	COTURN_N_OPTIONS
};

struct import_value {
	char *text;
	unsigned line;
};

struct import_note {
	unsigned line; /* 0 = of the file as a whole */
	bool wrong;    /* the value is not what coturn takes, or there is no such option */
	char *text;
};

struct import {
	const char *path;
	struct {
		struct import_value *values;
		unsigned n;
	} options[COTURN_N_OPTIONS];
	struct import_note *notes; /* for whoever imports: what could not be had, and what he should look at */
	unsigned n_notes;
};

/* ---- import.c ---- */

void import_read(struct import *m, FILE *in);
void import_free(struct import *m);
/* The last value of an option; NULL when it is not in the file. */
const char *import_text(const struct import *m, enum coturn_option o);
unsigned import_line(const struct import *m, enum coturn_option o);
/* A flag's: false when it is not in the file. A number's: otherwise when it is not. */
bool import_flag(const struct import *m, enum coturn_option o);
unsigned long import_number(const struct import *m, enum coturn_option o, unsigned long otherwise);
void import_note(struct import *m, unsigned line, bool wrong, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* ---- import_write.c ---- */

/* The configuration. Adds notes of its own; those about options are the caller's. */
void import_write(struct import *m, FILE *out);
