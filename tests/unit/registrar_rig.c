/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "registrar_rig.h"

#include "controlplane/brain.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <sofia-sip/nta_stateless.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/su_tagarg.h>

#define PASSWORD "lab-password"

struct rig rig;
static struct sl_prov_tenant tenant = { .name = "lab" };
struct sl_prov_domain rig_domain;
struct sl_prov_user rig_users[RIG_NAMED + RIG_USERS];
struct sl_prov_trunk rig_trunk = { .name = "carrier" };
static struct sl_prov_snapshot snapshot = { .refs = 1, .generation = 1, .n_domains = 1, .domains = &rig_domain };
static void (*watch)(void *ctx);
static void *watch_ctx;

/* ---- the provisioning ---- */

const struct sl_prov_snapshot *sl_prov_now(const struct sl_prov *p)
{
	(void)p;
	return &snapshot;
}

const struct sl_prov_domain *sl_prov_domain(const struct sl_prov_snapshot *s, const char *name, size_t len)
{
	(void)s;
	return len == strlen(rig_domain.name) && strncasecmp(name, rig_domain.name, len) == 0 ? &rig_domain : NULL;
}

struct sl_prov_user *sl_prov_user(const struct sl_prov *p, const char *name, size_t name_len, const char *domain, size_t domain_len)
{
	if (!sl_prov_domain(sl_prov_now(p), domain, domain_len))
		return NULL;
	for (unsigned i = 0; i < RIG_NAMED + RIG_USERS; i++) {
		if (!rig_users[i].gone && strlen(rig_users[i].name) == name_len && memcmp(rig_users[i].name, name, name_len) == 0)
			return &rig_users[i];
	}
	return NULL;
}

struct sl_prov_user *sl_prov_user_by_number(const struct sl_prov *p, const char *tenant_name, const char *number)
{
	(void)p;
	assert_string_equal(tenant_name, tenant.name);
	return strcmp(number, rig_users[0].numbers[0]) == 0 ? &rig_users[0] : NULL;
}

struct sl_prov_user *sl_prov_user_ref(struct sl_prov_user *u)
{
	u->refs++;
	return u;
}

void sl_prov_user_unref(struct sl_prov_user *u)
{
	assert_true(u->refs-- > 1);
}

const struct sl_prov_trunk *sl_prov_trunk_of(const struct sl_prov_snapshot *s, const struct sl_endpoint *from, const char *tls_identity)
{
	struct sl_prefix carrier;

	(void)s;
	(void)tls_identity;
	assert_int_equal(sl_prefix_parse("198.51.100.0/24", &carrier), 0);
	return sl_prefix_contains(&carrier, &from->ip) ? &rig_trunk : NULL;
}

int sl_prov_watch(struct sl_prov *p, void (*fn)(void *ctx), void *ctx)
{
	(void)p;
	watch = fn;
	watch_ctx = ctx;
	return 0;
}

void rig_provisioned(void)
{
	watch(watch_ctx);
}

/* ---- SIP ---- */

static void answered(int status, const char *phrase, const tagi_t *tags)
{
	const tagi_t *headers = tl_find(tags, siptag_header_str), *retry = tl_find(tags, siptag_retry_after_str);

	rig.n_answers++;
	rig.status = status;
	snprintf(rig.phrase, sizeof rig.phrase, "%s", phrase);
	snprintf(rig.headers, sizeof rig.headers, "%s%s%s", headers && headers->t_value ? (const char *)headers->t_value : "",
	        retry ? "Retry-After: " : "", retry ? (const char *)retry->t_value : "");
}

/* Found before the library's. */
int nta_msg_treply(nta_agent_t *agent, msg_t *msg, int status, char const *phrase, tag_type_t tag, tag_value_t value, ...)
{
	ta_list ta;

	(void)agent;
	ta_start(ta, tag, value);
	answered(status, phrase, ta_args(ta));
	(void)(ta_end(ta));
	msg_destroy(msg);
	return 0;
}

void sl_sip_refuse(struct sl_sip *s, msg_t *msg, const sip_t *sip, int status, const char *phrase, tag_type_t tag, tag_value_t value, ...)
{
	ta_list ta;

	(void)s;
	(void)sip;
	ta_start(ta, tag, value);
	answered(status, phrase, ta_args(ta));
	(void)(ta_end(ta));
	msg_destroy(msg);
}

nta_agent_t *sl_sip_agent(const struct sl_sip *s)
{
	(void)s;
	return NULL;
}

bool sl_sip_flow_is_open(const struct sl_sip *s, const struct sl_sip_flow *f)
{
	(void)s;
	return f->connection != 666;
}

void sl_sip_hop_back(const struct sl_sip_flow *f, struct sl_sip_hop *out)
{
	(void)f;
	(void)out;
	fail();
}

sip_contact_t *sl_sip_contact(struct sl_sip *s, su_home_t *home, const struct sl_sip_hop *h, const char *user)
{
	(void)s;
	(void)home;
	(void)h;
	(void)user;
	return NULL;
}

sip_route_t *sl_sip_hop_header(struct sl_sip *s, su_home_t *home, const struct sl_sip_hop *h)
{
	(void)s;
	(void)home;
	(void)h;
	return NULL;
}

int sl_sip_hop_route(struct sl_sip *s, su_home_t *home, const struct sl_sip_hop *h, url_t **route, tport_t **tport)
{
	(void)s;
	(void)home;
	(void)h;
	(void)route;
	(void)tport;
	return -ENOTCONN;
}

/* ---- clocks and events ---- */

int64_t sl_now_ms(void)
{
	return rig.now_ms;
}

int64_t sl_call_unix_ms(void)
{
	return rig.now_ms;
}

void sl_call_event_publish(struct sl_call_events *es, enum sl_call_event_type t, const char *tenant_name, const struct sl_id *call,
        const struct sl_id *leg, const char *format, ...)
{
	va_list args;

	(void)es;
	(void)call;
	(void)leg;
	assert_string_equal(tenant_name, tenant.name);
	rig.events[t]++;
	va_start(args, format);
	vsnprintf(rig.event, sizeof rig.event, format, args);
	va_end(args);
}

const char *sl_call_event_name(enum sl_call_event_type t)
{
	(void)t;
	return "event";
}

/* ---- life ---- */

static void make_user(struct sl_prov_user *u, const char *name)
{
	uint8_t ha1[SL_DIGEST_BYTES_MAX];

	*u = (struct sl_prov_user){ .refs = 1, .enabled = true };
	snprintf(u->name, sizeof u->name, "%s", name);
	snprintf(u->domain, sizeof u->domain, "%s", rig_domain.name);
	snprintf(u->tenant, sizeof u->tenant, "%s", tenant.name);
	assert_int_equal(sl_digest_ha1(SL_DIGEST_SHA256, name, u->domain, PASSWORD, ha1), 0);
	memcpy(u->ha1_sha256, ha1, sizeof u->ha1_sha256);
	assert_int_equal(sl_digest_ha1(SL_DIGEST_MD5, name, u->domain, PASSWORD, ha1), 0);
	memcpy(u->ha1_md5, ha1, sizeof u->ha1_md5);
}

static void open_registrar(void)
{
	char text[256] = "";
	struct sl_registrar_options o = { .config = &rig.config, .timers = rig.timers };

	rig.mail = sl_mailbox_new(1024);
	rig.store = sl_store_open(rig.path, rig.mail, text, sizeof text);
	if (!rig.store)
		fail_msg("%s", text);
	o.store = rig.store;
	struct sl_warden_options w = { .config = &rig.config, .store = rig.store, .unix_ms = sl_call_unix_ms, .now_ms = sl_now_ms };
	rig.warden = o.warden = sl_warden_new(&w);
	assert_non_null(rig.warden);
	rig.registrar = sl_registrar_open(&o, text, sizeof text);
	if (!rig.registrar)
		fail_msg("%s", text);
	sl_registrar_set_sip(rig.registrar, (struct sl_sip *)&rig);
}

void rig_open(void)
{
	static const char *const names[RIG_NAMED] = { "alice", "bob", "carol" };

	memset(&rig, 0, sizeof rig);
	rig.now_ms = 1800000000000;
	rig_domain = (struct sl_prov_domain){ .name = "lab.test", .tenant = &tenant, .min_expires_s = 60, .max_expires_s = 7200,
		.default_expires_s = 3600, .max_contacts = 3, .sha256 = true, .md5 = true, .nonce_s = 300 };
	for (unsigned i = 0; i < RIG_NAMED + RIG_USERS; i++) {
		char name[16];

		snprintf(name, sizeof name, "u%u", i - RIG_NAMED);
		make_user(&rig_users[i], i < RIG_NAMED ? names[i] : name);
	}
	static sl_prov_number number = "+493012345";
	rig_users[0].n_numbers = 1;
	rig_users[0].numbers = &number;
	rig.config.sip = (struct sl_conf_sip){ .auth_failures = 3, .auth_window_s = 60, .auth_block_s = 30, .n_listeners = 1 };
	/* Three wrong passwords ban a source, too. */
	rig.config.guard = (struct sl_conf_guard){ .enabled = true, .sip_sources = 4096, .reputation_ban = 30, .reputation_half_life_s = 300,
		.weight = { 10, 10, 2, 2, 50, 5 }, .ban_s = 30, .ban_max_s = 3600, .log_per_minute = 60 };
	assert_int_equal(sl_endpoint_parse("192.0.2.1:5060", &rig.config.sip.listeners[0].address), 0);
	rig.flow.local = rig.config.sip.listeners[0].address;
	assert_int_equal(sl_endpoint_parse("192.0.2.7:5060", &rig.flow.remote), 0);
	strcpy(rig.folder, "/tmp/sluice-registrar-XXXXXX");
	assert_non_null(mkdtemp(rig.folder));
	snprintf(rig.path, sizeof rig.path, "%s/db", rig.folder);
	rig.timers = sl_timers_new();
	open_registrar();
}

static void close_registrar(void)
{
	sl_registrar_set_sip(rig.registrar, NULL);
	sl_registrar_close(rig.registrar);
	rig_pump();
	sl_store_close(rig.store);
	sl_warden_free(rig.warden);
	sl_mailbox_free(rig.mail);
}

void rig_reopen(void)
{
	close_registrar();
	open_registrar();
	rig.n_challenges = 0;
}

void rig_close(void)
{
	char name[96];

	close_registrar();
	sl_timers_free(rig.timers);
	for (unsigned i = 0; i < RIG_NAMED + RIG_USERS; i++)
		assert_int_equal(rig_users[i].refs, 1);
	static const char *const ends[] = { "", "-wal", "-shm" };
	for (unsigned i = 0; i < 3; i++) {
		snprintf(name, sizeof name, "%s%s", rig.path, ends[i]);
		unlink(name);
	}
	rmdir(rig.folder);
}

void rig_pump(void)
{
	while (sl_store_waiting(rig.store)) {
		struct pollfd p = { sl_mailbox_fd(rig.mail), POLLIN, 0 };

		assert_int_equal(poll(&p, 1, 10000), 1);
		sl_mailbox_run(rig.mail, 1024);
	}
}

void rig_later(int64_t ms)
{
	rig.now_ms += ms;
	sl_timers_run(rig.timers, rig.now_ms);
	sl_registrar_tick(rig.registrar, rig.now_ms);
	rig_pump();
	sl_registrar_tick(rig.registrar, rig.now_ms);
	rig_pump();
}

/* ---- the client ---- */

static void take_challenges(void)
{
	const char *p = rig.headers;

	rig.n_challenges = rig.nonce_count = 0;
	while ((p = strstr(p, "-Authenticate: ")) != NULL && rig.n_challenges < 2) {
		p += strlen("-Authenticate: ");
		snprintf(rig.challenges[rig.n_challenges++], sizeof rig.challenges[0], "%.*s", (int)strcspn(p, "\r"), p);
	}
}

struct sl_prov_user *rig_user(const char *name)
{
	return sl_prov_user(NULL, name, strlen(name), rig_domain.name, strlen(rig_domain.name));
}

int rig_send(const char *user, const char *call_id, unsigned cseq, const char *headers)
{
	static char text[32768];
	char answer[1024] = "";
	const struct sl_prov_user *u = rig_user(user);

	if (rig.n_challenges && u) {
		const char *list[2] = { rig.challenges[0], rig.challenges[1] };

		strcpy(answer, "Authorization: ");
		assert_int_equal(sl_digest_answer(list, rig.n_challenges, user, rig_domain.name, u->ha1_md5, u->ha1_sha256, "REGISTER", "sip:lab.test",
		                         ++rig.nonce_count, answer + 15, sizeof answer - 18), 0);
		strcat(answer, "\r\n");
	}
	int n = snprintf(text, sizeof text,
	        "REGISTER sip:lab.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK%s%u\r\nMax-Forwards: 70\r\n"
	        "From: <sip:%s@lab.test>;tag=t\r\nTo: <sip:%s@lab.test>\r\nCall-ID: %s\r\nCSeq: %u REGISTER\r\nUser-Agent: rig\r\n%s%s"
	        "Content-Length: 0\r\n\r\n", call_id, cseq, user, rig.to ? rig.to : user, call_id, cseq, answer, headers);
	msg_t *msg = msg_make(sip_default_mclass(), 0, text, n);
	sip_t *sip = msg ? sip_object(msg) : NULL;

	assert_non_null(sip);
	assert_non_null(sip->sip_request);
	rig.status = 0;
	sl_registrar_register(rig.registrar, msg, sip, &rig.flow);
	return rig.status;
}

int rig_register(const char *user, const char *call_id, const char *headers)
{
	rig.n_challenges = 0;
	int status = rig_send(user, call_id, ++rig.cseq, headers);

	if (status != 401)
		return status;
	take_challenges();
	status = rig_send(user, call_id, ++rig.cseq, headers);
	rig_pump();
	return status ? status : rig.status;
}

bool rig_has(const char *text)
{
	return strstr(rig.headers, text) != NULL;
}

unsigned rig_count(const char *text)
{
	unsigned n = 0;

	for (const char *p = rig.headers; (p = strstr(p, text)) != NULL; p += strlen(text))
		n++;
	return n;
}

static unsigned bindings(const char *user, const struct sl_binding *out[16])
{
	return sl_registrar_bindings(rig.registrar, rig_user(user), out, 16);
}

unsigned rig_bindings(const char *user)
{
	const struct sl_binding *out[16];

	return bindings(user, out);
}

const struct sl_binding *rig_binding(const char *user, unsigned i)
{
	const struct sl_binding *out[16];

	assert_true(i < bindings(user, out));
	return out[i];
}
