/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/abi/server.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_to(const char *path, const char *name, char *text, size_t text_len)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct sl_hello h = {.magic = SL_REGION_MAGIC, .version = SL_REGION_VERSION};

	if (strlen(path) >= sizeof sun.sun_path || name[0] == '\0' || strlen(name) > SL_CLIENT_NAME_MAX) {
		snprintf(text, text_len, "socket path or client name too long or empty");
		return -EINVAL;
	}
	strcpy(sun.sun_path, path);
	strcpy(h.name, name);
	h.layout_hash = sl_region_layout_hash();

	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0 || connect(sock, (struct sockaddr *)&sun, sizeof sun) < 0 ||
	        send(sock, &h, sizeof h, MSG_NOSIGNAL) != (ssize_t)sizeof h) {
		int error = errno ? -errno : -EIO;
		snprintf(text, text_len, "%s: %s", path, strerror(-error));
		if (sock >= 0)
			close(sock);
		return error;
	}
	return sock;
}

/* Receive the welcome and its descriptors; fds are -1 where none came. */
static int receive_welcome(
        int sock, struct sl_welcome *w, int fds[2], int timeout_ms, char *text, size_t text_len)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct iovec iov = {w, sizeof *w};
	struct msghdr msg = {
	        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	struct pollfd pfd = {.fd = sock, .events = POLLIN};

	fds[0] = fds[1] = -1;
	if (poll(&pfd, 1, timeout_ms) <= 0) {
		snprintf(text, text_len, "no answer within %d ms", timeout_ms);
		return -ETIMEDOUT;
	}
	ssize_t n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	if (n < 0) {
		snprintf(text, text_len, "%s", strerror(errno));
		return -errno;
	}
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		size_t bytes = c->cmsg_len - CMSG_LEN(0);
		memcpy(fds, CMSG_DATA(c), bytes < 2 * sizeof(int) ? bytes : 2 * sizeof(int));
	}
	if (n != (ssize_t)sizeof *w || w->magic != SL_REGION_MAGIC) {
		snprintf(text, text_len, n == 0 ? "the dataplane hung up" : "not a Sluice dataplane");
		return n == 0 ? -ECONNRESET : -EPROTO;
	}
	w->text[sizeof w->text - 1] = '\0';
	if (w->error) {
		snprintf(text, text_len, "%s", w->text);
		return w->error < 0 ? w->error : -EPROTO;
	}
	if (fds[0] < 0 || fds[1] < 0 || w->slot >= SL_MAX_CLIENTS || w->n_workers == 0 ||
	        w->n_workers > SL_MAX_WORKERS) {
		snprintf(text, text_len, "the welcome lacks its descriptors or is out of range");
		return -EPROTO;
	}
	return 0;
}

int sl_client_attach(struct sl_client *c, const char *socket_path, const char *name, int timeout_ms,
        char *text, size_t text_len)
{
	struct sl_welcome w;
	int fds[2] = {-1, -1}, rc;

	memset(c, 0, sizeof *c);
	c->event_fd = -1;
	c->sock = connect_to(socket_path, name, text, text_len);
	if (c->sock < 0)
		return c->sock;
	rc = receive_welcome(c->sock, &w, fds, timeout_ms, text, text_len);
	if (rc < 0)
		goto err;
	rc = sl_region_map(fds[0], &c->region, &c->region_bytes, text, text_len);
	if (rc < 0)
		goto err;
	if (sl_region_size(w.n_workers) != c->region_bytes) {
		snprintf(text, text_len, "the region is not for %u workers", w.n_workers);
		rc = -EPROTO;
		goto err;
	}
	close(fds[0]);
	c->event_fd = fds[1];
	c->slot = w.slot;
	c->generation = w.generation;
	c->client_generation = w.client_generation;
	c->n_workers = w.n_workers;
	for (unsigned set = 0; set <= c->n_workers; set++) {
		sl_ring_attach_fresh(
		        &c->commands[set], c->region, c->n_workers, c->slot, set, SL_RING_COMMANDS, 1);
		sl_ring_attach_fresh(
		        &c->events[set], c->region, c->n_workers, c->slot, set, SL_RING_EVENTS, 0);
		if (set)
			sl_ring_attach_fresh(&c->bulk[set], c->region, c->n_workers, c->slot, set, SL_RING_BULK, 0);
	}
	return 0;
err:
	if (fds[1] >= 0)
		close(fds[1]);
	if (fds[0] >= 0)
		close(fds[0]);
	if (c->region)
		munmap(c->region, c->region_bytes);
	close(c->sock);
	c->region = NULL;
	c->sock = -1;
	return rc;
}

void sl_client_detach(struct sl_client *c)
{
	if (c->sock < 0)
		return;
	munmap(c->region, c->region_bytes);
	close(c->event_fd);
	close(c->sock);
	c->region = NULL;
	c->sock = c->event_fd = -1;
}

int sl_client_send(struct sl_client *c, unsigned set, const struct sl_command *cmd)
{
	const struct sl_region_client *shown = &c->region->clients[c->slot];

	if (set > c->n_workers)
		return -EINVAL;
	if (atomic_load_explicit(&c->region->generation, memory_order_acquire) != c->generation ||
	        atomic_load_explicit(&shown->generation, memory_order_acquire) != c->client_generation ||
	        !atomic_load_explicit(&shown->attached, memory_order_acquire))
		return -ESTALE;
	return sl_ring_push(&c->commands[set], cmd, sizeof *cmd);
}

int sl_client_receive(struct sl_client *c, struct sl_event *evt, unsigned *set)
{
	for (unsigned i = 0; i <= c->n_workers; i++) {
		unsigned n = (c->next_set + i) % (c->n_workers + 1);
		int rc = sl_ring_pop(&c->events[n], evt);
		if (rc < 0)
			return rc;
		if (rc == 0)
			continue;
		c->next_set = n + 1;
		*set = n;
		return 1;
	}
	return 0;
}

int sl_client_receive_bulk(struct sl_client *c, unsigned worker, struct sl_bulk *out)
{
	return worker < c->n_workers ? sl_ring_pop(&c->bulk[1 + worker], out) : -EINVAL;
}

/* One message on the attach socket, with a descriptor unless it is negative. */
static int offer(struct sl_client *c, void *message, size_t bytes, int memfd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {message, bytes};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (memfd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof control;
		struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof memfd);
		memcpy(CMSG_DATA(h), &memfd, sizeof memfd);
	}
	if (sendmsg(c->sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	return errno == EPIPE || errno == ECONNRESET ? -ESTALE : -errno;
}

int sl_client_clip(struct sl_client *c, uint32_t clip, int memfd)
{
	struct sl_clip_offer o = {.magic = SL_REGION_MAGIC, .clip = clip, .remove = memfd < 0};

	return clip == SL_CLIP_NONE ? -EINVAL : offer(c, &o, sizeof o, memfd);
}

int sl_client_guard_list(struct sl_client *c, uint32_t seq, int memfd)
{
	struct sl_guard_offer o = {.magic = SL_GUARD_OFFER_MAGIC, .seq = seq};

	return seq > SL_GUARD_ACK_MASK || memfd < 0 ? -EINVAL : offer(c, &o, sizeof o, memfd);
}
