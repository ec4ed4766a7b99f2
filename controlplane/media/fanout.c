/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/media/plan.h"

/* Being written: refused in words until then. */

enum sl_media_result sl_media_subscribe(struct sl_media *m, const struct sl_media_who *who, const struct sl_media_request *q,
	struct sl_media_reply *r, char *tag_out, struct sl_media_error *e)
{
	return sl_media_fail(e, SL_MEDIA_ERR_UNSUPPORTED, "subscriptions are not done yet");
}

enum sl_media_result sl_media_subscribe_answer(struct sl_media *m, const struct sl_media_request *q, struct sl_media_error *e)
{
	return sl_media_fail(e, SL_MEDIA_ERR_UNSUPPORTED, "subscriptions are not done yet");
}

enum sl_media_result sl_media_unsubscribe(struct sl_media *m, const struct sl_media_request *q, struct sl_media_error *e)
{
	return sl_media_fail(e, SL_MEDIA_ERR_UNSUPPORTED, "subscriptions are not done yet");
}

enum sl_media_result sl_media_publish(struct sl_media *m, const struct sl_media_request *q, struct sl_media_reply *r,
	struct sl_media_error *e)
{
	return sl_media_fail(e, SL_MEDIA_ERR_UNSUPPORTED, "publishing is not done yet");
}

enum sl_media_result sl_media_record(struct sl_media *m, struct sl_slice call_id, bool on, const char *format,
	const char *name, struct sl_media_error *e)
{
	return sl_media_fail(e, SL_MEDIA_ERR_UNSUPPORTED, "recording is not done yet");
}
