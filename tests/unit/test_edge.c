/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The stream edge between TLS clients and something that stands for nta. */

#include "tests/unit/unit.h"

#include "tests/unit/edge_rig.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rig rig;

static int open_rig(void **state)
{
	(void)state;
	rig_open(&rig, SL_CERT_OPTIONAL, 100);
	return 0;
}

static int open_strict(void **state)
{
	(void)state;
	rig_open(&rig, SL_CERT_REQUIRED, 100);
	return 0;
}

static int open_small(void **state)
{
	(void)state;
	rig_open(&rig, SL_CERT_OFF, 2);
	return 0;
}

static int close_rig(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

#define COUNT(name) offsetof(struct sl_edge_counts, name)

static const char *request(const char *method, const char *via_params, const char *more)
{
	static char text[RIG_TEXT];

	snprintf(text, sizeof text,
	        "%s sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.77:4711%s\r\nFrom: <sip:a@example.com>;tag=1\r\n"
	        "To: <sip:bob@example.com>\r\nCall-ID: 1@a\r\nCSeq: 1 %s\r\n%sContent-Length: 0\r\n\r\n",
	        method, via_params, method, more);
	return text;
}

/* What nta would answer: the request's Vias, From, To, Call-ID, CSeq. */
static const char *response_to(const char *message, const char *status)
{
	static char text[RIG_TEXT];
	char value[RIG_TEXT];
	size_t n = (size_t)snprintf(text, sizeof text, "SIP/2.0 %s\r\n", status);

	for (const char *line = strstr(message, "\r\n") + 2; *line != '\r'; line = strstr(line, "\r\n") + 2) {
		if (strncmp(line, "Via:", 4) == 0)
			n += (size_t)snprintf(text + n, sizeof text - n, "%.*s", (int)(strstr(line, "\r\n") + 2 - line), line);
	}
	static const char *const copied[] = {"From", "To", "Call-ID", "CSeq"};

	for (size_t i = 0; i < SL_COUNT(copied); i++) {
		if (rig_header(message, copied[i], value))
			n += (size_t)snprintf(text + n, sizeof text - n, "%s: %.1000s\r\n", copied[i], value);
	}
	snprintf(text + n, sizeof text - n, "Content-Length: 0\r\n\r\n");
	return text;
}

static void flow_of(const char *message, struct sl_edge_flow *f)
{
	char value[RIG_TEXT];

	assert_true(rig_header(message, SL_EDGE_FLOW_HEADER, value));
	assert_int_equal(sl_edge_flow_parse(value, rig.o.key, f), 0);
}

/* nta's request back along a connection. */
static const char *back(const char *method, const char *user, const char *params)
{
	static char text[RIG_TEXT];

	snprintf(text, sizeof text,
	        "%s sip:a@192.0.2.77 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:5070;branch=z9hG4bKnta1;rport\r\nRoute: <sip:%s@%s;lr%s>\r\n"
	        "From: <sip:bob@example.com>;tag=2\r\nTo: <sip:a@example.com>\r\nCall-ID: 2@b\r\nCSeq: 7 %s\r\n\r\n",
	        method, user, rig.edge_text, params, method);
	return text;
}

static const char *token(uint32_t connection)
{
	static char text[16];

	sl_edge_token(connection, text);
	return text;
}

/* ---- through it ---- */

static void a_transaction_passes(void **state)
{
	struct rig_client *c = rig_connect(&rig, "", 0, NULL);
	char in[RIG_TEXT], out[RIG_TEXT], value[RIG_TEXT], invite_branch[RIG_TEXT];
	struct sl_edge_flow f;

	(void)state;
	assert_non_null(c);
	rig_client_send(c, request("INVITE", ";branch=z9hG4bKc1;rport", "P-Sluice-Flow: c-1;mac=forged\r\n"));
	rig_nta_receive(&rig, in);
	flow_of(in, &f);
	assert_int_equal(f.listener, 1);
	assert_int_equal(ntohs(f.remote.port_be), c->port);
	assert_string_equal(f.identity, "");
	assert_null(strstr(in, "forged"));
	assert_true(rig_header(in, "Via", invite_branch));
	assert_non_null(strstr(invite_branch, rig.edge_text));
	snprintf(value, sizeof value, "Via: SIP/2.0/TLS 192.0.2.77:4711;branch=z9hG4bKc1;rport=%u;received=127.0.0.1\r\n", c->port);
	assert_non_null(strstr(in, value));

	/* CANCEL and ACK belong to the INVITE's transaction; another branch does not. */
	rig_client_send(c, request("CANCEL", ";branch=z9hG4bKc1;rport", ""));
	rig_nta_receive(&rig, out);
	assert_true(rig_header(out, "Via", value));
	assert_string_equal(value, invite_branch);
	rig_client_send(c, request("INVITE", ";branch=z9hG4bKc2", ""));
	rig_nta_receive(&rig, out);
	assert_true(rig_header(out, "Via", value));
	assert_string_not_equal(value, invite_branch);

	rig_nta_answer(&rig, response_to(in, "180 Ringing"));
	assert_true(rig_client_receive(c, out));
	assert_true(rig_header(out, "Via", value));
	assert_non_null(strstr(value, "192.0.2.77:4711;branch=z9hG4bKc1"));
	assert_null(strstr(out, rig.edge_text));
	rig_client_free(c);
	rig_wait_closed(&rig, 1);
	assert_int_equal(rig.last_closed, f.connection);
}

static void a_request_finds_back(void **state)
{
	struct rig_client *c = rig_connect(&rig, "", TLS1_2_VERSION, NULL);
	char in[RIG_TEXT], out[RIG_TEXT], value[RIG_TEXT];
	struct sl_edge_flow f;

	(void)state;
	assert_non_null(c);
	rig_client_send(c, request("REGISTER", ";branch=z9hG4bKc1", ""));
	rig_nta_receive(&rig, in);
	flow_of(in, &f);
	rig_nta_send(&rig, back("INVITE", token(f.connection), ""));
	assert_true(rig_client_receive(c, in));
	assert_true(rig_header(in, "Via", value));
	assert_int_equal(strncmp(value, "SIP/2.0/TLS 192.0.2.9:5061;branch=z9hG4bKnta1.", 46), 0);
	assert_null(strstr(in, "127.0.0.1"));
	assert_null(strstr(in, "Route:"));
	assert_non_null(strstr(in, "Content-Length: 0\r\n"));

	rig_client_send(c, response_to(in, "200 OK"));
	rig_nta_receive(&rig, out);
	assert_true(rig_header(out, "Via", value));
	assert_non_null(strstr(value, ";branch=z9hG4bKnta1"));
	assert_null(strstr(value, "z9hG4bKnta1.")); /* as nta sent it */
	flow_of(out, &f);

	/* A response to what was never asked here. */
	rig_client_send(c, "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS h;branch=z9hG4bKnta1.0123456789abcdef\r\n\r\n");
	rig_wait_count(&rig, COUNT(dropped), 1);
	rig_client_free(c);
}

static void a_lost_connection_is_told(void **state)
{
	struct rig_client *c = rig_connect(&rig, "", 0, NULL);
	char in[RIG_TEXT];
	struct sl_edge_flow f;

	(void)state;
	rig_client_send(c, request("OPTIONS", ";branch=z9hG4bKc1", ""));
	rig_nta_receive(&rig, in);
	flow_of(in, &f);
	rig_client_free(c);
	rig_wait_closed(&rig, 1);
	rig_nta_send(&rig, response_to(in, "200 OK")); /* by a connection of its own: the other one has ended */
	rig_wait_count(&rig, COUNT(responses_lost), 1);
	rig_nta_send(&rig, back("BYE", token(f.connection), ""));
	rig_nta_hear(&rig, in);
	assert_int_equal(strncmp(in, "SIP/2.0 430 Flow Failed\r\n", 25), 0);
	assert_non_null(strstr(in, "z9hG4bKnta1;rport"));
	assert_non_null(strstr(in, "To: <sip:a@example.com>;tag=edge"));
	rig_nta_send(&rig, back("ACK", token(f.connection), "")); /* is not answered */
	rig_nta_send(&rig, "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKx\r\nFrom: <sip:a@b>\r\nTo: <sip:a@b>;tag=3\r\n\r\n");
	rig_nta_hear(&rig, in);
	assert_int_equal(strncmp(in, "SIP/2.0 430", 11), 0);
	assert_non_null(strstr(in, "To: <sip:a@b>;tag=3\r\n"));
	rig_wait_count(&rig, COUNT(flow_failed), 3);
}

static void keep_alives_are_answered(void **state)
{
	struct rig_client *c = rig_connect(&rig, "", 0, NULL);
	char out[RIG_TEXT];

	(void)state;
	rig_client_send(c, "\r\n");
	rig_client_send(c, "\r\n");
	assert_true(rig_client_receive(c, out));
	assert_string_equal(out, "\r\n");
	rig_client_send(c, request("OPTIONS", ";branch=z9hG4bKc1", ""));
	rig_nta_receive(&rig, out);
	rig_wait_count(&rig, COUNT(keepalives), 1);
	rig_client_free(c);
}

static void no_sip_ends_the_connection(void **state)
{
	struct rig_client *c = rig_connect(&rig, "", 0, NULL);
	char out[RIG_TEXT];

	(void)state;
	rig_client_send(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_false(rig_client_receive(c, out));
	rig_wait_count(&rig, COUNT(closed_framing), 1);
	rig_wait_closed(&rig, 1);
	rig_client_free(c);
}

/* nta's side breaks: messages go on by a new link. */
static void nta_comes_back(void **state)
{
	struct rig_client *c = rig_connect(&rig, "", 0, NULL);
	char in[RIG_TEXT];

	(void)state;
	rig_client_send(c, request("OPTIONS", ";branch=z9hG4bKc1", ""));
	rig_nta_receive(&rig, in);
	rig_nta_break(&rig);
	rig_client_send(c, request("MESSAGE", ";branch=z9hG4bKc2", ""));
	rig_nta_receive(&rig, in);
	assert_int_equal(strncmp(in, "MESSAGE", 7), 0);
	rig_client_free(c);
}

/* What nta stumbles over is its sender's loss: another client's messages come by another link, and while one is not read, the other is. */
static void clients_do_not_share_a_link(void **state)
{
	struct rig_client *a = rig_connect(&rig, "", 0, NULL), *b = rig_connect(&rig, "", 0, NULL);
	char in[RIG_TEXT];
	unsigned first;

	(void)state;
	rig_client_send(a, request("OPTIONS", ";branch=z9hG4bKc1", ""));
	rig_nta_receive(&rig, in);
	first = rig.last_up;
	rig_client_send(b, request("MESSAGE", ";branch=z9hG4bKc1", ""));
	rig_nta_receive(&rig, in);
	assert_int_not_equal(rig.last_up, first);
	rig_nta_answer(&rig, response_to(in, "200 OK"));
	assert_true(rig_client_receive(b, in));
	rig_client_free(a);
	rig_client_free(b);
	rig_wait_closed(&rig, 2);
}

/* The end is told when nta has read all of it. */
static void the_end_comes_last(void **state)
{
	struct rig_client *c = rig_connect(&rig, "", TLS1_2_VERSION, NULL); /* 1.3: unread tickets would make its close a reset, and lose the message */
	char in[RIG_TEXT];

	(void)state;
	rig_client_send(c, request("OPTIONS", ";branch=z9hG4bKc1", ""));
	rig_nta_receive(&rig, in);
	rig_client_send(c, request("MESSAGE", ";branch=z9hG4bKc2", ""));
	rig_client_free(c);
	rig_wait_count(&rig, offsetof(struct sl_edge_counts, open), 0);
	sl_mailbox_run(rig.o.brain, 64);
	assert_int_equal(rig.closed, 0); /* the MESSAGE lies there unread */
	rig_nta_receive(&rig, in);
	assert_int_equal(strncmp(in, "MESSAGE", 7), 0);
	rig_wait_closed(&rig, 1);
}

/* ---- certificates ---- */

static void identity_is_what_was_verified(void **state)
{
	static const struct {
		const char *names, *identity;
	} cases[] = {
	        {"DNS:Trunk.Example.com", "trunk.example.com"},
	        {"DNS:host.example.com,URI:sip:Example.org", "example.org"},
	        {"URI:sip:alice@example.org,DNS:host.example.com", "host.example.com"}, /* RFC 5922 7.1: no user's */
	        {"DNS:*.example.com", ""},
	        {"IP:192.0.2.1", ""},
	};
	char in[RIG_TEXT];
	struct sl_edge_flow f;

	(void)state;
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		rig_certificate(&rig, "client", cases[i].names);
		struct rig_client *c = rig_connect(&rig, "client", 0, NULL);

		assert_non_null(c);
		rig_client_send(c, request("OPTIONS", ";branch=z9hG4bKc1", ""));
		rig_nta_receive(&rig, in);
		flow_of(in, &f);
		assert_string_equal(f.identity, cases[i].identity);
		rig_client_free(c);
	}
}

static void without_a_certificate_nobody_comes_in(void **state)
{
	char out[RIG_TEXT];
	struct rig_client *c = rig_connect(&rig, "", 0, NULL);

	(void)state;
	if (c) { /* TLS 1.3: its side is done before ours has looked */
		assert_false(rig_client_receive(c, out));
		rig_client_free(c);
	}
	rig_wait_count(&rig, COUNT(handshake_failed), 1);
	rig_wait_count(&rig, COUNT(certificate_refused), 1);
	rig_certificate(&rig, "client", "DNS:a.example.com");
	c = rig_connect(&rig, "client", 0, NULL);
	assert_non_null(c);
	rig_client_send(c, "\r\n\r\n");
	assert_true(rig_client_receive(c, out));
	rig_client_free(c);
}

static void old_versions_are_refused(void **state)
{
	struct rig_client *c;

	(void)state;
	assert_null(rig_connect(&rig, "", TLS1_1_VERSION, NULL));
	rig_wait_count(&rig, COUNT(handshake_failed), 1);
	c = rig_connect(&rig, "", TLS1_2_VERSION, NULL);
	assert_non_null(c);
	assert_int_equal(SSL_version(c->ssl), TLS1_2_VERSION);
	rig_client_free(c);
}

static void sessions_are_resumed(void **state)
{
	char out[RIG_TEXT];
	struct rig_client *c = rig_connect(&rig, "", TLS1_2_VERSION, NULL);
	SSL_SESSION *s;

	(void)state;
	assert_non_null(c);
	rig_client_send(c, "\r\n\r\n");
	assert_true(rig_client_receive(c, out));
	s = SSL_get1_session(c->ssl);
	rig_client_free(c);
	c = rig_connect(&rig, "", TLS1_2_VERSION, s);
	assert_non_null(c);
	assert_true(SSL_session_reused(c->ssl));
	rig_client_free(c);
	SSL_SESSION_free(s);
}

static void serial_of(struct rig_client *c, char out[64])
{
	X509 *x = SSL_get0_peer_certificate(c->ssl);

	snprintf(out, 64, "%ld", ASN1_INTEGER_get(X509_get0_serialNumber(x)));
}

/* New ones for those who come, nothing for those who are there, nothing at all when a file is wrong. */
static void certificates_are_exchanged(void **state)
{
	struct rig_client *old = rig_connect(&rig, "", 0, NULL), *fresh;
	struct sl_config config = rig.config;
	char in[RIG_TEXT], text[256] = "", first[64], second[64];

	(void)state;
	serial_of(old, first);
	rig_certificate(&rig, "second", "DNS:sip.example.com");
	config.sip.listeners[1].certificate = (char *)rig_path(&rig, "second.pem");
	assert_int_equal(sl_edge_reload(rig.edge, &config, text, sizeof text), -EINVAL); /* another one's key */
	assert_non_null(strstr(text, "'secure'"));
	assert_non_null(strstr(text, "server.key"));
	fresh = rig_connect(&rig, "", 0, NULL);
	serial_of(fresh, second);
	assert_string_equal(first, second);
	rig_client_free(fresh);

	config.sip.listeners[1].key = (char *)rig_path(&rig, "second.key");
	assert_int_equal(sl_edge_reload(rig.edge, &config, text, sizeof text), 0);
	fresh = rig_connect(&rig, "", 0, NULL);
	serial_of(fresh, second);
	assert_string_not_equal(first, second);
	rig_client_send(old, request("OPTIONS", ";branch=z9hG4bKc1", ""));
	rig_nta_receive(&rig, in);
	rig_nta_answer(&rig, response_to(in, "200 OK"));
	assert_true(rig_client_receive(old, in));
	rig_client_free(old);
	rig_client_free(fresh);
}

static void a_wrong_file_is_named(void **state)
{
	char text[256] = "";
	struct sl_edge_options o = rig.o;
	struct sl_config config = rig.config;

	(void)state;
	o.config = &config;
	config.sip.listeners[1].certificate = (char *)rig_path(&rig, "missing.pem");
	assert_null(sl_edge_open(&o, text, sizeof text));
	assert_non_null(strstr(text, "missing.pem"));
	assert_non_null(strstr(text, "certificate"));
}

/* ---- several certificates ---- */

/* NAME.pem is listener 1's certificates[n]. */
static void add_certificate(struct sl_config *config, const char *name, const char *names)
{
	static char paths[32][128]; /* of one test */
	static unsigned next;
	struct sl_conf_sip_listener *l = &config->sip.listeners[1];
	char *certificate = paths[next++ % SL_COUNT(paths)], *key = paths[next++ % SL_COUNT(paths)];

	rig_certificate(&rig, name, names);
	snprintf(certificate, sizeof paths[0], "%s/%s.pem", rig.folder, name);
	snprintf(key, sizeof paths[0], "%s/%s.key", rig.folder, name);
	l->certificates[l->n_certificates++] = (struct sl_conf_certificate){.certificate = certificate, .key = key};
}

static void reload(const struct sl_config *config)
{
	char text[512] = "";

	if (sl_edge_reload(rig.edge, config, text, sizeof text))
		fail_msg("%s", text);
}

/* Whose certificate a client sees that names host (NULL = none): its CN, the name of its file. */
static void sees(const char *host, const char *want)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	char got[64], out[RIG_TEXT];

	for (size_t i = 0; i < SL_COUNT(versions); i++) {
		struct rig_client *c = rig_connect_to(&rig, host, versions[i], NULL);

		assert_non_null(c); /* never an alert for a name */
		X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(c->ssl)), NID_commonName, got, sizeof got);
		if (strcmp(got, want) != 0)
			fail_msg("%s: %s instead of %s", host ? host : "no name", got, want);
		rig_client_send(c, "\r\n\r\n");
		assert_true(rig_client_receive(c, out));
		rig_client_free(c);
	}
}

static void the_name_asked_for_chooses(void **state)
{
	struct sl_config config = rig.config;

	(void)state;
	add_certificate(&config, "wild", "DNS:*.example.org,DNS:Example.org");
	add_certificate(&config, "exact", "IP:192.0.2.1,DNS:b.example.org,DNS:sip.example.com");
	add_certificate(&config, "cn.example.net", "");
	add_certificate(&config, "uri", "URI:sip:example.edu");
	add_certificate(&config, "late", "DNS:b.example.org,DNS:late.example.org");
	reload(&config);
	sees("b.example.org", "exact"); /* before a wildcard, and the first of two */
	sees("B.Example.ORG", "exact");
	sees("late.example.org", "late");
	sees("a.example.org", "wild");
	sees("example.org", "wild");
	sees("a.b.example.org", "server"); /* one label */
	sees("xexample.org", "server");
	sees(".example.org", "server");
	sees("cn.example.net", "cn.example.net");
	sees("exact", "server"); /* a subject beside alternative names is none */
	sees("example.edu", "uri");
	sees("sip.example.com", "server"); /* the default has it, too */
	sees("192.0.2.1", "server");
	sees("other.example", "server");
	sees(NULL, "server");
}

static void certificates_come_and_go(void **state)
{
	struct sl_config one = rig.config, two, bad;
	struct rig_client *old;
	char in[RIG_TEXT], text[512] = "";

	(void)state;
	add_certificate(&one, "first", "DNS:first.example.org");
	reload(&one);
	old = rig_connect_to(&rig, "first.example.org", 0, NULL);
	assert_non_null(old);
	two = one;
	add_certificate(&two, "second", "DNS:second.example.org");
	sees("second.example.org", "server");
	reload(&two);
	sees("first.example.org", "first");
	sees("second.example.org", "second");

	/* One that is no good: nothing has changed. */
	bad = rig.config;
	add_certificate(&bad, "third", "DNS:first.example.org");
	add_certificate(&bad, "fourth", "DNS:fourth.example.org");
	bad.sip.listeners[1].certificates[1].key = bad.sip.listeners[1].certificates[0].key;
	assert_int_equal(sl_edge_check(&bad, text, sizeof text), -EINVAL);
	assert_int_equal(sl_edge_reload(rig.edge, &bad, text, sizeof text), -EINVAL);
	assert_non_null(strstr(text, "'secure'"));
	assert_non_null(strstr(text, "'certificates[1].key'"));
	assert_non_null(strstr(text, "third.key"));
	bad.sip.listeners[1].certificates[1].certificate = (char *)rig_path(&rig, "missing.pem");
	assert_int_equal(sl_edge_reload(rig.edge, &bad, text, sizeof text), -EINVAL);
	assert_non_null(strstr(text, "'certificates[1].certificate'"));
	assert_non_null(strstr(text, "missing.pem"));
	bad.sip.listeners[1].n_certificates = 1;
	add_certificate(&bad, "no host", "IP:192.0.2.1");
	assert_int_equal(sl_edge_reload(rig.edge, &bad, text, sizeof text), -EINVAL);
	assert_non_null(strstr(text, "'certificates[1].certificate'"));
	assert_non_null(strstr(text, "it must have a DNS name"));
	sees("first.example.org", "first");
	sees("second.example.org", "second");

	assert_int_equal(sl_edge_check(&rig.config, text, sizeof text), 0);
	reload(&rig.config);
	sees("first.example.org", "server");
	sees("second.example.org", "server");
	rig_client_send(old, "\r\n\r\n"); /* is still there */
	assert_true(rig_client_receive(old, in));
	rig_client_free(old);
}

static SSL_SESSION *session_for(const char *host, int version, SSL_SESSION *with, bool *resumed)
{
	struct rig_client *c = rig_connect_to(&rig, host, version, with);
	char out[RIG_TEXT];
	SSL_SESSION *s;

	assert_non_null(c);
	rig_client_send(c, "\r\n\r\n"); /* TLS 1.3: tickets come before the answer */
	assert_true(rig_client_receive(c, out));
	*resumed = SSL_session_reused(c->ssl);
	s = SSL_get1_session(c->ssl);
	rig_client_free(c);
	return s;
}

static void sessions_stay_with_their_name(void **state)
{
	static const char *const hosts[] = {"a.example.org", "b.example.org", "c.example.org", "other.example", NULL};
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	struct sl_config config = rig.config;
	bool resumed;

	(void)state;
	add_certificate(&config, "first", "DNS:a.example.org,DNS:c.example.org");
	add_certificate(&config, "second", "DNS:b.example.org");
	reload(&config);
	for (size_t v = 0; v < SL_COUNT(versions); v++) {
		for (size_t i = 0; i < SL_COUNT(hosts); i++) {
			for (size_t j = 0; j < SL_COUNT(hosts); j++) {
				SSL_SESSION *s = session_for(hosts[i], versions[v], NULL, &resumed), *next;

				assert_false(resumed);
				next = session_for(hosts[j], versions[v], s, &resumed);
				if (resumed != (i == j))
					fail_msg("%s with a session of %s: resumed %d", hosts[j], hosts[i], resumed);
				SSL_SESSION_free(s);
				SSL_SESSION_free(next);
			}
		}
	}
}

/* Whoever names another host is asked for a certificate, too. */
static void no_name_gets_around_the_policy(void **state)
{
	struct sl_config config = rig.config;
	struct rig_client *c;
	char out[RIG_TEXT];

	(void)state;
	add_certificate(&config, "first", "DNS:a.example.org");
	reload(&config);
	c = rig_connect_to(&rig, "a.example.org", 0, NULL);
	if (c) {
		assert_false(rig_client_receive(c, out));
		rig_client_free(c);
	}
	rig_wait_count(&rig, COUNT(certificate_refused), 1);
}

/* ---- made ---- */

static const char *target(const struct rig_server *s, const char *name)
{
	static char text[128];
	char address[SL_ADDR_TEXT_MAX];

	snprintf(text, sizeof text, ";to=%s;name=%s;listener=1", sl_endpoint_text(&s->at, address), name);
	return text;
}

static void connections_are_made_and_kept(void **state)
{
	struct rig_server s;
	struct rig_client *c;
	char in[RIG_TEXT], out[RIG_TEXT];
	struct sl_edge_flow f;

	(void)state;
	rig_certificate(&rig, "carrier", "URI:sip:carrier.example.net,DNS:host.example.net");
	rig_server_open(&rig, &s, "carrier");
	rig_nta_send(&rig, back("OPTIONS", "connect", target(&s, "carrier.example.net")));
	c = rig_server_accept(&s);
	assert_non_null(c);
	assert_string_equal(SSL_get_servername(c->ssl, TLSEXT_NAMETYPE_host_name), "carrier.example.net");
	assert_true(rig_client_receive(c, in));
	assert_int_equal(strncmp(in, "OPTIONS", 7), 0);
	rig_client_send(c, response_to(in, "200 OK"));
	rig_nta_receive(&rig, out);
	flow_of(out, &f);
	assert_string_equal(f.identity, "carrier.example.net");
	rig_nta_send(&rig, back("INVITE", "connect", target(&s, "carrier.example.net"))); /* the same connection */
	assert_true(rig_client_receive(c, in));
	rig_nta_send(&rig, back("BYE", token(f.connection), ""));
	assert_true(rig_client_receive(c, in));
	rig_wait_count(&rig, COUNT(connected), 1);
	rig_client_free(c);
	rig_server_close(&s);
}

static void the_wrong_server_is_refused(void **state)
{
	struct rig_server s;
	struct rig_client *c;
	char in[RIG_TEXT], value[RIG_TEXT];

	(void)state;
	rig_certificate(&rig, "carrier", "DNS:host.example.net");
	rig_server_open(&rig, &s, "carrier");
	rig_nta_send(&rig, back("OPTIONS", "connect", target(&s, "other.example.net")));
	c = rig_server_accept(&s);
	rig_nta_hear(&rig, in);
	assert_int_equal(strncmp(in, "SIP/2.0 503 ", 12), 0);
	assert_true(rig_header(in, "Reason", value));
	assert_non_null(strstr(value, "it is not one of other.example.net"));
	rig_wait_count(&rig, COUNT(certificate_refused), 1);
	if (c)
		rig_client_free(c);
	rig_server_close(&s);

	rig_nta_send(&rig, back("OPTIONS", "connect", target(&s, "host.example.net"))); /* nobody listens any more */
	rig_nta_hear(&rig, in);
	assert_int_equal(strncmp(in, "SIP/2.0 503 ", 12), 0);
	rig_nta_send(&rig, back("OPTIONS", "connect", ";to=nonsense;listener=1"));
	rig_nta_hear(&rig, in);
	assert_int_equal(strncmp(in, "SIP/2.0 503 ", 12), 0);
	rig_nta_send(&rig, back("OPTIONS", "connect", ";to=127.0.0.1:9;listener=0"));
	rig_nta_hear(&rig, in);
	assert_non_null(strstr(in, "none of TLS"));
}

/* ---- limits ---- */

static void there_is_room_for_so_many(void **state)
{
	struct rig_client *a = rig_connect(&rig, "", 0, NULL), *b = rig_connect(&rig, "", 0, NULL);

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	assert_null(rig_connect(&rig, "", 0, NULL));
	rig_wait_count(&rig, COUNT(closed_limit), 1);
	rig_client_free(a);
	rig_wait_closed(&rig, 1);
	a = rig_connect(&rig, "", 0, NULL);
	assert_non_null(a);
	rig_client_free(a);
	rig_client_free(b);
}

static void a_flow_header_is_hard_to_forge(void **state)
{
	struct rig_client *c = rig_connect(&rig, "", 0, NULL);
	char in[RIG_TEXT], value[RIG_TEXT];
	struct sl_edge_flow f;

	(void)state;
	rig_client_send(c, request("OPTIONS", ";branch=z9hG4bKc1", ""));
	rig_nta_receive(&rig, in);
	assert_true(rig_header(in, SL_EDGE_FLOW_HEADER, value));
	for (size_t i = 0; value[i]; i++) {
		value[i] ^= 1;
		assert_int_equal(sl_edge_flow_parse(value, rig.o.key, &f), -EINVAL);
		value[i] ^= 1;
	}
	assert_int_equal(sl_edge_flow_parse(value, rig.o.key, &f), 0);
	value[strlen(value) - 1] = '\0';
	assert_int_equal(sl_edge_flow_parse(value, rig.o.key, &f), -EINVAL);
	assert_int_equal(sl_edge_flow_parse("", rig.o.key, &f), -EINVAL);
	assert_int_equal(sl_edge_flow_parse(NULL, rig.o.key, &f), -EINVAL);
	rig_client_free(c);
}

/* Whoever sends and does not read is ended; others are not held up. */
static void who_does_not_read_is_ended(void **state)
{
	struct rig_client *slow = rig_connect(&rig, "", 0, NULL), *other = rig_connect(&rig, "", 0, NULL);
	char in[RIG_TEXT];
	struct sl_edge_flow f;
	struct sl_edge_counts counts;

	(void)state;
	rig_client_send(slow, request("OPTIONS", ";branch=z9hG4bKc1", ""));
	rig_nta_receive(&rig, in);
	flow_of(in, &f);
	static char big[RIG_TEXT];
	char head[512];

	memset(big, 'x', sizeof big - 1);
	snprintf(head, sizeof head, "MESSAGE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKx\r\nRoute: <sip:%s@%s;lr>\r\nContent-Length: %zu\r\n\r\n",
	        token(f.connection), rig.edge_text, strlen(big));
	for (unsigned i = 0; i < 10000; i++) { /* far more than sockets hold */
		sl_edge_counts(rig.edge, &counts);
		if (counts.closed_slow)
			break;
		rig_nta_send(&rig, head);
		rig_nta_send(&rig, big);
	}
	rig_wait_count(&rig, COUNT(closed_slow), 1);
	rig_client_send(other, "\r\n\r\n");
	assert_true(rig_client_receive(other, in));
	rig_client_free(slow);
	rig_client_free(other);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN); /* whom the edge refused finds out by writing */
#define WITH(test, open) cmocka_unit_test_setup_teardown(test, open, close_rig)
	const struct CMUnitTest tests[] = {
	        WITH(a_transaction_passes, open_rig),
	        WITH(a_request_finds_back, open_rig),
	        WITH(a_lost_connection_is_told, open_rig),
	        WITH(keep_alives_are_answered, open_rig),
	        WITH(no_sip_ends_the_connection, open_rig),
	        WITH(nta_comes_back, open_rig),
	        WITH(clients_do_not_share_a_link, open_rig),
	        WITH(the_end_comes_last, open_rig),
	        WITH(identity_is_what_was_verified, open_rig),
	        WITH(without_a_certificate_nobody_comes_in, open_strict),
	        WITH(old_versions_are_refused, open_rig),
	        WITH(sessions_are_resumed, open_rig),
	        WITH(certificates_are_exchanged, open_rig),
	        WITH(a_wrong_file_is_named, open_rig),
	        WITH(the_name_asked_for_chooses, open_rig),
	        WITH(certificates_come_and_go, open_rig),
	        WITH(sessions_stay_with_their_name, open_rig),
	        WITH(no_name_gets_around_the_policy, open_strict),
	        WITH(connections_are_made_and_kept, open_rig),
	        WITH(the_wrong_server_is_refused, open_rig),
	        WITH(there_is_room_for_so_many, open_small),
	        WITH(a_flow_header_is_hard_to_forge, open_rig),
	        WITH(who_does_not_read_is_ended, open_rig),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
