/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The real sluice-controlplane against a dataplane that moves no packets. Media sessions by the API: made by ng as a
 * proxy makes them, then listed, shown, steered, ended, and found again after either program died. */

#include "tests/unit/control_rig.h"

#include <arpa/inet.h>

static char groups[2048];
static int ng_port;

static int free_udp_port(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof sin;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof sin), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	close(fd);
	return ntohs(sin.sin_port);
}

/* options: of the group media beside addresses and listener. */
static void set_media(const char *turn, const char *options)
{
	snprintf(groups, sizeof groups,
	        "media = { addresses = ( { interface = \"pub\"; address = \"192.0.2.1\"; advertised = \"203.0.113.1\"; } );\n"
	        "  ports = [ 30720, 31743 ]; max_legs = 200; clip_folder = \"%s/clips\"; recording_folder = \"%s/rec\";\n"
	        "  ng = { udp = ( \"127.0.0.1:%d\" ); }; %s };\n",
	        rig.dir, rig.dir, ng_port, options);
	rig.groups = groups;
	write_config(turn, 1, "");
}

static int setup(void **state)
{
	char path[96];

	rig_setup(state);
	ng_port = free_udp_port();
	snprintf(path, sizeof path, "%s/clips", rig.dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/rec", rig.dir);
	assert_int_equal(mkdir(path, 0700), 0);
	set_media(REALM, "");
	return 0;
}

/* ---- ng, as a proxy speaks it ---- */

static json_t *ng_ask(json_t *request)
{
	static unsigned cookie;
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons((uint16_t)ng_port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	char packet[16384], *text = json_dumps(request, JSON_COMPACT);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd p = {fd, POLLIN, 0};

	json_decref(request);
	int len = snprintf(packet, sizeof packet, "%d_%u %s", (int)getpid(), ++cookie, text);
	free(text);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof sin), 0);
	assert_int_equal(send(fd, packet, (size_t)len, 0), len);
	assert_int_equal(poll(&p, 1, RIG_WAIT_MS), 1);
	ssize_t n = recv(fd, packet, sizeof packet - 1, 0);
	close(fd);
	assert_true(n > 0);
	packet[n] = '\0';
	json_t *answer = json_loads(strchr(packet, ' '), 0, NULL);
	assert_non_null(answer);
	return answer;
}

static const char *result_of(json_t *answer)
{
	const char *result = json_string_value(json_object_get(answer, "result"));

	return result ? result : "";
}

/* The answer must be this; takes it. */
static void expect(json_t *answer, const char *result)
{
	if (strcmp(result_of(answer), result) != 0)
		fail_msg("wanted %s: %s", result, json_dumps(answer, 0));
	json_decref(answer);
}

static json_t *sdp_of(const char *ip, int port, const char *protocol, const char *more)
{
	char sdp[1024];

	snprintf(sdp, sizeof sdp,
	        "v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d %s 8 101\r\na=rtpmap:8 PCMA/8000\r\n"
	        "a=rtpmap:101 telephone-event/8000\r\n%s",
	        ip, ip, port, protocol, more);
	return json_string(sdp);
}

static json_t *offer(const char *call_id)
{
	return ng_ask(json_pack("{s:s, s:s, s:s, s:o}", "command", "offer", "call-id", call_id, "from-tag", "alice", "sdp",
	        sdp_of("198.51.100.1", 4000, "RTP/AVP", "")));
}

static json_t *answer_to(const char *call_id)
{
	return ng_ask(json_pack("{s:s, s:s, s:s, s:s, s:o}", "command", "answer", "call-id", call_id, "from-tag", "alice", "to-tag",
	        "bob", "sdp", sdp_of("198.51.100.2", 5000, "RTP/AVP", "")));
}

static void make_call(const char *call_id)
{
	expect(offer(call_id), "ok");
	expect(answer_to(call_id), "ok");
}

/* ---- looking ---- */

static unsigned dataplane_legs(void)
{
	fake_lock(rig.fake);
	unsigned n = fake_n_legs(rig.fake);
	fake_unlock(rig.fake);
	return n;
}

static unsigned dataplane_routes(void)
{
	fake_lock(rig.fake);
	unsigned n = fake_n_routes(rig.fake);
	fake_unlock(rig.fake);
	return n;
}

static long long total(void)
{
	json_t *o = get("/v1/sessions");
	long long n = json_integer_value(json_object_get(o, "total"));

	json_decref(o);
	return n;
}

/* The only leg of a party's only section. */
static json_t *leg_of(json_t *session, const char *tag)
{
	json_t *party;
	size_t i;

	json_array_foreach(json_object_get(session, "parties"), i, party)
	{
		if (strcmp(json_string_value(json_object_get(party, "tag")), tag) == 0)
			return json_object_get(json_array_get(json_object_get(party, "media"), 0), "leg");
	}
	fail_msg("no party %s", tag);
	return NULL;
}

static uint16_t port_of(json_t *session, const char *tag)
{
	const char *local = json_string_value(json_object_get(leg_of(session, tag), "local"));

	assert_non_null(local);
	return (uint16_t)atoi(strchr(local, ':') + 1);
}

static const char *text(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

static long long number(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

/* ---- tests ---- */

static void a_call_is_listed_and_shown(void **state)
{
	start_both();
	assert_int_equal(total(), 0);
	make_call("call-1");
	WAIT_FOR(dataplane_legs() == 2 && dataplane_routes() == 2);

	json_t *o = get("/v1/sessions"), *s = json_array_get(json_object_get(o, "sessions"), 0);
	assert_int_equal(number(o, "total"), 1);
	assert_string_equal(text(s, "id"), "call-1");
	assert_int_equal(number(s, "parties"), 2);
	assert_int_equal(number(s, "legs"), 2);
	assert_string_equal(json_string_value(json_array_get(json_object_get(s, "media"), 0)), "audio");
	json_decref(o);

	/* What the dataplane counted is asked for when somebody looks. */
	s = get("/v1/sessions/call-1");
	uint16_t port = port_of(s, "alice");
	json_decref(s);
	fake_lock(rig.fake);
	struct fake_leg *l = fake_leg_on(rig.fake, port);
	assert_non_null(l);
	l->told.rx_packets = 50;
	l->told.rx_bytes = 8600;
	l->told.rx_ssrc = 0xdeadbeef;
	l->told.rx_lost = 3;
	l->told.rx_jitter_us = 1500;
	l->told.locked = 1;
	sl_ip_set_v4(&l->told.remote_rtp.ip, inet_addr("198.51.100.77"));
	l->told.remote_rtp.port_be = htons(7777);
	l->told.remote_rtcp = l->told.remote_rtp;
	fake_unlock(rig.fake);
	s = get("/v1/sessions?id=call-1");
	json_t *leg = leg_of(s, "alice"), *received = json_object_get(leg, "received");
	assert_int_equal(number(received, "packets"), 50);
	assert_int_equal(number(received, "bytes"), 8600);
	assert_int_equal(number(received, "ssrc"), 0xdeadbeef);
	assert_int_equal(number(received, "lost"), 3);
	assert_float_equal(json_real_value(json_object_get(received, "jitter_ms")), 1.5, 0.001);
	assert_string_equal(text(leg, "remote"), "198.51.100.1:4000");
	assert_string_equal(text(leg, "learned"), "198.51.100.77:7777");
	assert_string_equal(text(leg, "interface"), "pub");
	assert_true(json_is_null(json_object_get(leg, "crypto_in")));
	assert_string_equal(text(leg_of(s, "bob"), "remote"), "198.51.100.2:5000");
	json_t *party = json_array_get(json_object_get(s, "parties"), 0);
	assert_string_equal(text(party, "talks_to"), strcmp(text(party, "tag"), "alice") == 0 ? "bob" : "alice");
	json_t *section = json_array_get(json_object_get(party, "media"), 0);
	assert_string_equal(text(section, "codec"), "PCMA/8000");
	assert_string_equal(text(section, "protocol"), "RTP/AVP");
	assert_string_equal(text(section, "direction"), "sendrecv");
	json_decref(s);
}

/* Suites are shown; keys never. */
static void keys_are_not_shown(void **state)
{
	static const char crypto[] = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";
	json_t *o;

	start_both();
	expect(ng_ask(json_pack("{s:s, s:s, s:s, s:o}", "command", "offer", "call-id", "secret", "from-tag", "alice", "sdp",
	               sdp_of("198.51.100.1", 4000, "RTP/SAVP", crypto))),
	        "ok");
	expect(ng_ask(json_pack("{s:s, s:s, s:s, s:s, s:o}", "command", "answer", "call-id", "secret", "from-tag", "alice", "to-tag",
	               "bob", "sdp", sdp_of("198.51.100.2", 5000, "RTP/SAVP", crypto))),
	        "ok");
	o = get("/v1/sessions/secret");
	assert_string_equal(text(leg_of(o, "alice"), "crypto_in"), "AES_CM_128_HMAC_SHA1_80");
	assert_string_equal(text(leg_of(o, "alice"), "crypto_out"), "AES_CM_128_HMAC_SHA1_80");
	assert_null(strstr(rig.answer.text, "inline"));
	assert_null(strstr(rig.answer.text, "WVNfX19z"));
	json_decref(o);
}

static void a_call_ends_by_the_api(void **state)
{
	json_t *o;

	start_both();
	make_call("a/../b c");
	make_call("other");
	WAIT_FOR(dataplane_legs() == 4);
	assert_int_equal(ask("DELETE", "/v1/sessions?id=a%2F..%2Fb%20c", NULL), 200);
	assert_non_null(strstr(rig.answer.text, "\"status\": \"deleted\""));
	assert_int_equal(total(), 1);
	WAIT_FOR(dataplane_legs() == 2);
	assert_int_equal(ask("GET", "/v1/sessions?id=a%2F..%2Fb%20c", NULL), 404);
	assert_int_equal(ask("DELETE", "/v1/sessions?id=a%2F..%2Fb%20c", NULL), 404);
	/* An answer after it is an error and makes nothing. */
	expect(answer_to("a/../b c"), "error");
	assert_int_equal(dataplane_legs(), 2);
	assert_int_equal(ask("DELETE", "/v1/sessions/other?delay=30", NULL), 200);
	o = get("/v1/sessions/other");
	assert_string_equal(text(o, "state"), "deleted");
	json_decref(o);
}

static void write_clip(const char *name, unsigned bytes)
{
	char path[128];

	snprintf(path, sizeof path, "%s/clips/%s", rig.dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	for (unsigned i = 0; i < bytes; i++)
		fputc(0xd5, f);
	fclose(f);
}

/* What a party's leg was told last. */
static struct fake_leg leg_now(const char *call_id, const char *tag)
{
	char path[128];

	snprintf(path, sizeof path, "/v1/sessions/%s", call_id);
	json_t *s = get(path);
	uint16_t port = port_of(s, tag);
	json_decref(s);
	fake_lock(rig.fake);
	struct fake_leg *l = fake_leg_on(rig.fake, port), copy = {0};
	if (l)
		copy = *l;
	fake_unlock(rig.fake);
	return copy;
}

static void clips_are_played(void **state)
{
	write_clip("hello.alaw", 8000);
	start_both();
	make_call("c");
	WAIT_FOR(dataplane_legs() == 2);
	assert_int_equal(ask("POST", "/v1/sessions/c/play", "{\"clip\": \"hello\", \"party\": \"alice\", \"times\": 3}"), 200);
	assert_non_null(strstr(rig.answer.text, "\"duration_ms\": 1000"));
	WAIT_FOR(leg_now("c", "alice").play.clip != SL_CLIP_NONE);
	assert_int_equal(leg_now("c", "alice").play.times, 3);
	json_t *s = get("/v1/sessions/c");
	assert_true(json_is_true(json_object_get(leg_of(s, "alice"), "playing")));
	assert_false(json_is_true(json_object_get(leg_of(s, "bob"), "playing")));
	json_decref(s);
	assert_int_equal(ask("POST", "/v1/sessions/c/stop", "{\"party\": \"alice\"}"), 200);
	WAIT_FOR(leg_now("c", "alice").play.clip == SL_CLIP_NONE);
	assert_int_not_equal(ask("POST", "/v1/sessions/c/play", "{\"clip\": \"nothing\"}"), 200);
	assert_int_not_equal(ask("POST", "/v1/sessions/c/play", "{\"file\": \"../../etc/passwd\"}"), 200);
}

static void legs_are_blocked_and_dialled(void **state)
{
	start_both();
	make_call("c");
	WAIT_FOR(dataplane_legs() == 2);
	assert_int_equal(ask("POST", "/v1/sessions/c/block", "{\"party\": \"alice\"}"), 200);
	WAIT_FOR(leg_now("c", "alice").set.flags & SL_LEG_BLOCK_MEDIA);
	json_t *s = get("/v1/sessions/c");
	assert_non_null(strstr(rig.answer.text, "\"blocked\""));
	json_decref(s);
	assert_int_equal(ask("POST", "/v1/sessions/c/block", "{\"party\": \"alice\", \"on\": false}"), 200);
	WAIT_FOR(!(leg_now("c", "alice").set.flags & SL_LEG_BLOCK_MEDIA));
	assert_int_equal(ask("POST", "/v1/sessions/c/block", "{\"what\": \"dtmf\"}"), 200);
	WAIT_FOR(leg_now("c", "alice").set.flags & SL_LEG_BLOCK_DTMF);
	assert_int_equal(ask("POST", "/v1/sessions/c/dtmf", "{\"digits\": \"1#\", \"party\": \"alice\"}"), 200);
	/* She dials: he hears it. */
	WAIT_FOR(leg_now("c", "bob").n_dtmf == 2);
	assert_int_equal(leg_now("c", "bob").dtmf.event, 11);
	assert_int_equal(leg_now("c", "alice").n_dtmf, 0);
	assert_int_equal(ask("POST", "/v1/sessions/c/block", "{\"party\": \"nobody\"}"), 404);
}

static unsigned files_in(const char *folder)
{
	char command[160], count[16] = "";

	snprintf(command, sizeof command, "find %s/%s -type f | wc -l", rig.dir, folder);
	FILE *f = popen(command, "r");
	assert_non_null(f);
	assert_non_null(fgets(count, sizeof count, f));
	pclose(f);
	return (unsigned)atoi(count);
}

static void recordings_are_switched(void **state)
{
	start_both();
	make_call("c");
	WAIT_FOR(dataplane_legs() == 2);
	assert_int_equal(ask("POST", "/v1/sessions/c/record", "{\"on\": true, \"format\": \"pcap\"}"), 200);
	WAIT_FOR(leg_now("c", "alice").tap.tap != 0);
	json_t *s = get("/v1/sessions/c");
	assert_true(json_is_true(json_object_get(s, "recording")));
	json_decref(s);
	WAIT_FOR(files_in("rec") > 0);
	assert_int_equal(ask("POST", "/v1/sessions/c/record", "{\"on\": false}"), 200);
	WAIT_FOR(leg_now("c", "alice").tap.tap == 0);
}

/* ctl() that must end so and say this. */
static void says(const char *arguments, int status, const char *what)
{
	int got = ctl(arguments);

	if (got != status || !strstr(rig.answer.text, what))
		fail_msg("sluicectl %s: %d, wanted %d and %s:\n%s", arguments, got, status, what, rig.answer.text);
}

static void sluicectl_shows_and_steers(void **state)
{
	write_clip("hello.alaw", 8000);
	start_both();
	says("sessions", 0, "CALL-ID");
	make_call("a/../b c");
	WAIT_FOR(dataplane_legs() == 2);
	says("sessions", 0, "a/../b c  audio");
	says("sessions list --limit 1 --json", 0, "\"total\": 1");
	says("sessions show 'a/../b c'", 0, "a/../b c: active");
	assert_non_null(strstr(rig.answer.text, "party alice, offered"));
	assert_non_null(strstr(rig.answer.text, "talks to bob"));
	assert_non_null(strstr(rig.answer.text, "audio PCMA/8000 RTP/AVP sendrecv"));
	assert_non_null(strstr(rig.answer.text, "remote   198.51.100.1:4000"));
	assert_non_null(strstr(rig.answer.text, "crypto   in none, out none"));
	says("sessions show 'a/../b c' --json", 0, "\"local_rtcp\"");
	says("sessions show nothing", 1, "Unknown call-id");
	says("sessions play 'a/../b c' hello --party alice --times 2", 0, "playing");
	says("sessions play 'a/../b c' hello --times x", 2, "not a number");
	says("sessions play 'a/../b c' nothing", 1, "nothing");
	says("sessions stop 'a/../b c'", 0, "stopped");
	says("sessions block 'a/../b c' on --party alice", 0, "blocked");
	says("sessions block 'a/../b c' maybe", 2, "neither on nor off");
	says("sessions block 'a/../b c' off", 0, "not blocked");
	says("sessions dtmf 'a/../b c' 12 --party alice", 0, "sent");
	says("sessions dtmf 'a/../b c' xyz", 1, "digits");
	says("sessions record 'a/../b c' on --format mp3", 1, "format");
	says("status --json", 0, "\"sessions\": 1");
	says("status", 0, "media          1 of 100 sessions, 2 of 200 legs");
	says("sessions delete 'a/../b c'", 0, "deleted");
	says("sessions delete 'a/../b c'", 1, "Unknown call-id");
	assert_int_equal(total(), 0);
}

static void bad_requests_are_refused(void **state)
{
	static const struct {
		const char *method, *path, *body;
		long status;
		const char *field;
	} cases[] = {
	        {"POST", "/v1/sessions", "", 405, NULL},
	        {"DELETE", "/v1/sessions", NULL, 405, NULL},
	        {"PUT", "/v1/sessions/c", "", 405, NULL},
	        {"POST", "/v1/sessions/c", "", 405, NULL},
	        {"GET", "/v1/sessions/none", NULL, 404, NULL},
	        {"DELETE", "/v1/sessions/none", NULL, 404, NULL},
	        {"GET", "/v1/sessions/c?id=c", NULL, 400, "id"},
	        {"GET", "/v1/sessions?limit=0", NULL, 400, "limit"},
	        {"GET", "/v1/sessions?offset=x", NULL, 400, "offset"},
	        {"DELETE", "/v1/sessions/c?delay=99999", NULL, 400, "delay"},
	        {"POST", "/v1/sessions/c/nothing", "", 404, NULL},
	        {"POST", "/v1/sessions/none/stop", "", 404, NULL},
	        {"POST", "/v1/sessions/c/stop", "[]", 400, NULL},
	        {"POST", "/v1/sessions/c/stop", "{", 400, NULL},
	        {"POST", "/v1/sessions/c/stop", "{\"clip\": \"x\"}", 400, "clip"},
	        {"POST", "/v1/sessions/c/stop", "{\"address\": \"x\"}", 400, "address"},
	        {"POST", "/v1/sessions/c/stop", "{\"party\": 5, \"address\": \"x\"}", 400, "party"},
	        {"POST", "/v1/sessions/c/record", "{\"on\": 1}", 400, "on"},
	        {"POST", "/v1/sessions/c/record", "{\"format\": \"mp3\"}", 400, "format"},
	        {"POST", "/v1/sessions/c/play", "{}", 400, "clip"},
	        {"POST", "/v1/sessions/c/play", "{\"clip\": \"a\", \"file\": \"b\"}", 400, "file"},
	        {"POST", "/v1/sessions/c/play", "{\"clip\": \"a\", \"times\": -1}", 400, "times"},
	        {"POST", "/v1/sessions/c/play", "{\"clip\": \"a\", \"times\": 1.5}", 400, "times"},
	        {"POST", "/v1/sessions/c/dtmf", "{}", 400, "digits"},
	        {"POST", "/v1/sessions/c/dtmf", "{\"digits\": \"12x\"}", 400, "digits"},
	        {"POST", "/v1/sessions/c/dtmf", "{\"digits\": \"1\", \"duration_ms\": 1}", 400, "duration_ms"},
	        {"POST", "/v1/sessions/c/dtmf", "{\"digits\": \"1\", \"volume\": 64}", 400, "volume"},
	        {"POST", "/v1/sessions/c/block", "{\"what\": \"all\"}", 400, "what"},
	};

	start_both();
	make_call("c");
	for (unsigned i = 0; i < SL_COUNT(cases); i++) {
		if (ask(cases[i].method, cases[i].path, cases[i].body) != cases[i].status)
			fail_msg("%s %s %s: %ld %s", cases[i].method, cases[i].path, cases[i].body, rig.answer.status,
			        rig.answer.text);
		json_t *o = json_loads(rig.answer.text, 0, NULL);
		assert_non_null(json_string_value(json_object_get(o, "error")));
		if (cases[i].field)
			assert_string_equal(text(o, "field"), cases[i].field);
		json_decref(o);
	}
	assert_int_equal(total(), 1);
	assert_true(healthy());
}

/* kill -9 of the working half: the call is there again, and the dataplane was not disturbed. */
static void sessions_outlive_a_crash(void **state)
{
	start_both();
	make_call("c");
	WAIT_FOR(dataplane_legs() == 2 && dataplane_routes() == 2);
	struct fake_leg before = leg_now("c", "alice");
	fake_lock(rig.fake);
	unsigned made = rig.fake->media.n_restored;
	fake_unlock(rig.fake);
	kill(working_half(), SIGKILL);
	WAIT_FOR(serving() && healthy() && total() == 1);
	WAIT_FOR(leg_now("c", "alice").n_sets > before.n_sets); /* told again what it has */
	struct fake_leg after = leg_now("c", "alice");
	assert_memory_equal(&after.set, &before.set, sizeof after.set);
	fake_lock(rig.fake);
	assert_int_equal(rig.fake->media.n_restored, made); /* nothing was made anew */
	assert_int_equal(fake_n_legs(rig.fake), 2);
	assert_int_equal(fake_n_routes(rig.fake), 2);
	fake_unlock(rig.fake);
	/* And goes on: the answer of a re-offer keeps the ports. */
	expect(offer("c"), "ok");
}

static void a_restarted_dataplane_gets_its_legs_back(void **state)
{
	start_both();
	make_call("c");
	WAIT_FOR(dataplane_legs() == 2 && dataplane_routes() == 2);
	struct fake_leg before = leg_now("c", "alice");
	fake_die(rig.fake);
	assert_int_equal(dataplane_legs(), 0);
	fake_start(rig.fake);
	WAIT_FOR(dataplane_legs() == 2 && dataplane_routes() == 2);
	struct fake_leg after = leg_now("c", "alice");
	assert_memory_equal(&after.set, &before.set, sizeof after.set);
}

static void limits_follow_a_reload(void **state)
{
	json_t *o;

	start_both();
	make_call("one");
	set_media(REALM, "max_sessions = 1;");
	assert_int_equal(ask("POST", "/v1/reload", ""), 200);
	o = offer("two");
	assert_string_equal(result_of(o), "error");
	assert_string_equal(text(o, "error-reason"), "Parallel session limit reached");
	json_decref(o);
	assert_int_equal(total(), 1);
	set_media(REALM, "max_streams = 99;");
	assert_int_equal(ask("POST", "/v1/reload", ""), 409);
	assert_non_null(strstr(rig.answer.text, "media.max_streams"));
	ng_port++;
	set_media(REALM, "");
	ng_port--;
	assert_int_equal(ask("POST", "/v1/reload", ""), 409);
	assert_non_null(strstr(rig.answer.text, "media.ng.udp"));
	assert_non_null(strstr(rig.answer.text, "control plane"));
}

/* rtpengine's users: no TURN, nothing to provision, all the rest. */
static void media_needs_no_turn(void **state)
{
	set_media(NULL, "");
	start_both();
	make_call("c");
	WAIT_FOR(dataplane_legs() == 2);
	assert_int_equal(commits(), 0);
	assert_int_equal(ask("POST", "/v1/turn/users", "{\"name\": \"bob\", \"password\": \"x\"}"), 409);
	json_t *o = get("/v1/status");
	assert_true(json_is_null(json_object_get(o, "turn")));
	assert_int_equal(number(json_object_get(o, "media"), "sessions"), 1);
	assert_int_equal(number(json_object_get(o, "media"), "legs"), 2);
	json_decref(o);
	assert_int_equal(ask("POST", "/v1/reload", ""), 200);
	assert_int_equal(ask("GET", "/metrics", NULL), 200);
	assert_non_null(strstr(rig.answer.text, "\nsluice_sessions 1\n"));
	assert_non_null(strstr(rig.answer.text, "\nsluice_legs 2\n"));
	assert_non_null(strstr(rig.answer.text, "\nsluice_ng_requests_total{command=\"offer\"} 1\n"));
	assert_non_null(strstr(rig.answer.text, "\nsluice_worker_legs_active{worker=\"0\""));
	assert_int_equal(stop_control(), 0);
}

static void without_media_there_are_no_sessions(void **state)
{
	rig.groups = "";
	write_config(REALM, 1, "");
	start_both();
	assert_int_equal(ask("GET", "/v1/sessions", NULL), 409);
	assert_int_equal(ask("GET", "/v1/sessions/x", NULL), 409);
	json_t *o = get("/v1/status");
	assert_true(json_is_null(json_object_get(o, "media")));
	json_decref(o);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        T(a_call_is_listed_and_shown),
	        T(keys_are_not_shown),
	        T(a_call_ends_by_the_api),
	        T(clips_are_played),
	        T(legs_are_blocked_and_dialled),
	        T(recordings_are_switched),
	        T(sluicectl_shows_and_steers),
	        T(bad_requests_are_refused),
	        T(sessions_outlive_a_crash),
	        T(a_restarted_dataplane_gets_its_legs_back),
	        T(limits_follow_a_reload),
	        T(media_needs_no_turn),
	        T(without_media_there_are_no_sessions),
	};

	return rig_run(argc, argv, tests);
}
