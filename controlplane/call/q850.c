/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Causes of Q.850 and statuses of SIP, by RFC 3398 7.2.4.1 and 8.2.6.1. */

#include "controlplane/call/call.h"

#include <stddef.h>

struct pair {
	uint16_t status;
	uint8_t q850;
};

/* 8.2.6.1: from a SIP status. */
static const struct pair of_status[] = {
        {400, 41}, {401, 21}, {402, 21}, {403, 21}, {404, 1}, {405, 63}, {406, 79}, {407, 21}, {408, 102}, {410, 22}, {413, 127},
        {414, 127}, {415, 79}, {416, 127}, {420, 127}, {421, 127}, {423, 127}, {480, 18}, {481, 41}, {482, 25}, {483, 25}, {484, 28},
        {485, 1}, {486, 17}, {487, 16}, {488, 88}, {500, 41}, {501, 79}, {502, 38}, {503, 41}, {504, 102}, {505, 127}, {513, 127},
        {600, 17}, {603, 21}, {604, 1}, {606, 88},
};

/* 7.2.4.1: from a cause. */
static const struct pair of_q850[] = {
        {404, 1}, {404, 2}, {404, 3}, {486, 17}, {480, 18}, {480, 19}, {480, 20}, {403, 21}, {410, 22}, {410, 23}, {483, 25}, {480, 26}, {502, 27},
        {484, 28}, {501, 29}, {480, 31}, {503, 34}, {503, 38}, {503, 41}, {503, 42}, {503, 47}, {403, 55}, {403, 57}, {503, 58}, {488, 65},
        {488, 70}, {501, 79}, {403, 87}, {503, 88}, {504, 102}, {500, 111}, {500, 127},
};

enum { NORMAL_CLEARING = 16, INTERWORKING = 127, LOWEST_ERROR = 300 };

uint8_t sl_q850_of_status(int status)
{
	if (status < LOWEST_ERROR)
		return NORMAL_CLEARING;
	for (size_t i = 0; i < sizeof of_status / sizeof of_status[0]; i++) {
		if (of_status[i].status == status)
			return of_status[i].q850;
	}
	return INTERWORKING;
}

int sl_status_of_q850(unsigned q850)
{
	if (q850 == NORMAL_CLEARING)
		return 200;
	for (size_t i = 0; i < sizeof of_q850 / sizeof of_q850[0]; i++) {
		if (of_q850[i].q850 == q850)
			return of_q850[i].status;
	}
	return 500;
}
