/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A resource: from JSON to what the rest works with, and back. */

#include "controlplane/provision/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

static void put_hex(json_t *object, const char *name, const uint8_t *data, size_t n)
{
	char text[2 * 32 + 1];

	sl_hex(data, n, text);
	json_object_set_new(object, name, json_string(text));
	OPENSSL_cleanse(text, sizeof text);
}

/* A password in object becomes what is kept of it. */
static void hide_password(json_t *object, const struct sl_res_secret *s, const uint8_t *md5, const uint8_t *sha256)
{
	if (!s->has_password)
		return;
	sl_wipe_member(object, "password");
	put_hex(object, "ha1_md5", md5, 16);
	put_hex(object, "ha1_sha256", sha256, 32);
}

static void hide_secrets(enum sl_prov_kind kind, void *raw, json_t *object, bool *keeps)
{
	if (kind == SL_PROV_USER) {
		struct sl_res_user *r = raw;

		hide_password(object, &r->secret, r->u.ha1_md5, r->u.ha1_sha256);
		*keeps = !r->secret.has_password && !r->secret.has_md5;
	} else if (kind == SL_PROV_TRUNK) {
		struct sl_res_trunk *r = raw;

		hide_password(json_object_get(object, "auth"), &r->secret, r->t.ha1_md5, r->t.ha1_sha256);
		*keeps = r->has_auth && !r->secret.has_password && !r->secret.has_md5;
		OPENSSL_cleanse(&r->secret, sizeof r->secret.password);
	} else if (kind == SL_PROV_TOKEN) {
		struct sl_res_token *r = raw;

		if (r->has_secret) {
			sl_wipe_member(object, "secret");
			put_hex(object, "sha256", r->sha256, sizeof r->sha256);
			OPENSSL_cleanse(r->secret, sizeof r->secret);
		}
		*keeps = !r->has_secret && !r->has_sha256;
	}
}

static void full_name(enum sl_prov_kind kind, const void *raw, char out[SL_PROV_FULL_NAME_MAX + 1])
{
	const struct sl_res_user *u = raw;

	switch (kind) {
	case SL_PROV_USER:
		snprintf(out, SL_PROV_FULL_NAME_MAX + 1, "%s@%s", u->u.name, u->u.domain);
		break;
	case SL_PROV_TENANT:
		snprintf(out, SL_PROV_FULL_NAME_MAX + 1, "%s", ((const struct sl_prov_tenant *)raw)->name);
		break;
	case SL_PROV_DOMAIN:
		snprintf(out, SL_PROV_FULL_NAME_MAX + 1, "%s", ((const struct sl_res_domain *)raw)->d.name);
		break;
	case SL_PROV_TRUNK:
		snprintf(out, SL_PROV_FULL_NAME_MAX + 1, "%s", ((const struct sl_res_trunk *)raw)->t.name);
		break;
	case SL_PROV_ROUTE:
		snprintf(out, SL_PROV_FULL_NAME_MAX + 1, "%s", ((const struct sl_res_route *)raw)->r.name);
		break;
	default:
		snprintf(out, SL_PROV_FULL_NAME_MAX + 1, "%s", ((const struct sl_res_token *)raw)->name);
	}
}

static void free_raw(enum sl_prov_kind kind, void *raw)
{
	if (sl_kinds[kind].free)
		sl_kinds[kind].free(raw);
	sl_fields_free(sl_kinds[kind].fields, raw);
	OPENSSL_cleanse(raw, sl_kinds[kind].size);
	free(raw);
}

/* Of a user only the object itself is kept. */
static void *keep(enum sl_prov_kind kind, void *raw)
{
	struct sl_prov_user *u;

	if (kind != SL_PROV_USER)
		return raw;
	if ((u = malloc(sizeof *u)) == NULL) {
		free_raw(kind, raw);
		return NULL;
	}
	*u = ((struct sl_res_user *)raw)->u;
	u->refs = 1;
	OPENSSL_cleanse(raw, sl_kinds[kind].size);
	free(raw);
	return u;
}

struct sl_resource *sl_resource_parse(enum sl_prov_kind kind, json_t *object, unsigned line, struct sl_field_error *e)
{
	const struct sl_kind *k = &sl_kinds[kind];
	char name[SL_PROV_FULL_NAME_MAX + 1];
	bool keeps = false;

	*e = (struct sl_field_error){.line = line};
	void *raw = calloc(1, k->size);
	if (!raw) {
		sl_field_fail(e, "", "no memory left");
		return NULL;
	}
	int rc = sl_fields_read(k->fields, object, raw, e);
	if (rc == 0 && k->finish)
		rc = k->finish(raw, e);
	hide_secrets(kind, raw, object, &keeps);
	if (rc < 0) {
		free_raw(kind, raw);
		return NULL;
	}
	full_name(kind, raw, name);
	struct sl_resource *r = calloc(1, sizeof *r + strlen(name) + 1);
	if ((raw = keep(kind, raw)) == NULL || !r) {
		if (raw && kind == SL_PROV_USER)
			sl_prov_user_unref(raw);
		else if (raw)
			free_raw(kind, raw);
		free(r);
		sl_field_fail(e, "", "no memory left");
		return NULL;
	}
	r->refs = 1;
	r->kind = kind;
	r->line = line;
	r->config = line > 0;
	r->keeps_secret = keeps;
	r->raw = raw;
	strcpy(r->name, name);
	return r;
}

static int missing(struct sl_field_error *e, const char *field, const char *what)
{
	return sl_field_fail(e, field, "is missing%s", what);
}

int sl_resource_keep_secret(struct sl_resource *r, const struct sl_resource *before, json_t *object, struct sl_field_error *e)
{
	if (!r->keeps_secret)
		return 0;
	if (r->kind == SL_PROV_USER) {
		struct sl_prov_user *u = r->raw;

		if (!before)
			return missing(e, "password", ", as are ha1_md5 and ha1_sha256");
		memcpy(u->ha1_md5, sl_resource_user(before)->ha1_md5, sizeof u->ha1_md5);
		memcpy(u->ha1_sha256, sl_resource_user(before)->ha1_sha256, sizeof u->ha1_sha256);
		put_hex(object, "ha1_md5", u->ha1_md5, sizeof u->ha1_md5);
		put_hex(object, "ha1_sha256", u->ha1_sha256, sizeof u->ha1_sha256);
	} else if (r->kind == SL_PROV_TRUNK) {
		struct sl_prov_trunk *t = &((struct sl_res_trunk *)r->raw)->t;
		const struct sl_prov_trunk *old = before ? &((const struct sl_res_trunk *)before->raw)->t : NULL;

		if (!old || !old->has_auth || strcmp(old->username, t->username) != 0 || strcmp(old->realm, t->realm) != 0)
			return missing(e, "auth.password", ", as are ha1_md5 and ha1_sha256");
		memcpy(t->ha1_md5, old->ha1_md5, sizeof t->ha1_md5);
		memcpy(t->ha1_sha256, old->ha1_sha256, sizeof t->ha1_sha256);
		put_hex(json_object_get(object, "auth"), "ha1_md5", t->ha1_md5, sizeof t->ha1_md5);
		put_hex(json_object_get(object, "auth"), "ha1_sha256", t->ha1_sha256, sizeof t->ha1_sha256);
	} else {
		struct sl_res_token *t = r->raw;

		if (!before)
			return missing(e, "secret", "; at least 16 bytes");
		memcpy(t->sha256, ((const struct sl_res_token *)before->raw)->sha256, sizeof t->sha256);
		put_hex(object, "sha256", t->sha256, sizeof t->sha256);
	}
	r->keeps_secret = false;
	return 0;
}

int sl_resource_seal(struct sl_resource *r, json_t *object)
{
	free(r->text);
	r->text = json_dumps(object, JSON_COMPACT);
	return r->text ? 0 : -ENOMEM;
}

struct sl_resource *sl_resource_ref(struct sl_resource *r)
{
	r->refs++;
	return r;
}

void sl_resource_unref(struct sl_resource *r)
{
	if (!r || --r->refs)
		return;
	if (r->text)
		OPENSSL_cleanse(r->text, strlen(r->text));
	free(r->text);
	if (r->kind == SL_PROV_USER)
		sl_prov_user_unref(r->raw);
	else
		free_raw(r->kind, r->raw);
	free(r);
}

const char *sl_resource_tenant(const struct sl_resource *r)
{
	switch (r->kind) {
	case SL_PROV_TENANT:
		return r->name;
	case SL_PROV_DOMAIN:
		return ((const struct sl_res_domain *)r->raw)->tenant;
	case SL_PROV_USER:
		return sl_resource_user(r)->tenant;
	case SL_PROV_TRUNK:
		return ((const struct sl_res_trunk *)r->raw)->tenant;
	case SL_PROV_ROUTE:
		return ((const struct sl_res_route *)r->raw)->tenant;
	default:
		return ((const struct sl_res_token *)r->raw)->tenant;
	}
}

json_t *sl_resource_show(const struct sl_resource *r)
{
	json_t *object = json_loads(r->text, 0, NULL);

	for (json_t *o = object; o; o = o == object ? json_object_get(object, "auth") : NULL) {
		sl_wipe_member(o, "ha1_md5");
		sl_wipe_member(o, "ha1_sha256");
		sl_wipe_member(o, "sha256");
	}
	return object;
}

void sl_resource_etag(const struct sl_resource *r, char etag[24])
{
	if (r->config)
		snprintf(etag, 24, "\"config\"");
	else
		snprintf(etag, 24, "\"%llu\"", (unsigned long long)r->version);
}

void sl_resource_message(enum sl_prov_kind kind, const char *name, const struct sl_field_error *e, char *text, size_t text_len)
{
	snprintf(text, text_len, "%s \"%.127s\": %s%s%s", sl_kinds[kind].text, name, e->field, e->field[0] ? ": " : "", e->text);
}
