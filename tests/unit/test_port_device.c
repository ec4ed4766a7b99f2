/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "drivers/port.h"

/* What adapters make of device strings, before EAL sees them. */

static int complete(const char *device, unsigned queues, unsigned workers, char *out, char *err)
{
	struct sl_conf_port conf = {.name = "p", .device = (char *)device, .queues = queues, .rx_descriptors = 511};
	bool pci = false;
	int rc = sl_port_eal_argument(&conf, workers, out, 600, &pci, err, 300);
	if (rc == 0)
		assert_int_equal(pci, strncmp(out, "--allow=", 8) == 0);
	return rc;
}

static void chooses_adapters(void **state)
{
	assert_ptr_equal(sl_port_adapter_of("net_af_packet0,iface=x"), &sl_port_af_packet);
	assert_ptr_equal(sl_port_adapter_of("net_af_xdp0,iface=x"), &sl_port_af_xdp);
	assert_ptr_equal(sl_port_adapter_of("net_memif0"), &sl_port_memif);
	assert_ptr_equal(sl_port_adapter_of("net_tap0"), &sl_port_tap);
	assert_ptr_equal(sl_port_adapter_of("net_null0"), &sl_port_virtual);
	assert_ptr_equal(sl_port_adapter_of("0000:03:00.0"), &sl_port_hardware);
}

static void finds_arguments(void **state)
{
	char v[8];
	assert_true(sl_port_argument("net_x0,iface=eth1,qpairs=2", "iface", v, sizeof(v)));
	assert_string_equal(v, "eth1");
	assert_true(sl_port_argument("net_x0,iface=eth1,qpairs=2", "qpairs", v, sizeof(v)));
	assert_string_equal(v, "2");
	assert_false(sl_port_argument("net_x0,xiface=eth1", "iface", v, sizeof(v)));
	assert_false(sl_port_argument("net_x0,iface=longer-than-it", "iface", v, sizeof(v)));
	assert_false(sl_port_argument("iface=eth1", "iface", v, sizeof(v)));
}

static void completes_af_packet(void **state)
{
	char out[600], err[300];
	assert_int_equal(complete("net_af_packet0,iface=lo", 0, 2, out, err), 0);
	assert_string_equal(out, "--vdev=net_af_packet0,iface=lo,qpairs=2,framesz=2048,framecnt=512,qdisc_bypass=1");
	assert_int_equal(complete("net_af_packet0,iface=lo,qpairs=4,qdisc_bypass=0", 8, 2, out, err), 0);
	assert_string_equal(out, "--vdev=net_af_packet0,iface=lo,qpairs=4,qdisc_bypass=0,framesz=2048,framecnt=512");
	assert_int_equal(complete("net_af_packet0,iface=nosuch0", 0, 1, out, err), -ENODEV);
	assert_non_null(strstr(err, "there is no interface 'nosuch0'"));
	assert_int_equal(complete("net_af_packet0", 0, 1, out, err), -EINVAL);
}

static void completes_af_xdp(void **state)
{
	char out[600], err[300];
	assert_int_equal(complete("net_af_xdp0,iface=lo", 0, 8, out, err), 0);
	assert_string_equal(out, "--vdev=net_af_xdp0,iface=lo,queue_count=1");
	assert_int_equal(complete("net_af_xdp0,iface=lo,start_queue=7", 0, 8, out, err), -EINVAL);
	assert_int_equal(complete("net_af_xdp0,iface=nosuch0", 0, 1, out, err), -ENODEV);
}

static void leaves_others_alone(void **state)
{
	char out[600], err[300], device[600];
	assert_int_equal(complete("net_tap0,iface=t0", 0, 2, out, err), 0);
	assert_string_equal(out, "--vdev=net_tap0,iface=t0");
	assert_int_equal(complete("0000:03:00.0,x=1", 0, 2, out, err), 0);
	assert_string_equal(out, "--allow=0000:03:00.0,x=1");
	memset(device, 'x', sizeof(device) - 1);
	device[sizeof(device) - 1] = '\0';
	assert_int_equal(complete(device, 0, 1, out, err), -ENAMETOOLONG);
}

static void removes_stale_memif_sockets_only(void **state)
{
	char out[600], err[300], device[200];
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct stat st;
	snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/sl-test-memif-%d", getpid());
	snprintf(device, sizeof(device), "net_memif0,role=server,socket=%s,socket-abstract=no", at.sun_path);
	int s = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	assert_int_equal(bind(s, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(s, 1), 0);
	assert_int_equal(complete(device, 0, 1, out, err), -EADDRINUSE);
	assert_int_equal(stat(at.sun_path, &st), 0);
	close(s);
	assert_int_equal(complete(device, 0, 1, out, err), 0);
	assert_int_equal(stat(at.sun_path, &st), -1);
	assert_int_equal(complete(device, 0, 1, out, err), 0); /* nothing there: fine */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chooses_adapters),
		cmocka_unit_test(finds_arguments),
		cmocka_unit_test(completes_af_packet),
		cmocka_unit_test(completes_af_xdp),
		cmocka_unit_test(leaves_others_alone),
		cmocka_unit_test(removes_stale_memif_sockets_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
