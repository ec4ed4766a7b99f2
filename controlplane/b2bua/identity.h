/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Who is calling, as we believe it, and what each side may be told of that (RFC 3323, RFC 3325). A user says who he is only as far as
 * it is true; a trunk is believed when it is trusted. Pure. */

#include "controlplane/b2bua/numbers.h"
#include "controlplane/b2bua/text.h"
#include "controlplane/provision/provision.h"

#include <sofia-sip/sip.h>

struct identity {
	char user[64];      /* number or name; "" = not known */
	char number[64];    /* the same as a number, where one is known: what trunks are told, as routing rewrites it */
	char host[SL_PROV_NAME_MAX + 1]; /* the domain, of a user of ours; "" = not ours to tell */
	char display[64];   /* without quotes */
	bool anonymous;     /* asks for it: From is not to tell, nor are assertions to who is not trusted */
	bool critical;      /* rather refuse than tell */
	bool asserted;      /* we vouch for user */
};

/* From, P-Asserted-Identity, P-Preferred-Identity and Privacy of what came in. user: authenticated; trunk: whose it is. */
void sl_identity_of(const sip_t *sip, const struct sl_prov_user *user, const struct sl_prov_trunk *trunk, struct identity *out);
/* Is it a name or number of that user? */
bool sl_identity_is_of(const struct sl_prov_user *user, const char *name);
/* From without a tag, towards a side; number: the caller as routing rewrote it, host: what it shall show. 0 or -ENOSPC. */
int sl_identity_from(const struct identity *i, const char *number, const char *host, bool trusted, char *out, size_t room);
/* P-Asserted-Identity and Privacy lines towards a side. */
void sl_identity_headers(const struct identity *i, const char *number, const char *host, bool trusted, struct text *out);
