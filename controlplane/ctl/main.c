/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ctl/ctl.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#define DEFAULT_SOCKET "/run/sluice/api.sock"
enum { DEFAULT_TIMEOUT_S = 30, TIMEOUT_MAX_S = 3600 };

enum { MAY_WATCH = 1, MAY_ALL = 2, MAY_PAGE = 4, MAY_USER = 8, MAY_PASSWORD = 16 };

struct command {
	const char *words[2]; /* second NULL = one word */
	int n_args;           /* that must follow */
	unsigned options;     /* MAY_*, beside --socket, --json and --help */
	int (*run)(const struct ctl *c);
	const char *brief, *help;
};

static const struct command commands[] = {
        {{"status"}, 0, 0, ctl_status, "what the appliance is doing",
                "Usage: sluicectl status [--json]\n\n"
                "Both processes, allocations, what is relayed and dropped now (measured for one second), "
                "ports and workers.\n"
                "BUSY % is the share of cycles in polling rounds that found work; CYCLES/PACKET is busy "
                "cycles per packet\n"
                "received. With --json one look without rates, at once.\n\n"
                "  sluicectl status\n"
                "  sluicectl status --json | jq .dataplane.state      \"steady\" when all is provisioned\n"},
        {{"ports"}, 0, 0, ctl_ports, "ports: link, rates, errors",
                "Usage: sluicectl ports [--json]\n\n"
                "A table measured for one second; --json gives the counters since the start.\n\n"
                "  sluicectl ports --json | jq '.ports[] | {name, rx_packets, rx_missed}'\n"},
        {{"workers"}, 0, 0, ctl_workers, "workers: load, cycles per packet, rates",
                "Usage: sluicectl workers [--json]\n\n"
                "A table measured for one second; --json gives every counter of every worker since the "
                "start.\n\n"
                "  sluicectl workers\n"
                "  sluicectl workers --json | jq '.workers[0].counters.busy_cycles'\n"},
        {{"counters"}, 0, MAY_WATCH | MAY_ALL, ctl_counters, "every counter, and why packets were dropped",
                "Usage: sluicectl counters [--watch] [--all] [--json]\n\n"
                "Sums over all workers. Every dropped packet is counted under exactly one reason.\n\n"
                "  --watch   again each second, with rates; end it with Ctrl-C (with --json: an object a "
                "second)\n"
                "  --all     those that are zero as well\n\n"
                "  sluicectl counters --watch\n"
                "  sluicectl counters --json | jq .drops.no_permission\n"},
        {{"allocations"}, 0, MAY_PAGE | MAY_USER, ctl_allocations, "TURN allocations with their traffic",
                "Usage: sluicectl allocations [--user NAME] [--limit N] [--offset N] [--json]\n\n"
                "  --user NAME   only this user's\n"
                "  --limit N     at most N of them (100; up to 10000)\n"
                "  --offset N    leave out the first N\n\n"
                "  sluicectl allocations --user alice\n"
                "  sluicectl allocations --json | jq .total\n"},
        {{"allocation", "delete"}, 1, 0, ctl_allocation_delete, "end an allocation",
                "Usage: sluicectl allocation delete ID [--json]\n\n"
                "The client finds it gone (437 at its next request) and may allocate anew: remove the user "
                "as well to prevent it.\n"
                "ID is the first column of 'sluicectl allocations'.\n\n"
                "  sluicectl allocation delete 0000000000001001\n"},
        {{"users", "list"}, 0, MAY_PAGE, ctl_users_list, "static TURN users",
                "Usage: sluicectl users [list] [--limit N] [--offset N] [--json]\n\n"
                "Those of the configuration file and those added since. Passwords are not kept, so they "
                "cannot be shown.\n"},
        {{"users", "add"}, 1, MAY_PASSWORD, ctl_users_add, "add a user, or change its password",
                "Usage: sluicectl users add NAME [--password-stdin | --password PASSWORD] [--json]\n\n"
                "Asks for the password unless it is given. It takes effect at once and survives restarts.\n\n"
                "  --password-stdin      read it from standard input, one line\n"
                "  --password PASSWORD   in the command line, where other users of this machine can see "
                "it\n\n"
                "  sluicectl users add alice\n"
                "  pwgen -s 24 1 | tee alice.password | sluicectl users add alice --password-stdin\n"},
        {{"users", "remove"}, 1, 0, ctl_users_remove, "remove a user",
                "Usage: sluicectl users remove NAME [--json]\n\n"
                "Its allocations go on until they expire; see 'sluicectl allocation delete'.\n\n"
                "  sluicectl users remove alice\n"},
        {{"config", "check"}, 1, 0, ctl_config_check, "is this configuration file good?",
                "Usage: sluicectl config check FILE [--json]\n\n"
                "Names file, line, option and what is allowed. Needs no running control plane.\n\n"
                "  sluicectl config check /etc/sluice/sluice.conf && sluicectl reload\n"},
        {{"reload"}, 0, 0, ctl_reload, "load the configuration file again, all or nothing",
                "Usage: sluicectl reload [--json]\n\n"
                "If anything in it is refused, what was in force goes on and the reason is printed. Options "
                "of the dataplane that\n"
                "it can change while it runs (exception_pps, idle ...) take its own SIGHUP: systemctl reload "
                "sluice-dataplane.\n"},
        {{"healthz"}, 0, 0, ctl_healthz, "does it serve? (exit code 0 or 4)",
                "Usage: sluicectl healthz [--json]\n\n"
                "ok when the dataplane is attached, provisioned and alive; standby (exit code 0 as well) when "
                "another control\nplane provisions TURN and this one is ready to.\n\n"
                "  until sluicectl healthz; do sleep 1; done\n"},
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static void print_help(void)
{
	char name[40];

	puts("sluicectl: look at Sluice and steer it, through the control plane's API\n\n"
	     "Usage: sluicectl COMMAND [OPTIONS]\n");
	for (unsigned i = 0; i < N_COMMANDS; i++) {
		const struct command *m = &commands[i];
		const char *arg = !m->n_args              ? ""
		                  : m->words[1][0] == 'd' ? " ID"
		                  : m->words[1][0] == 'c' ? " FILE"
		                                          : " NAME";
		snprintf(name, sizeof name, "%s%s%s%s", m->words[0], m->words[1] ? " " : "",
		        m->words[1] ? m->words[1] : "", arg);
		printf("  %-24s %s\n", name, m->brief);
	}
	puts("\n"
	     "  --json          the API's answer as it is, for scripts; with every command\n"
	     "  --socket PATH   the API's UNIX socket (" DEFAULT_SOCKET ", or $SLUICE_API)\n"
	     "  --timeout SECS  how long to wait for an answer (30)\n"
	     "  --help          this; after a command: its options, with examples\n"
	     "  --version\n\n"
	     "Begin with:\n"
	     "  sluicectl status                  is it alive, what does it relay, what does it drop?\n"
	     "  sluicectl counters --watch        what changes, second by second\n"
	     "  sluicectl users add alice         a TURN user, usable at once\n"
	     "  sluicectl config check FILE && sluicectl reload\n\n"
	     "Exit codes: 0 done; 1 refused or failed; 2 wrong command line; 3 no control plane at the "
	     "socket; 4 not healthy;\n5 no answer in time.");
}

enum {
	OPT_SOCKET = 256,
	OPT_TIMEOUT,
	OPT_JSON,
	OPT_WATCH,
	OPT_ALL,
	OPT_LIMIT,
	OPT_OFFSET,
	OPT_USER,
	OPT_PASSWORD,
	OPT_PASSWORD_STDIN
};

struct parsed {
	struct ctl ctl;
	unsigned given; /* MAY_* of the options given */
	bool help, version;
};

static bool parse_timeout(const char *text, int *seconds)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || *end || n < 1 || n > TIMEOUT_MAX_S) {
		fprintf(stderr, "sluicectl: --timeout %s: 1 to %d seconds\n", text, TIMEOUT_MAX_S);
		return false;
	}
	*seconds = (int)n;
	return true;
}

static int parse(int argc, char **argv, struct parsed *p)
{
	static const struct option longs[] = {
	        {"socket", required_argument, NULL, OPT_SOCKET},
	        {"timeout", required_argument, NULL, OPT_TIMEOUT},
	        {"json", no_argument, NULL, OPT_JSON},
	        {"watch", no_argument, NULL, OPT_WATCH},
	        {"all", no_argument, NULL, OPT_ALL},
	        {"limit", required_argument, NULL, OPT_LIMIT},
	        {"offset", required_argument, NULL, OPT_OFFSET},
	        {"user", required_argument, NULL, OPT_USER},
	        {"password", required_argument, NULL, OPT_PASSWORD},
	        {"password-stdin", no_argument, NULL, OPT_PASSWORD_STDIN},
	        {"help", no_argument, NULL, 'h'},
	        {"version", no_argument, NULL, 'V'},
	        {0},
	};
	struct ctl *c = &p->ctl;
	int opt;

	while ((opt = getopt_long(argc, argv, "hV", longs, NULL)) != -1) {
		switch (opt) {
		case OPT_SOCKET:
			c->socket = optarg;
			break;
		case OPT_TIMEOUT:
			if (!parse_timeout(optarg, &c->timeout_s))
				return CTL_USAGE;
			break;
		case OPT_JSON:
			c->json = true;
			break;
		case OPT_WATCH:
			c->watch = true;
			p->given |= MAY_WATCH;
			break;
		case OPT_ALL:
			c->all = true;
			p->given |= MAY_ALL;
			break;
		case OPT_LIMIT:
			c->limit = optarg;
			p->given |= MAY_PAGE;
			break;
		case OPT_OFFSET:
			c->offset = optarg;
			p->given |= MAY_PAGE;
			break;
		case OPT_USER:
			c->user = optarg;
			p->given |= MAY_USER;
			break;
		case OPT_PASSWORD:
			c->password = optarg;
			p->given |= MAY_PASSWORD;
			break;
		case OPT_PASSWORD_STDIN:
			c->password_stdin = true;
			p->given |= MAY_PASSWORD;
			break;
		case 'h':
			p->help = true;
			break;
		case 'V':
			p->version = true;
			break;
		default:
			return CTL_USAGE;
		}
	}
	return CTL_OK;
}

/* The command of these words; NULL when there is none. 'users' alone is 'users list'. */
static const struct command *find(int n, char **words)
{
	static char *const list[] = {"users", "list"};

	if (n == 1 && strcmp(words[0], "users") == 0)
		return find(2, (char **)list);
	for (unsigned i = 0; i < N_COMMANDS; i++) {
		const struct command *m = &commands[i];
		if (n >= 1 && strcmp(words[0], m->words[0]) == 0 &&
		        (!m->words[1] || (n >= 2 && strcmp(words[1], m->words[1]) == 0)))
			return m;
	}
	return NULL;
}

/* Help on every command that begins with this word. False when there is none. */
static bool help_on(const char *word)
{
	bool any = false;

	for (unsigned i = 0; i < N_COMMANDS; i++) {
		if (strcmp(word, commands[i].words[0]) != 0)
			continue;
		printf("%s%s", any ? "\n" : "", commands[i].help);
		any = true;
	}
	return any;
}

static int wrong_command(int n, char **words)
{
	bool known = false;

	for (unsigned i = 0; i < N_COMMANDS; i++) {
		const struct command *m = &commands[i];
		if (strcmp(words[0], m->words[0]) != 0)
			continue;
		fprintf(stderr, known ? ", %s" : "sluicectl: '%s' goes with: %s",
		        known ? m->words[1] : words[0], m->words[1]);
		known = true;
	}
	if (known)
		fputs(". Try sluicectl --help\n", stderr);
	else
		fprintf(stderr, "sluicectl: no command '%s'. Try sluicectl --help\n", words[0]);
	return CTL_USAGE;
}

int main(int argc, char **argv)
{
	const char *env = getenv("SLUICE_API");
	struct parsed p = {.ctl = {.socket = env && env[0] ? env : DEFAULT_SOCKET, .timeout_s = DEFAULT_TIMEOUT_S}};

	if (parse(argc, argv, &p) != CTL_OK) {
		fputs("Try sluicectl --help\n", stderr);
		return CTL_USAGE;
	}
	int n = argc - optind;
	char **words = argv + optind;
	const struct command *m = find(n, words);
	if (p.version) {
		puts("sluicectl " SL_VERSION);
		return CTL_OK;
	}
	if (p.help && n == 1 && help_on(words[0]))
		return CTL_OK;
	if (n == 0 || (p.help && !m)) {
		print_help();
		return p.help ? CTL_OK : CTL_USAGE;
	}
	if (!m)
		return wrong_command(n, words);
	if (p.help) {
		fputs(m->help, stdout);
		return CTL_OK;
	}
	int used = m->words[1] && n > 1 ? 2 : 1;
	p.ctl.n_args = n - used;
	p.ctl.args = words + used;
	if (p.ctl.n_args != m->n_args || (p.given & ~m->options)) {
		fprintf(stderr, "sluicectl: %s\n\n%s",
		        p.ctl.n_args < m->n_args   ? "something is missing"
		        : p.ctl.n_args > m->n_args ? "too many arguments"
		                                   : "an option that this command does not have",
		        m->help);
		return CTL_USAGE;
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	int rc = m->run(&p.ctl);
	curl_global_cleanup();
	return rc;
}
