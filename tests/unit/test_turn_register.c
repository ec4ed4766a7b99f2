/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The restricted register: sorted, each entry once, whatever order they come in. */

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/turn/desk_internal.h"

static char name[] = "alice";

static struct sl_turn_restricted prefix(uint32_t n)
{
	struct sl_turn_restricted e = {.prefix.len = 128};
	char text[40];

	snprintf(text, sizeof text, "2001:db8::%x:%x", n >> 16, n & 0xffff);
	assert_int_equal(sl_ip_parse(text, &e.prefix.ip), 0);
	return e;
}

static void the_whole_register_at_once(void **state)
{
	size_t n = SL_TURN_MAX_RESTRICTED;
	struct sl_turn_restricted *all = calloc(n, sizeof *all);
	struct desk_register r = {0};

	assert_non_null(all);
	for (size_t i = 0; i < n; i++)
		all[i] = prefix((uint32_t)(n - i)); /* the last one first */
	assert_true(desk_register_fill(&r, all, n));
	assert_int_equal(r.n, n);
	for (size_t i = 1; i < n; i++)
		assert_true(desk_compare(r.all[i - 1], r.all[i]) < 0);
	assert_non_null(desk_register_find(&r, &all[n / 2]));
	desk_register_clear(&r);
	free(all);
}

static void what_comes_twice_is_there_once(void **state)
{
	struct sl_turn_restricted all[] = {prefix(2), {.account = true, .name = name}, prefix(1), prefix(2), {.account = true, .name = name, .realm = "north.gov"},
	        {.account = true, .name = name}};
	struct desk_register r = {0};

	assert_true(desk_register_fill(&r, all, SL_COUNT(all)));
	assert_int_equal(r.n, 4);
	assert_true(r.all[2]->account && !r.all[2]->realm[0]);
	assert_string_equal(r.all[3]->realm, "north.gov");
	assert_ptr_not_equal(r.all[3]->name, name);
	desk_register_clear(&r);
}

static void one_by_one(void **state)
{
	struct desk_register r = {0};
	struct sl_turn_restricted e = prefix(7), *copy = desk_entry_copy(&e);

	assert_true(desk_register_fill(&r, NULL, 0));
	assert_int_equal(desk_register_put(&r, copy), 0);
	assert_int_equal(desk_register_put(&r, copy), 1);
	assert_ptr_equal(desk_register_take(&r, &e), copy);
	assert_null(desk_register_take(&r, &e));
	desk_entry_free(copy);
	desk_register_clear(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_whole_register_at_once),
	        cmocka_unit_test(what_comes_twice_is_there_once),
	        cmocka_unit_test(one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
