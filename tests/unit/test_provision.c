/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Provisioning: what wrong resources are told, configuration beside store, versions, references, imports, secrets. */

#include "tests/unit/prov_rig.h"

#include "controlplane/provision/checks.h"
#include "controlplane/provision/internal.h"
#include "controlplane/routing/live.h"

#include <time.h>

#define TENANT "{'name':'acme'}"
#define DOMAIN_ "{'tenant':'acme'}"
#define ALICE  "{'password':'wonderland','numbers':['+4930100']}"
#define TRUNK  "{'tenant':'acme','sources':['192.0.2.0/24'],'targets':[{'uri':'sip:192.0.2.20'}]}"

static void base(void)
{
	prov_must(SL_PROV_TENANT, "acme", TENANT);
	prov_must(SL_PROV_DOMAIN, "example.com", DOMAIN_);
	prov_must(SL_PROV_USER, "alice@example.com", ALICE);
	prov_must(SL_PROV_TRUNK, "carrier", TRUNK);
}

/* ---- messages ---- */

static const struct {
	enum sl_prov_kind kind;
	const char *name, *body, *field, *text;
} wrong[] = {
        /* every kind of field */
        {SL_PROV_TENANT, "t", "[]", "", "is no JSON object"},
        {SL_PROV_TENANT, "t", "{'colour':1}", "colour", "tenants \"t\": colour: is not known here; known are name, limits, emergency"},
        {SL_PROV_TENANT, "t", "{'_line':1}", "_line", "is not known here"},
        {SL_PROV_TENANT, "t", "{'name':'u'}", "name", "is another one in the body than in the path"},
        {SL_PROV_TENANT, "a b", "{}", "name", "\"a b\" is no name"},
        {SL_PROV_TENANT, "t", "{'name':7}", "name", "is a whole number; must be a text"},
        {SL_PROV_TENANT, "t", "{'limits':3}", "limits", "is a whole number; must be an object"},
        {SL_PROV_TENANT, "t", "{'limits':{'cps':-1}}", "limits.cps", "-1 is out of range; allowed 0..65536"},
        {SL_PROV_TENANT, "t", "{'limits':{'cps':1.5}}", "limits.cps", "is a number with a fraction; must be a whole number"},
        {SL_PROV_TENANT, "t", "{'limits':{'status':200}}", "limits.status", "200 is out of range; allowed 400..699"},
        {SL_PROV_TENANT, "t", "{'limits':{'reason':''}}", "limits.reason", "is empty"},
        {SL_PROV_TENANT, "t", "{'limits':{'reason':'a\\u000d\\u000ab'}}", "limits.reason", "has a control character"},
        {SL_PROV_TENANT, "t", "{'emergency':['112','']}", "emergency[1]", "is empty; 1 bytes are the least"},
        {SL_PROV_TENANT, "t", "{'emergency':'112'}", "emergency", "is a text; must be a list"},
        {SL_PROV_TENANT, "t", "{'emergency':['1','2','3','4','5','6','7','8','9']}", "emergency", "has 9 elements; 8 are the most"},
        {SL_PROV_TENANT, "t", "{'early_media':'loud'}", "early_media", "\"loud\" is not known; allowed \"first\", \"last\", \"none\""},
        {SL_PROV_TENANT, "t", "{'max_duration':700000}", "max_duration", "allowed 1..604800 (or 0 for none)"},
        {SL_PROV_DOMAIN, "d.net", "{}", "tenant", "is missing"},
        {SL_PROV_DOMAIN, "d.net", "{'tenant':'nobody'}", "tenant", "there is no tenant \"nobody\""},
        {SL_PROV_DOMAIN, "d.net", "{'tenant':'acme','algorithms':['MD4']}", "algorithms", "\"MD4\" is not known"},
        {SL_PROV_DOMAIN, "d.net", "{'tenant':'acme','min_expires':9000}", "min_expires", "9000 is above max_expires, 7200"},
        {SL_PROV_DOMAIN, "d.net", "{'tenant':'acme','rfc2617':1}", "rfc2617", "must be true or false"},
        {SL_PROV_USER, "bob@example.com", "{}", "password", "is missing, as are ha1_md5 and ha1_sha256"},
        {SL_PROV_USER, "bob@example.com", "{'password':''}", "password", "is empty"},
        {SL_PROV_USER, "bob", "{'password':'x'}", "name", "must be NAME@DOMAIN"},
        {SL_PROV_USER, "bob@nowhere.net", "{'password':'x'}", "domain", "there is no domain \"nowhere.net\""},
        {SL_PROV_USER, "bob@example.com", "{'ha1_md5':'00'}", "ha1_md5", "must have 32 hexadecimal digits"},
        {SL_PROV_USER, "bob@example.com", "{'ha1_md5':'00112233445566778899aabbccddeeff'}", "ha1_sha256", "is missing"},
        {SL_PROV_USER, "bob@example.com", "{'password':'x','ha1_md5':'00112233445566778899aabbccddeeff'}", "password", "is one way"},
        {SL_PROV_USER, "bob@example.com", "{'password':'x','numbers':['+4930100']}", "numbers[0]", "is the number of users \"alice@example.com\""},
        {SL_PROV_USER, "bob@example.com", "{'password':'x','numbers':['4930100']}", "numbers[0]", "is the number of users"},
        {SL_PROV_USER, "bob@example.com", "{'password':'x','numbers':['call me']}", "numbers[0]", "\"call me\" is no number"},
        {SL_PROV_USER, "bob@example.com", "{'password':'x','display':'\\\"Bob'}", "display", "has a quotation mark"},
        {SL_PROV_TRUNK, "x", "{'tenant':'acme'}", "sources", "is missing"},
        {SL_PROV_TRUNK, "x", "{'tenant':'acme','sources':['192.0.2.1/24']}", "sources[0]", "is not an address or prefix"},
        {SL_PROV_TRUNK, "x", "{'tenant':'acme','sources':['10.0.0.1','192.0.2.0/24']}", "sources[1]", "is a source of trunks \"carrier\""},
        {SL_PROV_TRUNK, "x", "{'tenant':'acme','targets':[{'uri':'sip:'}]}", "targets[0].uri", "\"sip:\" has no host; such as \"sip:192.0.2.20:5060\""},
        {SL_PROV_TRUNK, "x", "{'tenant':'acme','targets':[{'uri':'http://a'}]}", "targets[0].uri", "is no SIP URI"},
        {SL_PROV_TRUNK, "x", "{'tenant':'acme','targets':[{'uri':'sip:a:70000'}]}", "targets[0].uri", "has a port"},
        {SL_PROV_TRUNK, "x", "{'tenant':'acme','targets':[{'uri':'sip:a;transport=sctp'}]}", "targets[0].uri", "has a transport"},
        {SL_PROV_TRUNK, "x", "{'tenant':'acme','targets':[{'uri':'sip:a','wait':1}]}", "targets[0].wait", "is not known here; known are uri, priority, weight"},
        {SL_PROV_TRUNK, "x", "{'tenant':'acme','sources':['10.1.1.1'],'auth':{'username':'u','realm':'r'}}", "auth.password", "is missing"},
        {SL_PROV_TRUNK, "x", "{'tenant':'acme','sources':['10.1.1.1'],'auth':{'username':'u','password':'p'}}", "auth.realm", "is missing"},
        {SL_PROV_TRUNK, "x", "{'tenant':'acme','sources':['10.1.1.1'],'srtp':'as_is'}", "srtp", "is for users"},
        {SL_PROV_TRUNK, "x", "{'tenant':'acme','sources':['10.1.1.1'],'failover':[503,200]}", "failover[1]", "200 is out of range; allowed 300..699"},
        {SL_PROV_TRUNK, "x", "{'tenant':'acme','sources':['10.1.1.1'],'listener':'none'}", "listener", "no listener \"none\""},
        {SL_PROV_TRUNK, "x", "{'tenant':'acme','sources':['10.1.1.1'],'default_domain':'b.net'}", "default_domain", "has no domain"},
        {SL_PROV_TRUNK, "x", "{'tenant':'acme','sources':['10.1.1.1'],'headers':[{'action':'deny','name':'Via'}]}", "headers[0].name", "Via is made by Sluice"},
        {SL_PROV_TRUNK, "x", "{'tenant':'acme','sources':['10.1.1.1'],'headers':[{'action':'set','name':'X-A'}]}", "headers[0].value", "is missing"},
        {SL_PROV_TRUNK, "x", "{'tenant':'acme','sources':['10.1.1.1'],'numbers_in':[{'match':'(','replace':''}]}", "numbers_in[0].match", "is no regular expression"},
        {SL_PROV_TRUNK, "x", "{'tenant':'acme','sources':['10.1.1.1'],'numbers_in':[{'match':'a','replace':'\\\\1'}]}", "numbers_in[0].replace", "has a \\"},
        {SL_PROV_ROUTE, "r", "{'tenant':'acme','to':'local','match':'((a{1,99}){1,99}){1,99}'}", "match", "takes too long"},
        {SL_PROV_ROUTE, "r", "{'tenant':'acme','to':'local','match':'(1*)*x\\\\1'}", "match", "takes too long"},
        {SL_PROV_ROUTE, "r", "{'tenant':'acme','to':'local','match':'((1*)*|(1+)*|1){1,64}'}", "match", "takes too long"},
        {SL_PROV_ROUTE, "r", "{'tenant':'acme','to':'local','match':'a)(1{1,16}){1,16}'}", "match", "takes too long"},
        {SL_PROV_ROUTE, "r", "{'tenant':'acme','to':'local','match':'(0123456789){1,13}'}", "match", "takes too long"},
        {SL_PROV_ROUTE, "r", "{'tenant':'acme','to':'local','match':'1{3,}{3}'}", "match", "takes too long"},
        {SL_PROV_ROUTE, "r", "{'tenant':'acme'}", "trunks", "is missing"},
        {SL_PROV_ROUTE, "r", "{'tenant':'acme','trunks':['nobody']}", "trunks[0]", "has no trunk \"nobody\""},
        {SL_PROV_ROUTE, "r", "{'tenant':'acme','trunks':['carrier'],'status':404}", "status", "is for to = \"reject\""},
        {SL_PROV_ROUTE, "r", "{'tenant':'acme','to':'local','source':'user:bob@example.com'}", "source", "has no user \"bob@example.com\""},
        {SL_PROV_ROUTE, "r", "{'tenant':'acme','to':'local','source':'me'}", "source", "\"me\" is not known"},
        {SL_PROV_ROUTE, "r", "{'tenant':'acme','to':'local','cost':-1}", "cost", "-1 is out of range"},
        {SL_PROV_ROUTE, "r", "{'tenant':'acme','to':'local','cost':'1'}", "cost", "is a text; must be a number"},
        {SL_PROV_ROUTE, "r", "{'tenant':'acme','to':'local','zone':'Mars/Olympus'}", "zone", "is no time zone"},
        {SL_PROV_ROUTE, "r", "{'tenant':'acme','to':'local','zone':'../../etc/passwd'}", "zone", "is no time zone"},
        {SL_PROV_ROUTE, "r", "{'tenant':'acme','to':'local','times':[{'days':'funday'}]}", "times[0].days", "is not understood"},
        {SL_PROV_ROUTE, "r", "{'tenant':'acme','to':'local','times':[{'from':'25:00'}]}", "times[0].from", "is no time of day"},
        {SL_PROV_ROUTE, "r", "{'tenant':'acme','to':'local','times':[{'from':'08:00','to':'08:00'}]}", "times[0].to", "the window is empty"},
        {SL_PROV_ROUTE, "r", "{'tenant':'acme','to':'local','prefix':'+49 30'}", "prefix", "is no prefix"},
        {SL_PROV_TOKEN, "t", "{'secret':'0123456789abcdef'}", "scopes", "is missing"},
        {SL_PROV_TOKEN, "t", "{'scopes':['root'],'secret':'0123456789abcdef'}", "scopes", "\"root\" is not known"},
        {SL_PROV_TOKEN, "t", "{'scopes':['read'],'secret':'short'}", "secret", "is too short; 16 bytes are the least"},
        {SL_PROV_TOKEN, "t", "{'scopes':['admin'],'tenant':'acme'}", "tenant", "is of all tenants"},
};

static void each_wrong_field_is_named(void **state)
{
	base();
	for (size_t i = 0; i < SL_COUNT(wrong); i++) {
		struct prov_answer a = prov_put(wrong[i].kind, wrong[i].name, wrong[i].body);

		if (a.status != 400 || strcmp(a.field, wrong[i].field) != 0 || !strstr(a.text, wrong[i].text))
			fail_msg("%zu: %s\n wanted %s: %s\n got %d %s: %s", i, wrong[i].body, wrong[i].field, wrong[i].text, a.status, a.field, a.text);
		if (i > 1)
			assert_null(sl_prov_get(prov, wrong[i].kind, wrong[i].name, NULL));
	}
}

static void what_is_left_out_gets_its_default(void **state)
{
	base();
	const struct sl_prov_snapshot *s = sl_prov_now(prov);
	const struct sl_prov_trunk *t = sl_prov_trunk(s, "carrier");
	const struct sl_prov_domain *d = sl_prov_domain(s, "EXAMPLE.com", 11);
	const struct sl_prov_user *u = sl_prov_user(prov, "alice", 5, "Example.COM", 11);

	assert_int_equal(s->tenants[0].ring_s, 180);
	assert_int_equal(s->tenants[0].limits.status, 503);
	assert_string_equal(s->tenants[0].limits.reason, "Limit Reached");
	assert_ptr_equal(d->tenant, &s->tenants[0]);
	assert_true(d->sha256 && d->md5 && !d->rfc2617);
	assert_int_equal(d->max_expires_s, 7200);
	assert_int_equal(u->limits.status, 486);
	assert_true(u->enabled);
	assert_int_equal(u->srtp, SL_PROV_SRTP_ASIS);
	assert_string_equal(u->tenant, "acme");
	assert_int_equal(t->n_failover, 5);
	assert_int_equal(t->failover[4], 504);
	assert_int_equal(t->timeout_ms, 4000);
	assert_int_equal(t->session_expires_s, 1800);
	assert_int_equal(t->probe_up, 2);
	assert_string_equal(t->from_domain, "192.0.2.20");
}

static void cheap_expressions_are_taken(void **state)
{
	static const char *const all[] = {"^\\+?[0-9]{3,15}$", "^(00|\\+)49([0-9]{1,12})?$", "[]x[:digit:]{2}]{1,9}", "(a|b)*c+", "\\.{3}", "^(0(15|16|17))[0-9]{7,}"};
	char text[128];

	for (size_t i = 0; i < SL_COUNT(all); i++) {
		snprintf(text, sizeof text, "%s", all[i]);
		assert_null(sl_check_regex(text));
	}
}

/* ---- secrets ---- */

static bool file_has(const char *suffix, const char *text)
{
	char name[80], *data = NULL;
	long n = 0;
	bool has;

	snprintf(name, sizeof name, "%s%s", prov_path, suffix);
	FILE *f = fopen(name, "r");
	if (!f)
		return false;
	fseek(f, 0, SEEK_END);
	n = ftell(f);
	rewind(f);
	data = malloc((size_t)n + 1);
	n = (long)fread(data, 1, (size_t)n, f);
	has = memmem(data, (size_t)n, text, strlen(text)) != NULL;
	free(data);
	fclose(f);
	return has;
}

static void passwords_become_hashes(void **state)
{
	/* md5 and sha256 of "alice:example.com:wonderland" */
	static const uint8_t md5[16] = {0x93, 0xdf, 0xce, 0x8d, 0xfe, 0xbf, 0xae, 0x8a, 0xf4, 0xa7, 0x26, 0x98, 0x24, 0x29, 0xd2, 0x3a};
	json_t *body = prov_object(ALICE), *all;
	struct prov_answer a = {0};
	char *text;

	prov_must(SL_PROV_TENANT, "acme", TENANT);
	prov_must(SL_PROV_DOMAIN, "example.com", DOMAIN_);
	sl_prov_put(prov, SL_PROV_USER, "alice@example.com", body, NULL, "", prov_answered, &a);
	prov_wait(&a);
	assert_int_equal(a.status, 201);
	assert_null(json_object_get(body, "password"));
	json_decref(body);
	assert_null(strstr(a.body, "ha1"));
	assert_null(strstr(a.body, "wonderland"));
	(void)md5;

	prov_shut();
	assert_true(file_has("", "alice@example.com") || file_has("-wal", "alice@example.com"));
	assert_false(file_has("", "wonderland") || file_has("-wal", "wonderland"));
	prov_start();
	assert_memory_equal(sl_prov_user(prov, "alice", 5, "example.com", 11)->ha1_md5, md5, 16);
	all = sl_prov_export(prov);
	text = json_dumps(all, 0);
	assert_non_null(strstr(text, "ha1_sha256"));
	assert_null(strstr(text, "wonderland"));
	free(text);
	json_decref(all);

	/* what is read can be written back: the hashes stay */
	body = sl_prov_get(prov, SL_PROV_USER, "alice@example.com", NULL);
	assert_null(json_object_get(body, "ha1_md5"));
	json_object_set_new(body, "display", json_string("Alice"));
	a = (struct prov_answer){0};
	sl_prov_put(prov, SL_PROV_USER, "alice@example.com", body, NULL, "", prov_answered, &a);
	prov_wait(&a);
	json_decref(body);
	assert_int_equal(a.status, 200);
	assert_memory_equal(sl_prov_user(prov, "alice", 5, "example.com", 11)->ha1_md5, md5, 16);
	assert_string_equal(sl_prov_user(prov, "alice", 5, "example.com", 11)->display, "Alice");
}

static void tokens_are_known_by_their_hash(void **state)
{
	char tenant[SL_PROV_NAME_MAX + 1], *secret;
	struct prov_answer a;
	json_t *body;

	prov_must(SL_PROV_TENANT, "acme", TENANT);
	prov_must(SL_PROV_TOKEN, "robot", "{'secret':'0123456789abcdef','scopes':['read','provision'],'tenant':'acme'}");
	assert_int_equal(sl_prov_token_scopes(prov, "0123456789abcdef", tenant), SL_SCOPE_READ | SL_SCOPE_PROVISION);
	assert_string_equal(tenant, "acme");
	assert_int_equal(sl_prov_token_scopes(prov, "0123456789abcdeF", tenant), 0);
	assert_int_equal(sl_prov_token_scopes(prov, "", tenant), 0);

	/* one made for us is shown once */
	a = prov_put(SL_PROV_TOKEN, "made", "{'scopes':['admin']}");
	assert_int_equal(a.status, 201);
	secret = strstr(a.body, "\"secret\":\"");
	assert_non_null(secret);
	secret += strlen("\"secret\":\"");
	secret[48] = '\0';
	assert_int_equal(sl_prov_token_scopes(prov, secret, tenant), SL_SCOPE_ADMIN);
	body = sl_prov_get(prov, SL_PROV_TOKEN, "made", NULL);
	assert_null(json_object_get(body, "secret"));
	assert_null(json_object_get(body, "sha256"));
	json_decref(body);

	/* other scopes, the same secret */
	assert_int_equal(prov_put(SL_PROV_TOKEN, "made", "{'scopes':['read']}").status, 200);
	assert_int_equal(sl_prov_token_scopes(prov, secret, tenant), SL_SCOPE_READ);
	assert_int_equal(prov_delete(SL_PROV_TOKEN, "made", NULL).status, 204);
	assert_int_equal(sl_prov_token_scopes(prov, secret, tenant), 0);
}

/* ---- configuration and store ---- */

#define GROUP                                                                                                               \
	"{'_line':4,'tenants':[{'_line':5,'name':'file'}],'domains':[{'_line':6,'name':'File.NET','tenant':'file'}],"       \
	"'users':[{'_line':7,'name':'fred','domain':'file.net','password':'x'}]}"

static void the_configuration_stands_beside_the_store(void **state)
{
	char text[400];

	base();
	prov_shut();
	prov_configure(GROUP);
	prov_start();
	assert_non_null(sl_prov_user(prov, "alice", 5, "example.com", 11));
	assert_non_null(sl_prov_user(prov, "fred", 4, "file.net", 8));
	assert_string_equal(sl_prov_user(prov, "fred", 4, "file.net", 8)->tenant, "file");
	struct prov_answer a = prov_put(SL_PROV_TENANT, "file", "{}");
	assert_int_equal(a.status, 403);
	assert_non_null(strstr(a.text, "is the configuration's"));
	assert_int_equal(prov_delete(SL_PROV_USER, "fred@file.net", NULL).status, 403);
	assert_int_equal(prov_put(SL_PROV_USER, "carol@file.net", "{'password':'y'}").status, 201);

	/* a name in both */
	prov_shut();
	prov_configure("{'_line':4,'tenants':[{'_line':5,'name':'acme'}]}");
	assert_null(prov_try_open(text, sizeof text));
	assert_string_equal(text, "test.conf:5: option 'provision.tenants': \"acme\" is in the database too; take it out of one of them");
	prov_shut();

	/* what the store names has gone from the configuration: it is left out, the rest serves */
	prov_configure(NULL);
	prov_start();
	assert_null(sl_prov_user(prov, "carol", 5, "file.net", 8));
	assert_non_null(sl_prov_user(prov, "alice", 5, "example.com", 11));
}

static void a_reload_is_all_or_nothing(void **state)
{
	char text[400];
	struct sl_config other;

	prov_shut();
	prov_configure(GROUP);
	prov_start();
	prov_must(SL_PROV_USER, "carol@file.net", "{'password':'y'}");
	struct sl_prov_user *fred = sl_prov_user_ref(sl_prov_user(prov, "fred", 4, "file.net", 8));
	struct sl_prov_user *carol = sl_prov_user(prov, "carol", 5, "file.net", 8);
	fred->runtime = calloc(1, sizeof *fred->runtime);
	fred->runtime->refs = 1;
	uint64_t generation = sl_prov_now(prov)->generation;

	other = prov_config;
	other.provision = prov_json("{'_line':4,'tenants':[{'_line':5,'name':'file'}]}");
	assert_int_equal(sl_prov_check_reload(prov, &other, text, sizeof text), -EINVAL);
	assert_false(fred->gone);
	assert_int_equal(sl_prov_check_reload(prov, &prov_config, text, sizeof text), 0);
	assert_false(fred->gone || carol->gone);
	assert_int_equal(sl_prov_reconfigure(prov, &other, text, sizeof text), -EINVAL);
	assert_non_null(strstr(text, "with this configuration the database's users \"carol@file.net\": domain: there is no domain"));
	assert_ptr_equal(sl_prov_user(prov, "fred", 4, "file.net", 8), fred);
	assert_false(fred->gone);
	assert_false(carol->gone);
	assert_int_equal(sl_prov_now(prov)->generation, generation);
	free(other.provision);

	other.provision = prov_json("{'_line':4,'tenants':[{'_line':5,'name':'file'},{'_line':6,'name':'b'}],'domains':[{'_line':7,'name':'file.net','tenant':'b'}]}");
	assert_int_equal(sl_prov_check_reload(prov, &other, text, sizeof text), -EINVAL);
	assert_non_null(strstr(text, "users \"carol@file.net\": domain: \"file.net\" cannot go from tenant \"file\" to \"b\""));
	assert_string_equal(carol->tenant, "file");
	free(other.provision);

	other.provision = prov_json(GROUP);
	assert_int_equal(sl_prov_reconfigure(prov, &other, text, sizeof text), 0);
	assert_true(fred->gone);
	assert_false(carol->gone);
	assert_ptr_equal(sl_prov_user(prov, "carol", 5, "file.net", 8), carol);
	assert_ptr_not_equal(sl_prov_user(prov, "fred", 4, "file.net", 8), fred);
	assert_ptr_equal(sl_prov_user(prov, "fred", 4, "file.net", 8)->runtime, fred->runtime);
	assert_true(sl_prov_now(prov)->generation > generation);
	sl_prov_user_unref(fred);
	assert_int_equal(sl_prov_reconfigure(prov, &prov_config, text, sizeof text), 0);
	free(other.provision);
}

static const struct {
	const char *group, *text;
} wrong_groups[] = {
        {"{'_line':4,'tenants':[{'_line':5,'name':'a','ring_time':0}]}", "test.conf:5: option 'provision.tenants[0].ring_time' (\"a\"): 0 is out of range"},
        {"{'_line':4,'tenants':[{'_line':5,'name':'a'},{'_line':9,'name':'a'}]}", "option 'provision.tenants': \"a\" is there twice"},
        {"{'_line':4,'tenant':[]}", "test.conf:4: option 'provision.tenant': is not known here; known are tenants,"},
        {"{'_line':4,'tenants':{'_line':5}}", "test.conf:4: option 'provision.tenants': must be a list of groups"},
        {"{'_line':4,'tenants':[{'_line':5,'name':'a'}],'trunks':[{'_line':6,'name':'t','tenant':'a','targets':[{'_line':7,'uri':'sip:x:0'}]}]}",
                "test.conf:7: option 'provision.trunks[0].targets[0].uri' (\"t\"): \"sip:x:0\" has a port"},
        {"{'_line':4,'domains':[{'_line':5,'name':'a.net','tenant':'a'}]}", "test.conf:5: option 'provision': domains \"a.net\": tenant: there is no tenant"},
        {"{'_line':4,'users':[{'_line':5,'name':'a','domain':'a.net'}]}", "test.conf:5: option 'provision.users[0].password' (\"a\"): is missing"},
};

static void each_field_is_there(const char *sample, const struct sl_field *fields)
{
	/* Said by another one, or of the database alone. */
	static const char *const others[] = {"ha1_md5", "ha1_sha256", "sha256"};
	char quoted[40];

	for (; fields->name; fields++) {
		bool other = false;

		for (size_t i = 0; i < SL_COUNT(others); i++)
			other |= strcmp(others[i], fields->name) == 0;
		snprintf(quoted, sizeof quoted, "\"%s\":", fields->name);
		if (!other && !strstr(sample, quoted))
			fail_msg("the sample has no %s", fields->name);
		if (fields->sub)
			each_field_is_there(sample, fields->sub);
	}
}

static void a_wrong_group_is_named_by_line(void **state)
{
	char text[400] = "";

	for (size_t i = 0; i < SL_COUNT(wrong_groups); i++) {
		prov_configure(wrong_groups[i].group);
		assert_int_equal(sl_prov_check(&prov_config, text, sizeof text), -EINVAL);
		if (!strstr(text, wrong_groups[i].text))
			fail_msg("%zu\n wanted %s\n got %s", i, wrong_groups[i].text, text);
	}
	prov_configure(GROUP);
	assert_int_equal(sl_prov_check(&prov_config, text, sizeof text), 0);
	prov_configure(NULL);
	assert_int_equal(sl_prov_check(&prov_config, text, sizeof text), 0);
}

/* What the samples provision must be right, and the reference must have every field. */
static void samples_are_good(void **state)
{
	static const char *const samples[] = {
	        "sluice.conf.sample", "access-sbc.conf.sample", "peering-sbc.conf.sample", "all-in-one.conf.sample", "quickstart.conf"};
	char text[512], file[512];
	struct sl_config *c;

	for (size_t i = 0; i < SL_COUNT(samples); i++) {
		snprintf(file, sizeof file, "%s/%s", SL_SAMPLES, samples[i]);
		if (sl_config_load_for(file, 64, &c, text, sizeof text) < 0 || sl_prov_check(c, text, sizeof text) < 0)
			fail_msg("%s", text);
		assert_non_null(c->provision);
		for (unsigned k = 0; i == 0 && k < SL_PROV_N_KINDS; k++)
			each_field_is_there(c->provision, sl_kinds[k].fields);
		sl_config_free(c);
	}
}

/* ---- changes ---- */

static void versions_guard_changes(void **state)
{
	struct prov_answer a = prov_put(SL_PROV_TENANT, "acme", TENANT), b;
	char etag[24];

	assert_int_equal(a.status, 201);
	b = prov_put_if(SL_PROV_TENANT, "acme", "{'ring_time':20}", a.etag);
	assert_int_equal(b.status, 200);
	assert_string_not_equal(a.etag, b.etag);
	assert_int_equal(prov_put_if(SL_PROV_TENANT, "acme", "{'ring_time':30}", a.etag).status, 412);
	assert_int_equal(prov_put_if(SL_PROV_TENANT, "other", "{}", "*").status, 412);
	assert_int_equal(prov_delete(SL_PROV_TENANT, "acme", a.etag).status, 412);
	assert_int_equal(sl_prov_now(prov)->tenants[0].ring_s, 20);
	json_decref(sl_prov_get(prov, SL_PROV_TENANT, "acme", etag));
	assert_string_equal(etag, b.etag);
	assert_int_equal(prov_delete(SL_PROV_TENANT, "acme", b.etag).status, 204);
	assert_int_equal(prov_delete(SL_PROV_TENANT, "acme", NULL).status, 404);
	/* made again, it has a version that it never had */
	a = prov_put(SL_PROV_TENANT, "acme", TENANT);
	assert_string_not_equal(a.etag, b.etag);
}

static void what_is_named_stays(void **state)
{
	static const struct {
		enum sl_prov_kind kind;
		const char *name, *by;
	} used[] = {
	        {SL_PROV_TENANT, "acme", "is named by domains \"example.com\""},
	        {SL_PROV_DOMAIN, "example.com", "is named by users \"alice@example.com\""},
	        {SL_PROV_TRUNK, "carrier", "is named by routes \"out\""},
	        {SL_PROV_USER, "alice@example.com", "is named by routes \"hers\""},
	};
	struct prov_answer a;

	base();
	prov_must(SL_PROV_ROUTE, "out", "{'tenant':'acme','trunks':['carrier']}");
	prov_must(SL_PROV_ROUTE, "hers", "{'tenant':'acme','to':'reject','source':'user:alice@Example.com'}");
	prov_must(SL_PROV_TENANT, "other", "{}");
	for (size_t i = 0; i < SL_COUNT(used); i++) {
		a = prov_delete(used[i].kind, used[i].name, NULL);
		assert_int_equal(a.status, 409);
		if (!strstr(a.text, used[i].by))
			fail_msg("%s", a.text);
	}
	a = prov_put(SL_PROV_TRUNK, "carrier", "{'tenant':'other','sources':['10.0.0.1'],'targets':[{'uri':'sip:a'}]}");
	assert_int_equal(a.status, 409);
	assert_non_null(strstr(a.text, "its tenant cannot change"));
	assert_int_equal(prov_delete(SL_PROV_ROUTE, "out", NULL).status, 204);
	assert_int_equal(prov_delete(SL_PROV_TRUNK, "carrier", NULL).status, 204);
}

/* Two changes at once, of which each is right alone. */
static void changes_see_each_other(void **state)
{
	struct prov_answer a = {0}, b = {0}, c = {0}, d = {0};
	json_t *body = prov_object(DOMAIN_), *bob = prov_object("{'password':'b','numbers':['77']}"), *eve = prov_object("{'password':'e','numbers':['+77']}");

	prov_must(SL_PROV_TENANT, "acme", TENANT);
	sl_prov_delete(prov, SL_PROV_TENANT, "acme", NULL, "", prov_answered, &a);
	sl_prov_put(prov, SL_PROV_DOMAIN, "example.com", body, NULL, "", prov_answered, &b);
	prov_wait(&a);
	prov_wait(&b);
	assert_int_equal(a.status, 204);
	assert_int_equal(b.status, 400);

	base();
	sl_prov_put(prov, SL_PROV_USER, "bob@example.com", bob, NULL, "", prov_answered, &c);
	sl_prov_put(prov, SL_PROV_USER, "eve@example.com", eve, NULL, "", prov_answered, &d);
	prov_wait(&c);
	prov_wait(&d);
	assert_int_equal(c.status, 201);
	assert_int_equal(d.status, 400);
	json_decref(body);
	json_decref(bob);
	json_decref(eve);
}

/* What was nobody's when a tenant's account asked, and is another's when its turn comes; and addresses within another's. */
static void tenants_take_nothing_of_others(void **state)
{
	struct prov_answer a = {0}, b = {0}, c = {0}, d = {0}, e = {0};
	json_t *first = prov_object("{'tenant':'acme','targets':[{'uri':'sip:a'}]}"), *second = prov_object("{'tenant':'other','targets':[{'uri':'sip:b'}]}");
	json_t *within = prov_object("{'tenant':'other','sources':['192.0.2.20']}"), *around = prov_object("{'tenant':'other','sources':['0.0.0.0/0']}");

	base();
	prov_must(SL_PROV_TENANT, "other", "{}");
	sl_prov_put(prov, SL_PROV_TRUNK, "t", first, NULL, "acme", prov_answered, &a);
	sl_prov_put(prov, SL_PROV_TRUNK, "t", second, NULL, "other", prov_answered, &b);
	sl_prov_delete(prov, SL_PROV_TRUNK, "t", NULL, "other", prov_answered, &c);
	sl_prov_put(prov, SL_PROV_TRUNK, "u", within, NULL, "other", prov_answered, &d);
	sl_prov_put(prov, SL_PROV_TRUNK, "u", around, NULL, "other", prov_answered, &e);
	prov_wait(&e);
	assert_int_equal(a.status, 201);
	assert_int_equal(b.status, 404);
	assert_int_equal(c.status, 404);
	assert_int_equal(d.status, 403);
	assert_string_equal(d.field, "sources[0]");
	assert_null(strstr(d.text, "carrier"));
	assert_int_equal(e.status, 403);
	prov_must(SL_PROV_TRUNK, "u", "{'tenant':'other','sources':['192.0.2.20']}"); /* an administrator may */
	json_decref(first);
	json_decref(second);
	json_decref(within);
	json_decref(around);
}

struct exported {
	unsigned n;
	char *text;
	size_t len;
};
static void take(void *ctx, int error, char *text, size_t len)
{
	struct exported *x = ctx;

	assert_int_equal(error, 0);
	*x = (struct exported){x->n + 1, text, len};
}

static struct prov_answer import_text(const char *text)
{
	struct prov_answer a = {0};

	sl_prov_import_text(prov, text, strlen(text), prov_answered, &a);
	prov_wait(&a);
	return a;
}

/* What the store's thread writes says the same as what is in memory, and can be read back. */
static void text_goes_out_and_in(void **state)
{
	struct exported x = {0};
	json_t *all, *same;
	struct prov_answer a;

	base();
	prov_must(SL_PROV_USER, "bob@example.com", "{'password':'b'}");
	sl_prov_export_text(prov, take, &x);
	while (!x.n)
		sl_mailbox_run(prov_mail, 10);
	same = sl_prov_export(prov);
	all = json_loadb(x.text, x.len, 0, NULL);
	assert_true(json_equal(all, same));
	json_decref(same);
	json_decref(all);

	a = import_text("{\"tenants\": [{\"name\": \"new\"}]}");
	assert_int_equal(a.status, 200);
	assert_null(sl_prov_user(prov, "bob", 3, "example.com", 11));
	a = import_text("{\"tenants\": [{\"name\": \"new\"}]\n,,}");
	assert_int_equal(a.status, 400);
	assert_non_null(strstr(a.text, "line 2:"));
	a = import_text("[]");
	assert_string_equal(a.text, "is no JSON object");
	a = import_text(x.text);
	assert_int_equal(a.status, 200);
	assert_non_null(sl_prov_user(prov, "bob", 3, "example.com", 11));
	sl_prov_text_free(x.text, x.len);
}

static void an_import_is_all_or_nothing(void **state)
{
	struct prov_answer a;
	json_t *all;
	char *text;

	base();
	all = sl_prov_export(prov);
	text = json_dumps(all, 0);
	json_decref(all);
	a = prov_import("{'tenants':[{'name':'new'}],'domains':[{'name':'new.net','tenant':'new'},{'name':'bad.net','tenant':'none'}]}");
	assert_int_equal(a.status, 400);
	assert_string_equal(a.field, "tenant");
	assert_string_equal(a.text, "domains \"bad.net\": tenant: there is no tenant \"none\"");
	a = prov_import("{'tenants':[{'name':'new'}],'users':[{'name':'x','domain':'new.net','password':'y','numbers':[7]}]}");
	assert_string_equal(a.text, "users \"x\": numbers[0]: is a whole number; must be a text");
	a = prov_import("{'tenants':[{'name':'new'},{'name':'new'}]}");
	assert_int_equal(a.status, 400);
	assert_string_equal(a.text, "tenants \"new\": name: is there twice");
	a = prov_import("{'tenant':[]}");
	assert_int_equal(a.status, 400);
	assert_null(sl_prov_tenant(sl_prov_now(prov), "new"));
	assert_non_null(sl_prov_user(prov, "alice", 5, "example.com", 11));

	struct sl_prov_user *alice = sl_prov_user_ref(sl_prov_user(prov, "alice", 5, "example.com", 11));
	a = prov_import("{'tenants':[{'name':'new'}]}");
	assert_int_equal(a.status, 200);
	assert_null(sl_prov_user(prov, "alice", 5, "example.com", 11));
	assert_true(alice->gone);
	sl_prov_user_unref(alice);
	assert_int_equal(sl_prov_now(prov)->n_trunks, 0);
	prov_shut();
	prov_start();
	assert_int_equal(sl_prov_now(prov)->n_tenants, 1);

	/* what was exported comes back, with its hashes */
	a = prov_import(text);
	free(text);
	assert_int_equal(a.status, 200);
	assert_non_null(sl_prov_user(prov, "alice", 5, "example.com", 11));
	assert_int_equal(sl_prov_now(prov)->n_trunks, 1);
}

static unsigned seen;
static void see(void *ctx)
{
	seen++;
}

static void users_change_alone(void **state)
{
	base();
	assert_int_equal(sl_prov_watch(prov, see, NULL), 0);
	const struct sl_prov_snapshot *s = sl_prov_ref(sl_prov_now(prov));
	struct sl_prov_user *before = sl_prov_user_ref(sl_prov_user(prov, "alice", 5, "example.com", 11));
	unsigned from = seen;

	prov_must(SL_PROV_USER, "alice@Example.com", "{'password':'new','numbers':['+4930200','*9']}");
	assert_int_equal(seen, from + 1);
	assert_ptr_equal(sl_prov_now(prov), s);
	assert_true(before->gone);
	assert_null(sl_prov_user_by_number(prov, "acme", "+4930100"));
	struct sl_prov_user *u = sl_prov_user_by_number(prov, "acme", "4930200");
	assert_ptr_equal(u, sl_prov_user(prov, "alice", 5, "example.com", 11));
	assert_ptr_equal(u, sl_prov_user_by_number(prov, "acme", "*9"));
	assert_null(sl_prov_user_by_number(prov, "other", "4930200"));
	assert_string_equal(before->numbers[0], "+4930100");
	sl_prov_user_unref(before);
	assert_int_equal(prov_delete(SL_PROV_USER, "alice@example.com", NULL).status, 204);
	assert_null(sl_prov_user(prov, "alice", 5, "example.com", 11));
	assert_null(sl_prov_user_by_number(prov, "acme", "*9"));
	/* a trunk's change makes a new snapshot; who holds the old one keeps it */
	prov_must(SL_PROV_TRUNK, "carrier", "{'tenant':'acme','sources':['10.0.0.0/8'],'targets':[{'uri':'sip:b'}]}");
	assert_ptr_not_equal(sl_prov_now(prov), s);
	assert_string_equal(sl_prov_trunk(s, "carrier")->targets[0].uri, "sip:192.0.2.20");
	sl_prov_unref(s);
}

static void trunks_are_found_by_source(void **state)
{
	static const struct {
		const char *from, *identity, *trunk;
	} cases[] = {
	        {"192.0.2.9:5060", NULL, "wide"}, {"192.0.2.77:1", NULL, "narrow"}, {"192.0.2.129:1", NULL, "half"}, {"192.0.3.1:5060", NULL, NULL},
	        {"[2001:db8::1]:5060", NULL, "six"}, {"[2001:db9::1]:5060", NULL, NULL}, {"203.0.113.1:5061", "SBC.carrier.net", "named"},
	        {"192.0.2.9:5061", "other.net", "wide"}, {"203.0.113.1:5061", "", NULL},
	};
	struct sl_endpoint from;

	prov_must(SL_PROV_TENANT, "acme", TENANT);
	prov_must(SL_PROV_TRUNK, "wide", "{'tenant':'acme','sources':['192.0.2.0/24']}");
	prov_must(SL_PROV_TRUNK, "half", "{'tenant':'acme','sources':['192.0.2.128/25']}");
	prov_must(SL_PROV_TRUNK, "narrow", "{'tenant':'acme','sources':['192.0.2.77','192.0.2.78']}");
	prov_must(SL_PROV_TRUNK, "six", "{'tenant':'acme','sources':['2001:db8::/32']}");
	prov_must(SL_PROV_TRUNK, "named", "{'tenant':'acme','tls_identity':'sbc.Carrier.net'}");
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		assert_int_equal(sl_endpoint_parse(cases[i].from, &from), 0);
		const struct sl_prov_trunk *t = sl_prov_trunk_of(sl_prov_now(prov), &from, cases[i].identity);
		assert_string_equal(t ? t->name : "none", cases[i].trunk ? cases[i].trunk : "none");
	}
}

static void lists_come_in_pages(void **state)
{
	char name[32];
	size_t total;
	json_t *page;

	base();
	prov_must(SL_PROV_TENANT, "other", "{}");
	prov_must(SL_PROV_DOMAIN, "other.net", "{'tenant':'other'}");
	for (unsigned i = 0; i < 7; i++) {
		snprintf(name, sizeof name, "u%u@%s", i, i % 2 ? "other.net" : "example.com");
		prov_must(SL_PROV_USER, name, "{'password':'x'}");
	}
	page = sl_prov_list(prov, SL_PROV_USER, "other", 1, 5, &total);
	assert_int_equal(total, 3);
	assert_int_equal(json_array_size(page), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(page, 0), "name")), "u3");
	assert_null(json_object_get(json_array_get(page, 0), "ha1_md5"));
	json_decref(page);
	page = sl_prov_list(prov, SL_PROV_USER, NULL, 0, 100, &total);
	assert_int_equal(total, 8);
	json_decref(page);
}

/* ---- size ---- */

static double ms_since(const struct timespec *from)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now); /* the machine has other things to do, too */
	return (double)(now.tv_sec - from->tv_sec) * 1e3 + (double)(now.tv_nsec - from->tv_nsec) / 1e6;
}

static long resident_kib(void)
{
	long pages = 0, all = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f && fscanf(f, "%ld %ld", &all, &pages) != 2)
		pages = 0;
	if (f)
		fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

enum { MANY = 100000 };

static void a_hundred_thousand_users(void **state)
{
	json_t *all = prov_object("{'tenants':[{'name':'acme'}],'domains':[{'name':'example.com','tenant':'acme'}]}"), *users = json_array();
	struct prov_answer a = {0};
	struct timespec from;
	char name[32], number[24];

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "u%06u", i);
		snprintf(number, sizeof number, "+4930%06u", i);
		json_array_append_new(users, json_pack("{ss ss ss s[s]}", "name", name, "domain", "example.com", "password", "pw", "numbers", number));
	}
	json_object_set_new(all, "users", users);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	sl_prov_import(prov, all, prov_answered, &a);
	json_decref(all);
	prov_wait(&a);
	assert_int_equal(a.status, 200);
	print_message("import of %d users: %.0f ms of CPU\n", MANY, ms_since(&from));

	prov_shut();
	long before = resident_kib();
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	prov_start();
	print_message("read at the start: %.0f ms of CPU, about %ld bytes a user\n", ms_since(&from), (resident_kib() - before) * 1024 / MANY);

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	for (unsigned i = 0; i < 100; i++)
		prov_must(SL_PROV_USER, "u050000@example.com", "{'password':'other'}");
	print_message("one changed, with its commit: %.2f ms of CPU\n", ms_since(&from) / 100);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "u%06u", i);
		assert_non_null(sl_prov_user(prov, name, 7, "example.com", 11));
	}
	print_message("found by address: %.2f us each\n", ms_since(&from) * 1e3 / MANY);
	assert_null(sl_prov_user_by_number(prov, "acme", "+4930050000"));
	assert_non_null(sl_prov_user_by_number(prov, "acme", "+4930050001"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, prov_setup, prov_teardown)
	const struct CMUnitTest tests[] = {
	        TEST(each_wrong_field_is_named),
	        TEST(what_is_left_out_gets_its_default),
	        TEST(passwords_become_hashes),
	        TEST(tokens_are_known_by_their_hash),
	        TEST(the_configuration_stands_beside_the_store),
	        TEST(a_reload_is_all_or_nothing),
	        TEST(a_wrong_group_is_named_by_line),
	        TEST(samples_are_good),
	        TEST(versions_guard_changes),
	        TEST(what_is_named_stays),
	        TEST(changes_see_each_other),
	        TEST(tenants_take_nothing_of_others),
	        cmocka_unit_test(cheap_expressions_are_taken),
	        TEST(an_import_is_all_or_nothing),
	        TEST(text_goes_out_and_in),
	        TEST(users_change_alone),
	        TEST(trunks_are_found_by_source),
	        TEST(lists_come_in_pages),
	        TEST(a_hundred_thousand_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
