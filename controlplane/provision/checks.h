/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Checks of single texts: what is wrong, or NULL (enum of fields.h: sl_field_check). */

const char *sl_check_name(char *text);
const char *sl_check_host(char *text); /* to lower case */
const char *sl_check_number(char *text);
const char *sl_check_prefix(char *text);
const char *sl_check_uri(char *text);
const char *sl_check_header(char *text);
const char *sl_check_codec(char *text);
const char *sl_check_clock(char *text);
const char *sl_check_regex(char *text); /* POSIX extended, and cheap whatever it is compared with */
const char *sl_check_zone(char *text);
const char *sl_check_quoted(char *text); /* fits between quotation marks of a header */
const char *sl_check_reason(char *text); /* fits a status line */
/* Host of a checked sip URI, without brackets. */
void sl_uri_host(const char *uri, char *out, unsigned room);
/* Minutes of "HH:MM", which was checked. */
unsigned sl_clock_minutes(const char *text);
/* "mon-fri,sun" as bits, Monday first; 0 = not understood. */
unsigned sl_days(const char *text);
