/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/b2bua/verdict.h"

#include "controlplane/b2bua/text.h"

#include <stdio.h>

#include <sofia-sip/sip_status.h>

/* Lower is better: 6xx at once, then the lowest class; within 4xx those that tell how to ask again. */
static int rank(int status)
{
	if (status == 0)
		return 10000;
	if (status >= 600)
		return status - 600;
	switch (status) {
	case 401:
	case 407:
	case 415:
	case 420:
	case 484:
		return 4000 + status - 400;
	case 408: /* nobody answered: anything that somebody said is better */
		return 4998;
	case 430:
		return 4999;
	case 503:
		return 5999;
	default:
		return status / 100 * 1000 + 100 + status % 100;
	}
}

bool sl_verdict_is_better(const struct sl_cause *a, const struct sl_cause *b)
{
	return rank(a->status) < rank(b->status);
}

const char *sl_status_text(int status)
{
	const char *text = sip_status_phrase(status);

	return text && *text ? text : status < 500 ? "Request Failed" : "Failed";
}

static void becomes(struct sl_cause *c, uint16_t status)
{
	c->status = status;
	text_copy(c->text, sizeof c->text, sl_status_text(status));
}

void sl_verdict_for_caller(struct sl_cause *c)
{
	if (c->status < 300)
		becomes(c, 480);
	else if (c->status < 400)
		becomes(c, 480);
	else if (c->status == 401 || c->status == 407)
		becomes(c, 403);
	else if (c->status == 430)
		becomes(c, 480);
	else if (c->status == 503 && c->by != SL_BY_US)
		becomes(c, 500);
	if (!c->text[0])
		becomes(c, c->status);
}
