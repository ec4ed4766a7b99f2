/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/linux/fib_build.h"
#include "dataplane/linux/mirror.h"
#include "dataplane/linux/tap.h"

/* TAPs and the mirror against the real kernel, in a network namespace of the test's own. Needs root; skipped without. */

enum { INTERFACE = 3, FOREVER_MS = 3000, ETHERNET_BYTES = 14, ARP_FRAME_BYTES = 42 };

static const char tap[] = "sl-test0";
static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
static uint64_t now_ms = 1000; /* grows with each snapshot asked for: the mirror's gathering never waits here */

static struct sl_ip ip(const char *text)
{
	struct sl_ip out;
	assert_int_equal(sl_ip_parse(text, &out), 0);
	return out;
}

static void run(const char *command)
{
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static int open_configured(int *ifindex)
{
	struct sl_conf_interface conf = {.n_addresses = 2};
	uint8_t had[6];
	char err[200] = "";
	conf.addresses[0].ip = ip("192.0.2.1");
	conf.addresses[0].prefix_len = 96 + 24;
	conf.addresses[1].ip = ip("2001:db8:1::1");
	conf.addresses[1].prefix_len = 64;
	int fd = sl_tap_open(tap, 0);
	assert_true(fd >= 0);
	assert_int_equal(sl_tap_identify(tap, ifindex, had), 0);
	/* Twice: a restart finds everything there already. */
	assert_int_equal(sl_tap_configure(tap, *ifindex, mac, 1400, &conf, err, sizeof(err)), 0);
	assert_int_equal(sl_tap_configure(tap, *ifindex, mac, 1400, &conf, err, sizeof(err)), 0);
	assert_int_equal(sl_tap_identify(tap, ifindex, had), 0);
	assert_memory_equal(had, mac, sizeof(mac));
	return fd;
}

/* The news that is there now, and a snapshot of it. NULL when nothing changed. */
static struct sl_fib *snapshot(struct sl_mirror *m)
{
	now_ms += 100000;
	sl_mirror_poll(m);
	return sl_mirror_snapshot(m, now_ms);
}

static void assert_way(struct sl_fib **f, struct sl_mirror *m, const char *dst, enum sl_fib_result expected, const char *via)
{
	struct sl_ip d = ip(dst), gateway, wanted = ip(via);
	uint32_t index;
	uint16_t interface;
	struct sl_fib *newer = snapshot(m);
	if (newer) {
		sl_fib_free(*f);
		*f = newer;
	}
	assert_int_equal(sl_fib_lookup(*f, &d, &index, &gateway, &interface), expected);
	if (expected == SL_FIB_OK || expected == SL_FIB_UNRESOLVED) {
		assert_true(sl_ip_eq(&gateway, &wanted));
		assert_int_equal(interface, INTERFACE);
	}
	if (expected == SL_FIB_OK) {
		assert_int_equal((*f)->nexthops[index].eth[5], 0x99);
		assert_memory_equal((*f)->nexthops[index].eth + 6, mac, sizeof(mac));
		assert_int_equal((*f)->nexthops[index].mtu, 1400);
	}
}

/* An ARP request for address among the next frames that Linux sends. */
static bool asks_for(int fd, const char *address)
{
	uint8_t frame[2048];
	struct sl_ip wanted = ip(address);
	for (int ms = 0; ms < FOREVER_MS; ms++) {
		ssize_t n = read(fd, frame, sizeof(frame));
		if (n >= ARP_FRAME_BYTES && frame[12] == 8 && frame[13] == 6 &&
			memcmp(frame + ETHERNET_BYTES + 24, &wanted.d[3], 4) == 0)
			return true;
		if (n < 0)
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	return false;
}

/* Answer for 192.0.2.77, as its owner would. */
static void answer(int fd)
{
	uint8_t f[ARP_FRAME_BYTES] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0x99, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2,
		2, 0, 0, 0, 0, 0x99, 192, 0, 2, 77, 2, 0, 0, 0, 0, 1, 192, 0, 2, 1};
	assert_int_equal(write(fd, f, sizeof(f)), sizeof(f));
}

static void mirrors_linux(void **state)
{
	struct sl_fib *f = NULL;
	char err[200];
	int ifindex, fd = open_configured(&ifindex);
	struct sl_mirror_interface i = {.ifindex = ifindex, .index = INTERFACE, .mtu = 1400, .mac = {2, 0, 0, 0, 0, 1}};
	struct sl_mirror *m = sl_mirror_new(&i, 1, err, sizeof(err));
	assert_non_null(m);
	f = snapshot(m);
	assert_non_null(f);
	uint32_t first = f->generation;
	assert_way(&f, m, "192.0.2.1", SL_FIB_LOCAL, "::");
	assert_way(&f, m, "2001:db8:1::1", SL_FIB_LOCAL, "::");
	assert_way(&f, m, "192.0.2.9", SL_FIB_UNRESOLVED, "192.0.2.9");
	assert_way(&f, m, "8.8.8.8", SL_FIB_NO_ROUTE, "::");
	run("ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:99 dev sl-test0");
	assert_way(&f, m, "192.0.2.9", SL_FIB_OK, "192.0.2.9");
	assert_true(f->generation > first);
	run("ip route add default via 192.0.2.9 && ip route add blackhole 8.8.0.0/16");
	assert_way(&f, m, "8.9.9.9", SL_FIB_OK, "192.0.2.9");
	assert_way(&f, m, "8.8.8.8", SL_FIB_NO_ROUTE, "::");
	run("ip route replace default via 192.0.2.8");
	assert_way(&f, m, "8.9.9.9", SL_FIB_UNRESOLVED, "192.0.2.8");
	run("ip neigh del 192.0.2.9 dev sl-test0");
	assert_way(&f, m, "192.0.2.9", SL_FIB_UNRESOLVED, "192.0.2.9");
	run("ip -6 neigh add 2001:db8:1::9 lladdr 02:00:00:00:00:99 dev sl-test0");
	run("ip route add 2001:db8:2::/48 via 2001:db8:1::9");
	assert_way(&f, m, "2001:db8:2::2", SL_FIB_OK, "2001:db8:1::9");
	run("ip addr add 192.0.2.2/24 dev sl-test0");
	assert_way(&f, m, "192.0.2.2", SL_FIB_LOCAL, "::");
	run("ip link set sl-test0 mtu 9000");
	assert_way(&f, m, "2001:db8:2::2", SL_FIB_OK, "2001:db8:1::9"); /* the port's 1400 still bounds it */
	sl_fib_free(f);
	assert_null(snapshot(m)); /* nothing new, no snapshot */
	sl_mirror_free(m);
	close(fd);
}

static void has_neighbours_resolved(void **state)
{
	struct sl_ip host = ip("192.0.2.77");
	char err[200];
	int ifindex, fd = open_configured(&ifindex);
	struct sl_mirror_interface i = {.ifindex = ifindex, .index = INTERFACE, .mtu = 1400, .mac = {2, 0, 0, 0, 0, 1}};
	struct sl_mirror *m = sl_mirror_new(&i, 1, err, sizeof(err));
	struct sl_fib *f = snapshot(m);
	sl_mirror_resolve(m, INTERFACE, &host, now_ms);
	assert_true(asks_for(fd, "192.0.2.77"));
	answer(fd);
	assert_way(&f, m, "192.0.2.77", SL_FIB_OK, "192.0.2.77");
	/* From now on Linux keeps it resolved by itself. */
	run("ip neigh show 192.0.2.77 dev sl-test0 | grep -q managed");
	sl_fib_free(f);
	sl_mirror_free(m);
	close(fd);
}

static void taps_outlive_their_holder(void **state)
{
	int ifindex, again, fd = open_configured(&ifindex);
	uint8_t had[6];
	run("ip route replace 198.51.100.0/24 via 192.0.2.9");
	assert_int_equal(sl_tap_open(tap, 0), -EBUSY);
	close(fd);
	run("ip addr show dev sl-test0 | grep -q 192.0.2.1/24");
	run("ip -6 addr show dev sl-test0 | grep -q 2001:db8:1::1/64");
	run("ip route show 198.51.100.0/24 | grep -q 192.0.2.9");
	fd = sl_tap_open(tap, 0);
	assert_true(fd >= 0);
	assert_int_equal(sl_tap_identify(tap, &again, had), 0);
	assert_int_equal(again, ifindex);
	assert_int_equal(sl_tap_remove(tap), -EBUSY);
	close(fd);
	assert_int_equal(sl_tap_remove(tap), 0);
	assert_int_equal(sl_tap_identify(tap, &again, had), -ENODEV);
	assert_int_equal(sl_tap_remove(tap), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mirrors_linux),
		cmocka_unit_test(has_neighbours_resolved),
		cmocka_unit_test(taps_outlive_their_holder),
	};
	enum { SKIP = 77 }; /* meson's */
	if (unshare(CLONE_NEWNET) < 0 || access("/dev/net/tun", W_OK) < 0) {
		fprintf(stderr, "skipped: needs root and /dev/net/tun\n");
		return SKIP;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
