/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The real sluice-controlplane against a dataplane that moves no packets. TURN's realms and live settings: what is configured and asked reaches the dataplane, again
 * after either program died, and users are not told anew for it. */

#include "tests/unit/control_rig.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#define TWO_REALMS                                                                                                                                  \
	"realm = \"example.org\"; secrets = [ \"rest\", \"older\" ]; user_quota = 7; realms = ( { name = \"other.example\"; secrets = [ \"theirs\" ]; " \
	"origins = [ \"https://app.other.example\" ]; realm_quota = 100; peers = ( { deny = \"198.51.100.0/24\"; } ); "                                 \
	"users = ( { name = \"user0\"; password = \"x\"; } ); } ); "

/* A copy of what is published. */
static const struct fake_snapshot *published(void)
{
	static struct fake_snapshot copy;

	fake_lock(rig.fake);
	copy = rig.fake->published;
	fake_unlock(rig.fake);
	return &copy;
}

static unsigned count(const unsigned *counter)
{
	fake_lock(rig.fake);
	unsigned n = *counter;
	fake_unlock(rig.fake);
	return n;
}

static bool realm_has(const char *realm, const char *user)
{
	fake_lock(rig.fake);
	bool has = fake_realm_user(rig.fake, realm, user) != NULL;
	fake_unlock(rig.fake);
	return has;
}

static bool rule_is(const struct sl_cmd_peer_rule *r, const char *prefix, bool allow, unsigned realm)
{
	struct sl_prefix p;

	assert_int_equal(sl_prefix_parse(prefix, &p), 0);
	return sl_ip_eq(&r->ip, &p.ip) && r->prefix_len == p.len && r->allow == allow && r->realm == realm;
}

static bool drains(void)
{
	fake_lock(rig.fake);
	bool on = rig.fake->drain.on;
	fake_unlock(rig.fake);
	return on;
}

static void begin(const char *turn)
{
	write_config(turn, 1, "");
	start_both();
}

static void restart_control(void)
{
	stop_control();
	unsigned before = commits();
	start_control();
	WAIT_FOR(commits() > before && healthy());
}

static void restart_dataplane(void)
{
	fake_die(rig.fake);
	WAIT_FOR(!healthy());
	fake_start(rig.fake);
	WAIT_FOR(healthy());
}

/* ---- realms ---- */

static void realms_are_provisioned(void **state)
{
	begin(TWO_REALMS);
	const struct fake_snapshot *s = published();
	assert_int_equal(s->n_realms, 2);
	assert_string_equal(s->realms[0].name, "example.org");
	assert_string_equal(s->realms[1].name, "other.example");
	assert_int_equal(s->realms[0].user_quota, 7);
	assert_int_equal(s->realms[1].total_quota, 100);
	assert_int_equal(s->n_secrets, 3);
	assert_int_equal(s->last_secret.realm, 1);
	assert_memory_equal(s->last_secret.secret, "theirs", 6);
	assert_int_equal(s->n_names, 1);
	assert_int_equal(s->names[0].kind, SL_REALM_ORIGIN);
	assert_int_equal(s->names[0].realm, 1);
	assert_true(realm_has("example.org", "user0"));
	assert_true(realm_has("other.example", "user0"));

	fake_lock(rig.fake);
	fake_allocate(rig.fake, 0, 0x1001, "user0");
	rig.fake->allocations[0].realm = 1;
	rig.fake->allocations[0].flags = SL_ALLOC_IS_RESTRICTED;
	rig.fake->allocations[0].over = SL_TURN_OVER_TLS;
	fake_unlock(rig.fake);
	WAIT_FOR(ask("GET", "/v1/allocations?realm=other.example&restricted=true&transport=tls", NULL) == 200 && strstr(rig.answer.text, "\"total\": 1"));
	assert_int_equal(ask("GET", "/v1/allocations?realm=example.org", NULL), 200);
	assert_non_null(strstr(rig.answer.text, "\"total\": 0"));
	json_t *o = get("/v1/turn/realms"), *other = json_array_get(json_object_get(o, "realms"), 1);
	assert_int_equal(json_integer_value(json_object_get(other, "allocations")), 1);
	assert_int_equal(json_integer_value(json_object_get(other, "restricted_allocations")), 1);
	assert_int_equal(json_integer_value(json_object_get(other, "quota_percent")), 1);
	json_decref(o);
	assert_int_equal(ask("GET", "/metrics", NULL), 200);
	assert_non_null(strstr(rig.answer.text, "sluice_turn_realm_allocations{realm=\"other.example\"} 1\n"));
	assert_non_null(strstr(rig.answer.text, "sluice_turn_allocations{transport=\"tls\"} 1\n"));
}

static void users_belong_to_a_realm(void **state)
{
	begin(TWO_REALMS);
	assert_int_equal(ask("POST", "/v1/turn/users", "{\"name\": \"bob\", \"password\": \"x\", \"realm\": \"other.example\"}"), 201);
	assert_true(realm_has("other.example", "bob"));
	assert_false(realm_has("example.org", "bob"));
	assert_int_equal(ask("POST", "/v1/turn/users", "{\"name\": \"bob\", \"password\": \"x\"}"), 201);
	assert_true(realm_has("example.org", "bob"));
	fake_lock(rig.fake);
	assert_memory_not_equal(fake_realm_user(rig.fake, "example.org", "bob")->key_md5, fake_realm_user(rig.fake, "other.example", "bob")->key_md5, 16);
	fake_unlock(rig.fake);
	assert_int_equal(ask("POST", "/v1/turn/users", "{\"name\": \"bob\", \"password\": \"x\", \"realm\": \"nobody\"}"), 400);
	assert_int_equal(ask("DELETE", "/v1/turn/users/user0?realm=other.example", NULL), 409);
	restart_control();
	assert_true(realm_has("example.org", "bob"));
	assert_true(realm_has("other.example", "bob"));
	assert_int_equal(ask("DELETE", "/v1/turn/users/bob?realm=other.example", NULL), 200);
	assert_false(realm_has("other.example", "bob"));
	assert_true(realm_has("example.org", "bob"));
}

static void a_reload_of_the_same_users_does_not_tell_them_anew(void **state)
{
	begin(TWO_REALMS);
	assert_int_equal(ask("POST", "/v1/turn/users", "{\"name\": \"bob\", \"password\": \"x\"}"), 201);
	unsigned told = count(&rig.fake->n_user_sets), kept = count(&rig.fake->n_kept_commits);
	write_config(TWO_REALMS "max_lifetime = 1800; ", 1, "");
	assert_int_equal(ask("POST", "/v1/reload", ""), 200);
	assert_int_equal(published()->realms[0].max_lifetime_s, 1800);
	assert_int_equal(count(&rig.fake->n_user_sets), told);
	assert_int_equal(count(&rig.fake->n_kept_commits), kept + 1);
	assert_true(realm_has("example.org", "bob"));
	/* Another user, or another realm, and all are told. */
	write_config(TWO_REALMS, 2, "");
	assert_int_equal(ask("POST", "/v1/reload", ""), 200);
	assert_true(count(&rig.fake->n_user_sets) > told);
	assert_int_equal(count(&rig.fake->n_kept_commits), kept + 1);
	assert_true(realm_has("example.org", "user1"));
	write_config(REALM, 2, "");
	assert_int_equal(ask("POST", "/v1/reload", ""), 200);
	assert_int_equal(published()->n_realms, 1);
	assert_int_equal(count(&rig.fake->n_kept_commits), kept + 1);
	assert_true(realm_has("example.org", "bob"));
}

/* ---- peers ---- */

static void peers_are_changed_live(void **state)
{
	begin(TWO_REALMS "peers = ( { deny = \"203.0.113.0/24\"; } ); ");
	assert_int_equal(published()->n_rules, 2);
	unsigned told = count(&rig.fake->n_user_sets);

	assert_int_equal(ask("PUT", "/v1/turn/peers", "{\"peers\": [{\"allow\": \"10.0.0.0/8\"}, {\"deny\": \"2001:db8::/32\", \"realm\": \"example.org\"}]}"), 200);
	assert_int_equal(ask("POST", "/v1/turn/peers", "{\"deny\": \"10.1.0.0/16\"}"), 200); /* before all others */
	const struct fake_snapshot *s = published();
	/* Of example.org; of other.example, which has rules of its own in the file: the live ones of all go before; of all. */
	assert_int_equal(s->n_rules, 1 + 3 + 3);
	assert_true(rule_is(&s->rules[0], "2001:db8::/32", false, 0));
	assert_true(rule_is(&s->rules[1], "10.1.0.0/16", false, 1));
	assert_true(rule_is(&s->rules[2], "10.0.0.0/8", true, 1));
	assert_true(rule_is(&s->rules[3], "198.51.100.0/24", false, 1));
	assert_true(rule_is(&s->rules[4], "10.1.0.0/16", false, SL_TURN_ANY_REALM));
	assert_true(rule_is(&s->rules[5], "10.0.0.0/8", true, SL_TURN_ANY_REALM));
	assert_true(rule_is(&s->rules[6], "203.0.113.0/24", false, SL_TURN_ANY_REALM));
	assert_int_equal(count(&rig.fake->n_user_sets), told);
	assert_true(realm_has("example.org", "user0"));

	assert_int_equal(ask("DELETE", "/v1/turn/peers/10.1.0.0/16", NULL), 200);
	assert_int_equal(ask("DELETE", "/v1/turn/peers/10.1.0.0/16", NULL), 404);
	assert_int_equal(ask("DELETE", "/v1/turn/peers?prefix=2001:db8::/32", NULL), 404); /* it is of a realm */
	assert_int_equal(ask("DELETE", "/v1/turn/peers?prefix=2001:db8::/32&realm=example.org", NULL), 200);
	assert_int_equal(published()->n_rules, 4);
	restart_dataplane();
	assert_int_equal(published()->n_rules, 4);
	restart_control();
	assert_int_equal(published()->n_rules, 4);
	assert_int_equal(ask("POST", "/v1/turn/peers", "{\"deny\": \"10.0.0.1/8\"}"), 400);
	assert_int_equal(ask("POST", "/v1/turn/peers", "{\"deny\": \"10.0.0.0/8\", \"allow\": \"10.0.0.0/8\"}"), 400);
	assert_int_equal(ask("POST", "/v1/turn/peers", "{\"deny\": \"10.0.0.0/8\", \"realm\": \"nobody\"}"), 400);
	assert_int_equal(published()->n_rules, 4);
}

static void what_the_dataplane_refuses_changes_nothing(void **state)
{
	begin(REALM);
	refuse(SL_CMD_PEER_RULE);
	assert_int_equal(ask("PUT", "/v1/turn/peers", "{\"peers\": [{\"allow\": \"10.0.0.0/8\"}]}"), 409);
	assert_non_null(strstr(rig.answer.text, "refused by the test"));
	refuse(0);
	WAIT_FOR(healthy());
	json_t *o = get("/v1/turn/peers");
	assert_int_equal(json_integer_value(json_object_get(o, "live")), 0);
	json_decref(o);
	restart_control();
	assert_int_equal(published()->n_rules, 0);
}

static void changes_while_the_dataplane_is_away_arrive_later(void **state)
{
	start_control();
	WAIT_FOR(serving());
	WAIT_FOR(ask("POST", "/v1/turn/peers", "{\"deny\": \"10.0.0.0/8\"}") == 202);
	assert_int_equal(ask("POST", "/v1/turn/restricted", "{\"addresses\": [\"203.0.113.0/24\"]}"), 202);
	assert_int_equal(ask("POST", "/v1/turn/drain", NULL), 202);
	fake_start(rig.fake);
	WAIT_FOR(healthy());
	assert_true(rule_is(&published()->rules[0], "10.0.0.0/8", false, SL_TURN_ANY_REALM));
	assert_int_equal(published()->n_restricted, 1);
	WAIT_FOR(drains());
}

/* ---- the restricted register ---- */

static void the_restricted_register_is_kept(void **state)
{
	begin(TWO_REALMS "restricted = { addresses = [ \"198.51.100.7\" ]; }; ");
	assert_int_equal(published()->n_restricted, 1);
	unsigned before = commits();
	assert_int_equal(ask("POST", "/v1/turn/restricted",
	                         "{\"addresses\": [\"203.0.113.0/24\", \"203.0.113.0/24\"], \"accounts\": [{\"name\": \"bob\", \"realm\": \"other.example\"}, {\"name\": "
	                         "\"bob\"}]}"),
	        200);
	const struct fake_snapshot *s = published();
	assert_int_equal(s->n_restricted, 4);
	assert_int_equal(commits(), before); /* single entries need no draft */
	unsigned of_other = 0, of_any = 0;
	for (unsigned i = 0; i < s->n_restricted; i++) {
		of_other += s->restricted[i].kind == SL_RESTRICTED_ACCOUNT && s->restricted[i].realm == 1;
		of_any += s->restricted[i].kind == SL_RESTRICTED_ACCOUNT && s->restricted[i].realm == SL_TURN_ANY_REALM;
	}
	assert_int_equal(of_other, 1);
	assert_int_equal(of_any, 1);
	assert_int_equal(ask("DELETE", "/v1/turn/restricted?account=bob&realm=other.example", NULL), 200);
	assert_int_equal(ask("DELETE", "/v1/turn/restricted?account=bob&realm=other.example", NULL), 404);
	assert_int_equal(ask("DELETE", "/v1/turn/restricted?address=198.51.100.7", NULL), 404); /* the file's */
	assert_int_equal(published()->n_restricted, 3);
	assert_int_equal(ask("POST", "/v1/turn/restricted", "{\"addresses\": [\"198.51.100.7\"]}"), 200); /* and ours, for a while */
	assert_int_equal(ask("DELETE", "/v1/turn/restricted?address=198.51.100.7", NULL), 200);
	assert_int_equal(published()->n_restricted, 3);
	restart_dataplane();
	assert_int_equal(published()->n_restricted, 3);
	restart_control();
	assert_int_equal(published()->n_restricted, 3);
	assert_int_equal(ask("PUT", "/v1/turn/restricted", "{\"addresses\": [\"192.0.2.7\", \"2001:db8::/48\"]}"), 200);
	assert_int_equal(published()->n_restricted, 3);
	assert_int_equal(ask("GET", "/v1/turn/restricted", NULL), 200);
	assert_non_null(strstr(rig.answer.text, "2001:db8::/48"));
	assert_null(strstr(rig.answer.text, "bob"));
	assert_int_equal(ask("PUT", "/v1/turn/restricted", "{\"addresses\": [\"192.0.2.7/8\"]}"), 400);
	assert_int_equal(ask("PUT", "/v1/turn/restricted", "{}"), 400);
}

/* ---- drain ---- */

static void drain_goes_on_through_restarts(void **state)
{
	start_both();
	fake_lock(rig.fake);
	fake_allocate(rig.fake, 0, 0x1001, "user0");
	fake_unlock(rig.fake);
	assert_int_equal(ask("POST", "/v1/turn/drain", "{\"max_lifetime_s\": 5}"), 400);
	assert_false(drains());
	assert_int_equal(ask("POST", "/v1/turn/drain", "{\"max_lifetime_s\": 120}"), 200);
	assert_true(drains());
	json_t *o = get("/v1/turn/drain");
	assert_true(json_is_true(json_object_get(o, "draining")));
	assert_int_equal(json_integer_value(json_object_get(o, "allocations")), 1);
	assert_int_equal(json_integer_value(json_object_get(o, "allocations_then")), 1);
	assert_false(json_is_true(json_object_get(o, "done")));
	json_decref(o);
	fake_lock(rig.fake);
	memset(&rig.fake->drain, 0, sizeof rig.fake->drain);
	fake_unlock(rig.fake);
	restart_dataplane();
	WAIT_FOR(drains());
	restart_control();
	WAIT_FOR(drains());
	fake_lock(rig.fake);
	assert_int_equal(rig.fake->drain.max_lifetime_s, 120);
	fake_close_allocation(rig.fake, 0x1001, SL_ALLOC_END_CLIENT);
	fake_unlock(rig.fake);
	o = get("/v1/turn/drain");
	assert_true(json_is_true(json_object_get(o, "done")));
	json_decref(o);
	o = get("/v1/turn/load");
	assert_true(json_is_true(json_object_get(o, "draining")));
	json_decref(o);
	assert_int_equal(ask("DELETE", "/v1/turn/drain", NULL), 200);
	assert_false(drains());
	restart_control();
	assert_false(drains());
}

/* ---- credentials ---- */

static void check_password(const json_t *o, const char *secret)
{
	const char *name = json_string_value(json_object_get(o, "username"));
	unsigned char mac[EVP_MAX_MD_SIZE], text[64];
	unsigned len;

	assert_non_null(name);
	HMAC(EVP_sha1(), secret, (int)strlen(secret), (const unsigned char *)name, strlen(name), mac, &len);
	EVP_EncodeBlock(text, mac, (int)len);
	assert_string_equal(json_string_value(json_object_get(o, "credential")), (const char *)text);
	assert_string_equal(json_string_value(json_object_get(o, "password")), (const char *)text);
}

static void credentials_are_made_with_the_realms_first_secret(void **state)
{
	begin(TWO_REALMS);
	assert_int_equal(ask("POST", "/v1/turn/credentials", "{\"user\": \"alice\", \"ttl\": 600}"), 200);
	json_t *o = json_loads(rig.answer.text, 0, NULL);
	check_password(o, "rest");
	char *end;
	long long expiry = strtoll(json_string_value(json_object_get(o, "username")), &end, 10), now = (long long)time(NULL);
	assert_true(expiry >= now + 595 && expiry <= now + 600);
	assert_string_equal(end, ":alice");
	assert_int_equal(json_integer_value(json_object_get(o, "ttl")), 600);
	assert_string_equal(json_string_value(json_array_get(json_object_get(o, "urls"), 0)), "turn:192.0.2.1:3478?transport=udp");
	assert_true(json_equal(json_object_get(o, "urls"), json_object_get(o, "uris")));
	json_t *server = json_array_get(json_object_get(o, "iceServers"), 0);
	assert_true(json_equal(json_object_get(o, "urls"), json_object_get(server, "urls")));
	assert_true(json_equal(json_object_get(o, "username"), json_object_get(server, "username")));
	assert_true(json_equal(json_object_get(o, "credential"), json_object_get(server, "credential")));
	json_decref(o);
	o = get("/v1/turn/credentials?service=turn&username=bob&ttl=60&realm=other.example");
	check_password(o, "theirs");
	json_decref(o);
	assert_int_equal(ask("POST", "/v1/turn/credentials", NULL), 200); /* nobody in particular, a day */
	assert_int_equal(ask("GET", "/v1/turn/credentials", NULL), 400);
	assert_int_equal(ask("POST", "/v1/turn/credentials", "{\"ttl\": 5}"), 400);
	assert_int_equal(ask("POST", "/v1/turn/credentials", "{\"realm\": \"nobody\"}"), 400);
	assert_int_equal(ask("POST", "/v1/turn/credentials", "{\"user\": \"a\\u0000b\"}"), 400);
	assert_int_equal(ask("POST", "/v1/turn/credentials", "{\"user\": \"a\\nb\"}"), 400);
	write_config(REALM, 1, "");
	assert_int_equal(ask("POST", "/v1/reload", ""), 200);
	assert_int_equal(ask("POST", "/v1/turn/credentials", NULL), 409);
	assert_non_null(strstr(rig.answer.text, "has no secret"));
}

/* ---- quotas and alternates ---- */

static void a_soft_limit_is_told(void **state)
{
	start_both();
	struct sl_event e = {.h = {.type = SL_EVT_TURN_QUOTA},
	        .turn_quota = {.subject = SL_QUOTA_USER, .over = 1, .worker = 1, .username_len = 5, .kbps = 900, .soft_kbps = 500, .username = "alice"}};
	fake_lock(rig.fake);
	fake_tell(rig.fake, 1, &e);
	fake_unlock(rig.fake);
	WAIT_FOR(log_lines("quota: user alice of realm example.org is above its soft limit to peers: 900 kbit/s of 500") == 1);
	assert_int_equal(ask("GET", "/metrics", NULL), 200);
	assert_non_null(strstr(rig.answer.text, "sluice_turn_soft_quota_events_total{subject=\"user\"} 1\n"));
	e.turn_quota = (struct sl_evt_turn_quota){.subject = SL_QUOTA_REALM, .worker = 1, .realm = 0, .kbps = 900};
	fake_lock(rig.fake);
	fake_tell(rig.fake, 1, &e);
	fake_unlock(rig.fake);
	WAIT_FOR(log_lines("quota: realm example.org has no soft limit to peers any more: 900 kbit/s") == 1);
	fake_lock(rig.fake);
	e.turn_quota.worker = 0; /* told by another: believed of nobody */
	fake_tell(rig.fake, 1, &e);
	fake_unlock(rig.fake);
	WAIT_FOR(ask("GET", "/metrics", NULL) == 200 && strstr(rig.answer.text, "sluice_dataplane_events_bad_total 1\n"));
}

/* Another node's API: answers each question with what is in text. */
struct neighbour {
	pthread_t thread;
	int sock;
	char *_Atomic text;
	atomic_uint asked;
};

static void *be_neighbour(void *arg)
{
	struct neighbour *n = arg;
	char buf[2048];
	int fd;

	while ((fd = accept(n->sock, NULL, NULL)) >= 0) {
		ssize_t len = recv(fd, buf, sizeof buf - 1, 0);
		buf[len > 0 ? len : 0] = '\0';
		const char *status = strstr(buf, "Authorization: Bearer their-token") ? "200 OK" : "401 Unauthorized";
		const char *text = n->text;
		int out = snprintf(buf, sizeof buf, "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(text), text);
		if (send(fd, buf, (size_t)out, MSG_NOSIGNAL) == out)
			n->asked++;
		close(fd);
	}
	return NULL;
}

static unsigned weight_of(unsigned i)
{
	const struct fake_snapshot *s = published();

	return s->n_alternates > i ? s->alternates[i].weight : 1000;
}

static void alternates_get_weight_by_their_load(void **state)
{
	struct neighbour n = {.sock = socket(AF_INET, SOCK_STREAM, 0), .text = "{\"percent\": 75, \"draining\": false}"};
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	char turn[600];

	assert_int_equal(bind(n.sock, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(n.sock, 8), 0);
	getsockname(n.sock, (struct sockaddr *)&a, &len);
	assert_int_equal(pthread_create(&n.thread, NULL, be_neighbour, &n), 0);
	snprintf(turn, sizeof turn, REALM "alternates = ( { server = \"192.0.2.9:3478\"; weight = 2; load_url = \"http://their-token@127.0.0.1:%d/v1/turn/load\"; },"
	                                  " { server = \"192.0.2.10:3478\"; weight = 4; } ); ", ntohs(a.sin_port));
	begin(turn);
	WAIT_FOR(weight_of(0) == 12); /* a half of the share of the other, of which a quarter is left */
	assert_int_equal(weight_of(1), 100);
	n.text = "{\"percent\": 10, \"draining\": true}";
	WAIT_FOR(weight_of(0) == 0);
	n.text = "{\"percent\": 0, \"draining\": false}";
	WAIT_FOR(weight_of(0) == 50);
	restart_dataplane();
	assert_int_equal(weight_of(0), 50);
	shutdown(n.sock, SHUT_RDWR);
	close(n.sock);
	pthread_join(n.thread, NULL);
	assert_true(n.asked >= 3);
	json_t *o = get("/v1/turn/alternates");
	assert_int_equal(json_integer_value(json_object_get(o, "total")), 2);
	json_decref(o);
	for (unsigned i = 0; i < 2 && weight_of(0); i++) /* after two questions without an answer */
		poll(NULL, 0, 5000);
	WAIT_FOR(weight_of(0) == 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        RIG_TEST(realms_are_provisioned),
	        RIG_TEST(users_belong_to_a_realm),
	        RIG_TEST(a_reload_of_the_same_users_does_not_tell_them_anew),
	        RIG_TEST(peers_are_changed_live),
	        RIG_TEST(what_the_dataplane_refuses_changes_nothing),
	        RIG_TEST(changes_while_the_dataplane_is_away_arrive_later),
	        RIG_TEST(the_restricted_register_is_kept),
	        RIG_TEST(drain_goes_on_through_restarts),
	        RIG_TEST(credentials_are_made_with_the_realms_first_secret),
	        RIG_TEST(a_soft_limit_is_told),
	        RIG_TEST(alternates_get_weight_by_their_load),
	};

	return rig_run(argc, argv, tests);
}
