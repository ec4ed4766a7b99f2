/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/abi/keeper_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

void sl_keeper_systemd(const char *line)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");

	if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof sun.sun_path)
		return;
	strcpy(sun.sun_path, path);
	if (path[0] == '@')
		sun.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	sendto(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&sun,
	        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)));
	close(fd);
}

void sl_keeper_release_parent(struct sl_keeper *k, int status)
{
	unsigned char byte = (unsigned char)status;

	if (k->waiting_fd < 0)
		return;
	if (write(k->waiting_fd, &byte, 1) < 0)
		byte = 0; /* nobody waits any more */
	close(k->waiting_fd);
	k->waiting_fd = -1;
}

void sl_keeper_end(struct sl_keeper *k, int status)
{
	if (k->pid_fd >= 0) {
		unlink(k->pid_file);
		close(k->pid_fd);
		k->pid_fd = -1;
	}
	sl_keeper_release_parent(k, status);
}

/* What the daemon wrote to its log since it began: the person who started it sees why it did not. */
static void show_log(const char *path, off_t from)
{
	char buf[4096];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	lseek(fd, from, SEEK_SET);
	while ((n = read(fd, buf, sizeof buf)) > 0) {
		if (write(STDERR_FILENO, buf, (size_t)n) < 0)
			break;
	}
	close(fd);
}

_Noreturn static void wait_as_parent(const struct sl_keeper *k, int fd, pid_t child, off_t log_from)
{
	unsigned char status = 1;
	int wait_status;

	while (read(fd, &status, 1) < 0 && errno == EINTR)
		;
	if (status != 0) {
		waitpid(child, &wait_status, 0);
		fprintf(stderr, "%s did not start%s%s\n", k->name, k->log_file ? "; its log says:" : "",
		        k->log_file ? "" : " (--log-file FILE would say why)");
		if (k->log_file)
			show_log(k->log_file, log_from);
	}
	_exit(status);
}

static int go_to_background(struct sl_keeper *k)
{
	struct stat st;
	int fds[2];
	off_t log_from = k->log_file && stat(k->log_file, &st) == 0 ? st.st_size : 0;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	fflush(NULL);
	pid_t child = fork();
	if (child < 0)
		return -errno;
	if (child > 0) {
		close(fds[1]);
		wait_as_parent(k, fds[0], child, log_from);
	}
	close(fds[0]);
	k->waiting_fd = fds[1];
	setsid(); /* the directory stays: names in the command line may be relative to it */
	return 0;
}

static int lock_pid_file(struct sl_keeper *k)
{
	char text[32] = "";
	int fd = open(k->pid_file, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0) {
		fprintf(stderr, "%s: %s: %s\n", k->name, k->pid_file, strerror(errno));
		return -errno;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		ssize_t n = read(fd, text, sizeof text - 1);
		text[n > 0 ? strcspn(text, "\n") : 0] = '\0';
		fprintf(stderr, "%s is running already: process %s holds %s\n", k->name, text, k->pid_file);
		close(fd);
		return -EBUSY;
	}
	int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || write(fd, text, (size_t)n) != n) {
		fprintf(stderr, "%s: %s: %s\n", k->name, k->pid_file, strerror(errno));
		close(fd);
		return -EIO;
	}
	k->pid_fd = fd;
	return 0;
}

static int redirect(struct sl_keeper *k)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int log = null;

	if (k->log_file)
		log = open(k->log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (null < 0 || log < 0) {
		int error = -errno;
		fprintf(stderr, "%s: %s: %s\n", k->name, k->log_file ? k->log_file : "/dev/null",
		        strerror(errno));
		return error;
	}
	if (k->daemon)
		dup2(null, STDIN_FILENO);
	if (k->daemon || k->log_file) {
		dup2(log, STDOUT_FILENO);
		dup2(log, STDERR_FILENO);
	}
	if (log != null)
		close(log);
	close(null);
	return 0;
}

int sl_keeper_begin(struct sl_keeper *k)
{
	int rc;

	k->pid_fd = k->waiting_fd = k->notify_fd = k->signal_fd = -1;
	signal(SIGCHLD, SIG_DFL); /* may be ignored by whoever started us: waitpid() would find nobody */
	if (k->daemon && (rc = go_to_background(k)) < 0)
		return rc;
	if (k->pid_file && (rc = lock_pid_file(k)) < 0)
		return rc;
	return redirect(k);
}
