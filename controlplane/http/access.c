/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Accounts: who asks, what he may do, and whose things he sees. */

#include "controlplane/http/api.h"
#include "controlplane/provision/provision.h"

#include <string.h>

_Static_assert((int)SL_HTTP_TENANT_MAX > (int)SL_PROV_NAME_MAX, "a tenant's name fits");

bool sl_api_account(struct sl_brain *b, struct sl_http_request *r)
{
	r->tenant[0] = '\0';
	r->scopes = r->admin ? SL_SCOPE_ADMIN : b->prov ? sl_prov_token_scopes(b->prov, r->token, r->tenant) : 0;
	return r->scopes != 0;
}

const char *sl_api_scope_name(uint32_t scope)
{
	switch (scope) {
	case SL_SCOPE_READ:
		return "read";
	case SL_SCOPE_CALLS:
		return "calls";
	case SL_SCOPE_PROVISION:
		return "provision";
	case SL_SCOPE_GUARD:
		return "guard";
	case SL_SCOPE_TURN:
		return "turn";
	default:
		return "admin";
	}
}

bool sl_api_may_see(const struct sl_http_request *r, const char *tenant)
{
	return !r->tenant[0] || (tenant && strcmp(r->tenant, tenant) == 0);
}

const char *sl_api_tenant_asked(const struct sl_http_request *r)
{
	const char *asked = sl_http_arg(r, "tenant");

	return r->tenant[0] ? r->tenant : asked ? asked : "";
}
