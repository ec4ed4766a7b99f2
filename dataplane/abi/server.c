/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/abi/server.h"

#include "dataplane/abi/server_internal.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

static void log_line(struct sl_abi_server *s, int severity, const char *text)
{
	if (s->ops.log)
		s->ops.log(s->ops.ctx, severity, text);
}

__attribute__((format(printf, 3, 4))) static void say(
        struct sl_abi_server *s, int severity, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	log_line(s, severity, text);
}

void sl_abi_server_announce(struct sl_abi_server *s, int severity, const char *fmt, ...)
{
	struct sl_event evt = {.h = {.type = SL_EVT_LOG}, .log = {.severity = (uint32_t)severity}};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(evt.log.text, sizeof evt.log.text, fmt, ap);
	va_end(ap);
	log_line(s, severity, evt.log.text);
	sl_abi_server_post(s, &evt);
}

/* ---- epochs ---- */

static uint32_t epoch_of(const struct sl_abi_server *s, unsigned slot)
{
	return atomic_load_explicit(&s->shared.epoch[slot], memory_order_relaxed);
}

static void next_epoch(struct sl_abi_server *s, unsigned slot)
{
	atomic_store_explicit(&s->shared.epoch[slot], epoch_of(s, slot) + 1, memory_order_release);
	atomic_fetch_add_explicit(&s->shared.changes, 1, memory_order_release);
}

/* Returns a worker that may still use the rings of the slot's last attachment, or -1. */
static int holding_worker(const struct sl_abi_server *s, unsigned slot)
{
	for (unsigned w = 0; w < s->n_workers; w++) {
		if (atomic_load_explicit(&s->shared.workers[w].seen[slot], memory_order_acquire) !=
		        epoch_of(s, slot))
			return (int)w;
	}
	return -1;
}

/* ---- slots ---- */

static void detach(struct sl_abi_server *s, unsigned slot, uint64_t now_ms)
{
	struct sl_abi_slot *c = &s->slots[slot];

	close(c->sock);
	close(c->event_fd);
	c->sock = c->event_fd = -1;
	c->detached_ms = now_ms;
	atomic_store_explicit(&s->region->clients[slot].attached, 0, memory_order_release);
	next_epoch(s, slot);
	if (s->ops.changed)
		s->ops.changed(s->ops.ctx, slot, false);
}

void sl_abi_server_cut(struct sl_abi_server *s, unsigned slot, const char *reason)
{
	struct sl_abi_slot *c = &s->slots[slot];

	if (slot >= SL_MAX_CLIENTS || c->sock < 0)
		return;
	/* First: telling the others may find another one broken, and must not come back to this one. */
	detach(s, slot, c->detached_ms);
	sl_abi_server_announce(s, LOG_WARNING, "client '%s' (slot %u) is cut off: %s", c->name, slot, reason);
}

/* Linux 5.14; without it the first lap of each ring faults. */
static void populate(uint8_t *mem, size_t bytes)
{
#ifdef MADV_POPULATE_WRITE
	madvise(mem, bytes, MADV_POPULATE_WRITE);
#endif
}

/* Rings as a new client must find them. The pages go back to the kernel, so that nothing of the slot's
 * previous holder is left in them, and are faulted in again here rather than one by one under a worker's
 * hands. */
static void zero_rings(struct sl_abi_server *s, unsigned slot)
{
	uint8_t *mem = (uint8_t *)s->region;
	size_t at = sl_region_ring_offset(s->n_workers, slot, 0, SL_RING_COMMANDS), end;
	size_t bytes = sl_region_slot_bytes(s->n_workers);

	if (madvise(mem + at, bytes, MADV_REMOVE) < 0)
		memset(mem + at, 0, bytes);
	for (unsigned set = 0; set <= s->n_workers; set++) {
		at = sl_region_ring_offset(s->n_workers, slot, set, SL_RING_COMMANDS);
		/* The housekeeper's set has no bulk ring. */
		end = sl_region_ring_offset(s->n_workers, slot, set, SL_RING_BULK);
		if (set)
			end += sl_ring_bytes(SL_BULK_SLOTS, SL_BULK_BYTES);
		populate(mem + at, end - at);
	}
}

static bool hung_up(int sock)
{
	char byte;

	return recv(sock, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* The slot of that name, else one never used, else the one unused for longest. -1 = all attached. */
static int choose_slot(const struct sl_abi_server *s, const char *name)
{
	int best = -1;

	for (int i = 0; i < SL_MAX_CLIENTS; i++) {
		const struct sl_abi_slot *c = &s->slots[i];
		if (strcmp(c->name, name) == 0)
			return i;
		if (c->sock >= 0)
			continue;
		if (best < 0 || (!c->name[0] && s->slots[best].name[0]) ||
		        (!c->name[0] == !s->slots[best].name[0] &&
		                c->detached_ms < s->slots[best].detached_ms))
			best = i;
	}
	return best;
}

/* ---- handshake ---- */

static void forget(struct sl_abi_pending *p)
{
	p->sock = -1;
	p->greeted = false;
}

__attribute__((format(printf, 4, 5))) static void refuse(
        struct sl_abi_server *s, struct sl_abi_pending *p, int error, const char *fmt, ...)
{
	struct sl_welcome w = {.magic = SL_REGION_MAGIC, .error = error};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w.text, sizeof w.text, fmt, ap);
	va_end(ap);
	send(p->sock, &w, sizeof w, MSG_DONTWAIT | MSG_NOSIGNAL);
	say(s, LOG_WARNING, "client '%s' refused: %s", p->name, w.text);
	close(p->sock);
	forget(p);
}

static bool in_group(int sock, gid_t group)
{
	struct ucred cred;
	socklen_t len = sizeof cred;
	gid_t groups[NGROUPS_MAX > 1024 ? 1024 : NGROUPS_MAX];

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return false;
	if (cred.uid == 0 || cred.uid == geteuid() || cred.gid == group)
		return true;
	len = sizeof groups;
	if (getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (unsigned i = 0; i < len / sizeof groups[0]; i++) {
		if (groups[i] == group)
			return true;
	}
	return false;
}

static int send_welcome(struct sl_abi_server *s, int sock, const struct sl_welcome *w, int event_fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control = {0};
	struct iovec iov = {(void *)w, sizeof *w};
	struct msghdr msg = {
	        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int fds[2] = {s->memfd, event_fd};

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fds);
	memcpy(CMSG_DATA(c), fds, sizeof fds);
	return sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void attach(struct sl_abi_server *s, struct sl_abi_pending *p)
{
	struct sl_abi_slot *c = &s->slots[p->slot];
	struct sl_region_client *shown = &s->region->clients[p->slot];
	int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (event_fd < 0) {
		refuse(s, p, -errno, "no eventfd: %s", strerror(errno));
		return;
	}
	zero_rings(s, p->slot);
	memset(c->kicked, 0, sizeof c->kicked);
	memset(c->kicked_bulk, 0, sizeof c->kicked_bulk);
	sl_ring_attach_fresh(&c->commands, s->region, s->n_workers, p->slot, 0, SL_RING_COMMANDS, 0);
	sl_ring_attach_fresh(&c->events, s->region, s->n_workers, p->slot, 0, SL_RING_EVENTS, 1);
	c->client_generation++;
	memcpy(c->name, p->name, sizeof c->name);
	memcpy(shown->name, p->name, sizeof shown->name);
	atomic_store_explicit(&shown->generation, c->client_generation, memory_order_release);
	atomic_store_explicit(&shown->attached, 1, memory_order_release);

	struct sl_welcome w = {.magic = SL_REGION_MAGIC,
	        .slot = p->slot,
	        .generation = atomic_load_explicit(&s->region->generation, memory_order_relaxed),
	        .client_generation = c->client_generation,
	        .n_workers = s->n_workers};
	/* The others are told; this one knows. */
	sl_abi_server_announce(s, LOG_INFO, "client '%s' attached: slot %u, generation %u", c->name, w.slot,
	        c->client_generation);
	c->sock = p->sock;
	c->event_fd = event_fd;
	next_epoch(s, p->slot);
	forget(p);
	if (s->ops.changed)
		s->ops.changed(s->ops.ctx, (unsigned)(c - s->slots), true);
	if (send_welcome(s, c->sock, &w, event_fd) < 0) {
		sl_abi_server_cut(s, w.slot, "it did not take its welcome");
		return;
	}
}

/* Hello received: hand the slot out as soon as every worker has let it go. */
static void try_attach(struct sl_abi_server *s, struct sl_abi_pending *p, uint64_t now_ms)
{
	/* Another connection may have taken the slot while this one waited. */
	if (s->slots[p->slot].sock >= 0 && strcmp(s->slots[p->slot].name, p->name) != 0) {
		int slot = choose_slot(s, p->name);
		if (slot < 0) {
			refuse(s, p, -EBUSY, "all %d slots are attached", SL_MAX_CLIENTS);
			return;
		}
		p->slot = (unsigned)slot;
	}
	if (s->slots[p->slot].sock >= 0) {
		refuse(s, p, -EBUSY, "a client named '%s' is attached", p->name);
		return;
	}
	int worker = holding_worker(s, p->slot);
	if (worker < 0)
		attach(s, p);
	else if (now_ms >= p->deadline_ms)
		refuse(s, p, -EBUSY, "worker %d has not let go of slot %u", worker, p->slot);
}

static void hello(struct sl_abi_server *s, struct sl_abi_pending *p, uint64_t now_ms)
{
	struct sl_hello h;
	ssize_t n = recv(p->sock, &h, sizeof h, MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == (ssize_t)sizeof h)
		memcpy(p->name, h.name, sizeof p->name);
	p->name[SL_CLIENT_NAME_MAX] = '\0';
	for (char *ch = p->name; *ch; ch++) {
		if (*ch < 0x21 || *ch > 0x7e)
			*ch = '?';
	}
	if (n != (ssize_t)sizeof h || h.magic != SL_REGION_MAGIC || h.name[SL_CLIENT_NAME_MAX] ||
	        !p->name[0]) {
		refuse(s, p, -EPROTO, "not a Sluice hello");
		return;
	}
	if (h.version != SL_REGION_VERSION || h.layout_hash != sl_region_layout_hash()) {
		refuse(s, p, -EPROTO,
		        "built against another contract: version %u, layout %08x; the dataplane has %u, %08x",
		        h.version, h.layout_hash, SL_REGION_VERSION, sl_region_layout_hash());
		return;
	}

	int slot = choose_slot(s, p->name);
	if (slot < 0) {
		refuse(s, p, -EBUSY, "all %d slots are attached", SL_MAX_CLIENTS);
		return;
	}
	if (s->slots[slot].sock >= 0 && hung_up(s->slots[slot].sock))
		detach(s, (unsigned)slot, now_ms);
	p->slot = (unsigned)slot;
	p->greeted = true;
	p->deadline_ms = now_ms + SL_ABI_LET_GO_MS;
	try_attach(s, p, now_ms);
}

static void accept_one(struct sl_abi_server *s, uint64_t now_ms)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP};
	int sock = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (sock < 0)
		return;

	struct sl_abi_pending *p = s->pending;
	while (p < s->pending + SL_ABI_MAX_PENDING && p->sock >= 0)
		p++;
	if (p == s->pending + SL_ABI_MAX_PENDING) {
		close(sock);
		return;
	}
	*p = (struct sl_abi_pending){.sock = sock, .deadline_ms = now_ms + SL_ABI_HELLO_MS, .name = "?"};

	struct stat st;
	if (stat(s->path, &st) < 0 || !in_group(sock, st.st_gid)) {
		refuse(s, p, -EPERM, "only root, the dataplane's user and the socket's group may attach");
		return;
	}
	if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, sock, &ev) < 0)
		refuse(s, p, -errno, "epoll: %s", strerror(errno));
}

/* ---- the server ---- */

static int bind_socket(const char *path, char *text, size_t text_len)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int error, fd = -1;

	if (strlen(path) >= sizeof sun.sun_path) {
		snprintf(text, text_len, "%s: path longer than %zu bytes", path, sizeof sun.sun_path - 1);
		return -ENAMETOOLONG;
	}
	strcpy(sun.sun_path, path);

	/* A file nobody listens on is left over from a crash. */
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		goto err;
	if (connect(fd, (struct sockaddr *)&sun, sizeof sun) == 0 || errno == EAGAIN) {
		errno = EADDRINUSE;
		goto err;
	}
	if (errno == ECONNREFUSED)
		unlink(path);
	close(fd);

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		goto err;
	/* The mode of the descriptor limits that of the file from its first moment; umask may have taken
	 * group bits. */
	if (fchmod(fd, 0660) < 0 || bind(fd, (struct sockaddr *)&sun, sizeof sun) < 0 ||
	        chmod(path, 0660) < 0)
		goto err;
	return fd;
err:
	error = -errno;
	snprintf(text, text_len, "%s: %s", path, strerror(-error));
	if (fd >= 0)
		close(fd);
	return error;
}

int sl_abi_server_open(struct sl_abi_server *s, const char *path, struct sl_region *region, int memfd,
        unsigned n_workers, const struct sl_abi_server_ops *ops, char *text, size_t text_len)
{
	if (n_workers == 0 || n_workers > SL_MAX_WORKERS) {
		snprintf(text, text_len, "%u workers; 1 to %d are possible", n_workers, SL_MAX_WORKERS);
		return -EINVAL;
	}
	memset(s, 0, sizeof *s);
	s->region = region;
	s->memfd = memfd;
	s->n_workers = n_workers;
	if (ops)
		s->ops = *ops;
	for (unsigned i = 0; i < SL_MAX_CLIENTS; i++) {
		struct sl_region_client *shown = &region->clients[i];
		struct sl_abi_slot *c = &s->slots[i];
		/* Names and generations outlive the working half, so that a client gets its slot again. */
		memcpy(c->name, shown->name, SL_CLIENT_NAME_MAX);
		c->client_generation = atomic_load_explicit(&shown->generation, memory_order_relaxed);
		atomic_store_explicit(&shown->attached, 0, memory_order_relaxed);
		c->sock = c->event_fd = -1;
	}
	for (unsigned i = 0; i < SL_ABI_MAX_PENDING; i++)
		forget(&s->pending[i]);

	s->listen_fd = bind_socket(path, text, text_len);
	if (s->listen_fd < 0)
		return s->listen_fd;
	snprintf(s->path, sizeof s->path, "%s", path);
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll_fd < 0) {
		int error = -errno;
		snprintf(text, text_len, "epoll: %s", strerror(-error));
		close(s->listen_fd);
		unlink(path);
		return error;
	}
	return 0;
}

int sl_abi_server_listen(struct sl_abi_server *s)
{
	struct epoll_event ev = {.events = EPOLLIN};

	if (listen(s->listen_fd, SL_ABI_MAX_PENDING) < 0 ||
	        epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->listen_fd, &ev) < 0)
		return -errno;
	return 0;
}

void sl_abi_server_close(struct sl_abi_server *s)
{
	for (unsigned i = 0; i < SL_ABI_MAX_PENDING; i++) {
		if (s->pending[i].sock >= 0)
			close(s->pending[i].sock);
	}
	for (unsigned i = 0; i < SL_MAX_CLIENTS; i++) {
		if (s->slots[i].sock >= 0)
			detach(s, i, 0);
	}
	close(s->epoll_fd);
	close(s->listen_fd);
	unlink(s->path);
}

int sl_abi_server_fd(const struct sl_abi_server *s)
{
	return s->epoll_fd;
}

static void poll_client(struct sl_abi_server *s, unsigned slot, uint64_t now_ms)
{
	struct sl_abi_slot *c = &s->slots[slot];
	uint32_t epoch = epoch_of(s, slot);

	for (unsigned w = 0; w < s->n_workers; w++) {
		if (atomic_load_explicit(&s->shared.workers[w].corrupt[slot], memory_order_acquire) ==
		        epoch) {
			sl_abi_server_cut(s, slot, "ring indices out of range");
			c->detached_ms = now_ms;
			return;
		}
	}
	int rc = sl_abi_offer_input(s, slot);
	if (rc >= 0 || c->sock < 0) /* its answer may have found broken rings */
		return;
	if (rc == -EPROTO) {
		sl_abi_server_cut(s, slot, "it sent something that offers neither a clip nor a list");
		c->detached_ms = now_ms;
		return;
	}
	detach(s, slot, now_ms);
	sl_abi_server_announce(s, LOG_INFO, "client '%s' (slot %u) went away", c->name, slot);
}

void sl_abi_server_poll(struct sl_abi_server *s, uint64_t now_ms)
{
	for (unsigned i = 0; i < SL_MAX_CLIENTS; i++) {
		if (s->slots[i].sock >= 0)
			poll_client(s, i, now_ms);
	}
	accept_one(s, now_ms);
	for (unsigned i = 0; i < SL_ABI_MAX_PENDING; i++) {
		struct sl_abi_pending *p = &s->pending[i];
		if (p->sock >= 0 && p->greeted)
			try_attach(s, p, now_ms);
		else if (p->sock >= 0)
			hello(s, p, now_ms);
		if (p->sock >= 0 && !p->greeted && now_ms >= p->deadline_ms)
			refuse(s, p, -ETIMEDOUT, "no hello within %d ms", SL_ABI_HELLO_MS);
	}
}

/* Did the ring's producer move since the last look? */
static bool moved(const struct sl_abi_server *s, unsigned slot, unsigned set, enum sl_ring_direction dir, uint32_t *last)
{
	const struct sl_ring_shm *shm =
	        (const void *)((uint8_t *)s->region + sl_region_ring_offset(s->n_workers, slot, set, dir));
	uint32_t prod = atomic_load_explicit(&shm->prod, memory_order_relaxed);
	bool news = prod != *last;

	*last = prod;
	return news;
}

void sl_abi_server_kick(struct sl_abi_server *s)
{
	static const uint64_t one = 1;

	for (unsigned i = 0; i < SL_MAX_CLIENTS; i++) {
		struct sl_abi_slot *c = &s->slots[i];
		bool news = false;
		if (c->sock < 0)
			continue;
		for (unsigned set = 0; set <= s->n_workers; set++)
			news |= moved(s, i, set, SL_RING_EVENTS, &c->kicked[set]);
		for (unsigned w = 0; w < s->n_workers; w++)
			news |= moved(s, i, 1 + w, SL_RING_BULK, &c->kicked_bulk[w]);
		/* EAGAIN means that the client has 2^64 kicks waiting: it is awake. */
		if (news && write(c->event_fd, &one, sizeof one) < 0)
			continue;
	}
}

bool sl_abi_server_pop_command(struct sl_abi_server *s, unsigned *slot, struct sl_command *cmd)
{
	for (unsigned i = 0; i < SL_MAX_CLIENTS; i++) {
		unsigned n = (s->next_slot + i) % SL_MAX_CLIENTS;
		if (s->slots[n].sock < 0)
			continue;
		int rc = sl_ring_pop(&s->slots[n].commands, cmd);
		if (rc < 0) {
			s->ring_corrupt++;
			sl_abi_server_cut(s, n, "ring indices out of range");
		}
		if (rc <= 0)
			continue;
		s->next_slot = n + 1;
		*slot = n;
		return true;
	}
	return false;
}

int sl_abi_server_post_to(struct sl_abi_server *s, unsigned slot, const struct sl_event *evt)
{
	if (slot >= SL_MAX_CLIENTS || s->slots[slot].sock < 0)
		return -ENOTCONN;

	int rc = sl_ring_push(&s->slots[slot].events, evt, sizeof *evt);
	if (rc == -ENOBUFS) {
		s->events_lost++;
	} else if (rc < 0) {
		s->ring_corrupt++;
		sl_abi_server_cut(s, slot, "ring indices out of range");
	}
	return rc;
}

int sl_abi_server_ack(
        struct sl_abi_server *s, unsigned slot, const struct sl_command *cmd, int error, const char *text)
{
	struct sl_event evt = {.h = {.type = SL_EVT_ACK, .seq = cmd->h.seq}, .ack = {.error = error}};

	if (text)
		snprintf(evt.ack.text, sizeof evt.ack.text, "%s", text);
	return sl_abi_server_post_to(s, slot, &evt);
}

void sl_abi_server_guard_ack(struct sl_abi_server *s, unsigned slot, uint32_t client_generation, uint32_t seq, int error, const char *text)
{
	struct sl_event evt = {.h = {.type = SL_EVT_ACK, .seq = SL_GUARD_ACK_SEQ | seq}, .ack = {.error = error}};

	if (slot >= SL_MAX_CLIENTS || s->slots[slot].client_generation != client_generation)
		return;
	if (text)
		snprintf(evt.ack.text, sizeof evt.ack.text, "%s", text);
	sl_abi_server_post_to(s, slot, &evt);
}

void sl_abi_server_post(struct sl_abi_server *s, const struct sl_event *evt)
{
	for (unsigned i = 0; i < SL_MAX_CLIENTS; i++)
		sl_abi_server_post_to(s, i, evt);
}
