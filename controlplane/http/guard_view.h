/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The guard as JSON, and the parts of its API. */

#include "controlplane/guard/warden.h"
#include "controlplane/http/api.h"

/* ---- guard_view.c ---- */

json_t *sl_guard_show_ip(const struct sl_ip *ip);
json_t *sl_guard_show_prefix(const struct sl_ip *ip, unsigned len); /* a host prefix as the address alone */
json_t *sl_guard_show_entry(const struct sl_warden_entry *e);
const char *sl_guard_kind_text(unsigned kind);     /* "allow", "deny", "ban" */
json_t *sl_guard_show_rule(const struct sl_config *c, const struct sl_conf_guard_rule *rule);
json_t *sl_guard_show_policy(const struct sl_config *c, const struct sl_conf_guard *g);
json_t *sl_guard_show_over(const struct sl_brain *b, const struct sl_warden_over *over, int64_t now_ms);
json_t *sl_guard_show_source(const struct sl_warden_source *s, int64_t now_ms);
const char *sl_guard_level_text(unsigned level);   /* "source", "prefix", "wide", "total"; NULL beyond */
const char *sl_guard_class_text(unsigned guard_class); /* "?" beyond */
/* Is the drop reason one of the guard's own? */
bool sl_guard_is_reason(unsigned drop);
/* What the guard dropped, and in dry run would have: by reason, sums over workers, all since the start. */
json_t *sl_guard_show_drops(const struct sl_brain *b, bool would);

/* For /v1/status. */
json_t *sl_guard_status(const struct sl_brain *b);

/* Body of r as an object that has no other members than names (NULL at the end). NULL: answered with an error. */
json_t *sl_guard_body(struct sl_http_request *r, const char *const *names, const char *example);
/* A member that is a whole number of min..max, *value stays when it is not there. False: answered with an error. */
bool sl_guard_number(struct sl_http_request *r, const json_t *o, const char *name, long long min, long long max, long long *value);

/* ---- guard_top.c, guard_explain.c, guard_policy.c ---- */

void sl_guard_top(struct sl_brain *b, struct sl_http_request *r);
/* What a source or prefix sends by the samples of all workers, dropped or not, in packets a second; 0 = not among the largest. */
uint64_t sl_guard_rate_of(const struct sl_brain *b, const struct sl_evt_guard_source *e);
void sl_guard_explain(struct sl_brain *b, struct sl_http_request *r);
void sl_guard_policy(struct sl_brain *b, struct sl_http_request *r);
