/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Many devices that register, from one UDP socket. device.c: what each of them says and hears; main.c: a steady load; avalanche.c: all at once. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "controlplane/registrar/digest.h"
#include "dataplane/wire/addr.h"

enum {
	NONCE_MAX = 200,
	T1_MS = 500,            /* RFC 3261 17.1.2.2: doubled up to T2 */
	T2_MS = 4000,
	GIVE_UP_MS = 64 * T1_MS,
};

struct user {
	uint8_t ha1[SL_DIGEST_BYTES_MAX];
	char nonce[NONCE_MAX];  /* "" = to be challenged first */
	unsigned count, cseq;
	int64_t begun_us, sent_us; /* begun_us 0 = nothing is under way */
	int64_t next_us;        /* avalanche: when it tries again */
	unsigned wait_ms, failures;
	bool has_answered;      /* a challenge, in this registration */
	bool registered;
};

struct options {
	const char *target, *domain, *prefix, *password;
	unsigned users, rate, seconds, expires;
	enum sl_digest_algorithm algorithm;
	bool every;             /* a new challenge each time */
	bool avalanche;
	unsigned spread_ms, back_off_ms;
	bool has_from;
	struct sl_prefix from;  /* each device has an address of its own in it */
};
extern struct options options;

struct run {
	int fd;
	struct sockaddr_storage to;
	socklen_t to_len;
	char me[64];
	uint16_t port;
	struct user *users;
	bool measuring;
	uint64_t begun, good, failed, sent, retransmitted, behind, refused, gave_up;
};
extern struct run run;

int64_t now_us(void);
/* Send a first REGISTER of user number, or the one that answers a challenge. */
void device_begin(unsigned number);
/* Take what has come, for at most a millisecond. */
void devices_receive(void);
/* Send user number's request again when that is due, or give it up. */
void device_retransmit(unsigned number);
/* How user number's registration ended: status 0 = it was given up; retry_after_s of a 503, 0 = not said. Of the mode. */
void device_ended(unsigned number, int status, unsigned retry_after_s);

/* All devices at once, until each is registered or options.seconds are over. Exit status. */
int avalanche(void);
void avalanche_ended(unsigned number, int status, unsigned retry_after_s);
