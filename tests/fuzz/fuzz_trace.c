/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "controlplane/report/ladder.h"
#include "controlplane/report/json_text.h"
#include "controlplane/report/trace_blank.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

/* Blanking writes 'x' and nothing else, keeps lines, and has nothing to do twice. */
static void check_blank(const uint8_t *data, size_t size)
{
	char *once = malloc(size + 1), *twice = malloc(size + 1);

	memcpy(once, data, size);
	sl_trace_blank(once, size);
	memcpy(twice, once, size);
	sl_trace_blank(twice, size);
	for (size_t i = 0; i < size; i++) {
		SL_FUZZ_CHECK(once[i] == (char)data[i] || (once[i] == 'x' && data[i] != '\r' && data[i] != '\n' && data[i] != ' '));
		SL_FUZZ_CHECK(once[i] == twice[i]);
	}
	free(once);
	free(twice);
}

/* Whatever a message says, the picture keeps its width and has nothing that steers a terminal. */
static void check_ladder(const uint8_t *data, size_t size, unsigned width)
{
	json_t *trace = json_array(), *call;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	for (int i = 0; i < 3; i++)
		json_array_append_new(trace,
		        json_pack("{s:s, s:I, s:s, s:s, s:o}", "kind", i ? "sip_in" : "sip_out", "unix_us", (json_int_t)i * 1000, "leg", i == 2 ? "LE2" : "",
		                "remote", "192.0.2.1:5060", "text", sl_json_text((const char *)data, size)));
	call = json_pack("{s:o, s:o}", "from", sl_json_text((const char *)data, size < 40 ? size : 40), "trace", trace);
	sl_ladder_draw(f, call, width);
	fclose(f);
	for (size_t i = 0; i < len; i++)
		SL_FUZZ_CHECK((text[i] >= 0x20 && text[i] < 0x7f) || text[i] == '\n');
	free(text);
	json_decref(call);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	check_blank(data + 1, size - 1);
	check_ladder(data + 1, size - 1, data[0]);
	return 0;
}
