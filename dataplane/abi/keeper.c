/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/abi/keeper.h"

#include "dataplane/abi/keeper_internal.h"
#include "dataplane/abi/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ENV_FD       "SLUICE_KEEPER_FD"
#define ENV_RESTARTS "SLUICE_KEEPER_RESTARTS"

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* ---- the working half ---- */

/* Own file, by its name where it still has one, so that `ps` shows it; after an upgrade replaced the file,
 * the inode we run: it goes with the region the keeper holds. */
static void exec_self(char *const *argv)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

	path[n > 0 ? n : 0] = '\0';
	if (n > 0 && access(path, X_OK) == 0)
		execv(path, argv);
	execv("/proc/self/exe", argv);
}

static void run_child(const struct sl_keeper *k, int notify_fd, const sigset_t *mask, pid_t keeper)
{
	char number[16];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != keeper)
		_exit(1);
	sigprocmask(SIG_SETMASK, mask, NULL);
	for (unsigned i = 0; i < k->n_inherit; i++)
		fcntl(k->inherit[i], F_SETFD, 0);
	fcntl(notify_fd, F_SETFD, 0);
	snprintf(number, sizeof number, "%d", notify_fd);
	setenv(ENV_FD, number, 1);
	snprintf(number, sizeof number, "%u", k->restarts);
	setenv(ENV_RESTARTS, number, 1);
	unsetenv("NOTIFY_SOCKET"); /* systemd hears the keeper only */
	unsetenv("WATCHDOG_USEC");
	exec_self(k->argv);
	sl_log(SL_LOG_ERROR, "%s: cannot start the working half: %s", k->name, strerror(errno));
	_exit(SL_KEEPER_EXIT_CONFIG);
}

void sl_keeper_notify(enum sl_keeper_news news)
{
	const char *fd = getenv(ENV_FD);
	char byte = (char)news;

	if (!fd)
		return;
	if (news == SL_KEEPER_READY)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* A full pipe holds news enough. */
	if (write(atoi(fd), &byte, 1) < 0)
		return;
}

unsigned sl_keeper_restarts(void)
{
	const char *n = getenv(ENV_RESTARTS);

	return n ? (unsigned)strtoul(n, NULL, 10) : 0;
}

/* ---- the keeper ---- */

static int start_child(struct sl_keeper *k, const sigset_t *mask)
{
	int pipe_fds[2];
	pid_t keeper = getpid();

	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	k->child = fork();
	if (k->child == 0)
		run_child(k, pipe_fds[1], mask, keeper);
	int error = k->child < 0 ? -errno : 0;
	close(pipe_fds[1]);
	k->ready = k->alive = false;
	if (error)
		close(pipe_fds[0]);
	else
		k->notify_fd = pipe_fds[0];
	return error;
}

/* What the working half said since we last looked. True when it gave a sign of life. */
static bool read_news(struct sl_keeper *k)
{
	char news[64];
	bool alive = false;
	ssize_t n;

	while ((n = read(k->notify_fd, news, sizeof news)) > 0) {
		k->ready |= memchr(news, SL_KEEPER_READY, (size_t)n) != NULL;
		if (k->ready && !k->was_ready) {
			k->was_ready = true;
			sl_keeper_systemd("READY=1");
			sl_keeper_release_parent(k, 0);
		}
		alive |= memchr(news, SL_KEEPER_ALIVE, (size_t)n) != NULL;
	}
	if (n == 0) { /* it closed its end; its death follows by SIGCHLD */
		close(k->notify_fd);
		k->notify_fd = -1;
	}
	k->alive |= alive;
	if (alive)
		sl_keeper_systemd("WATCHDOG=1");
	return alive;
}

static void take_signals(struct sl_keeper *k, long long *kill_at)
{
	struct signalfd_siginfo si;

	while (read(k->signal_fd, &si, sizeof si) == (ssize_t)sizeof si) {
		if (si.ssi_signo == SIGHUP && k->child > 0)
			kill(k->child, SIGHUP);
		if (si.ssi_signo != SIGTERM && si.ssi_signo != SIGINT)
			continue;
		if (!k->stopping) {
			sl_keeper_systemd("STOPPING=1");
			*kill_at = now_ms() + SL_KEEPER_STOP_MS;
		}
		k->stopping = true;
		if (k->child > 0)
			kill(k->child, SIGTERM);
	}
}

/* It has done what it must do in start_ms: serve, and give the first sign of life if it is to give any. */
static bool has_started(const struct sl_keeper *k)
{
	return k->ready && (k->alive || !k->watchdog_ms);
}

/* How long the working half may now take until the next thing it owes us; -1 = for ever. */
static long long patience_ms(const struct sl_keeper *k)
{
	if (!has_started(k))
		return k->start_ms ? k->start_ms : SL_KEEPER_START_MS;
	return k->watchdog_ms ? (long long)k->watchdog_ms : -1;
}

static void enforce_watchdog(struct sl_keeper *k, long long *kill_at, bool *aborted)
{
	if (*kill_at < 0 || now_ms() < *kill_at)
		return;
	bool gently = !k->stopping && !*aborted;
	sl_log(SL_LOG_ERROR, "%s: the working half %s; sending %s", k->name,
	        k->stopping        ? "did not stop in time"
	        : has_started(k) ? "gives no sign of life"
	                           : "did not start in time",
	        gently ? "SIGABRT" : "SIGKILL");
	kill(k->child, gently ? SIGABRT : SIGKILL);
	*kill_at = now_ms() + SL_KEEPER_ABORT_MS;
	*aborted = true;
}

/* Until the working half is dead. Returns its wait status. */
static int watch_child(struct sl_keeper *k)
{
	long long kill_at = now_ms() + patience_ms(k);
	bool aborted = false;
	int status;

	for (;;) {
		pid_t pid = waitpid(k->child, &status, WNOHANG);
		if (pid == k->child)
			break;
		if (pid < 0 && errno != EINTR) { /* somebody else took its status: it is dead all the same */
			status = W_EXITCODE(EXIT_FAILURE, 0);
			break;
		}
		struct pollfd fds[] = {{k->signal_fd, POLLIN, 0}, {k->notify_fd, POLLIN, 0}};
		long long left = kill_at < 0 ? -1 : kill_at - now_ms();
		poll(fds, 2, kill_at < 0 ? -1 : left < 0 ? 0 : (int)left);
		/* After a pause of the whole machine we may wake before the working half does: it is not to
		 * blame. */
		if (kill_at >= 0 && !k->stopping && !aborted && now_ms() - kill_at > SL_KEEPER_AWAY_MS)
			kill_at = now_ms() + patience_ms(k);
		take_signals(k, &kill_at);
		bool started = has_started(k), alive = k->notify_fd >= 0 && read_news(k);
		/* Signs of life do not prolong a start: what is alive and never serves is replaced too. */
		if (!k->stopping && !aborted && has_started(k) && (alive || !started))
			kill_at = patience_ms(k) < 0 ? -1 : now_ms() + patience_ms(k);
		enforce_watchdog(k, &kill_at, &aborted);
	}
	k->child = 0;
	if (k->notify_fd >= 0)
		close(k->notify_fd);
	k->notify_fd = -1;
	return status;
}

static void pause_for(struct sl_keeper *k, int ms)
{
	long long until = now_ms() + ms, unused = -1;

	while (!k->stopping && now_ms() < until) {
		struct pollfd fd = {k->signal_fd, POLLIN, 0};
		poll(&fd, 1, (int)(until - now_ms()));
		take_signals(k, &unused);
	}
}

static void report_death(const struct sl_keeper *k, int status, int backoff_ms)
{
	if (WIFSIGNALED(status))
		sl_log(SL_LOG_ERROR, "%s: the working half was killed by signal %d (%s); again in %d ms",
		        k->name, WTERMSIG(status), strsignal(WTERMSIG(status)), backoff_ms);
	else
		sl_log(SL_LOG_ERROR, "%s: the working half ended with status %d; again in %d ms", k->name,
		        WEXITSTATUS(status), backoff_ms);
}

static int keep(struct sl_keeper *k, const sigset_t *mask)
{
	int backoff_ms = SL_KEEPER_BACKOFF_MIN_MS;

	while (!k->stopping) {
		long long started = now_ms();
		int rc = start_child(k, mask);
		if (rc < 0)
			sl_log(SL_LOG_ERROR, "%s: cannot start the working half: %s", k->name, strerror(-rc));
		int status = rc < 0 ? 0 : watch_child(k);
		if (k->died && rc == 0)
			k->died(k->ctx, status);
		if (k->stopping)
			break;
		if (!k->was_ready) {
			sl_log(SL_LOG_ERROR, "%s: the working half ended before it was ready: giving up",
			        k->name);
			return WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : 1;
		}
		if (now_ms() - started >= SL_KEEPER_STABLE_MS)
			backoff_ms = SL_KEEPER_BACKOFF_MIN_MS;
		report_death(k, status, backoff_ms);
		pause_for(k, backoff_ms);
		backoff_ms =
		        backoff_ms * 2 < SL_KEEPER_BACKOFF_MAX_MS ? backoff_ms * 2 : SL_KEEPER_BACKOFF_MAX_MS;
		k->restarts++;
	}
	return 0;
}

int sl_keeper_run(struct sl_keeper *k)
{
	sigset_t ours, before;

	/* Whoever started us may ignore it, which exec keeps: children would vanish without a status. */
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&ours);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGHUP);
	sigaddset(&ours, SIGCHLD);
	sigprocmask(SIG_BLOCK, &ours, &before);
	k->signal_fd = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
	k->notify_fd = -1;
	int status = 1;
	if (k->signal_fd >= 0) {
		status = keep(k, &before);
		close(k->signal_fd);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	sl_keeper_end(k, status);
	return status;
}
