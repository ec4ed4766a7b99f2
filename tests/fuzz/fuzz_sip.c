/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* SIP through the real stack: Sofia's agent on loopback sockets, dispatcher, registrar, B2BUA, routing, call model, media engine and store, with
 * both ends of its calls played by the input. Pieces end with a byte 0xff; a letter says what is done with the rest:
 *
 *   A text   sent to the listener for users          D text   as the caller's next request in its dialog: method, then headers and body
 *   C text   sent as the carrier's                   E text   the same from the called side
 *   B text   answers the last request that the       K        acknowledges the last answer to an INVITE
 *            called side got: status, headers, body  T byte   time passes, in units of 100 ms
 *
 * Whatever came, it goes on answering, and when the calls are hung up none is left. */

#include "tests/fuzz/media_link.h"

#include "controlplane/brain.h"
#include "controlplane/guard/warden.h"
#include "controlplane/call/call.h"
#include "controlplane/store/store.h"

#include <errno.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <sofia-sip/su_wait.h>

enum { END = 0xff, PIECES_MAX = 24, MESSAGE_MAX = 60000, QUIET_STEPS = 3, STEP_MS = 100 };

static struct sl_brain brain = {.stored_fd = -1, .journal_fd = -1, .calls_fd = -1, .crash_fd = -1};
static su_root_t *root;
static int64_t ahead_ms; /* of the real clock: time that the input let pass */
static struct sockaddr_in users_at, trunks_at;
static int caller = -1, called = -1;
static char heard[65536], asked[65536]; /* last answer at the caller, last request at the called side */
static unsigned cseq = 100;
static bool ponged; /* it has answered the question of finish() */

/* The guard's link: what it says must be something that the dataplane takes. */
void sl_dp_set_guard(struct sl_dp *dp, const struct sl_dp_guard_ops *ops, void *ctx)
{
	if (ops)
		ops->attached(ctx, LINK_WORKERS);
}

int sl_dp_guard_send(struct sl_dp *dp, struct sl_command *cmd, sl_dp_done done, void *ctx)
{
	char text[120];

	SL_FUZZ_CHECK(sl_command_validate(cmd, text, sizeof text) == 0);
	return 0;
}

int sl_dp_guard_list(struct sl_dp *dp, int memfd, sl_dp_done done, void *ctx)
{
	return 0;
}

int64_t sl_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000 + ahead_ms;
}

/* ---- set up ---- */

static int bind_any(struct sockaddr_in *at)
{
	socklen_t len = sizeof *at;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	*at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	SL_FUZZ_CHECK(fd >= 0 && bind(fd, (struct sockaddr *)at, sizeof *at) == 0);
	getsockname(fd, (struct sockaddr *)at, &len);
	return fd;
}

static const char config_text[] =
        "dataplane = { workers = [ 1, 2 ]; housekeeper_core = 0;\n"
        "  ports = ( { name = \"wan\"; device = \"net_null0\"; addresses = [ \"192.0.2.1/24\" ]; } ); };\n"
        "media = { addresses = ( { interface = \"public\"; address = \"192.0.2.1\"; } ); ports = ( 30000, 34095 ); max_legs = 512; };\n"
        "sip = { t1_ms = 50; trace_mb = 1; keepalive = 0; overload_delay_ms = 0; auth_failures = 0; listeners = (\n"
        "  { name = \"users\"; role = \"access\"; transport = \"udp\"; address = \"127.0.0.1:%u\"; media = \"public\"; },\n"
        "  { name = \"trunks\"; role = \"peering\"; transport = \"udp\"; address = \"127.0.0.1:%u\"; media = \"public\"; } ); };\n"
        "provision = { tenants = ( { name = \"lab\"; } ); domains = ( { name = \"lab.test\"; tenant = \"lab\"; } );\n"
        "  users = ( { name = \"bob\"; domain = \"lab.test\"; password = \"secret\"; numbers = [ \"+4930101\" ]; } );\n"
        "  trunks = ( { name = \"carrier\"; tenant = \"lab\"; sources = [ \"127.0.0.1\" ];\n"
        "    default_domain = \"lab.test\"; trusted = true; },\n"
        "    { name = \"other\"; tenant = \"lab\"; targets = ( { uri = \"sip:127.0.0.1:%u\"; } ); } );\n"
        "  routes = ( { name = \"out\"; tenant = \"lab\"; prefix = \"+1\"; source = \"any\"; trunks = [ \"other\" ]; } ); };\n"
        "control = { database = \"%s/db\"; api_socket = \"%s/api\"; };\n";

static struct sl_config *make_config(char *folder)
{
	struct sockaddr_in called_at, caller_at;
	struct sl_config *config = NULL;
	char path[128], err[400] = "";
	FILE *f;

	called = bind_any(&called_at);
	caller = bind_any(&caller_at);
	close(bind_any(&users_at)); /* free a moment ago */
	close(bind_any(&trunks_at));
	snprintf(path, sizeof path, "%s/conf", folder);
	f = fopen(path, "w");
	SL_FUZZ_CHECK(f != NULL);
	fprintf(f, config_text, ntohs(users_at.sin_port), ntohs(trunks_at.sin_port), ntohs(called_at.sin_port), folder, folder);
	fclose(f);
	if (sl_config_load_for(path, 4, &config, err, sizeof err))
		fprintf(stderr, "%s\n", err);
	SL_FUZZ_CHECK(config != NULL);
	return config;
}

static void remove_folder(const char *folder)
{
	static const char *const files[] = {"conf", "db", "db-wal", "db-shm"};
	char path[160];

	for (unsigned i = 0; i < sizeof files / sizeof files[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, files[i]);
		unlink(path); /* those that are open stay until we end */
	}
	rmdir(folder);
}

static void set_up(void)
{
	char folder[] = "/dev/shm/sluice-fuzz-sip-XXXXXX", text[400] = ""; /* where a commit costs nothing */

	SL_FUZZ_CHECK(mkdtemp(folder) != NULL);
	su_init();
	sl_log_set_level((enum sl_log_level)0); /* what is refused is no news here */
	root = su_root_create(NULL);
	brain.config = make_config(folder);
	brain.mail = sl_mailbox_new(1024);
	brain.store = sl_store_open(brain.config->control.database, brain.mail, text, sizeof text);
	SL_FUZZ_CHECK(root && brain.mail && brain.store);
	brain.media = sl_media_open(brain.config, (void *)&media_link, -1, text, sizeof text);
	SL_FUZZ_CHECK(brain.media != NULL);
	media_link_attach(1);
	sl_media_tick(brain.media, sl_now_ms());
	struct sl_warden_options guard = {.config = brain.config, .dp = (void *)&media_link, .store = brain.store};
	brain.warden = sl_warden_new(&guard);
	SL_FUZZ_CHECK(brain.warden != NULL);
	SL_FUZZ_CHECK(sl_brain_open_sip(&brain, root) == 0 && brain.sip);
	sl_store_flush(brain.store);
	remove_folder(folder);
}

/* ---- turns ---- */

static void tick(void)
{
	int64_t now = sl_now_ms();

	sl_mailbox_run(brain.mail, 1024);
	sl_media_tick(brain.media, now);
	sl_warden_tick(brain.warden, now);
	sl_brain_tick_sip(&brain, now);
	sl_calls_commit(brain.calls);
}

/* What came to an end of ours: the last of its kind is kept. */
static void listen_to(int fd)
{
	static char text[65536];
	ssize_t n;

	while ((n = recv(fd, text, sizeof text - 1, 0)) > 0) {
		text[n] = '\0';
		ponged = ponged || strstr(text, "\r\nCall-ID: ping") != NULL;
		if (strncmp(text, "SIP/2.0 100", 11) == 0)
			continue;
		if (strncmp(text, "SIP/2.0 ", 8) == 0)
			memcpy(heard, text, (size_t)n + 1);
		else if (fd == called)
			memcpy(asked, text, (size_t)n + 1);
	}
}

static void turn(void)
{
	for (unsigned i = 0; i < QUIET_STEPS; i++) {
		su_root_step(root, 0);
		tick();
	}
	su_root_step(root, 0);
	listen_to(caller);
	listen_to(called);
}

static void say(int fd, const struct sockaddr_in *to, const char *text, size_t n)
{
	(void)!sendto(fd, text, n < MESSAGE_MAX ? n : MESSAGE_MAX, 0, (const struct sockaddr *)to, sizeof *to);
	turn();
}

/* ---- the ends ---- */

/* Value of a header, or "". */
static const char *header(const char *message, const char *name, char out[1024])
{
	size_t n = strlen(name);
	const char *line = message;

	out[0] = '\0';
	while ((line = strstr(line, "\r\n")) && line[2] && line[2] != '\r') {
		const char *end;

		line += 2;
		if (strncasecmp(line, name, n) != 0 || line[n] != ':' || !(end = strstr(line, "\r\n")))
			continue;
		snprintf(out, 1024, "%.*s", (int)(end - line - (long)n - 1 < 1000 ? end - line - (long)n - 1 : 1000), line + n + 1);
		break;
	}
	return out;
}

/* "<sip:...>" or the like, without angles. */
static const char *contact_uri(const char *message, char out[1024])
{
	char value[1024], *open, *close;

	header(message, "Contact", value);
	open = strchr(value, '<');
	close = open ? strchr(open, '>') : NULL;
	snprintf(out, 1024, "%.*s", close ? (int)(close - open - 1) : 21, close ? open + 1 : "sip:nobody@127.0.0.1");
	return out;
}

static void answer(const char *rest, size_t len)
{
	static char out[65536 + 8192];
	char via[1024], from[1024], to[1024], id[1024], seq[1024];
	const char *line = memchr(rest, '\n', len);
	size_t first = line ? (size_t)(line - rest) + 1 : len;
	int n;

	if (!asked[0])
		return;
	n = snprintf(out, sizeof out, "SIP/2.0 %.*s%sVia:%s\r\nFrom:%s\r\nTo:%s%s\r\nCall-ID:%s\r\nCSeq:%s\r\nContact: <sip:b@127.0.0.1>\r\n",
	        (int)(first < 200 ? first : 200), rest, line ? "" : "\r\n", header(asked, "Via", via), header(asked, "From", from),
	        header(asked, "To", to), strstr(to, "tag=") ? "" : ";tag=b", header(asked, "Call-ID", id), header(asked, "CSeq", seq));
	len -= first;
	if (len > MESSAGE_MAX - 8192)
		len = MESSAGE_MAX - 8192;
	memcpy(out + n, rest + first, len);
	say(called, &trunks_at, out, (size_t)n + len);
}

/* In the dialog that `seen` told of; local, remote: the headers that name us and them in it. */
static void within(int fd, const struct sockaddr_in *to, const char *seen, const char *local, const char *remote, const char *rest, size_t len)
{
	static char out[65536 + 8192];
	char us[1024], them[1024], id[1024], uri[1024];
	size_t method = 0;
	int n;

	while (method < len && method < 32 && rest[method] > ' ')
		method++;
	if (!seen[0] || method == 0)
		return;
	n = snprintf(out, sizeof out, "%.*s %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKw%u;rport\r\nMax-Forwards: 70\r\nFrom:%s\r\nTo:%s\r\n"
	                              "Call-ID:%s\r\nCSeq: %u %.*s\r\n",
	        (int)method, rest, contact_uri(seen, uri), cseq, header(seen, local, us), header(seen, remote, them), header(seen, "Call-ID", id), cseq,
	        (int)method, rest);
	cseq++;
	rest += method;
	len -= method;
	if (len && *rest == ' ') {
		rest++;
		len--;
	}
	if (len > MESSAGE_MAX - 8192)
		len = MESSAGE_MAX - 8192;
	memcpy(out + n, rest, len);
	say(fd, to, out, (size_t)n + len);
}

static void acknowledge(void)
{
	char from[1024], to[1024], id[1024], uri[1024], seq[1024], out[8192];

	if (!heard[0] || !strstr(header(heard, "CSeq", seq), "INVITE"))
		return;
	int n = snprintf(out, sizeof out, "ACK %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKk%u;rport\r\nFrom:%s\r\nTo:%s\r\nCall-ID:%s\r\n"
	                                  "CSeq: %u ACK\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
	        contact_uri(heard, uri), cseq++, header(heard, "From", from), header(heard, "To", to), header(heard, "Call-ID", id), (unsigned)atoi(seq));

	say(caller, &trunks_at, out, (size_t)n);
}

static void run(char what, const char *rest, size_t len)
{
	switch (what) {
	case 'A':
		say(caller, &users_at, rest, len);
		break;
	case 'C':
		say(caller, &trunks_at, rest, len);
		break;
	case 'B':
		answer(rest, len);
		break;
	case 'D':
		within(caller, &trunks_at, heard, "From", "To", rest, len);
		break;
	case 'E':
		within(called, &trunks_at, asked, "To", "From", rest, len);
		break;
	case 'K':
		acknowledge();
		break;
	case 'T':
		ahead_ms += len ? (uint8_t)rest[0] * STEP_MS : 0;
		turn();
		break;
	default:
		break;
	}
}

/* It lives, and nothing of the input is left over. */
static void finish(void)
{
	static const struct sl_cause cause = {.status = 480};
	char ping[400];
	struct sl_call *c;
	uint32_t cursor = 0;

	while ((c = sl_calls_next(brain.calls, &cursor)))
		sl_call_hangup(c, &cause);
	for (unsigned i = 0; i < 20000 && sl_calls_n(brain.calls); i++) {
		if (i < 60)
			ahead_ms += 1000; /* BYEs are not answered: their legs give up */
		else
			usleep(100); /* the store commits their records */
		turn();
	}
	SL_FUZZ_CHECK(sl_calls_n(brain.calls) == 0);
	snprintf(ping, sizeof ping, "OPTIONS sip:127.0.0.1:%u SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKp%u;rport\r\nFrom: <sip:p@b>;tag=1\r\n"
	                            "To: <sip:127.0.0.1>\r\nCall-ID: ping%u\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
	        ntohs(trunks_at.sin_port), cseq, cseq);
	cseq++;
	ponged = false;
	say(caller, &trunks_at, ping, strlen(ping));
	for (unsigned i = 0; i < 20000 && !ponged; i++) {
		usleep(100);
		turn();
	}
	SL_FUZZ_CHECK(ponged);
	heard[0] = asked[0] = '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned pieces = 0;

	if (!root)
		set_up();
	while (size > 0 && pieces++ < PIECES_MAX) {
		const uint8_t *end = memchr(data, END, size);
		size_t n = end ? (size_t)(end - data) : size;

		if (n > 0)
			run((char)data[0], (const char *)data + 1, n - 1);
		data += end ? n + 1 : n;
		size -= end ? n + 1 : n;
	}
	finish();
	return 0;
}
