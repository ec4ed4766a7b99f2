/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/sip/dispatch.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <sofia-sip/url.h>

static bool is_supported(const char *tag)
{
	static const char *const tags[] = {"100rel", "timer", "replaces", "path", "gruu", "outbound", "norefersub", "histinfo", "privacy"};

	for (unsigned i = 0; i < sizeof tags / sizeof tags[0]; i++) {
		if (strcasecmp(tag, tags[i]) == 0)
			return true;
	}
	return false;
}

static void add_unsupported(const msg_param_t *items, char *out, size_t room)
{
	size_t n = strlen(out);

	for (; items && *items && n + strlen(*items) + 3 < room; items++) {
		if (!is_supported(*items))
			n += (size_t)snprintf(out + n, room - n, "%s%s", n ? ", " : "", *items);
	}
}

enum sl_dispatch sl_dispatch_look(const sip_t *sip, char unsupported[SL_DISPATCH_UNSUPPORTED])
{
	const sip_request_t *rq = sip->sip_request;

	unsupported[0] = '\0';
	if (rq->rq_method == sip_method_ack)
		return SL_DISPATCH_DROP; /* of a 2xx whose dialog is gone, or of a refusal that was stateless */
	if (rq->rq_method == sip_method_unknown || rq->rq_method == sip_method_invalid)
		return SL_DISPATCH_501;
	if (rq->rq_method == sip_method_cancel)
		return SL_DISPATCH_481;
	if (rq->rq_url->url_type != url_sip && rq->rq_url->url_type != url_sips && rq->rq_url->url_type != url_tel)
		return SL_DISPATCH_416;
	if (sip->sip_max_forwards && sip->sip_max_forwards->mf_count == 0 && rq->rq_method != sip_method_options)
		return SL_DISPATCH_483;
	if (sip->sip_to->a_tag)
		return SL_DISPATCH_481;
	if (sip->sip_require)
		add_unsupported(sip->sip_require->k_items, unsupported, SL_DISPATCH_UNSUPPORTED);
	if (sip->sip_proxy_require)
		add_unsupported(sip->sip_proxy_require->k_items, unsupported, SL_DISPATCH_UNSUPPORTED);
	if (unsupported[0])
		return SL_DISPATCH_420;
	switch (rq->rq_method) {
	case sip_method_register:
		return SL_DISPATCH_REGISTER;
	case sip_method_invite:
		return SL_DISPATCH_INVITE;
	case sip_method_options:
		return rq->rq_url->url_user ? SL_DISPATCH_REQUEST : SL_DISPATCH_OPTIONS;
	case sip_method_message:
	case sip_method_subscribe:
	case sip_method_publish:
	case sip_method_notify:
		return SL_DISPATCH_REQUEST;
	case sip_method_refer:
		return SL_DISPATCH_405;
	default:
		return SL_DISPATCH_481; /* BYE, INFO, UPDATE, PRACK: only within a dialog */
	}
}
