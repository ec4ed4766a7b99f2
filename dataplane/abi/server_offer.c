/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/abi/server_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Offers over the attach socket, each with a memfd: clips, and lists of prefixes. One message a call: mapping a long clip takes a
 * while, and between two of them the other clients are to be woken. */

enum {
	FDS_MAX = 4, /* one is right; so many are taken to see that there are more. The kernel closes what does not fit */
	SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL,
};
#define GUARD_LIST_MAX_BYTES (sizeof(struct sl_guard_list) + SL_GUARD_LIST_MAX * sizeof(struct sl_prefix_entry))

struct received {
	union { /* told apart by their first word */
		uint64_t magic;
		struct sl_clip_offer clip;
		struct sl_guard_offer guard;
	};
	int fds[FDS_MAX];
	unsigned n_fds;
};

static void take_descriptors(struct received *r, struct msghdr *msg)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		r->n_fds = (unsigned)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(r->fds, CMSG_DATA(h), r->n_fds * sizeof(int));
	}
}

static bool is_clip(const struct received *r, size_t bytes)
{
	const struct sl_clip_offer *o = &r->clip;

	return bytes == sizeof *o && o->magic == SL_REGION_MAGIC && o->clip != SL_CLIP_NONE && o->remove <= 1 &&
	        r->n_fds == (o->remove ? 0 : 1);
}

static bool is_guard_list(const struct received *r, size_t bytes)
{
	const struct sl_guard_offer *o = &r->guard;

	return bytes == sizeof *o && o->magic == SL_GUARD_OFFER_MAGIC && o->seq <= SL_GUARD_ACK_MASK && o->reserved == 0 &&
	        r->n_fds == 1;
}

/* 1 with *r filled, else as sl_abi_offer_input(). Descriptors are ours to close, whatever is returned. */
static int receive(int sock, struct received *r)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = {&r->magic, sizeof r->clip > sizeof r->guard ? sizeof r->clip : sizeof r->guard};
	struct msghdr msg = {
	        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	ssize_t n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -ECONNRESET;
	take_descriptors(r, &msg);
	if (n == 0 && r->n_fds == 0)
		return -ECONNRESET;
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return -EPROTO;
	return is_clip(r, (size_t)n) || is_guard_list(r, (size_t)n) ? 1 : -EPROTO;
}

/* May the memfd be mapped and believed for as long as we like? */
static int check_memfd(int fd, const char *what, size_t least, size_t most, size_t *bytes, char *text, size_t text_len)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0) {
		snprintf(text, text_len, "%s: not a memfd sealed against shrinking, growing, writing and further seals", what);
		return -EPERM;
	}
	if (st.st_size < (off_t)least || st.st_size > (off_t)most) {
		snprintf(text, text_len, "%s: %lld bytes; %zu to %zu are possible", what, (long long)st.st_size, least, most);
		return -EFBIG;
	}
	*bytes = (size_t)st.st_size;
	return 0;
}

static int offered_clip(struct sl_abi_server *s, unsigned slot, const struct received *r, char *text, size_t text_len)
{
	size_t bytes = 0;
	int fd = r->clip.remove ? -1 : r->fds[0], rc = 0;

	if (!s->ops.clip) {
		snprintf(text, text_len, "clip: media is off (the configuration has no group media)");
		return -EOPNOTSUPP;
	}
	if (fd >= 0)
		rc = check_memfd(fd, "clip", sizeof(struct sl_clip), SL_CLIP_MAX_BYTES, &bytes, text, text_len);
	return rc < 0 ? rc : s->ops.clip(s->ops.ctx, slot, r->clip.clip, fd, bytes, text, text_len);
}

static int offered_list(struct sl_abi_server *s, unsigned slot, const struct received *r, char *text, size_t text_len)
{
	size_t bytes = 0;

	if (!s->ops.guard_list) {
		snprintf(text, text_len, "list: nobody takes lists of prefixes here");
		return -EOPNOTSUPP;
	}
	int rc = check_memfd(r->fds[0], "list", sizeof(struct sl_guard_list), GUARD_LIST_MAX_BYTES, &bytes, text, text_len);
	return rc < 0 ? rc : s->ops.guard_list(s->ops.ctx, slot, r->guard.seq, r->fds[0], bytes, text, text_len);
}

static void carry_out(struct sl_abi_server *s, unsigned slot, const struct received *r)
{
	struct sl_event evt = {.h = {.type = SL_EVT_ACK}};

	if (r->magic == SL_GUARD_OFFER_MAGIC) {
		evt.h.seq = SL_GUARD_ACK_SEQ | r->guard.seq;
		evt.ack.error = offered_list(s, slot, r, evt.ack.text, sizeof evt.ack.text);
		if (evt.ack.error == 0) /* answered when it is in force */
			return;
	} else {
		evt.h.seq = SL_CLIP_ACK_SEQ | (r->clip.clip & SL_CLIP_ACK_MASK);
		evt.ack.error = offered_clip(s, slot, r, evt.ack.text, sizeof evt.ack.text);
	}
	sl_abi_server_post_to(s, slot, &evt);
}

int sl_abi_offer_input(struct sl_abi_server *s, unsigned slot)
{
	struct received r = {.n_fds = 0};
	int rc = receive(s->slots[slot].sock, &r);

	if (rc == 1)
		carry_out(s, slot, &r);
	for (unsigned i = 0; i < r.n_fds; i++)
		close(r.fds[i]);
	return rc;
}
