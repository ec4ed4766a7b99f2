/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Numbers and names in URIs: sip, sips and tel (RFC 3966), with number portability (RFC 4694), in and out. Pure. */

#include <stdbool.h>
#include <stddef.h>

#include "controlplane/b2bua/text.h"
#include "controlplane/routing/routing.h"

#include <sofia-sip/sip.h>

struct number {
	char user[SL_ROUTE_NUMBER_MAX]; /* unescaped; of a number without visual separators, global where a phone-context says so */
	char rn[SL_ROUTE_NUMBER_MAX];   /* "" = none */
	bool npdi;
	bool is_number;                 /* digits, with a + maybe */
};
/* 0, or -EINVAL: no user part, one that is too long, or of another scheme. */
int sl_number_of(const url_t *url, struct number *out);
bool sl_number_is(const char *user);

/* User part of a sip URI: escaped where RFC 3261 25.1 wants it. */
void sl_number_put(struct text *t, const char *user);
/* "sip:CALLED;npdi;rn=...@HOST;user=phone" by a target such as "sip:example.com;transport=tcp"; number->rn and npdi as they came. 0 or
 * -ENOSPC. */
int sl_number_uri(char *out, size_t room, const char *target, const char *called, const struct number *n);
