/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Every provisioned field: README.md in rows. */

#include "controlplane/provision/checks.h"
#include "controlplane/provision/kinds.h"
#include "dataplane/abi/validate.h"

#include <string.h>

enum {
	CONCURRENT_MAX = 1 << 20,
	CPS_MAX = 1 << 16,
	STATUS_FIRST = 400,
	STATUS_LAST = 699,
	RETRY_MAX = 3600,
	DAY = 86400,
	PRIORITY_MAX = 65535,
	COST_MAX = 4000,
};

#define TEXT(struct_, member) .type = SL_F_TEXT, .offset = offsetof(struct_, member), .size = sizeof((struct_ *)0)->member
#define UINT(struct_, member, min_, max_, def_)                                                                             \
	.type = SL_F_UINT, .offset = offsetof(struct_, member), .size = sizeof((struct_ *)0)->member, .min = min_, .max = max_, .def = def_
#define BOOL(struct_, member)           .type = SL_F_BOOL, .offset = offsetof(struct_, member)
#define CHOICE(struct_, member, names, def_)                                                                                \
	.type = SL_F_CHOICE, .offset = offsetof(struct_, member), .size = sizeof((struct_ *)0)->member, .choices = names, .def = def_
#define TEXTS(struct_, member, counter)                                                                                     \
	.type = SL_F_TEXTS, .offset = offsetof(struct_, member), .count = offsetof(struct_, counter),                       \
	.size = sizeof(((struct_ *)0)->member[0]), .min = 1
#define FITS(struct_, member)           .n_max = sizeof((struct_ *)0)->member / sizeof(((struct_ *)0)->member[0])
#define GROUP(struct_, member, table)   .type = SL_F_GROUP, .offset = offsetof(struct_, member), .sub = table
#define SPREAD(table)                   .type = SL_F_GROUP, .sub = table /* a group whose fields lie in the structure itself */
#define GROUPS(struct_, member, counter, table)                                                                             \
	.type = SL_F_GROUPS, .offset = offsetof(struct_, member), .count = offsetof(struct_, counter),                      \
	.size = sizeof(((struct_ *)0)->member[0]), FITS(struct_, member), .sub = table
#define HEX(struct_, member)            .type = SL_F_HEX, .offset = offsetof(struct_, member), .size = sizeof((struct_ *)0)->member

#define LIMITS(status_)                                                                                                     \
	{                                                                                                                   \
		{"concurrent", UINT(struct sl_prov_limits, concurrent, 0, CONCURRENT_MAX, 0)},                              \
		{"cps", UINT(struct sl_prov_limits, cps, 0, CPS_MAX, 0)},                                                   \
		{"status", UINT(struct sl_prov_limits, status, STATUS_FIRST, STATUS_LAST, status_)},                        \
		{"reason", TEXT(struct sl_prov_limits, reason), .min = 1, .def_text = "Limit Reached", .check = sl_check_reason}, \
		{"retry_after", UINT(struct sl_prov_limits, retry_after_s, 0, RETRY_MAX, 5)},                               \
		{0},                                                                                                        \
	}
static const struct sl_field limits[] = LIMITS(503), user_limits[] = LIMITS(486);

static const struct sl_field codecs[] = {
        {"strip", TEXTS(struct sl_prov_codecs, strip, n_strip), .allocated = true, .n_max = 16, .check = sl_check_codec},
        {"only", TEXTS(struct sl_prov_codecs, only, n_only), .allocated = true, .n_max = 16, .check = sl_check_codec},
        {0},
};

static const struct sl_field rewrite[] = {
        {"match", TEXT(struct sl_prov_rewrite, match), .min = 1, .required = true, .check = sl_check_regex},
        {"replace", TEXT(struct sl_prov_rewrite, replace), .required = true},
        {0},
};

static const char *const srtp_names[] = {
        [SL_PROV_SRTP_OFF] = "off", [SL_PROV_SRTP_PREFER] = "prefer", [SL_PROV_SRTP_REQUIRE] = "require", [SL_PROV_SRTP_ASIS] = "as_is", NULL};

/* ---- tenants ---- */

#define T struct sl_prov_tenant
static const char *const early_names[] = {[SL_EARLY_FIRST] = "first", [SL_EARLY_LAST] = "last", [SL_EARLY_NONE] = "none", NULL};
static const char *const fork_names[] = {"by_q", "parallel", "serial", NULL};
static const struct sl_field tenant_fields[] = {
        {"name", TEXT(T, name), .required = true, .check = sl_check_name},
        {"limits", GROUP(T, limits, limits)},
        {"emergency", TEXTS(T, emergency, n_emergency), FITS(T, emergency), .check = sl_check_number},
        {"max_duration", UINT(T, max_duration_s, 1, 7 * DAY, 0), .zero_ok = true},
        {"media_pps", UINT(T, media_pps, 50, SL_LIMIT_METER_PPS, 0), .zero_ok = true},
        {"media_kbps", UINT(T, media_kbps, SL_LIMIT_METER_KBPS_MIN, SL_LIMIT_METER_KBPS, 0), .zero_ok = true},
        {"ring_time", UINT(T, ring_s, 1, 3600, 180)},
        {"early_media", CHOICE(T, early_media, early_names, SL_EARLY_FIRST)},
        {"forking", CHOICE(T, forking, fork_names, 0)},
        {0},
};
#undef T

/* ---- domains ---- */

#define D struct sl_res_domain
static const struct sl_field domain_fields[] = {
        {"name", TEXT(D, d.name), .required = true, .check = sl_check_host},
        {"tenant", TEXT(D, tenant), .required = true, .check = sl_check_name},
        {"min_expires", UINT(D, d.min_expires_s, 1, DAY, 60)},
        {"max_expires", UINT(D, d.max_expires_s, 1, 30 * DAY, 7200)},
        {"default_expires", UINT(D, d.default_expires_s, 1, 30 * DAY, 3600)},
        {"max_contacts", UINT(D, d.max_contacts, 1, 64, 10)},
        {"algorithms", TEXTS(D, algorithms, n_algorithms), FITS(D, algorithms)},
        {"rfc2617", BOOL(D, d.rfc2617)},
        {"trust_flow", BOOL(D, d.trust_flow)},
        {"nonce_lifetime", UINT(D, d.nonce_s, 10, DAY, 300)},
        {0},
};
#undef D

/* ---- users ---- */

#define U struct sl_res_user
static const struct sl_field user_fields[] = {
        {"name", TEXT(U, u.name), .required = true, .check = sl_check_name},
        {"domain", TEXT(U, u.domain), .required = true, .check = sl_check_host},
        {"password", TEXT(U, secret.password), .min = 1, .given = offsetof(U, secret.has_password)},
        {"ha1_md5", HEX(U, u.ha1_md5), .given = offsetof(U, secret.has_md5)},
        {"ha1_sha256", HEX(U, u.ha1_sha256), .given = offsetof(U, secret.has_sha256)},
        {"display", TEXT(U, u.display), .check = sl_check_quoted},
        {"enabled", BOOL(U, u.enabled), .def = true},
        {"numbers", TEXTS(U, u.numbers, u.n_numbers), .allocated = true, .n_max = 8, .check = sl_check_number},
        {"limits", GROUP(U, u.limits, user_limits)},
        {"max_contacts", UINT(U, u.max_contacts, 1, 64, 0), .zero_ok = true},
        {"allow", TEXTS(U, u.allow, u.n_allow), .allocated = true, .n_max = 8, .check = sl_check_prefix},
        {"deny", TEXTS(U, u.deny, u.n_deny), .allocated = true, .n_max = 8, .check = sl_check_prefix},
        {"srtp", CHOICE(U, u.srtp, srtp_names, SL_PROV_SRTP_ASIS)},
        {"codecs", GROUP(U, u.codecs, codecs)},
        {0},
};
#undef U

/* ---- trunks ---- */

#define T struct sl_res_trunk
static const struct sl_field target[] = {
        {"uri", TEXT(struct sl_prov_target, uri), .required = true, .check = sl_check_uri},
        {"priority", UINT(struct sl_prov_target, priority, 0, PRIORITY_MAX, 0)},
        {"weight", UINT(struct sl_prov_target, weight, 0, PRIORITY_MAX, 1)},
        {0},
};
static const struct sl_field auth[] = {
        {"username", TEXT(T, t.username), .min = 1, .required = true, .check = sl_check_quoted},
        {"realm", TEXT(T, t.realm), .min = 1, .required = true, .check = sl_check_quoted},
        {"password", TEXT(T, secret.password), .min = 1, .given = offsetof(T, secret.has_password)},
        {"ha1_md5", HEX(T, t.ha1_md5), .given = offsetof(T, secret.has_md5)},
        {"ha1_sha256", HEX(T, t.ha1_sha256), .given = offsetof(T, secret.has_sha256)},
        {0},
};
static const struct sl_field registering[] = {
        {"uri", TEXT(T, t.register_uri), .required = true, .check = sl_check_uri},
        {"contact_user", TEXT(T, t.contact_user), .min = 1, .check = sl_check_prefix},
        {"expires", UINT(T, t.register_expires_s, 60, DAY, 3600)},
        {0},
};
static const struct sl_field probe[] = {
        {"interval", UINT(T, t.probe_s, 1, 3600, 0), .zero_ok = true},
        {"up", UINT(T, t.probe_up, 1, 20, 2)},
        {"down", UINT(T, t.probe_down, 1, 20, 3)},
        {0},
};
static const char *const rule_names[] = {[SL_HR_ALLOW] = "allow", [SL_HR_DENY] = "deny", [SL_HR_SET] = "set", NULL};
static const struct sl_field header_rule[] = {
        {"action", CHOICE(struct sl_prov_header_rule, what, rule_names, SL_HR_ALLOW), .required = true},
        {"name", TEXT(struct sl_prov_header_rule, name), .required = true, .check = sl_check_header},
        {"value", TEXT(struct sl_prov_header_rule, value)},
        {0},
};
static const char *const redirect_names[] = {"fail", "follow", NULL};
static const uint16_t failover[] = {408, 500, 502, 503, 504, 0};
static const struct sl_field trunk_fields[] = {
        {"name", TEXT(T, t.name), .required = true, .check = sl_check_name},
        {"tenant", TEXT(T, tenant), .required = true, .check = sl_check_name},
        {"sources", .type = SL_F_PREFIXES, .offset = offsetof(T, t.sources), .count = offsetof(T, t.n_sources), FITS(T, t.sources)},
        {"tls_identity", TEXT(T, t.tls_identity), .check = sl_check_host},
        {"listener", TEXT(T, t.listener), .check = sl_check_name},
        {"targets", GROUPS(T, t.targets, t.n_targets, target)},
        {"auth", SPREAD(auth), .given = offsetof(T, has_auth)},
        {"register", SPREAD(registering), .given = offsetof(T, has_register)},
        {"from_domain", TEXT(T, t.from_domain), .min = 1, .check = sl_check_host},
        {"default_domain", TEXT(T, t.default_domain), .check = sl_check_host},
        {"trusted", BOOL(T, t.trusted)},
        {"srtp", CHOICE(T, t.srtp, srtp_names, SL_PROV_SRTP_OFF)},
        {"codecs", GROUP(T, t.codecs, codecs)},
        {"limits", GROUP(T, t.limits, limits)},
        {"probe", SPREAD(probe)},
        {"timeout_ms", UINT(T, t.timeout_ms, 500, 32000, 4000)},
        {"failover", .type = SL_F_STATUSES, .offset = offsetof(T, t.failover), .count = offsetof(T, t.n_failover), FITS(T, t.failover),
                .def_list = failover},
        {"redirects", CHOICE(T, t.follow_redirects, redirect_names, 0)},
        {"rel100", BOOL(T, t.rel100)},
        {"session_expires", UINT(T, t.session_expires_s, 90, DAY, 1800), .zero_ok = true},
        {"min_se", UINT(T, t.min_se_s, 90, DAY, 90)}, /* RFC 4028 4: 90 s at least */
        {"headers", GROUPS(T, t.header_rules, t.n_header_rules, header_rule)},
        {"numbers_in", GROUPS(T, t.rewrite_in, t.n_rewrite_in, rewrite)},
        {"numbers_out", GROUPS(T, t.rewrite_out, t.n_rewrite_out, rewrite)},
        {0},
};
#undef T

/* ---- routes ---- */

#define R struct sl_res_route
static const struct sl_field time_window[] = {
        {"days", TEXT(struct sl_res_time, days), .min = 3, .def_text = "mon-sun"},
        {"from", TEXT(struct sl_res_time, from), .min = 5, .def_text = "00:00", .check = sl_check_clock},
        {"to", TEXT(struct sl_res_time, to), .min = 5, .def_text = "24:00", .check = sl_check_clock},
        {0},
};
static const char *const to_names[] = {[SL_ROUTE_TRUNKS] = "trunks", [SL_ROUTE_LOCAL] = "local", [SL_ROUTE_REJECT] = "reject", NULL};
static const struct sl_field route_fields[] = {
        {"name", TEXT(R, r.name), .required = true, .check = sl_check_name},
        {"tenant", TEXT(R, tenant), .required = true, .check = sl_check_name},
        {"prefix", TEXT(R, r.prefix), .check = sl_check_prefix},
        {"match", TEXT(R, r.match.match), .check = sl_check_regex},
        {"source", TEXT(R, source), .min = 1, .def_text = "any"},
        {"caller_prefix", TEXT(R, r.caller_prefix), .check = sl_check_prefix},
        {"times", GROUPS(R, times, n_times, time_window)},
        {"zone", TEXT(R, r.zone), .min = 1, .def_text = "UTC", .check = sl_check_zone},
        {"priority", UINT(R, r.priority, 0, PRIORITY_MAX, 100)},
        {"weight", UINT(R, r.weight, 0, PRIORITY_MAX, 1)},
        {"cost", .type = SL_F_COST, .offset = offsetof(R, r.cost_micro), .max = COST_MAX},
        {"to", CHOICE(R, r.to, to_names, SL_ROUTE_TRUNKS)},
        {"trunks", TEXTS(R, trunks, n_trunks), FITS(R, trunks), .check = sl_check_name},
        {"status", UINT(R, r.reject_status, STATUS_FIRST, STATUS_LAST, 404), .given = offsetof(R, has_status)},
        {"reason", TEXT(R, r.reject_reason), .check = sl_check_reason},
        {"numbers", GROUPS(R, r.rewrites, r.n_rewrites, rewrite)},
        {"limits", GROUP(R, r.limits, limits)},
        {0},
};
#undef R

/* ---- tokens ---- */

#define K struct sl_res_token
static const struct sl_field token_fields[] = {
        {"name", TEXT(K, name), .required = true, .check = sl_check_name},
        {"secret", TEXT(K, secret), .min = 16, .given = offsetof(K, has_secret)},
        {"sha256", HEX(K, sha256), .given = offsetof(K, has_sha256)},
        {"scopes", TEXTS(K, scopes, n_scopes), FITS(K, scopes), .required = true},
        {"tenant", TEXT(K, tenant)},
        {0},
};
#undef K

const struct sl_kind sl_kinds[SL_PROV_N_KINDS] = {
        [SL_PROV_TENANT] = {"tenants", tenant_fields, sizeof(struct sl_prov_tenant), NULL, NULL},
        [SL_PROV_DOMAIN] = {"domains", domain_fields, sizeof(struct sl_res_domain), sl_finish_domain, NULL},
        [SL_PROV_USER] = {"users", user_fields, sizeof(struct sl_res_user), sl_finish_user, NULL},
        [SL_PROV_TRUNK] = {"trunks", trunk_fields, sizeof(struct sl_res_trunk), sl_finish_trunk, sl_free_trunk},
        [SL_PROV_ROUTE] = {"routes", route_fields, sizeof(struct sl_res_route), sl_finish_route, sl_free_route},
        [SL_PROV_TOKEN] = {"tokens", token_fields, sizeof(struct sl_res_token), sl_finish_token, NULL},
};

int sl_prov_kind_of(const char *text)
{
	for (int i = 0; i < SL_PROV_N_KINDS; i++) {
		if (strcmp(sl_kinds[i].text, text) == 0)
			return i;
	}
	return -1;
}
