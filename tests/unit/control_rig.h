/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What the tests of the control plane share: the real sluice-controlplane, argv[1], in a folder of its own, against the
 * real server half of the contract with a dataplane behind it that moves no packets; and asking its API, by ourselves and
 * by sluicectl, argv[2]. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "tests/unit/fake_dataplane.h"

enum { RIG_WAIT_MS = 20000 }; /* wide: a loaded machine is no failure */
#define TOKEN "0123456789abcdef"

struct rig_answer {
	long status; /* 0 = none */
	size_t len;
	char text[1 << 20];
};

struct rig {
	const char *program, *ctl; /* sluice-controlplane, sluicectl */
	char dir[64], config_path[80], socket_path[80], api_path[80];
	int tcp_port; /* nobody else's on this machine, so that tests can run side by side */
	const char *token;
	const char *groups; /* further groups of the configuration */
	struct fake *fake;
	pid_t control; /* the keeper; 0 = not running */
	struct rig_answer answer; /* the last one */
};
extern struct rig rig;

/* ---- the world ---- */

#define REALM "realm = \"example.org\"; "
#define RULES                                                                                                \
	"secrets = [ \"rest\" ]; peers = ( { allow = \"10.0.0.0/8\"; }, { deny = \"2001:db8::/32\"; } ); "

/* turn: what the group turn says beside its addresses and users; NULL = there is no such group.
 * dataplane: further options of that group. */
void write_config(const char *turn, unsigned n_users, const char *dataplane);
void start_control(void);
int stop_control(void); /* its exit status as wait() gives it */
void start_both(void);  /* and wait until all is well */

/* ---- asking ---- */

/* The answer is in rig.answer. Status, 0 = no answer. */
long ask(const char *method, const char *path, const char *body);
long ask_with(const char *method, const char *path, const char *body, const char *header, bool tcp);
/* Ask on a thread of its own, while the test goes on; ask_end() waits for the status. */
struct asking {
	pthread_t thread;
	const char *method, *path, *body;
	long status;
};
void ask_begin(struct asking *a, const char *method, const char *path, const char *body);
long ask_end(struct asking *a);
json_t *get(const char *path); /* an answer of 200 */
/* Exit code of sluicectl with these arguments (of a shell); what it said is in rig.answer.text. */
int ctl(const char *arguments);

#define WAIT_FOR(condition)                                                                                  \
	do {                                                                                                 \
		int ms_ = 0;                                                                                 \
		while (!(condition)) {                                                                       \
			if ((ms_ += 10) > RIG_WAIT_MS)                                                       \
				fail_msg("waited in vain for: %s (last answer: %s)", #condition,             \
				        rig.answer.text);                                                    \
			poll(NULL, 0, 10);                                                                   \
		}                                                                                            \
	} while (0)

bool healthy(void);
bool serving(void);
bool dataplane_has(const char *user);
unsigned commits(void);
pid_t working_half(void);
unsigned log_lines(const char *what);
void set_burst(unsigned commands); /* of the dataplane, a millisecond */
void refuse(uint32_t type);        /* commands that the dataplane refuses; 0 = none */

/* ---- running ---- */

int rig_setup(void **state);
int rig_teardown(void **state);
#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
bool rig_begin(int argc, char **argv);
/* main() of a test: the tests in an array. */
#define rig_run(argc, argv, tests) (rig_begin(argc, argv) ? cmocka_run_group_tests(tests, NULL, NULL) : 2)
