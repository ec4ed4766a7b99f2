/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ctl/ctl.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#define DEFAULT_SOCKET "/run/sluice/api.sock"
enum { DEFAULT_TIMEOUT_S = 30, TIMEOUT_MAX_S = 3600 };

static void print_help(void)
{
	char name[40];

	puts("sluicectl: look at Sluice and steer it, through the control plane's API\n\n"
	     "Usage: sluicectl COMMAND [OPTIONS]\n");
	for (unsigned i = 0; i < ctl_n_commands; i++) {
		const struct ctl_command *m = &ctl_commands[i];
		snprintf(name, sizeof name, "%s%s%s%s%s", m->words[0], m->words[1] ? " " : "",
		        m->words[1] ? m->words[1] : "", m->args ? " " : "", m->args ? m->args : "");
		printf("  %-26s %s\n", name, m->brief);
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
	     "  sluicectl sessions                the calls whose media is relayed, with their quality\n"
	     "  sluicectl call list               calls; 'call show ID --ladder' draws one\n"
	     "  sluicectl route test alice@example.com +4930123456   where would it go, and why?\n"
	     "  sluicectl guard top               who sends most, and what of it is dropped, live; 'guard explain ADDRESS'\n"
	     "  sluicectl users add alice         a TURN user, usable at once; users of SIP are 'sip-user'\n"
	     "  sluicectl config check FILE && sluicectl reload\n\n"
	     "Exit codes: 0 done; 1 refused or failed; 2 wrong command line; 3 no control plane at the "
	     "socket; 4 not healthy;\n5 no answer in time.");
}

struct parsed {
	struct ctl ctl;
	bool given[64]; /* by their place in options */
	bool help, version;
};

/* Options of commands: a text or a mark in struct ctl. */
static const struct {
	const char *name;
	unsigned may; /* enum ctl_option, any of them; 0 = with every command */
	bool has_value;
	size_t at;
} options[] = {
        {"socket", 0, true, offsetof(struct ctl, socket)},
        {"json", 0, false, offsetof(struct ctl, json)},
        {"watch", MAY_WATCH, false, offsetof(struct ctl, watch)},
        {"all", MAY_ALL, false, offsetof(struct ctl, all)},
        {"limit", MAY_PAGE | MAY_LIMIT, true, offsetof(struct ctl, limit)},
        {"offset", MAY_PAGE, true, offsetof(struct ctl, offset)},
        {"user", MAY_USER, true, offsetof(struct ctl, user)},
        {"password", MAY_PASSWORD, true, offsetof(struct ctl, password)},
        {"password-stdin", MAY_PASSWORD, false, offsetof(struct ctl, password_stdin)},
        {"party", MAY_PARTY, true, offsetof(struct ctl, party)},
        {"times", MAY_TIMES, true, offsetof(struct ctl, times)},
        {"format", MAY_FORMAT, true, offsetof(struct ctl, format)},
        {"tenant", MAY_TENANT, true, offsetof(struct ctl, tenant)},
        {"trunk", MAY_TRUNK, true, offsetof(struct ctl, trunk)},
        {"number", MAY_NUMBER, true, offsetof(struct ctl, number)},
        {"call", MAY_CALL, true, offsetof(struct ctl, call)},
        {"after", MAY_AFTER, true, offsetof(struct ctl, after)},
        {"contact", MAY_CONTACT, true, offsetof(struct ctl, contact)},
        {"scopes", MAY_SCOPES, true, offsetof(struct ctl, scopes)},
        {"ladder", MAY_LADDER, false, offsetof(struct ctl, ladder)},
        {"csv", MAY_CSV, false, offsetof(struct ctl, csv)},
        {"follow", MAY_FOLLOW, false, offsetof(struct ctl, follow)},
        {"for", MAY_FOR, true, offsetof(struct ctl, duration)},
        {"reason", MAY_REASON, true, offsetof(struct ctl, reason)},
        {"level", MAY_TOP, true, offsetof(struct ctl, level)},
        {"by", MAY_TOP, true, offsetof(struct ctl, by)},
        {"once", MAY_TOP, false, offsetof(struct ctl, once)},
        {"from", MAY_SAMPLES | MAY_TIME, true, offsetof(struct ctl, from)},
        {"to", MAY_TIME, true, offsetof(struct ctl, to)},
        {"open", MAY_OPEN, false, offsetof(struct ctl, open)},
        {"realm", MAY_REALM, true, offsetof(struct ctl, realm)},
        {"count", MAY_SAMPLES, true, offsetof(struct ctl, count)},
        {"ttl", MAY_TTL, true, offsetof(struct ctl, ttl)},
        {"restricted", MAY_RESTRICTED, false, offsetof(struct ctl, restricted)},
};
enum { N_OPTIONS = sizeof options / sizeof options[0], OPT_FIRST = 256, OPT_TIMEOUT = OPT_FIRST + N_OPTIONS };
_Static_assert((size_t)N_OPTIONS <= sizeof(((struct parsed *)NULL)->given), "a mark for each");

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

static void take_option(struct parsed *p, unsigned i, const char *value)
{
	char *at = (char *)&p->ctl + options[i].at;

	if (options[i].has_value)
		*(const char **)at = value;
	else
		*(bool *)at = true;
	p->given[i] = true;
}

static int parse(int argc, char **argv, struct parsed *p)
{
	struct option longs[N_OPTIONS + 4] = {
	        {"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {"timeout", required_argument, NULL, OPT_TIMEOUT}};
	int opt;

	for (unsigned i = 0; i < N_OPTIONS; i++)
		longs[3 + i] =
		        (struct option){options[i].name, options[i].has_value ? required_argument : no_argument, NULL, OPT_FIRST + (int)i};
	while ((opt = getopt_long(argc, argv, "hV", longs, NULL)) != -1) {
		if (opt == 'h')
			p->help = true;
		else if (opt == 'V')
			p->version = true;
		else if (opt == OPT_TIMEOUT && !parse_timeout(optarg, &p->ctl.timeout_s))
			return CTL_USAGE;
		else if (opt >= OPT_FIRST && opt < OPT_TIMEOUT)
			take_option(p, (unsigned)(opt - OPT_FIRST), optarg);
		else if (opt != OPT_TIMEOUT)
			return CTL_USAGE;
	}
	return CTL_OK;
}

/* Was an option given that the command does not have? */
static bool is_unfit(const struct parsed *p, const struct ctl_command *m)
{
	for (unsigned i = 0; i < N_OPTIONS; i++) {
		if (p->given[i] && options[i].may && !(options[i].may & m->options))
			return true;
	}
	return false;
}

/* The command of these words; NULL when there is none. 'users' alone is 'users list', 'sessions' is 'sessions list', 'guard' is 'guard
 * status'. */
static const struct ctl_command *find(int n, char **words)
{
	if (n == 1 && strcmp(words[0], "guard") == 0)
		return find(2, (char *[]){words[0], "status"});
	if (n == 1 && (strcmp(words[0], "users") == 0 || strcmp(words[0], "sessions") == 0))
		return find(2, (char *[]){words[0], "list"});
	for (unsigned i = 0; i < ctl_n_commands; i++) {
		const struct ctl_command *m = &ctl_commands[i];
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

	for (unsigned i = 0; i < ctl_n_commands; i++) {
		if (strcmp(word, ctl_commands[i].words[0]) != 0)
			continue;
		printf("%s%s", any ? "\n" : "", ctl_commands[i].help);
		any = true;
	}
	return any;
}

static int wrong_command(int n, char **words)
{
	bool known = false;

	for (unsigned i = 0; i < ctl_n_commands; i++) {
		const struct ctl_command *m = &ctl_commands[i];
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
	const struct ctl_command *m = find(n, words);
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
	p.ctl.word = m->words[0];
	if (p.ctl.n_args != m->n_args || is_unfit(&p, m)) {
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
