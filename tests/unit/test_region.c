/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/region_rig.h"

#include <fcntl.h>

static void rings_lie_apart(void **state)
{
	size_t end = sizeof(struct sl_region);

	for (unsigned slot = 0; slot < SL_MAX_CLIENTS; slot++) {
		for (unsigned set = 0; set <= 3; set++) {
			size_t at = sl_region_ring_offset(3, slot, set, SL_RING_COMMANDS);
			assert_true(at >= end && at % 4096 == 0);
			end = at + sl_ring_bytes(SL_COMMAND_SLOTS, SL_MSG_COMMAND_BYTES);
			at = sl_region_ring_offset(3, slot, set, SL_RING_EVENTS);
			assert_true(at >= end && at % 4096 == 0);
			end = at + sl_ring_bytes(SL_EVENT_SLOTS, SL_MSG_EVENT_BYTES);
			at = sl_region_ring_offset(3, slot, set, SL_RING_BULK);
			assert_true(at >= end && at % 4096 == 0);
			end = at + sl_ring_bytes(SL_BULK_SLOTS, SL_BULK_BYTES);
		}
	}
	assert_true(end <= sl_region_size(3));
	assert_int_equal(sl_region_layout_hash(), sl_region_layout_hash());
	assert_int_not_equal(sl_region_layout_hash(), 0);
}

static void region_is_sealed_and_checked(void **state)
{
	struct sl_region *r;
	size_t bytes;
	char text[128];

	assert_int_equal(sl_region_create(0, 1), -EINVAL);
	assert_int_equal(sl_region_create(SL_MAX_WORKERS + 1, 1), -EINVAL);
	assert_int_equal(ftruncate(dp.memfd, 4096), -1);
	assert_int_equal(ftruncate(dp.memfd, (off_t)dp.bytes * 2), -1);
	assert_int_equal(fcntl(dp.memfd, F_ADD_SEALS, F_SEAL_WRITE), -1);

	int plain = memfd_create("plain", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(plain, (off_t)dp.bytes), 0);
	assert_int_equal(sl_region_map(plain, &r, &bytes, text, sizeof text), -EPROTO);
	close(plain);

	dp.region->layout_hash++;
	assert_int_equal(sl_region_map(dp.memfd, &r, &bytes, text, sizeof text), -EPROTO);
	dp.region->layout_hash--;
	dp.region->n_workers = SL_MAX_WORKERS;
	assert_int_equal(sl_region_map(dp.memfd, &r, &bytes, text, sizeof text), -EPROTO);
	dp.region->n_workers = WORKERS;
}

static void commands_and_events_travel(void **state)
{
	struct sl_client c;
	struct sl_command cmd = command(SL_CMD_CONFIG_BEGIN, 7), got;
	struct sl_event evt = event(SL_EVT_ALLOCATION, 0), seen;
	unsigned slot, set;

	attach(&c, "main");
	assert_int_equal(c.slot, 0);
	assert_int_equal(c.n_workers, WORKERS);
	assert_false(sl_abi_server_pop_command(&dp.server, &slot, &got));
	assert_int_equal(sl_client_send(&c, 0, &cmd), 0);
	assert_true(sl_abi_server_pop_command(&dp.server, &slot, &got));
	assert_int_equal(slot, 0);
	assert_memory_equal(&got, &cmd, sizeof cmd);

	assert_int_equal(sl_abi_server_ack(&dp.server, slot, &got, -EINVAL, "realm: empty"), 0);
	assert_false(readable(c.event_fd));
	sl_abi_server_kick(&dp.server);
	assert_true(readable(c.event_fd));
	assert_int_equal(sl_client_receive(&c, &seen, &set), 1);
	assert_int_equal(set, 0);
	assert_int_equal(seen.h.seq, 7);
	assert_int_equal(seen.ack.error, -EINVAL);
	assert_string_equal(seen.ack.text, "realm: empty");

	cmd = command(SL_CMD_ALLOCATION_LIST, 8);
	assert_int_equal(sl_client_send(&c, 2, &cmd), 0);
	assert_int_equal(sl_client_send(&c, 3, &cmd), -EINVAL);
	assert_false(sl_abi_worker_pop_command(&dp.workers[0], &slot, &got));
	assert_true(sl_abi_worker_pop_command(&dp.workers[1], &slot, &got));
	assert_int_equal(got.h.seq, 8);

	uint64_t kicks;
	assert_int_equal(read(c.event_fd, &kicks, sizeof kicks), sizeof kicks);
	sl_abi_worker_post(&dp.workers[1], &evt);
	sl_abi_server_kick(&dp.server);
	assert_int_equal(read(c.event_fd, &kicks, sizeof kicks), sizeof kicks);
	sl_abi_server_kick(&dp.server);
	assert_false(readable(c.event_fd)); /* once for the same news */
	assert_int_equal(sl_client_receive(&c, &seen, &set), 1);
	assert_int_equal(set, 2);
	assert_int_equal(sl_client_receive(&c, &seen, &set), 0);
	detach(&c);
	assert_int_equal(dp.region->clients[0].attached, 0);
}

static void two_clients_have_rings_of_their_own(void **state)
{
	struct sl_client a, b;
	struct sl_event evt = event(SL_EVT_LIST_END, 1), seen;
	struct sl_command cmd = command(SL_CMD_ALLOCATION_LIST, 1), got;
	unsigned slot, set;

	attach(&a, "a");
	attach(&b, "b");
	assert_int_not_equal(a.slot, b.slot);
	/* The one that was there is told of the other. */
	assert_int_equal(sl_client_receive(&a, &seen, &set), 1);
	assert_int_equal(seen.h.type, SL_EVT_LOG);
	assert_non_null(strstr(seen.log.text, "client 'b' attached"));
	sl_abi_worker_post_to(&dp.workers[0], b.slot, &evt);
	assert_int_equal(sl_client_receive(&a, &seen, &set), 0);
	assert_int_equal(sl_client_receive(&b, &seen, &set), 1);
	sl_abi_worker_post(&dp.workers[0], &evt);
	assert_int_equal(sl_client_receive(&a, &seen, &set), 1);
	assert_int_equal(sl_client_receive(&b, &seen, &set), 1);

	/* Neither can keep the other's commands waiting. */
	for (int i = 0; i < 4; i++) {
		sl_client_send(&a, 1, &cmd);
		sl_client_send(&b, 1, &cmd);
	}
	unsigned seen_of[SL_MAX_CLIENTS] = {0};
	for (int i = 0; i < 4; i++) {
		assert_true(sl_abi_worker_pop_command(&dp.workers[0], &slot, &got));
		seen_of[slot]++;
	}
	assert_int_equal(seen_of[a.slot], 2);
	assert_int_equal(seen_of[b.slot], 2);
	detach(&a);
	assert_int_equal(sl_abi_worker_post_to(&dp.workers[0], a.slot, &evt), -ENOTCONN);
	assert_int_equal(sl_abi_worker_post_to(&dp.workers[0], b.slot, &evt), 0);
	detach(&b);
}

static void a_name_keeps_its_slot(void **state)
{
	struct sl_client a, b, again;
	struct sl_command cmd = command(SL_CMD_ALLOCATION_LIST, 1), got;
	char text[128];
	unsigned slot;

	attach(&a, "a");
	attach(&b, "b");
	assert_int_equal(attach_with_reason(&again, "b", text, sizeof text), -EBUSY);
	assert_non_null(strstr(text, "attached"));
	assert_int_equal(sl_client_send(&b, 1, &cmd), 0); /* left over when b dies */
	unsigned slot_b = b.slot;
	detach(&b);
	attach(&again, "b");
	assert_int_equal(again.slot, slot_b);
	assert_int_equal(again.client_generation, b.client_generation + 1);
	assert_false(sl_abi_worker_pop_command(&dp.workers[0], &slot, &got));
	detach(&again);
	detach(&a);
}

static void a_dead_client_is_replaced_at_once(void **state)
{
	struct sl_client old, new;

	attach(&old, "main");
	sl_client_detach(&old); /* the housekeeper has not looked yet */
	attach(&new, "main");
	assert_int_equal(new.slot, old.slot);
	detach(&new);
}

static void a_slot_waits_for_its_workers(void **state)
{
	struct sl_client c, again;
	char text[128];

	attach(&c, "main");
	dp.workers_poll = false;
	sl_client_detach(&c);
	turn();
	dp.now_ms += 1; /* the attempt's deadline counts from its hello */
	struct attempt a = {.client = &again, .name = "main"};
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, attempt_thread, &a), 0);
	for (int i = 0; i < 50; i++) {
		turn();
		poll(NULL, 0, 1);
	}
	assert_false(atomic_load(&a.done));
	dp.now_ms += SL_ABI_LET_GO_MS;
	while (!atomic_load(&a.done)) {
		turn();
		poll(NULL, 0, 1);
	}
	pthread_join(thread, NULL);
	assert_int_equal(a.rc, -EBUSY);
	assert_non_null(strstr(a.text, "has not let go"));

	dp.workers_poll = true;
	assert_int_equal(attach_with_reason(&again, "main", text, sizeof text), 0);
	detach(&again);
}

static void eight_clients_and_no_more(void **state)
{
	struct sl_client c[SL_MAX_CLIENTS], more;
	char name[16], text[128];

	for (int i = 0; i < SL_MAX_CLIENTS; i++) {
		snprintf(name, sizeof name, "client%d", i);
		attach(&c[i], name);
		assert_int_equal(c[i].slot, i);
	}
	assert_int_equal(attach_with_reason(&more, "ninth", text, sizeof text), -EBUSY);
	detach(&c[3]);
	detach(&c[1]);
	attach(&more, "ninth"); /* of two unused slots the one unused for longer */
	assert_int_equal(more.slot, 3);
	detach(&more);
	for (int i = 0; i < SL_MAX_CLIENTS; i++) {
		if (i != 1 && i != 3)
			detach(&c[i]);
	}
}

static void absurd_indices_cut_a_client_off(void **state)
{
	struct sl_client bad, good;
	struct sl_command cmd = command(SL_CMD_ALLOCATION_LIST, 1), got;
	struct sl_event evt = event(SL_EVT_LIST_END, 1);
	unsigned slot;

	attach(&good, "good");

	attach(&bad, "bad"); /* a worker's command ring */
	shm_of(&bad, 1, SL_RING_COMMANDS)->prod = SL_COMMAND_SLOTS + 1;
	assert_false(sl_abi_worker_pop_command(&dp.workers[0], &slot, &got));
	assert_int_equal(dp.region->workers[0].counters[SL_C_ring_corrupt], 1);
	turn();
	turn();
	assert_int_equal(dp.region->clients[bad.slot].attached, 0);
	assert_int_equal(sl_client_send(&bad, 1, &cmd), -ESTALE);
	assert_true(readable(bad.sock)); /* end of file */
	sl_client_detach(&bad);

	attach(&bad, "bad"); /* a worker's event ring, full as far as it knows */
	for (int i = 0; i < SL_EVENT_SLOTS; i++)
		assert_int_equal(sl_abi_worker_post_to(&dp.workers[1], bad.slot, &evt), 0);
	shm_of(&bad, 2, SL_RING_EVENTS)->cons = SL_EVENT_SLOTS + 1;
	assert_int_equal(sl_abi_worker_post_to(&dp.workers[1], bad.slot, &evt), -EPROTO);
	turn();
	turn();
	assert_int_equal(dp.region->clients[bad.slot].attached, 0);
	sl_client_detach(&bad);

	attach(&bad, "bad"); /* the housekeeper's */
	shm_of(&bad, 0, SL_RING_COMMANDS)->prod = UINT32_MAX;
	assert_false(sl_abi_server_pop_command(&dp.server, &slot, &got));
	assert_int_equal(dp.region->clients[bad.slot].attached, 0);
	sl_client_detach(&bad);

	assert_int_equal(sl_client_send(&good, 1, &cmd), 0);
	assert_true(sl_abi_worker_pop_command(&dp.workers[0], &slot, &got));
	detach(&good);
}

static void indices_set_before_the_first_look_are_not_followed(void **state)
{
	struct sl_client c;
	struct sl_command got;
	unsigned slot;

	attach(&c, "main");
	detach(&c);
	dp.workers_poll = false; /* the worker takes its handles up after the client wrote */
	attach(&c, "main");
	shm_of(&c, 1, SL_RING_COMMANDS)->prod = 4000000;
	shm_of(&c, 1, SL_RING_COMMANDS)->cons = 1000000;
	dp.workers_poll = true;
	turn();
	assert_false(sl_abi_worker_pop_command(&dp.workers[0], &slot, &got));
	turn();
	assert_int_equal(dp.region->clients[c.slot].attached, 0);
	sl_client_detach(&c);
}

static void what_a_client_writes_elsewhere_misleads_nobody(void **state)
{
	struct sl_client c, d;
	struct sl_command cmd = command(SL_CMD_ALLOCATION_LIST, 1), got;
	unsigned slot;

	attach(&c, "main");
	c.region->n_workers = 31;
	c.region->clients[5].attached = 1;
	c.region->clients[5].generation = 99;
	memset(c.region->clients[6].name, 'x', sizeof c.region->clients[6].name);
	turn();
	assert_false(sl_abi_worker_pop_command(&dp.workers[0], &slot, &got));
	assert_int_equal(sl_client_send(&c, 1, &cmd), 0);
	assert_true(sl_abi_worker_pop_command(&dp.workers[0], &slot, &got));
	assert_int_equal(slot, c.slot);
	c.region->n_workers = WORKERS;
	attach(&d, "other");
	detach(&d);
	detach(&c);
}

static void events_that_do_not_fit_are_counted(void **state)
{
	struct sl_client c;
	struct sl_event evt = event(SL_EVT_LIST_END, 1), seen;
	unsigned set;

	attach(&c, "main");
	for (int i = 0; i < SL_EVENT_SLOTS + 5; i++)
		sl_abi_worker_post(&dp.workers[0], &evt);
	assert_int_equal(dp.region->workers[0].counters[SL_C_events_lost], 5);
	assert_int_equal(sl_abi_worker_offer(&dp.workers[0], c.slot, &evt), -ENOBUFS);
	assert_int_equal(dp.region->workers[0].counters[SL_C_events_lost], 5);
	for (int i = 0; i < SL_EVENT_SLOTS; i++)
		assert_int_equal(sl_client_receive(&c, &seen, &set), 1);
	assert_int_equal(sl_client_receive(&c, &seen, &set), 0);
	sl_abi_worker_post(&dp.workers[0], &evt);
	assert_int_equal(sl_client_receive(&c, &seen, &set), 1);
	detach(&c);
}

static void a_restart_of_the_dataplane_is_noticed(void **state)
{
	struct sl_client a, b;
	struct sl_command cmd = command(SL_CMD_CONFIG_BEGIN, 1);

	attach(&a, "a");
	attach(&b, "b");
	unsigned slot = b.slot;
	sl_abi_server_close(&dp.server);
	open_server();
	assert_int_equal(sl_client_send(&b, 0, &cmd), -ESTALE);
	sl_client_detach(&a);
	sl_client_detach(&b);
	attach(&b, "b");
	assert_int_equal(b.slot, slot);
	assert_int_equal(b.generation, 2);
	assert_int_equal(sl_client_send(&b, 0, &cmd), 0);
	detach(&b);
}

static void bad_greetings_are_refused(void **state)
{
	struct sl_hello h = {.magic = SL_REGION_MAGIC, .version = SL_REGION_VERSION, .name = "main"};
	struct sl_welcome w;
	struct sl_client c;
	int fd = raw_connection();

	h.layout_hash = sl_region_layout_hash() + 1;
	assert_int_equal(send(fd, &h, sizeof h, 0), sizeof h);
	turn();
	assert_int_equal(recv(fd, &w, sizeof w, 0), sizeof w);
	assert_int_equal(w.error, -EPROTO);
	assert_non_null(strstr(w.text, "layout"));
	close(fd);

	h.layout_hash--;
	memset(h.name, 'n', sizeof h.name);
	fd = raw_connection();
	assert_int_equal(send(fd, &h, sizeof h, 0), sizeof h);
	turn();
	assert_int_equal(recv(fd, &w, sizeof w, 0), sizeof w);
	assert_int_equal(w.error, -EPROTO);
	close(fd);

	fd = raw_connection();
	assert_int_equal(send(fd, "GET /", 5, 0), 5);
	turn();
	assert_int_equal(recv(fd, &w, sizeof w, 0), sizeof w);
	assert_int_equal(w.error, -EPROTO);
	close(fd);

	fd = raw_connection(); /* says nothing */
	turn();
	dp.now_ms += SL_ABI_HELLO_MS;
	turn();
	assert_int_equal(recv(fd, &w, sizeof w, 0), sizeof w);
	assert_int_equal(w.error, -ETIMEDOUT);
	close(fd);

	attach(&c, "main"); /* speaks after its hello */
	assert_int_equal(send(c.sock, "x", 1, 0), 1);
	turn();
	assert_int_equal(dp.region->clients[c.slot].attached, 0);
	sl_client_detach(&c);
}

static void a_live_socket_is_not_taken_over(void **state)
{
	struct sl_abi_server second;
	char text[128];

	assert_int_equal(
	        sl_abi_server_open(&second, dp.path, dp.region, dp.memfd, WORKERS, NULL, text, sizeof text),
	        -EADDRINUSE);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(rings_lie_apart),
	        T(region_is_sealed_and_checked),
	        T(commands_and_events_travel),
	        T(two_clients_have_rings_of_their_own),
	        T(a_name_keeps_its_slot),
	        T(a_dead_client_is_replaced_at_once),
	        T(a_slot_waits_for_its_workers),
	        T(eight_clients_and_no_more),
	        T(absurd_indices_cut_a_client_off),
	        T(indices_set_before_the_first_look_are_not_followed),
	        T(what_a_client_writes_elsewhere_misleads_nobody),
	        T(events_that_do_not_fit_are_counted),
	        T(a_restart_of_the_dataplane_is_noticed),
	        T(bad_greetings_are_refused),
	        T(a_live_socket_is_not_taken_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
