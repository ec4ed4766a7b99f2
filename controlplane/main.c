/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/brain.h"

#include "config/stored.h"
#include "controlplane/journal.h"
#include "controlplane/provision/provision.h"
#include "dataplane/abi/keeper.h"
#include "dataplane/abi/log.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { WATCHDOG_MS = 10000 };

static const char usage[] =
        "sluice-controlplane: decides what Sluice's dataplane does; serves the HTTP API\n"
        "\n"
        "Usage: sluice-controlplane --config FILE [--daemon [--pid-file FILE] [--log-file FILE]]\n"
        "       sluice-controlplane --config FILE --check\n"
        "\n"
        "  -c, --config FILE    the configuration, shared with sluice-dataplane (/etc/sluice/sluice.conf)\n"
        "      --check          say whether FILE is good, and end\n"
        "  -d, --daemon         go to the background once it serves\n"
        "      --pid-file FILE  write the process id there; refuses to start twice\n"
        "      --log-file FILE  append log lines there instead of stderr\n"
        "  -h, --help\n"
        "  -V, --version\n"
        "\n"
        "It runs as two processes: a keeper, and a working half that the keeper starts again when it dies.\n"
        "SIGHUP reloads the configuration, all or nothing; SIGTERM ends it. The dataplane may start before "
        "or after it.\n"
        "\n"
        "Examples:\n"
        "  sluice-controlplane --config /etc/sluice/sluice.conf --check\n"
        "  sluice-controlplane --config /etc/sluice/sluice.conf --daemon --pid-file /run/sluice/control.pid "
        "\\\n"
        "                      --log-file /var/log/sluice/control.log\n"
        "  sluicectl status\n";

struct options {
	const char *config;
	bool check;
	struct sl_brain_kept kept; /* config -1 = this is the keeper */
	struct sl_keeper keeper;
};

enum { OPT_CHECK = 256, OPT_PID_FILE, OPT_LOG_FILE, OPT_WORKING_HALF };

/* Returns -1 to go on, or the exit status. */
static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
	        {"config", required_argument, NULL, 'c'},
	        {"check", no_argument, NULL, OPT_CHECK},
	        {"daemon", no_argument, NULL, 'd'},
	        {"pid-file", required_argument, NULL, OPT_PID_FILE},
	        {"log-file", required_argument, NULL, OPT_LOG_FILE},
	        {"working-half", required_argument, NULL, OPT_WORKING_HALF}, /* the keeper's */
	        {"help", no_argument, NULL, 'h'},
	        {"version", no_argument, NULL, 'V'},
	        {0},
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "c:dhV", longs, NULL)) != -1) {
		switch (opt) {
		case 'c':
			o->config = optarg;
			break;
		case OPT_CHECK:
			o->check = true;
			break;
		case 'd':
			o->keeper.daemon = true;
			break;
		case OPT_PID_FILE:
			o->keeper.pid_file = optarg;
			break;
		case OPT_LOG_FILE:
			o->keeper.log_file = optarg;
			break;
		case OPT_WORKING_HALF:
			if (sscanf(optarg, "%d,%d,%d,%d", &o->kept.config, &o->kept.media, &o->kept.calls, &o->kept.crash) != 4)
				return 2;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		case 'V':
			puts("sluice-controlplane " SL_VERSION);
			return 0;
		default:
			fputs("Try --help.\n", stderr);
			return 2;
		}
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "sluice-controlplane: '%s' is not an option. Try --help.\n", argv[optind]);
	return 2;
}

static void look_at_modes(const struct sl_config *c)
{
	if (sl_config_is_exposed(c))
		sl_log(SL_LOG_WARNING,
		        "%s holds passwords, secrets or a token, and everybody on this machine may read it: chmod o= %s",
		        c->path, c->path);
}

enum { KEEP_CONFIG, KEEP_MEDIA, KEEP_CALLS, KEEP_CRASH, N_KEPT, CRASH_BYTES = 4096 };

/* What a crash of the working half must not take: the configuration as accepted, media sessions, calls, and what it was doing. */
static int open_kept(const struct options *o, const struct sl_config *config, int kept[N_KEPT])
{
	static const char *const what[] = {"a copy of the configuration", "a journal of media sessions", "a journal of calls",
	        "a note of what crashed"};

	kept[KEEP_CONFIG] = sl_config_stored_new(o->config, config->control.api_token);
	kept[KEEP_MEDIA] = sl_journal_memfd("sluice-media");
	kept[KEEP_CALLS] = sl_journal_memfd("sluice-calls");
	kept[KEEP_CRASH] = sl_journal_memfd("sluice-crash");
	if (kept[KEEP_CRASH] >= 0 && ftruncate(kept[KEEP_CRASH], CRASH_BYTES) < 0)
		kept[KEEP_CRASH] = -errno;
	for (unsigned i = 0; i < N_KEPT; i++) {
		if (kept[i] < 0) {
			sl_log(SL_LOG_ERROR, "cannot keep %s: %s", what[i], strerror(-kept[i]));
			return -1;
		}
	}
	return 0;
}

static int run_keeper(struct options *o, const struct sl_config *config)
{
	char numbers[64];
	char *argv[] = {"sluice-controlplane", "--config", (char *)o->config, "--working-half", numbers, NULL};
	int kept[N_KEPT];

	o->keeper.name = "sluice-controlplane";
	o->keeper.argv = argv;
	o->keeper.watchdog_ms = WATCHDOG_MS;
	if (sl_keeper_begin(&o->keeper) < 0)
		return 1;
	look_at_modes(config);
	if (open_kept(o, config, kept) < 0)
		return 1;
	snprintf(numbers, sizeof numbers, "%d,%d,%d,%d", kept[KEEP_CONFIG], kept[KEEP_MEDIA], kept[KEEP_CALLS], kept[KEEP_CRASH]);
	o->keeper.inherit = kept;
	o->keeper.n_inherit = N_KEPT;
	return sl_keeper_run(&o->keeper);
}

/* Connections are descriptors. Not as many as we may have: libraries make tables as long as the limit. */
static void want_descriptors(void)
{
	enum { ENOUGH = 262144 };
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= ENOUGH)
		return;
	limit.rlim_cur = limit.rlim_max < ENOUGH ? limit.rlim_max : ENOUGH;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* A working half that starts again goes on with what was accepted last, whatever the file says by now. */
static int load(const struct options *o, struct sl_config **config, char *text, size_t text_len)
{
	const int inherited[] = {o->kept.config, o->kept.media, o->kept.calls, o->kept.crash};

	if (o->kept.config < 0)
		return sl_config_load(o->config, config, text, text_len);
	for (unsigned i = 0; i < sizeof inherited / sizeof inherited[0]; i++)
		fcntl(inherited[i], F_SETFD, FD_CLOEXEC);
	want_descriptors();
	prctl(PR_SET_DUMPABLE, 0); /* keys never leave memory for a disk */
	if (sl_config_stored_load(o->kept.config, o->config, config, text, text_len) == 0)
		return 0;
	sl_log(SL_LOG_WARNING, "the keeper's copy of the configuration cannot be read (%s): reading %s", text,
	        o->config);
	return sl_config_load(o->config, config, text, text_len);
}

int main(int argc, char **argv)
{
	struct options o = {.config = "/etc/sluice/sluice.conf", .kept = {-1, -1, -1, -1}};
	struct sl_config *config;
	char text[400];
	int status = parse(argc, argv, &o);

	if (status >= 0)
		return status;
	if (load(&o, &config, text, sizeof text) < 0) {
		fprintf(stderr, "sluice-controlplane: %s\n", text);
		return SL_KEEPER_EXIT_CONFIG;
	}
	if (o.kept.config < 0 && sl_prov_check(config, text, sizeof text) < 0) {
		fprintf(stderr, "sluice-controlplane: %s\n", text);
		sl_config_free(config);
		return SL_KEEPER_EXIT_CONFIG;
	}
	sl_log_set_level((enum sl_log_level)sl_log_level_of(config->log_level));
	if (o.kept.config >= 0)
		return sl_brain_run(config, &o.kept);
	if (o.check)
		printf("%s: good\n", o.config);
	else
		status = run_keeper(&o, config);
	sl_config_free(config);
	return o.check ? 0 : status;
}
