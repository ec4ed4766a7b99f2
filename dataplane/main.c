/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* sluice-dataplane: command line, then one of its two halves. Without --working-half this is the keeper (keep.c), which
 * starts the same program again with it. */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/abi/log.h"
#include "dataplane/keep.h"
#include "dataplane/work.h"

enum { EXIT_USAGE = 2, ERROR_BYTES = 1024 };

static const char help[] =
	"Usage: sluice-dataplane --config FILE [OPTION...]\n"
	"Sluice's packet path: a TURN relay on pinned cores. Runs until SIGTERM; SIGHUP reloads the configuration.\n"
	"\n"
	"  -c, --config FILE    the configuration (see sluice.conf.sample, which explains every option)\n"
	"      --check          say whether FILE is right, and if not which line and option is wrong; start nothing\n"
	"      --verbose        with --check: NAME=VALUE lines instead, of what scripts around a dataplane need to know\n"
	"      --daemon         go to the background once packets flow\n"
	"      --pid-file FILE  write the process id there\n"
	"      --log-file FILE  write messages there instead of standard error\n"
	"      --release        remove what a dataplane that has ended leaves: its TAPs, its silencing of interfaces\n"
	"  -h, --help           this text\n"
	"  -V, --version        the version\n"
	"\n"
	"Exit status: 0 ended as told, 1 could not start, 2 wrong command line, 78 the configuration does not fit this\n"
	"machine. What it is doing, sluicectl shows: sluicectl status.\n";

struct command_line {
	struct sl_keep_options keep;
	bool check, verbose, release;
	const char *working_half;
};

static void read_command_line(struct command_line *o, int argc, char **argv)
{
	enum { CHECK = 256, VERBOSE, DAEMON, PID_FILE, LOG_FILE, RELEASE, WORKING_HALF };
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, CHECK},
		{"verbose", no_argument, NULL, VERBOSE},
		{"daemon", no_argument, NULL, DAEMON},
		{"pid-file", required_argument, NULL, PID_FILE},
		{"log-file", required_argument, NULL, LOG_FILE},
		{"release", no_argument, NULL, RELEASE},
		{"working-half", required_argument, NULL, WORKING_HALF},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	o->keep.program = argv[0];
	for (int c; (c = getopt_long(argc, argv, "c:hV", options, NULL)) != -1;) {
		switch (c) {
		case 'c':
			o->keep.config_path = optarg;
			break;
		case CHECK:
			o->check = true;
			break;
		case VERBOSE:
			o->verbose = true;
			break;
		case DAEMON:
			o->keep.daemon = true;
			break;
		case PID_FILE:
			o->keep.pid_file = optarg;
			break;
		case LOG_FILE:
			o->keep.log_file = optarg;
			break;
		case RELEASE:
			o->release = true;
			break;
		case WORKING_HALF:
			o->working_half = optarg;
			break;
		case 'h':
			fputs(help, stdout);
			exit(0);
		case 'V':
			puts("sluice-dataplane " SL_VERSION);
			exit(0);
		default:
			fputs("sluice-dataplane --help explains the options\n", stderr);
			exit(EXIT_USAGE);
		}
	}
	if (optind == argc && o->keep.config_path)
		return;
	fprintf(stderr, "sluice-dataplane: %s\nsluice-dataplane --help explains the options\n",
		optind < argc ? "it takes options only" : "--config FILE is needed");
	exit(EXIT_USAGE);
}

/* What config/up and tests/lab/lab prepare by: asking the parser, they never read the file themselves. No secrets. */
static void print_for_scripts(const struct sl_config *c)
{
	static const char *const tristates[] = {[SL_AUTO] = "auto", [SL_YES] = "yes", [SL_NO] = "no"};
	printf("dataplane.hugepages=%s\n", tristates[c->dataplane.hugepages]);
	printf("dataplane.memory_mb=%u\n", c->dataplane.memory_mb);
	printf("dataplane.socket=%s\n", c->dataplane.socket);
	printf("control.api_socket=%s\n", c->control.api_socket);
	printf("control.database=%s\n", c->control.database);
}

int main(int argc, char **argv)
{
	struct command_line o = {0};
	struct sl_config *c = NULL;
	char err[ERROR_BYTES];
	read_command_line(&o, argc, argv);
	signal(SIGPIPE, SIG_IGN);
	if (o.working_half)
		return sl_work(o.keep.config_path, o.working_half);
	if (sl_config_load(o.keep.config_path, &c, err, sizeof(err)) < 0) {
		fprintf(stderr, "%s\n", err);
		return 1;
	}
	int status = 0;
	if (o.check && o.verbose) {
		print_for_scripts(c);
	} else if (o.check) {
		printf("%s: fine\n", o.keep.config_path);
	} else {
		sl_log_set_level((enum sl_log_level)sl_log_level_of(c->log_level));
		status = o.release ? sl_keep_release(c) : sl_keep(&o.keep, c);
	}
	sl_config_free(c);
	return status;
}
