/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/abi/server_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Offers of clips over the attach socket. One message a call: mapping a long clip takes a while, and between two of them
 * the other clients are to be woken. */

enum {
	FDS_MAX = 4, /* one is right; so many are taken to see that there are more. The kernel closes what does not fit */
	SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL,
};

struct received {
	struct sl_clip_offer offer;
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

/* 1 with *r filled, else as sl_abi_clip_input(). Descriptors are ours to close, whatever is returned. */
static int receive(int sock, struct received *r)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = {&r->offer, sizeof r->offer};
	struct msghdr msg = {
	        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	ssize_t n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -ECONNRESET;
	take_descriptors(r, &msg);
	if (n == 0 && r->n_fds == 0)
		return -ECONNRESET;
	const struct sl_clip_offer *o = &r->offer;
	bool right = n == (ssize_t)sizeof *o && !(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) &&
	        o->magic == SL_REGION_MAGIC && o->clip != SL_CLIP_NONE && o->remove <= 1 &&
	        r->n_fds == (o->remove ? 0 : 1);
	return right ? 1 : -EPROTO;
}

/* May the memfd be mapped and believed for as long as we like? */
static int check_memfd(int fd, size_t *bytes, char *text, size_t text_len)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0) {
		snprintf(text, text_len, "clip: not a memfd sealed against shrinking, growing, writing and further seals");
		return -EPERM;
	}
	if (st.st_size < (off_t)sizeof(struct sl_clip) || st.st_size > SL_CLIP_MAX_BYTES) {
		snprintf(text, text_len, "clip: %lld bytes; %zu to %d are possible", (long long)st.st_size,
		        sizeof(struct sl_clip), SL_CLIP_MAX_BYTES);
		return -EFBIG;
	}
	*bytes = (size_t)st.st_size;
	return 0;
}

static int carry_out(struct sl_abi_server *s, unsigned slot, const struct received *r, char *text, size_t text_len)
{
	const struct sl_clip_offer *o = &r->offer;
	size_t bytes = 0;
	int fd = o->remove ? -1 : r->fds[0], rc = 0;

	if (!s->ops.clip) {
		snprintf(text, text_len, "clip: media is off (the configuration has no group media)");
		return -EOPNOTSUPP;
	}
	if (fd >= 0)
		rc = check_memfd(fd, &bytes, text, text_len);
	return rc < 0 ? rc : s->ops.clip(s->ops.ctx, slot, o->clip, fd, bytes, text, text_len);
}

int sl_abi_clip_input(struct sl_abi_server *s, unsigned slot)
{
	struct received r = {.n_fds = 0};
	int rc = receive(s->slots[slot].sock, &r);

	if (rc == 1) {
		struct sl_event evt = {.h = {.type = SL_EVT_ACK, .seq = SL_CLIP_ACK_SEQ | (r.offer.clip & SL_CLIP_ACK_MASK)}};
		evt.ack.error = carry_out(s, slot, &r, evt.ack.text, sizeof evt.ack.text);
		sl_abi_server_post_to(s, slot, &evt);
	}
	for (unsigned i = 0; i < r.n_fds; i++)
		close(r.fds[i]);
	return rc;
}
