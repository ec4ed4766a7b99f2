/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* SRTP by a DPDK cryptodev: hardware, or any PMD. A burst is enqueued and dequeued at once; a device that
 * stops answering stops the worker, which its watchdog sees.
 *
 * Devices take one message in one piece, so the ROC is written behind the packet. They want the length of an
 * AEAD's header when a session is made: packets with a longer one than the bare 12 bytes, and those without
 * payload, are libcrypto's. */

#define ALLOW_EXPERIMENTAL_API    /* rte_cryptodev_sym_session_pool_create(): so marked, as is no other way to \
                                     make sessions */

#include <errno.h>
#include <stdio.h>

#include <rte_crypto.h>
#include <rte_cryptodev.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include "drivers/srtp_cryptodev.h"
#include "drivers/srtp_soft.h"

enum {
	DESCRIPTORS = 256,
	SESSIONS_PER_CONTEXT = 2, /* a context is not told whether it will protect or unprotect */
	HEADER_BYTES = 12,
	NAME_MAX_BYTES = 64,
};

/* Behind each crypto op. */
struct scratch {
	uint8_t iv[SL_SRTP_CM_IV];
	uint8_t digest[24]; /* what the device made, or shall compare with */
	struct sl_srtp_op *op;
};
enum { SCRATCH_AT = sizeof(struct rte_crypto_op) + sizeof(struct rte_crypto_sym_op) };

struct context {
	struct sl_srtp_context common;
	struct sl_srtp_session_keys keys;
	void *out, *in; /* NULL: libcrypto does it */
};

struct engine {
	struct sl_srtp base;
	uint8_t device;
	uint16_t queue;
	bool device_verifies; /* hardware compares tags; we compare those of software, in constant time */
	struct rte_mempool *sessions, *op_pool;
	struct rte_crypto_op *op[SL_SRTP_BURST];
	struct rte_mbuf
	        shell[SL_SRTP_BURST]; /* devices want mbufs: these are put around the caller's packets */
};

static struct engine *engine_of(struct sl_srtp *s)
{
	return (struct engine *)s;
}

static struct scratch *scratch_of(struct rte_crypto_op *op)
{
	return rte_crypto_op_ctod_offset(op, struct scratch *, SCRATCH_AT);
}

/* ---- contexts ---- */

static size_t context_bytes(const struct sl_srtp *s, enum sl_srtp_kind kind)
{
	(void)s;
	(void)kind;
	return RTE_CACHE_LINE_ROUNDUP(sizeof(struct context));
}

static void *aead_session(const struct engine *e, const struct context *c, bool protect)
{
	struct rte_crypto_sym_xform x = {
	        .type = RTE_CRYPTO_SYM_XFORM_AEAD,
	        .aead =
	                {
	                        .op = protect ? RTE_CRYPTO_AEAD_OP_ENCRYPT : RTE_CRYPTO_AEAD_OP_DECRYPT,
	                        .algo = RTE_CRYPTO_AEAD_AES_GCM,
	                        .key = {c->keys.key, sl_srtp_suite_info(c->common.suite)->key_len},
	                        .iv = {SCRATCH_AT + offsetof(struct scratch, iv), SL_SRTP_GCM_IV},
	                        .digest_length = SL_SRTP_GCM_TAG,
	                        .aad_length = HEADER_BYTES,
	                },
	};

	return rte_cryptodev_sym_session_create(e->device, &x, e->sessions);
}

/* Encrypt, then authenticate; the other way round on the way in. Either may be missing, not both. A PMD that
 * makes the tag (we compare) must encrypt too, which in counter mode is the same as to decrypt. */
static void *cm_session(const struct engine *e, const struct context *c, bool protect)
{
	bool plain = c->common.flags & SL_SRTP_PLAIN_RTP, bare = c->common.flags & SL_SRTP_PLAIN_AUTH;
	bool generate = protect || !e->device_verifies;
	struct rte_crypto_sym_xform cipher = {
	        .type = RTE_CRYPTO_SYM_XFORM_CIPHER,
	        .cipher =
	                {
	                        .op = generate ? RTE_CRYPTO_CIPHER_OP_ENCRYPT : RTE_CRYPTO_CIPHER_OP_DECRYPT,
	                        .algo = RTE_CRYPTO_CIPHER_AES_CTR,
	                        .key = {c->keys.key, sl_srtp_suite_info(c->common.suite)->key_len},
	                        .iv = {SCRATCH_AT + offsetof(struct scratch, iv), SL_SRTP_CM_IV},
	                },
	};
	struct rte_crypto_sym_xform auth = {
	        .type = RTE_CRYPTO_SYM_XFORM_AUTH,
	        .auth =
	                {
	                        .op = generate ? RTE_CRYPTO_AUTH_OP_GENERATE : RTE_CRYPTO_AUTH_OP_VERIFY,
	                        .algo = RTE_CRYPTO_AUTH_SHA1_HMAC,
	                        .key = {c->keys.auth, SL_SRTP_AUTH_BYTES},
	                        .digest_length = c->common.tag_len,
	                },
	};

	if (!plain && !bare)
		*(protect ? &cipher.next : &auth.next) = protect ? &auth : &cipher;
	return rte_cryptodev_sym_session_create(
	        e->device, plain || (!bare && !protect) ? &auth : &cipher, e->sessions);
}

static void context_end(struct sl_srtp *s, struct sl_srtp_context *ctx)
{
	struct context *c = (struct context *)ctx;

	if (c->out)
		rte_cryptodev_sym_session_free(engine_of(s)->device, c->out);
	if (c->in)
		rte_cryptodev_sym_session_free(engine_of(s)->device, c->in);
	c->out = c->in = NULL;
}

static int context_init(
        struct sl_srtp *s, struct sl_srtp_context *ctx, const struct sl_srtp_session_keys *keys)
{
	const struct engine *e = engine_of(s);
	struct context *c = (struct context *)ctx;
	bool plain = ctx->flags & SL_SRTP_PLAIN_RTP;

	c->keys = *keys;
	if (sl_srtp_suite_info(ctx->suite)->aead) {
		if (plain)
			return 0;
		c->out = aead_session(e, c, true);
		c->in = aead_session(e, c, false);
	} else {
		if (plain && ctx->flags & SL_SRTP_PLAIN_AUTH)
			return 0;
		c->out = cm_session(e, c, true);
		c->in = cm_session(e, c, false);
	}
	if (c->out && c->in)
		return 0;
	context_end(s, ctx);
	return -ENOSPC;
}

/* ---- bursts ---- */

static rte_iova_t iova_of(const void *p)
{
	return rte_eal_iova_mode() == RTE_IOVA_VA ? (rte_iova_t)(uintptr_t)p : rte_mem_virt2iova(p);
}

/* Crypto op number i around a packet. */
static struct rte_crypto_op *wrap(struct engine *e, unsigned i, struct sl_srtp_op *op, void *session)
{
	struct rte_crypto_op *cop = e->op[i];
	struct rte_mbuf *m = &e->shell[i];
	unsigned room = op->len + (unsigned)SL_SRTP_TAIL_MAX;

	m->buf_addr = op->rtp;
	m->buf_iova = iova_of(op->rtp);
	m->buf_len = m->data_len = (uint16_t)room;
	m->pkt_len = room;
	cop->status = RTE_CRYPTO_OP_STATUS_NOT_PROCESSED;
	cop->sess_type = RTE_CRYPTO_OP_WITH_SESSION;
	cop->sym->session = session;
	cop->sym->m_src = m;
	scratch_of(cop)->op = op;
	return cop;
}

static void fill_cm(struct rte_crypto_op *cop, const struct context *c, const struct sl_srtp_op *op)
{
	struct rte_crypto_sym_op *sym = cop->sym;
	struct scratch *x = scratch_of(cop);

	sl_srtp_cm_iv(x->iv, c->keys.salt, op->rtp + SL_RTP_SSRC_AT, op->index);
	sym->cipher.data.offset = op->header_len;
	sym->cipher.data.length = op->len - op->header_len;
	memcpy(x->digest, op->rtp + op->len + c->common.mki_len,
	        SL_SRTP_CM_TAG_WORDS); /* before the ROC covers it */
	sl_srtp_put_roc(op->rtp + op->len, op->index);
	sym->auth.data.offset = 0;
	sym->auth.data.length = op->len + (uint32_t)SL_SRTP_ROC_BYTES;
	sym->auth.digest.data = x->digest;
	sym->auth.digest.phys_addr =
	        rte_crypto_op_ctophys_offset(cop, SCRATCH_AT + offsetof(struct scratch, digest));
}

static void fill_aead(struct rte_crypto_op *cop, const struct context *c, const struct sl_srtp_op *op)
{
	struct rte_crypto_sym_op *sym = cop->sym;

	sl_srtp_gcm_iv(scratch_of(cop)->iv, c->keys.salt, op->rtp + SL_RTP_SSRC_AT, op->index);
	sym->aead.data.offset = op->header_len;
	sym->aead.data.length = op->len - op->header_len;
	sym->aead.aad.data = op->rtp;
	sym->aead.aad.phys_addr = sym->m_src->buf_iova;
	sym->aead.digest.data = op->rtp + op->len;
	sym->aead.digest.phys_addr = sym->m_src->buf_iova + op->len;
}

static bool device_can(const struct sl_srtp_op *op, bool aead)
{
	return op->len > op->header_len && (!aead || op->header_len == HEADER_BYTES);
}

/* n crypto ops of e->op there and back, in any order. */
static void run(const struct engine *e, struct rte_crypto_op **done, unsigned n)
{
	struct rte_crypto_op *todo[SL_SRTP_BURST];
	unsigned sent = 0, got = 0;

	memcpy(todo, e->op, n * sizeof *todo);
	while (got < n) {
		if (sent < n)
			sent += rte_cryptodev_enqueue_burst(
			        e->device, e->queue, todo + sent, (uint16_t)(n - sent));
		got += rte_cryptodev_dequeue_burst(e->device, e->queue, done + got, (uint16_t)(n - got));
	}
}

static void protect(struct sl_srtp *s, struct sl_srtp_op *ops, unsigned n)
{
	struct engine *e = engine_of(s);
	struct rte_crypto_op *done[SL_SRTP_BURST];
	unsigned n_device = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct context *c = (const struct context *)ops[i].ctx;
		bool aead = sl_srtp_suite_info(c->common.suite)->aead;
		ops[i].status = 0;
		if (!sl_srtp_fits_protect(&ops[i]))
			ops[i].status = -EMSGSIZE;
		else if (c->out && device_can(&ops[i], aead))
			(aead ? fill_aead : fill_cm)(wrap(e, n_device++, &ops[i], c->out), c, &ops[i]);
		else
			sl_srtp_soft_protect(&s->bare, &c->keys, &ops[i]);
	}
	run(e, done, n_device);
	for (unsigned i = 0; i < n_device; i++) {
		const struct scratch *x = scratch_of(done[i]);
		if (done[i]->status != RTE_CRYPTO_OP_STATUS_SUCCESS)
			x->op->status = -EIO;
		if (sl_srtp_suite_info(x->op->ctx->suite)->aead)
			sl_srtp_append_aead(x->op);
		else
			sl_srtp_append_cm(x->op, x->digest);
	}
}

/* A device that generates leaves its tag in the scratch; theirs was put aside. */
static void unprotect(struct sl_srtp *s, struct sl_srtp_op *ops, unsigned n)
{
	struct engine *e = engine_of(s);
	struct rte_crypto_op *done[SL_SRTP_BURST];
	uint8_t theirs[SL_SRTP_BURST][SL_SRTP_CM_TAG_WORDS];
	unsigned n_device = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct context *c = (const struct context *)ops[i].ctx;
		bool aead = sl_srtp_suite_info(c->common.suite)->aead;
		ops[i].status = 0;
		if (!sl_srtp_cut_tail(&ops[i])) {
			ops[i].status = -EMSGSIZE;
			continue;
		}
		memcpy(theirs[i], ops[i].rtp + ops[i].len + c->common.mki_len, sizeof theirs[i]);
		if (c->in && device_can(&ops[i], aead))
			(aead ? fill_aead : fill_cm)(wrap(e, n_device++, &ops[i], c->in), c, &ops[i]);
		else
			sl_srtp_soft_unprotect(&s->bare, &c->keys, &ops[i]);
	}
	run(e, done, n_device);
	for (unsigned i = 0; i < n_device; i++) {
		const struct scratch *x = scratch_of(done[i]);
		const struct sl_srtp_context *c = x->op->ctx;
		bool compare = !e->device_verifies && !sl_srtp_suite_info(c->suite)->aead;
		if (done[i]->status != RTE_CRYPTO_OP_STATUS_SUCCESS ||
		        (compare && !sl_srtp_tag_is(x->digest, theirs[x->op - ops], c->tag_len)))
			x->op->status = -EBADMSG;
	}
}

/* ---- device ---- */

static int find_device(const struct sl_srtp_options *o, uint8_t *device, char *err, size_t err_len)
{
	char name[NAME_MAX_BYTES], whole[2 * NAME_MAX_BYTES];
	const char *comma = strchr(o->device, ',');
	int id, rc;

	snprintf(name, sizeof name, "%.*s", comma ? (int)(comma - o->device) : NAME_MAX_BYTES - 1, o->device);
	id = rte_cryptodev_get_dev_id(name);
	if (id < 0) {
		snprintf(whole, sizeof whole, "%.63s,max_nb_queue_pairs=%u", o->device, o->n_workers);
		rc = rte_dev_probe(comma ? o->device : whole);
		id = rte_cryptodev_get_dev_id(name);
		if (rc != 0 || id < 0) {
			snprintf(err, err_len,
			        "EAL has no crypto device %s and cannot make one (%s): is its driver "
			        "installed?",
			        name, strerror(rc < 0 ? -rc : ENODEV));
			return -ENOTSUP;
		}
	}
	*device = (uint8_t)id;
	return 0;
}

static bool has_suites(uint8_t device)
{
	const struct rte_cryptodev_sym_capability_idx ctr = {.type = RTE_CRYPTO_SYM_XFORM_CIPHER,
	                                                      .algo.cipher = RTE_CRYPTO_CIPHER_AES_CTR},
	                                              hmac = {.type = RTE_CRYPTO_SYM_XFORM_AUTH,
	                                                      .algo.auth = RTE_CRYPTO_AUTH_SHA1_HMAC},
	                                              gcm = {.type = RTE_CRYPTO_SYM_XFORM_AEAD,
	                                                      .algo.aead = RTE_CRYPTO_AEAD_AES_GCM};
	const struct rte_cryptodev_symmetric_capability *c;
	bool ok = true;

	for (uint16_t key = 16; key <= 32; key += 8) {
		c = rte_cryptodev_sym_capability_get(device, &ctr);
		ok = ok && c && rte_cryptodev_sym_capability_check_cipher(c, key, SL_SRTP_CM_IV) == 0;
		c = rte_cryptodev_sym_capability_get(device, &gcm);
		ok = ok && c &&
		     (key == 24 || rte_cryptodev_sym_capability_check_aead(
		                           c, key, SL_SRTP_GCM_TAG, HEADER_BYTES, SL_SRTP_GCM_IV) == 0);
	}
	c = rte_cryptodev_sym_capability_get(device, &hmac);
	return ok && c && rte_cryptodev_sym_capability_check_auth(c, SL_SRTP_AUTH_BYTES, 4, 0) == 0 &&
	       rte_cryptodev_sym_capability_check_auth(c, SL_SRTP_AUTH_BYTES, 10, 0) == 0;
}

/* The first engine starts the device with a queue pair for each worker. */
static int start_device(const struct engine *e, const struct sl_srtp_options *o, char *err, size_t err_len)
{
	struct rte_cryptodev_config config = {
	        .socket_id = rte_cryptodev_socket_id(e->device), .nb_queue_pairs = (uint16_t)o->n_workers};
	const struct rte_cryptodev_qp_conf queue = {.nb_descriptors = DESCRIPTORS};
	unsigned there = rte_cryptodev_queue_pair_count(e->device);
	int rc;

	if (there > o->worker)
		return 0;
	if (there > 0) {
		snprintf(err, err_len, "crypto device %s runs with %u queue pairs: worker %u has none",
		        o->device, there, o->worker);
		return -ENOTSUP;
	}
	rc = rte_cryptodev_configure(e->device, &config);
	for (unsigned q = 0; q < o->n_workers && rc == 0; q++)
		rc = rte_cryptodev_queue_pair_setup(e->device, (uint16_t)q, &queue, config.socket_id);
	if (rc == 0)
		rc = rte_cryptodev_start(e->device);
	if (rc != 0)
		snprintf(err, err_len, "crypto device %s does not start with %u queue pairs: %s", o->device,
		        o->n_workers, strerror(-rc));
	return rc ? -ENOTSUP : 0;
}

static int make_pools(struct engine *e, const struct sl_srtp_options *o, char *err, size_t err_len)
{
	int socket = rte_cryptodev_socket_id(e->device);
	char name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof name, "srtp_session_%u_%u", e->device, o->worker);
	e->sessions = rte_cryptodev_sym_session_pool_create(name, SESSIONS_PER_CONTEXT * o->n_contexts,
	        rte_cryptodev_sym_get_private_session_size(e->device), 0, 0, socket);
	snprintf(name, sizeof name, "srtp_op_%u_%u", e->device, o->worker);
	e->op_pool = rte_crypto_op_pool_create(
	        name, RTE_CRYPTO_OP_TYPE_SYMMETRIC, SL_SRTP_BURST, 0, sizeof(struct scratch), socket);
	if (e->sessions && e->op_pool &&
	        rte_crypto_op_bulk_alloc(e->op_pool, RTE_CRYPTO_OP_TYPE_SYMMETRIC, e->op, SL_SRTP_BURST) ==
	                SL_SRTP_BURST)
		return 0;
	snprintf(err, err_len, "no EAL memory for %u sessions of crypto device %s: %s",
	        SESSIONS_PER_CONTEXT * o->n_contexts, o->device, rte_strerror(rte_errno));
	return -ENOMEM;
}

static void close_engine(struct sl_srtp *s)
{
	struct engine *e = engine_of(s);

	for (unsigned i = 0; i < SL_SRTP_BURST && e->op[i]; i++)
		rte_crypto_op_free(e->op[i]);
	rte_mempool_free(e->op_pool);
	rte_mempool_free(e->sessions);
}

void sl_srtp_cryptodev_verify(struct sl_srtp *s, bool device_verifies)
{
	engine_of(s)->device_verifies = device_verifies;
}

static void finish(struct engine *e)
{
	static const struct sl_srtp_engine_ops ops = {context_bytes, context_init, context_end, close_engine};
	struct rte_cryptodev_info info;

	rte_cryptodev_info_get(e->device, &info);
	e->device_verifies = info.feature_flags & RTE_CRYPTODEV_FF_HW_ACCELERATED;
	for (unsigned i = 0; i < SL_SRTP_BURST; i++) {
		e->shell[i].nb_segs = 1;
		rte_mbuf_refcnt_set(&e->shell[i], 1);
	}
	e->base.engine = &ops;
	e->base.protect = protect;
	e->base.unprotect = unprotect;
	snprintf(e->base.describe, sizeof e->base.describe, "cryptodev %.40s (%.20s), queue pair %u",
	        rte_cryptodev_name_get(e->device), info.driver_name, e->queue);
}

int sl_srtp_cryptodev_open(struct sl_srtp **out, const struct sl_srtp_options *o, char *err, size_t err_len)
{
	struct engine *e;
	int rc;

	if (rte_eal_iova_mode() == RTE_IOVA_DC || !o->device || !*o->device) {
		snprintf(err, err_len,
		        o->device && *o->device ? "EAL is not running"
		                                : "which crypto device? None is named");
		return -ENOTSUP;
	}
	e = (struct engine *)sl_srtp_alloc(o, sizeof *e);
	if (!e) {
		snprintf(err, err_len, "no memory for the engine of crypto device %s", o->device);
		return -ENOMEM;
	}
	e->queue = (uint16_t)o->worker;
	rc = find_device(o, &e->device, err, err_len);
	if (!rc && !has_suites(e->device)) {
		snprintf(err, err_len,
		        "crypto device %s cannot do AES-CTR, HMAC-SHA1 with short tags and AES-GCM",
		        o->device);
		rc = -ENOTSUP;
	}
	if (!rc)
		rc = start_device(e, o, err, err_len);
	if (!rc)
		rc = make_pools(e, o, err, err_len);
	if (rc) {
		close_engine(&e->base);
		sl_srtp_free(&e->base);
		return rc;
	}
	finish(e);
	*out = &e->base;
	return 0;
}
