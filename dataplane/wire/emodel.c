/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/wire/emodel.h"

#include <stddef.h>
#include <strings.h>

#define R_DEFAULT 93.2  /* G.107 table 3: every parameter at its default */
#define R_MOS_MAX 100.0 /* annex B: from here on MOS is MOS_MAX */
#define MOS_MIN 1.0
#define MOS_MAX 4.5
#define IE_ALL 95.0     /* G.107 7.5: the impairment that losses tend to */
#define FRAME_MS 20.0
#define BUFFER_JITTERS 2.0

/* Equipment impairment and packet-loss robustness (G.113 appendix I). */
static const struct {
	double ie, bpl;
} codecs[SL_EMODEL_CODECS] = {
	[SL_EMODEL_OTHER] = {0, 10.0},
	[SL_EMODEL_G711] = {0, 25.1},
	[SL_EMODEL_G729] = {11, 19.0},
	[SL_EMODEL_G722] = {0, 25.1},
};

enum sl_emodel_codec sl_emodel_codec(const char *encoding)
{
	static const struct {
		const char *name;
		enum sl_emodel_codec codec;
	} names[] = {{"PCMU", SL_EMODEL_G711}, {"PCMA", SL_EMODEL_G711}, {"G729", SL_EMODEL_G729},
		{"G722", SL_EMODEL_G722}};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcasecmp(encoding, names[i].name) == 0)
			return names[i].codec;
	return SL_EMODEL_OTHER;
}

double sl_emodel_delay_ms(uint32_t rtt_us, uint32_t jitter_us)
{
	return rtt_us / 2000.0 + BUFFER_JITTERS * jitter_us / 1000.0 + FRAME_MS;
}

/* Cole and Rosenbluth's fit to G.107 7.4 with default echo: flat at first, steeper once people talk over each other. */
static double delay_impairment(double delay_ms)
{
	const double slope = 0.024, knee_ms = 177.3, more = 0.11;
	return slope * delay_ms + (delay_ms > knee_ms ? more * (delay_ms - knee_ms) : 0);
}

double sl_emodel_r(enum sl_emodel_codec codec, double loss, double delay_ms)
{
	double percent = loss < 0 ? 0 : loss > 1 ? 100 : loss * 100;
	double ie = codecs[codec].ie;
	double effective = ie + (IE_ALL - ie) * percent / (percent + codecs[codec].bpl); /* G.107 7.5 */
	double r = R_DEFAULT - delay_impairment(delay_ms) - effective;
	return r < 0 ? 0 : r;
}

double sl_emodel_mos(double r)
{
	if (r <= 0)
		return MOS_MIN;
	if (r >= R_MOS_MAX)
		return MOS_MAX;
	double mos = 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6;
	return mos < MOS_MIN ? MOS_MIN : mos; /* the cubic dips below 1 for R under 6.5 */
}
