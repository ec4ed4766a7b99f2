/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A wire with faults between two network interfaces, for kernels without netem: takes every frame of one and sends it
 * on the other, both directions alike, with delay, jitter, loss, reordering and a rate. `lab impair` starts it.
 *
 *   impair [--delay MS] [--jitter MS] [--loss PERCENT] [--reorder PERCENT] [--rate BITS[k|M|G]] [--seed N] IF1 IF2
 *
 * Loss is drawn per frame. Jitter adds up to that much, never changing the order. A reordered frame is held for
 * REORDER_HOLD_NS more, so that those behind it overtake. The rate is that of a line with a queue of QUEUE_FRAMES.
 * At SIGTERM it prints what it did. */

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>

enum {
	FRAME_MAX = 9216,
	QUEUE_FRAMES = 4096, /* per direction */
	BATCH = 64,          /* frames taken before the other side gets its turn */
	SOCKET_BUFFER = 8 << 20,
};
#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)
#define REORDER_HOLD_NS (4 * NS_PER_MS)

struct faults {
	uint64_t delay_ns, jitter_ns;
	double loss, reorder; /* 0..1 */
	double bits_per_s;    /* 0 = as fast as it goes */
};

struct frame {
	uint64_t due_ns, order; /* order: of arrival, so that equal times keep it */
	unsigned len;
	uint8_t *bytes;
};

/* One direction: a heap of frames by due time. */
struct direction {
	int from, to;
	struct frame heap[QUEUE_FRAMES];
	unsigned n;
	uint64_t line_free_ns, last_due_ns, order;
	uint64_t forwarded, lost, reordered, overflowed, failed;
};

static volatile sig_atomic_t stopping;
static uint64_t random_state;

static void on_signal(int number)
{
	(void)number;
	stopping = 1;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* xorshift64*: repeatable from --seed. */
static double random_unit(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (double)((random_state * UINT64_C(2685821657736338717)) >> 11) / (double)(UINT64_C(1) << 53);
}

static bool before(const struct frame *a, const struct frame *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void heap_push(struct direction *d, struct frame f)
{
	unsigned i = d->n++;

	while (i > 0 && before(&f, &d->heap[(i - 1) / 2])) {
		d->heap[i] = d->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	d->heap[i] = f;
}

static struct frame heap_pop(struct direction *d)
{
	struct frame top = d->heap[0], last = d->heap[--d->n];
	unsigned i = 0, child;

	while ((child = 2 * i + 1) < d->n) {
		if (child + 1 < d->n && before(&d->heap[child + 1], &d->heap[child]))
			child++;
		if (!before(&d->heap[child], &last))
			break;
		d->heap[i] = d->heap[child];
		i = child;
	}
	d->heap[i] = last;
	return top;
}

static uint64_t due_time(struct direction *d, const struct faults *f, unsigned len, uint64_t now)
{
	uint64_t due = now;

	if (f->bits_per_s > 0) {
		if (d->line_free_ns > due)
			due = d->line_free_ns;
		due += (uint64_t)(len * 8 / f->bits_per_s * (double)NS_PER_S);
		d->line_free_ns = due;
	}
	due += f->delay_ns + (uint64_t)(random_unit() * (double)f->jitter_ns);
	if (random_unit() < f->reorder) {
		d->reordered++;
		return due + REORDER_HOLD_NS;
	}
	if (due < d->last_due_ns)
		due = d->last_due_ns;
	d->last_due_ns = due;
	return due;
}

static void take_frames(struct direction *d, const struct faults *f)
{
	static uint8_t buffer[FRAME_MAX];
	struct frame frame;
	ssize_t len;

	for (unsigned i = 0; i < BATCH; i++) {
		len = recv(d->from, buffer, sizeof(buffer), MSG_DONTWAIT | MSG_TRUNC);
		if (len < 0)
			return;
		if (random_unit() < f->loss) {
			d->lost++;
			continue;
		}
		if (len > FRAME_MAX || d->n == QUEUE_FRAMES || !(frame.bytes = malloc((size_t)len))) {
			d->overflowed++;
			continue;
		}
		memcpy(frame.bytes, buffer, (size_t)len);
		frame.len = (unsigned)len;
		frame.order = d->order++;
		frame.due_ns = due_time(d, f, frame.len, now_ns());
		heap_push(d, frame);
	}
}

static void send_due(struct direction *d, uint64_t now)
{
	struct frame frame;

	while (d->n > 0 && d->heap[0].due_ns <= now) {
		frame = heap_pop(d);
		if (send(d->to, frame.bytes, frame.len, 0) == (ssize_t)frame.len)
			d->forwarded++;
		else
			d->failed++;
		free(frame.bytes);
	}
}

static uint64_t next_due(const struct direction *d, unsigned n)
{
	uint64_t due = UINT64_MAX;

	for (unsigned i = 0; i < n; i++)
		if (d[i].n > 0 && d[i].heap[0].due_ns < due)
			due = d[i].heap[0].due_ns;
	return due;
}

static void forward(struct direction *d, const struct faults *f)
{
	struct pollfd p[2] = {{.fd = d[0].from, .events = POLLIN}, {.fd = d[1].from, .events = POLLIN}};
	struct timespec wait;
	uint64_t now, due;

	while (!stopping) {
		now = now_ns();
		due = next_due(d, 2);
		due = due <= now ? 0 : due - now < NS_PER_S ? due - now : NS_PER_S;
		wait = (struct timespec){.tv_sec = (time_t)(due / NS_PER_S), .tv_nsec = (long)(due % NS_PER_S)};
		if (ppoll(p, 2, &wait, NULL) < 0 && errno != EINTR)
			return;
		for (unsigned i = 0; i < 2; i++) {
			if (p[i].revents & POLLIN)
				take_frames(&d[i], f);
			send_due(&d[i], now_ns());
		}
	}
}

static int open_interface(const char *name)
{
	struct sockaddr_ll where = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	struct packet_mreq promiscuous = {.mr_type = PACKET_MR_PROMISC};
	int one = 1, size = SOCKET_BUFFER, s;

	where.sll_ifindex = promiscuous.mr_ifindex = (int)if_nametoindex(name);
	if (where.sll_ifindex == 0) {
		fprintf(stderr, "impair: no interface '%s'\n", name);
		return -1;
	}
	s = socket(AF_PACKET, SOCK_RAW, 0); /* protocol 0: nothing arrives until it is bound to the interface */
	if (s < 0 || setsockopt(s, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0 ||
	    setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0 ||
	    bind(s, (struct sockaddr *)&where, sizeof(where)) < 0 ||
	    setsockopt(s, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)) < 0) {
		fprintf(stderr, "impair: %s: %s\n", name, strerror(errno));
		if (s >= 0)
			close(s);
		return -1;
	}
	return s;
}

/* A number of at least 0 and at most max, with an optional k, M or G when scaled. */
static double number(const char *option, const char *text, double max, bool scaled)
{
	char *end;
	double value = strtod(text, &end);

	if (scaled && *end != '\0' && strchr("kMG", *end) != NULL) {
		value *= *end == 'k' ? 1e3 : *end == 'M' ? 1e6 : 1e9;
		end++;
	}
	if (end == text || *end != '\0' || !(value >= 0) || value > max) {
		fprintf(stderr, "impair: --%s: '%s' is not a number from 0 to %g\n", option, text, max);
		exit(2);
	}
	return value;
}

static struct faults parse_options(int argc, char **argv)
{
	static const struct option options[] = {{"delay", 1, NULL, 'd'}, {"jitter", 1, NULL, 'j'},
		{"loss", 1, NULL, 'l'}, {"reorder", 1, NULL, 'o'}, {"rate", 1, NULL, 'r'}, {"seed", 1, NULL, 's'}, {0}};
	struct faults f = {0};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			f.delay_ns = (uint64_t)(number("delay", optarg, 10000, false) * (double)NS_PER_MS);
			break;
		case 'j':
			f.jitter_ns = (uint64_t)(number("jitter", optarg, 10000, false) * (double)NS_PER_MS);
			break;
		case 'l':
			f.loss = number("loss", optarg, 100, false) / 100;
			break;
		case 'o':
			f.reorder = number("reorder", optarg, 100, false) / 100;
			break;
		case 'r':
			f.bits_per_s = number("rate", optarg, 1e12, true);
			break;
		case 's':
			random_state = (uint64_t)number("seed", optarg, 1e15, false);
			break;
		default:
			exit(2);
		}
	}
	return f;
}

int main(int argc, char **argv)
{
	static struct direction d[2];
	struct sigaction act = {.sa_handler = on_signal};
	struct faults f = parse_options(argc, argv);
	int a, b;

	if (argc - optind != 2) {
		fprintf(stderr, "usage: impair [--delay MS] [--jitter MS] [--loss PERCENT] [--reorder PERCENT] "
				"[--rate BITS[k|M|G]] [--seed N] IF1 IF2\n");
		return 2;
	}
	if (random_state == 0)
		random_state = now_ns() | 1;
	a = open_interface(argv[optind]);
	b = open_interface(argv[optind + 1]);
	if (a < 0 || b < 0)
		return 1;
	d[0].from = d[1].to = a;
	d[1].from = d[0].to = b;
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	printf("ready\n");
	fflush(stdout);
	forward(d, &f);
	for (unsigned i = 0; i < 2; i++)
		printf("%s: forwarded %llu, lost %llu, reordered %llu, overflowed %llu, failed %llu\n", argv[optind + i],
			(unsigned long long)d[i].forwarded, (unsigned long long)d[i].lost,
			(unsigned long long)d[i].reordered, (unsigned long long)d[i].overflowed,
			(unsigned long long)d[i].failed);
	return 0;
}
