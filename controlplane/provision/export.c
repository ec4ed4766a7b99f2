/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Everything of the store, out: as JSON values, or as text that the store's thread writes. */

#include "controlplane/provision/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

json_t *sl_prov_export(const struct sl_prov *p)
{
	json_t *all = json_object();

	for (unsigned k = 0; k < SL_PROV_N_KINDS; k++) {
		const struct sl_resource_list *l = &p->set.kinds[k];
		json_t *list = json_array();

		for (size_t i = 0; i < l->n; i++) {
			if (!l->v[i]->config)
				json_array_append_new(list, json_loads(l->v[i]->text, 0, NULL));
		}
		json_object_set_new(all, sl_kinds[k].text, list);
	}
	return all;
}

struct export {
	char *text;
	size_t len;
	sl_prov_exported done;
	void *ctx;
};

static int write_text(struct sl_store_db *db, void *arg, char *text)
{
	struct export *x = arg;
	FILE *f = open_memstream(&x->text, &x->len);
	int rc = f ? sl_rows_print(db, f, text) : -ENOMEM;

	if (f && fclose(f) != 0)
		rc = -ENOMEM;
	return rc;
}

static void written(void *arg, int error, const char *text)
{
	struct export *x = arg;

	if (error) {
		sl_prov_text_free(x->text, x->len);
		x->text = NULL;
	}
	x->done(x->ctx, error, x->text, error ? 0 : x->len);
	free(x);
}

void sl_prov_export_text(struct sl_prov *p, sl_prov_exported done, void *ctx)
{
	struct export *x = calloc(1, sizeof *x);
	int rc = !x ? -ENOMEM : !p->store ? -ENODEV : 0;

	if (rc == 0) {
		x->done = done;
		x->ctx = ctx;
		rc = sl_store_submit(p->store, write_text, written, x);
	}
	if (rc < 0) {
		free(x);
		done(ctx, rc, NULL, 0);
	}
}

void sl_prov_text_free(char *text, size_t len)
{
	if (text)
		OPENSSL_cleanse(text, len); /* its hashes are as good as passwords */
	free(text);
}
