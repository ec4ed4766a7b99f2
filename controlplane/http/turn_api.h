/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Between the files of the API that are about TURN. */

#include "controlplane/http/api.h"
#include "controlplane/turn/desk.h"

/* Is there TURN? False: answered with an error. */
bool sl_turn_api_here(struct sl_brain *b, struct sl_http_request *r);
/* The body as an object (the caller's); NULL: answered with an error that shows the example. */
json_t *sl_turn_api_body(struct sl_http_request *r, const char *example);
/* Are all members of o among names (NULL ends them)? False: answered with an error. */
bool sl_turn_api_members(struct sl_http_request *r, json_t *o, const char *const *names);
/* Member "realm" of o, one that is here; "" = not given. False: answered with an error. */
bool sl_turn_api_realm(struct sl_brain *b, struct sl_http_request *r, json_t *o, char realm[SL_MSG_REALM_MAX]);
/* Answer a change; ctx is the request. */
void sl_turn_api_changed(void *ctx, enum sl_desk_outcome outcome, const char *text);
/* Allocations of a realm, as the table knows them; of these, restricted ones. */
size_t sl_turn_api_allocations(const struct sl_brain *b, const char *realm);
size_t sl_turn_api_restricted(const struct sl_brain *b, const char *realm);
/* "udp", "tcp", "tls", "dtls". */
const char *sl_turn_api_transport(unsigned transport);
