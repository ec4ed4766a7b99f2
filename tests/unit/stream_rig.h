/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Real stream threads on loopback before real clients; the test itself is the one worker, and asks its rings. */

#include "tests/unit/unit.h"

#include "dataplane/abi/msg_turn.h"
#include "dataplane/dataplane.h"
#include "dataplane/stream/stream.h"

enum { TCP, TLS, DTLS, PROXIED, N_LISTENERS, WAIT_MS = 5000, BIG = 1200 };

extern struct sl_config rig_config;
extern struct sl_streams *rig_streams; /* two threads */
extern uint16_t rig_ports[N_LISTENERS];
extern const uint8_t rig_request[28];

/* Set-up and teardown of a test. TURN is provisioned, with a second realm for clients that ask for other.example.net. */
int rig_start(void **state);
int rig_start_unprovisioned(void **state);
void rig_provision(void);
int rig_stop(void **state);

char *rig_path_of(const char *name, const char *suffix); /* for the caller to free */
void rig_make_certificate(const char *name, const char *host);
int64_t rig_now_ms(void);

/* The next record for the worker, with up to BIG bytes; false after WAIT_MS. */
bool rig_hear(struct sl_stream_record *r, uint8_t *bytes);
void rig_expect(uint16_t kind, struct sl_stream_record *r, uint8_t *bytes);
/* To the thread of f; with what else the record has. */
void rig_put(const struct sl_stream_record *r, const void *bytes);
void rig_order(const struct sl_flow *f, uint16_t kind, uint16_t on, const void *bytes, uint32_t len);
uint64_t rig_counter(enum sl_stream_counter c);
void rig_wait_for(enum sl_stream_counter c, uint64_t value);
/* A socket that is connected to the listener; it waits for WAIT_MS at most. */
int rig_dial(unsigned listener, int type);
