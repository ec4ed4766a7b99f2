/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

static int keep_net_admin(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
	data[0].permitted = data[0].effective = 1u << CAP_NET_ADMIN;
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

/* Clips that come later are locked in memory, which an ordinary user may do for a few of them only. Failing to raise the
 * limit is no error here: the first clip that cannot be locked says so. */
static void allow_locking(void)
{
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
	(void)setrlimit(RLIMIT_MEMLOCK, &all);
}

int sl_privileges_drop(const char *user, const char *socket_path, char *err, size_t err_len)
{
	if (!user)
		return 0;
	errno = 0;
	const struct passwd *p = getpwnam(user);
	if (!p) {
		snprintf(err, err_len, "dataplane.run_as: there is no user '%s'", user);
		return errno ? -errno : -ENOENT;
	}
	int rc = 0;
	allow_locking();
	if (chown(socket_path, p->pw_uid, p->pw_gid) < 0 || prctl(PR_SET_KEEPCAPS, 1L) < 0 ||
		initgroups(user, p->pw_gid) < 0 || setresgid(p->pw_gid, p->pw_gid, p->pw_gid) < 0 ||
		setresuid(p->pw_uid, p->pw_uid, p->pw_uid) < 0)
		rc = -errno;
	if (rc == 0)
		rc = keep_net_admin();
	if (rc < 0)
		snprintf(err, err_len, "dataplane.run_as: cannot become '%s': %s", user, strerror(-rc));
	return rc;
}
