/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The thread that reads user tables, held up by one that does not answer: what is asked of it meanwhile, and a stop. */

#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "controlplane/turn/source.h"

enum { WAIT_TURNS = 300, WAIT_MS = 100 };

struct rig {
	char path[64];
	int listener, table; /* table: the connection of the thread, which waits for an answer there */
	struct sl_mailbox *mail;
	struct sl_sources *sources;
	struct sl_conf_turn conf, two;
	unsigned answered, refused, known;
};

static void settings(void *ctx, const struct sl_source_set *set)
{
}

static int users(void *ctx, const struct sl_source_change *changes, size_t n)
{
	return 0;
}

static void known(void *ctx)
{
	struct rig *r = ctx;

	r->known++;
}

static void done(void *ctx, int error, const char *text)
{
	struct rig *r = ctx;

	assert_int_equal(error, -EIO); /* no table is readable here */
	r->answered++;
	r->refused += strstr(text, "too many") != NULL;
}

static char table_a[] = "/nowhere/a.db", table_b[] = "/nowhere/b.db";

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof *r);
	struct sl_sources_ops ops = {settings, users, known, r};
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char text[240];

	snprintf(r->path, sizeof r->path, "/tmp/sluice-test-sources-%d", (int)getpid());
	snprintf(a.sun_path, sizeof a.sun_path, "%s", r->path);
	unlink(r->path);
	r->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(r->listener, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(r->listener, 1), 0);
	r->conf.n_user_sources = 1;
	r->conf.user_sources[0] = (struct sl_conf_user_source){.kind = SL_USERS_REDIS, .connect = r->path, .refresh_s = 3600};
	r->two.n_user_sources = 2;
	r->two.user_sources[0] = (struct sl_conf_user_source){.kind = SL_USERS_SQLITE, .connect = table_a, .refresh_s = 3600};
	r->two.user_sources[1] = (struct sl_conf_user_source){.kind = SL_USERS_SQLITE, .connect = table_b, .refresh_s = 3600};
	r->mail = sl_mailbox_new(256);
	r->sources = sl_sources_new(&r->conf, &ops, r->mail, text, sizeof text);
	assert_non_null(r->sources);
	r->table = accept(r->listener, NULL, NULL);
	assert_true(r->table >= 0);
	*state = r;
	return 0;
}

/* Now the thread finds that the table is not there. */
static void let_go(struct rig *r)
{
	close(r->listener);
	unlink(r->path);
	close(r->table);
}

static int teardown(void **state)
{
	struct rig *r = *state;

	sl_mailbox_free(r->mail);
	free(r);
	return 0;
}

static void fill_inbox(struct rig *r, unsigned *asked)
{
	for (*asked = 0; r->refused == 0; (*asked)++)
		sl_sources_refresh(r->sources, done, r);
}

static void a_configuration_finds_no_room_and_is_taken_all_the_same(void **state)
{
	struct rig *r = *state;
	struct sl_conf_turn three = r->two;
	unsigned asked;

	fill_inbox(r, &asked);
	three.n_user_sources = 1;
	sl_sources_reconfigure(r->sources, &three); /* that one is overtaken by the next */
	sl_sources_reconfigure(r->sources, &r->two);
	let_go(r);
	struct pollfd p = {sl_mailbox_fd(r->mail), POLLIN, 0};
	for (unsigned i = 0; i < WAIT_TURNS && sl_sources_n(r->sources) != 2; i++) {
		poll(&p, 1, WAIT_MS);
		sl_mailbox_run(r->mail, 256);
		sl_sources_tick(r->sources);
	}
	assert_int_equal(sl_sources_n(r->sources), 2);
	assert_string_equal(sl_sources_status(r->sources, 1)->name, "/nowhere/b.db");
	assert_int_equal(r->known, 1);
	assert_int_equal(r->answered, asked);
	sl_sources_free(r->sources);
}

static void *let_go_later(void *arg)
{
	let_go(arg);
	return NULL;
}

/* What lies in its inbox goes too (the address sanitizer sees), and who waits is told. */
static void a_stop_while_letters_are_on_their_way(void **state)
{
	struct rig *r = *state;
	pthread_t helper;

	sl_sources_refresh(r->sources, done, r);
	for (unsigned i = 0; i < 100; i++)
		sl_sources_reconfigure(r->sources, &r->two);
	sl_sources_refresh(r->sources, done, r);
	assert_int_equal(pthread_create(&helper, NULL, let_go_later, r), 0);
	sl_sources_free(r->sources);
	pthread_join(helper, NULL);
	assert_int_equal(r->answered, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(a_configuration_finds_no_room_and_is_taken_all_the_same, setup, teardown),
	        cmocka_unit_test_setup_teardown(a_stop_while_letters_are_on_their_way, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN); /* as the program has it */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
