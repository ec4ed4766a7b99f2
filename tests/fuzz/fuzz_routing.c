/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Decisions about numbers from the network: lines of the input are called, caller, routing number, domain; the first byte says who calls. The
 * record is JSON, what is sent fits, and nobody reaches a denied number. */

#include "controlplane/routing/routing.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

static const char group[] =
        "{\"_line\":1,\"tenants\":[{\"_line\":2,\"name\":\"t\",\"emergency\":[\"112\"]}],\"domains\":[{\"_line\":3,\"name\":\"d.net\",\"tenant\":\"t\"}],"
        "\"users\":[{\"_line\":4,\"name\":\"a\",\"domain\":\"d.net\",\"password\":\"x\",\"numbers\":[\"+1\"],\"deny\":[\"+9\"]}],"
        "\"trunks\":[{\"_line\":5,\"name\":\"k\",\"tenant\":\"t\",\"sources\":[\"192.0.2.1\"],\"targets\":[{\"_line\":6,\"uri\":\"sip:x\"}],"
        "\"default_domain\":\"d.net\",\"numbers_in\":[{\"_line\":7,\"match\":\"^00\",\"replace\":\"+\"}],"
        "\"numbers_out\":[{\"_line\":8,\"match\":\"^(.)(.*)$\",\"replace\":\"\\\\2\\\\1\\\\2\"}]}],"
        "\"routes\":[{\"_line\":9,\"name\":\"r\",\"tenant\":\"t\",\"trunks\":[\"k\"],\"numbers\":[{\"_line\":9,\"match\":\"^00\",\"replace\":\"+\"}]},"
        "{\"_line\":10,\"name\":\"s\",\"tenant\":\"t\",\"prefix\":\"7\",\"to\":\"local\"},"
        "{\"_line\":11,\"name\":\"u\",\"tenant\":\"t\",\"prefix\":\"+44\",\"match\":\"[13579]$\",\"caller_prefix\":\"+\",\"trunks\":[\"k\"],"
        "\"times\":[{\"_line\":12,\"days\":\"mon-fri\"}]}]}";

static struct sl_prov *prov;
static struct sl_routing *routing;

static void begin(void)
{
	static struct sl_config config;
	char text[400];

	config.path = (char *)"fuzz";
	config.provision = (char *)group;
	prov = sl_prov_open(&(struct sl_prov_options){.config = &config}, text, sizeof text);
	SL_FUZZ_CHECK(prov != NULL);
	routing = sl_routing_open(&(struct sl_routing_options){.prov = prov});
	SL_FUZZ_CHECK(routing != NULL);
}

static void line(const uint8_t **p, const uint8_t *end, char *out, size_t room)
{
	size_t n = 0;

	for (; *p < end && **p != '\n' && **p; ++*p) {
		if (n + 1 < room)
			out[n++] = (char)**p;
	}
	*p += *p < end;
	out[n] = '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct sl_route_decision d;
	const uint8_t *p = data + 1, *end = data + len;

	if (!prov)
		begin();
	if (len == 0)
		return 0;
	struct sl_route_query q = {.snapshot = sl_prov_now(prov), .may_leave = true, .dry = data[0] & 4, .unix_s = data[0] * 40000};
	q.tenant = sl_prov_tenant(q.snapshot, "t");
	q.from_user = data[0] & 1 ? sl_prov_user(prov, "a", 1, "d.net", 5) : NULL;
	q.from_trunk = data[0] & 2 ? sl_prov_trunk(q.snapshot, "k") : NULL;
	line(&p, end, q.called, sizeof q.called);
	line(&p, end, q.caller, sizeof q.caller);
	line(&p, end, q.rn, sizeof q.rn);
	line(&p, end, q.domain, sizeof q.domain);
	sl_route_decide(routing, &q, &d);
	json_t *record = json_loads(d.record, 0, NULL);
	SL_FUZZ_CHECK(record && (d.n > 0 || d.status >= 400));
	for (unsigned i = 0; i < d.n; i++) {
		SL_FUZZ_CHECK(memchr(d.candidates[i].called, '\0', SL_ROUTE_NUMBER_MAX));
		SL_FUZZ_CHECK(!q.from_user || !d.candidates[i].trunk || strncmp(q.called, "+9", 2) != 0);
	}
	json_decref(record);
	free(d.record);
	return 0;
}
