/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What we call ourselves, and what nta and the edge are told about where to send. The table of connections and the edge are played. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "controlplane/sip/internal.h"

static bool open_flow;

bool sl_sip_flow_is_open(const struct sl_sip *s, const struct sl_sip_flow *f)
{
	(void)s;
	(void)f;
	return open_flow;
}

tport_t *sl_sip_connection_of(const struct sl_sip *s, const struct sl_sip_flow *f)
{
	(void)s;
	(void)f;
	return NULL;
}

const char *sl_sip_transport_name(enum sl_sip_transport t)
{
	return t == SL_SIP_UDP ? "udp" : t == SL_SIP_TCP ? "tcp" : "tls";
}

struct sl_endpoint sl_edge_endpoint(const struct sl_edge *e)
{
	struct sl_endpoint at = {0};

	(void)e;
	sl_endpoint_parse("127.0.0.1:40001", &at);
	return at;
}

void sl_edge_token(uint32_t connection, char out[16])
{
	snprintf(out, 16, "c-%x", connection);
}

static struct sl_sip sip;

static void fresh(void)
{
	memset(&sip, 0, sizeof sip);
	sip.n_listeners = 3;
	sip.edge = (struct sl_edge *)&sip; /* there is one */
	strcpy(sip.primaries[0].host, "203.0.113.7");
	strcpy(sip.primaries[1].host, "[2001:db8::1]");
	strcpy(sip.primaries[1].port, "5070");
	strcpy(sip.primaries[2].host, "203.0.113.7");
}

static void hop(struct sl_sip_hop *h, const char *to, unsigned transport, unsigned listener)
{
	memset(h, 0, sizeof *h);
	assert_int_equal(sl_endpoint_parse(to, &h->to), 0);
	h->transport = (uint8_t)transport;
	h->listener = (uint8_t)listener;
}

static void expect_contact(const struct sl_sip_hop *h, const char *user, const char *wanted)
{
	su_home_t home[1] = {SU_HOME_INIT(home)};
	sip_contact_t *c = sl_sip_contact(&sip, home, h, user);

	assert_non_null(c);
	assert_string_equal(url_as_string(home, c->m_url), wanted);
	su_home_deinit(home);
}

static void test_contacts(void **state)
{
	struct sl_sip_hop h;

	(void)state;
	fresh();
	hop(&h, "192.0.2.1:5060", SL_SIP_UDP, 0);
	expect_contact(&h, "", "sip:203.0.113.7");
	expect_contact(&h, "alice", "sip:alice@203.0.113.7");
	expect_contact(&h, "a b@c:d<e>\"", "sip:a%20b%40c%3Ad%3Ce%3E%22@203.0.113.7");
	h.transport = SL_SIP_TCP;
	h.listener = 1;
	expect_contact(&h, "+49301", "sip:+49301@[2001:db8::1]:5070;transport=tcp");
	h.transport = SL_SIP_TLS;
	h.listener = 2;
	expect_contact(&h, "x", "sip:x@203.0.113.7;transport=tls");
	h.listener = 3;
	assert_null(sl_sip_contact(&sip, NULL, &h, "x"));
}

static void test_edge_routes(void **state)
{
	su_home_t home[1] = {SU_HOME_INIT(home)};
	struct sl_sip_hop h;
	sip_route_t *r;

	(void)state;
	fresh();
	hop(&h, "192.0.2.1:5061", SL_SIP_TLS, 2);
	strcpy(h.tls_name, "sip.example.com");
	r = sl_sip_hop_header(&sip, home, &h);
	assert_string_equal(url_as_string(home, r->r_url), "sip:connect@127.0.0.1:40001;lr;to=192.0.2.1:5061;name=sip.example.com;listener=2");
	hop(&h, "[2001:db8::9]:5061", SL_SIP_TLS, 2);
	r = sl_sip_hop_header(&sip, home, &h);
	assert_string_equal(url_as_string(home, r->r_url), "sip:connect@127.0.0.1:40001;lr;to=[2001:db8::9]:5061;listener=2");
	h.by_flow = true;
	h.flow.connection = 0x1a2b;
	r = sl_sip_hop_header(&sip, home, &h);
	assert_string_equal(url_as_string(home, r->r_url), "sip:c-1a2b@127.0.0.1:40001;lr");
	h.transport = SL_SIP_UDP;
	assert_null(sl_sip_hop_header(&sip, home, &h));
	su_home_deinit(home);
}

static void test_route_of_a_closed_flow(void **state)
{
	su_home_t home[1] = {SU_HOME_INIT(home)};
	struct sl_sip_flow f = {.transport = SL_SIP_TLS, .listener = 2, .connection = 5, .epoch = 1};
	struct sl_sip_hop h;
	url_t *route;
	tport_t *tport;

	(void)state;
	fresh();
	sl_endpoint_parse("192.0.2.1:1234", &f.remote);
	sl_sip_hop_back(&f, &h);
	assert_true(h.by_flow && h.transport == SL_SIP_TLS && h.listener == 2);
	assert_true(sl_endpoint_eq(&h.to, &f.remote));
	open_flow = false;
	assert_int_equal(sl_sip_hop_route(&sip, home, &h, &route, &tport), -ENOTCONN);
	open_flow = true;
	assert_int_equal(sl_sip_hop_route(&sip, home, &h, &route, &tport), 0);
	assert_string_equal(url_as_string(home, route), "sip:127.0.0.1:40001;transport=tcp");
	h.listener = 9;
	assert_int_equal(sl_sip_hop_route(&sip, home, &h, &route, &tport), -ENOENT);
	su_home_deinit(home);
}

static void test_text(void **state)
{
	char text[SL_CDR_ADDRESS_MAX];
	struct sl_sip_hop h;

	(void)state;
	hop(&h, "192.0.2.10:5060", SL_SIP_UDP, 0);
	assert_string_equal(sl_sip_hop_text(&h, text), "udp:192.0.2.10:5060");
	hop(&h, "[2001:db8:1111:2222:3333:4444:5555:6666]:65535", SL_SIP_TLS, 0);
	assert_string_equal(sl_sip_hop_text(&h, text), "tls:[2001:db8:1111:2222:3333:4444:5555:6666]:65535");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contacts),
		cmocka_unit_test(test_edge_routes),
		cmocka_unit_test(test_route_of_a_closed_flow),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
