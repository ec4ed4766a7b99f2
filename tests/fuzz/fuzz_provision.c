/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A provisioned resource of each kind: taken, or refused with words. What is taken has no password left in it, and what is stored of it is
 * read again to the same name. */

#include "controlplane/provision/internal.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

static void read_again(const struct sl_resource *r)
{
	struct sl_field_error e;
	json_t *object = json_loads(r->text, 0, NULL);
	struct sl_resource *again = object ? sl_resource_parse(r->kind, object, 0, &e) : NULL;

	SL_FUZZ_CHECK(again && strcmp(again->name, r->name) == 0 && again->keeps_secret == r->keeps_secret);
	SL_FUZZ_CHECK(!json_object_get(object, "password") && !json_object_get(object, "secret"));
	sl_resource_unref(again);
	json_decref(object);
	object = sl_resource_show(r);
	SL_FUZZ_CHECK(object && !json_object_get(object, "ha1_md5") && !json_object_get(object, "sha256"));
	json_decref(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	for (unsigned kind = 0; kind < SL_PROV_N_KINDS; kind++) {
		json_t *object = json_loadb((const char *)data, len, 0, NULL);
		struct sl_field_error e;

		if (!object)
			return 0;
		struct sl_resource *r = sl_resource_parse((enum sl_prov_kind)kind, object, kind & 1, &e);
		SL_FUZZ_CHECK(r || (e.text[0] && memchr(e.text, '\0', sizeof e.text) && memchr(e.field, '\0', sizeof e.field)));
		if (r && sl_resource_seal(r, object) == 0 && !r->config)
			read_again(r);
		sl_resource_unref(r);
		json_decref(object);
	}
	return 0;
}
