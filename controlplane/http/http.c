/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/http/http.h"

#include "dataplane/abi/log.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <libwebsockets.h>
#include <openssl/crypto.h>

enum {
	TOKEN_MAX = SL_HTTP_TOKEN_MAX,
	CHUNK = 32 * 1024,
	TIMEOUT_S = 20,
	/* Over TCP anybody may connect: headers come at once, or not at all. */
	TCP_TIMEOUT_S = 3,
	BODY_TIMEOUT_S = 5, /* all of a body whose sender is not known to be the administrator: drops would hold the connection for ever */
	LENGTH_DIGITS_MAX = 9,
	MAILBOX = 256,
	/* Of a body too big so much is read and thrown away, so that its sender gets to see the answer. */
	DISCARD_MAX = 16 * SL_HTTP_BODY_MAX,
};

/* What lws keeps for each connection; new for each of its requests. */
struct connection {
	unsigned slot;                     /* 1.., 0 = none yet */
	struct sl_http_request *reading;   /* body not complete */
	struct sl_http_request *answering; /* being written */
	size_t written, discarded;
	lws_usec_t body_until;             /* 0 = no end */
	bool headers_written, too_big, close_it;
};

struct sl_http {
	struct sl_http_options options;
	struct lws_context *lws;
	struct sl_mailbox *inbox, *brain;
	pthread_t thread;
	bool stop; /* the edge's thread */
	char path[108], tcp_text[SL_ADDR_TEXT_MAX];
	pthread_mutex_t token_lock;
	char token[TOKEN_MAX + 1]; /* under token_lock: the brain changes it */
	unsigned n_tcp;            /* connections over TCP */
	/* Requests under way. Answers find their connection by slot and generation: it may be gone by then.
	 */
	struct {
		struct lws *wsi;
		unsigned generation;
	} slots[1 + SL_HTTP_CONNECTIONS_MAX];
};

static void free_request(struct sl_http_request *r)
{
	if (!r)
		return;
	for (unsigned i = 0; i < r->n_args; i++)
		free(r->args[i]);
	if (r->body)
		OPENSSL_cleanse(r->body, r->body_len); /* may hold a password */
	OPENSSL_cleanse(r->token, sizeof r->token);
	free(r->body);
	free(r->answer);
	free(r);
}

const char *sl_http_arg(const struct sl_http_request *r, const char *name)
{
	size_t len = strlen(name);

	for (unsigned i = 0; i < r->n_args; i++) {
		if (strncmp(r->args[i], name, len) == 0 && r->args[i][len] == '=')
			return r->args[i] + len + 1;
	}
	return NULL;
}

/* ---- answers ---- */

static bool set_answer(struct sl_http_request *r, int status, const char *type, const char *body, size_t len)
{
	r->status = status;
	r->type = type;
	r->answer_len = len;
	r->answer = malloc(LWS_PRE + len + 1);
	if (r->answer)
		memcpy(r->answer + LWS_PRE, body, len);
	return r->answer != NULL;
}

/* The edge's thread: an answer came from the brain. */
static void take_answer(void *arg)
{
	struct sl_http_request *r = arg;
	struct sl_http *h = r->http;

	if (h->slots[r->slot].generation != r->generation || !h->slots[r->slot].wsi || !r->answer) {
		free_request(r);
		return;
	}
	struct connection *c = lws_wsi_user(h->slots[r->slot].wsi);
	c->answering = r;
	lws_callback_on_writable(h->slots[r->slot].wsi);
}

void sl_http_answer(struct sl_http_request *r, int status, const char *type, const char *body, size_t len)
{
	struct sl_http *h = r->http;

	if (r->on_answer) {
		void (*fn)(struct sl_http_request *, int, const char *, const char *, size_t) = r->on_answer;
		r->on_answer = NULL;
		fn(r, status, type, body, len);
		return;
	}
	set_answer(r, status, type, body, len);
	/* Never full: one request at most is under way for each connection. */
	if (sl_mailbox_post(h->inbox, take_answer, r) < 0) {
		free_request(r);
		return;
	}
	lws_cancel_service(h->lws);
}

/* An answer of the edge's own. */
static int refuse(
        struct lws *wsi, struct connection *c, struct sl_http_request *r, int status, const char *why)
{
	char body[160];
	int len = snprintf(body, sizeof body, "{\"error\": \"%s\"}\n", why);

	if (!set_answer(r, status, "application/json", body, (size_t)len)) {
		free_request(r);
		return -1;
	}
	c->answering = r;
	c->close_it = status == 400 || status == 413;
	lws_callback_on_writable(wsi);
	return 0;
}

static int write_headers(struct lws *wsi, const struct sl_http_request *r)
{
	unsigned char buf[LWS_PRE + 1024], *p = buf + LWS_PRE, *end = buf + sizeof buf - 1;

	if (lws_add_http_common_headers(wsi, (unsigned)r->status, r->type, r->answer_len, &p, end))
		return -1;
	if (r->status == 401 && lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_WWW_AUTHENTICATE,
	                                (const unsigned char *)"Bearer", 6, &p, end))
		return -1;
	if (r->etag[0] && lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_ETAG, (const unsigned char *)r->etag,
	                          (int)strlen(r->etag), &p, end))
		return -1;
	if (r->replayed && lws_add_http_header_by_name(wsi, (const unsigned char *)"idempotent-replayed:",
	                           (const unsigned char *)"true", 4, &p, end))
		return -1;
	if (r->no_store &&
	        lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_CACHE_CONTROL, (const unsigned char *)"no-store", 8, &p, end))
		return -1;
	return lws_finalize_write_http_header(wsi, buf + LWS_PRE, &p, end);
}

static int writeable(struct lws *wsi, struct connection *c)
{
	struct sl_http_request *r = c->answering;

	if (!r)
		return 0;
	if (!c->headers_written) {
		c->headers_written = true;
		if (write_headers(wsi, r))
			return -1;
		lws_callback_on_writable(wsi);
		return 0;
	}

	size_t left = r->answer_len - c->written;
	size_t n = left < CHUNK ? left : CHUNK;
	bool last = n == left;
	if (lws_write(wsi, (unsigned char *)r->answer + LWS_PRE + c->written, n,
	            last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) != (int)n)
		return -1;
	c->written += n;
	if (!last) {
		lws_callback_on_writable(wsi);
		return 0;
	}
	/* What is left of the request cannot be told from a next one. */
	bool close_it = c->close_it;
	c->answering = NULL;
	c->headers_written = false;
	c->written = 0;
	free_request(r);
	return lws_http_transaction_completed(wsi) || close_it ? -1 : 0;
}

/* ---- requests ---- */

/* RFC 6750 2.1; the scheme's case does not matter (RFC 9110 11.1). token: TOKEN_MAX + 1 bytes, padded with zeros. */
static bool given_token(struct lws *wsi, char *token)
{
	static const char scheme[] = "Bearer ";
	char given[sizeof scheme + TOKEN_MAX + 1] = "";
	bool ok = false;

	memset(token, 0, TOKEN_MAX + 1);
	if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_AUTHORIZATION) < (int)sizeof given &&
	        lws_hdr_copy(wsi, given, sizeof given, WSI_TOKEN_HTTP_AUTHORIZATION) > 0 &&
	        strncasecmp(given, scheme, sizeof scheme - 1) == 0) {
		const char *p = given + sizeof scheme - 1;
		p += strspn(p, " ");
		ok = strlen(p) <= TOKEN_MAX;
		if (ok)
			memcpy(token, p, strlen(p));
	}
	OPENSSL_cleanse(given, sizeof given);
	return ok && token[0];
}

/* Time does not depend on how much of it is right: both are padded with zeros to the same length. */
static bool is_admin_token(struct sl_http *h, const char *token)
{
	pthread_mutex_lock(&h->token_lock);
	bool ok = h->token[0] && CRYPTO_memcmp(token, h->token, sizeof h->token) == 0;
	pthread_mutex_unlock(&h->token_lock);
	return ok;
}

void sl_http_set_token(struct sl_http *h, const char *token)
{
	pthread_mutex_lock(&h->token_lock);
	OPENSSL_cleanse(h->token, sizeof h->token);
	strncpy(h->token, token ? token : "", sizeof h->token - 1);
	pthread_mutex_unlock(&h->token_lock);
}

static bool is_tcp(const struct sl_http *h, struct lws *wsi)
{
	return lws_get_vhost(wsi) == lws_get_vhost_by_name(h->lws, "tcp");
}

/* The body's length; 0 when none is announced, -1 when it is no number (RFC 9110 8.6). */
static long body_length(struct lws *wsi)
{
	char text[24] = "";
	int len = lws_hdr_copy(wsi, text, sizeof text, WSI_TOKEN_HTTP_CONTENT_LENGTH);

	if (len == 0)
		return 0;
	if (len < 0 || strspn(text, "0123456789") != (size_t)len)
		return -1;
	return len > LENGTH_DIGITS_MAX ? LONG_MAX : atol(text);
}

/* All or nothing: without one of its arguments a request is another one (DELETE of all registrations, not of that contact). */
static bool copy_args(struct lws *wsi, struct sl_http_request *r)
{
	char arg[2048];

	while (lws_hdr_copy_fragment(wsi, arg, sizeof arg, WSI_TOKEN_HTTP_URI_ARGS, (int)r->n_args) >= 0) {
		if (r->n_args == SL_HTTP_ARGS_MAX || (r->args[r->n_args] = strdup(arg)) == NULL)
			return false;
		r->n_args++;
	}
	return lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_URI_ARGS, (int)r->n_args) <= 0; /* else it is too long for arg */
}

static enum sl_http_method method_of(struct lws *wsi)
{
	char *uri;
	int len;

	switch (lws_http_get_uri_and_method(wsi, &uri, &len)) {
	case LWSHUMETH_GET:
		return SL_HTTP_GET;
	case LWSHUMETH_POST:
		return SL_HTTP_POST;
	case LWSHUMETH_PUT:
		return SL_HTTP_PUT;
	case LWSHUMETH_DELETE:
		return SL_HTTP_DELETE;
	default:
		return SL_HTTP_OTHER;
	}
}

/* RFC 9110 13.1.1: one entity tag; a list or "*" is not what a change of one resource needs. */
static bool copy_if_match(struct lws *wsi, struct sl_http_request *r)
{
	char text[SL_HTTP_ETAG_MAX - 2];
	int n = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_IF_MATCH);

	if (n == 0)
		return true;
	if (n >= (int)sizeof text || lws_hdr_copy(wsi, text, sizeof text, WSI_TOKEN_HTTP_IF_MATCH) != n)
		return false;
	bool quoted = n >= 2 && text[0] == '"' && text[n - 1] == '"';
	snprintf(r->if_match, sizeof r->if_match, quoted ? "%s" : "\"%s\"", text);
	return n > 2 * quoted && strcspn(r->if_match + 1, "\", *") == strlen(r->if_match) - 2;
}

/* Printable ASCII, so that it can be shown. */
static bool copy_key(struct lws *wsi, struct sl_http_request *r)
{
	static const char name[] = "idempotency-key:";
	int n = lws_hdr_custom_length(wsi, name, sizeof name - 1);

	if (n < 0)
		return true;
	if (n == 0 || n > SL_HTTP_KEY_MAX || lws_hdr_custom_copy(wsi, r->idempotency_key, sizeof r->idempotency_key, name, sizeof name - 1) != n)
		return false;
	for (const char *p = r->idempotency_key; *p; p++) {
		if (*p <= ' ' || *p > '~')
			return false;
	}
	return true;
}

static size_t body_max(const struct sl_http_request *r)
{
	bool whole = strcmp(r->path, "/v1/config") == 0 || strcmp(r->path, "/v1/turn/restricted") == 0;

	return r->admin && r->method == SL_HTTP_PUT && whole ? SL_HTTP_IMPORT_MAX : SL_HTTP_BODY_MAX;
}

static const char *too_big(const struct sl_http_request *r)
{
	return body_max(r) == SL_HTTP_BODY_MAX ? "body over 64 KiB" : "body over 32 MiB";
}

static void brain_takes(void *arg)
{
	struct sl_http_request *r = arg;

	r->http->options.handle(r->http->options.ctx, r);
}

static int pass_on(struct lws *wsi, struct connection *c, struct sl_http_request *r)
{
	lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, SL_HTTP_ANSWER_S);
	if (sl_mailbox_post(r->http->brain, brain_takes, r) == 0)
		return 0;
	return refuse(wsi, c, r, 503, "too busy; try again");
}

static bool take_slot(struct sl_http *h, struct lws *wsi, struct connection *c)
{
	for (unsigned i = 1; i <= SL_HTTP_CONNECTIONS_MAX && !c->slot; i++) {
		if (!h->slots[i].wsi) {
			h->slots[i].wsi = wsi;
			c->slot = i;
		}
	}
	return c->slot != 0;
}

static int begin_request(struct sl_http *h, struct lws *wsi, struct connection *c, const char *path)
{
	/* One at a time: the next request of a connection waits for the answer to this one. */
	if (c->reading || c->answering || !take_slot(h, wsi, c))
		return -1;
	struct sl_http_request *r = calloc(1, sizeof *r);
	if (!r)
		return -1;
	r->http = h;
	r->slot = c->slot;
	r->generation = ++h->slots[c->slot].generation;
	r->method = method_of(wsi);
	r->admin = !is_tcp(h, wsi);
	if (!r->admin) {
		bool given = given_token(wsi, r->token);
		r->admin = given && is_admin_token(h, r->token);
		if (!r->admin && !(given && h->options.accounts))
			return refuse(wsi, c, r, 401, "the token is missing or wrong: Authorization: Bearer TOKEN");
	}
	if (strlen(path) >= sizeof r->path)
		return refuse(wsi, c, r, 414, "path too long");
	strcpy(r->path, path);
	if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0)
		return refuse(wsi, c, r, 411, "a body wants a Content-Length");
	if (!copy_if_match(wsi, r))
		return refuse(wsi, c, r, 400, "If-Match takes one ETag, as given by GET or PUT");
	if (!copy_key(wsi, r))
		return refuse(wsi, c, r, 400, "Idempotency-Key takes 1 to 128 printable characters without blanks");
	if (!copy_args(wsi, r))
		return refuse(wsi, c, r, 400, "more than 16 arguments, or one over 2 KB");
	long length = body_length(wsi);
	if (length < 0)
		return refuse(wsi, c, r, 400, "Content-Length is not a number");
	c->too_big = (size_t)length > body_max(r);
	if (c->too_big && length > DISCARD_MAX)
		return refuse(wsi, c, r, 413, too_big(r));
	r->body_room = c->too_big ? 0 : (size_t)length;
	/* Whatever the method: lws hands the body over, and nothing may be done before it is read. It reports the end
	 * even of an empty one to POST. */
	bool announced = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0;
	if (length > 0 || (r->method == SL_HTTP_POST && announced)) {
		c->reading = r;
		c->body_until = r->admin ? 0 : lws_now_usecs() + BODY_TIMEOUT_S * LWS_USEC_PER_SEC;
		return 0;
	}
	return pass_on(wsi, c, r);
}

static int take_body(struct lws *wsi, struct connection *c, const void *data, size_t len)
{
	struct sl_http_request *r = c->reading;

	if (!r)
		return c->answering ? 0 : -1; /* refused already */
	if (c->body_until && lws_now_usecs() > c->body_until)
		return -1;
	if (len == 0)
		return 0;
	c->too_big |= r->body_len + len > r->body_room;
	if (c->too_big) {
		c->discarded += len;
		return c->discarded > DISCARD_MAX ? -1 : 0;
	}
	/* At once and whole: growing would leave copies of passwords behind. */
	if (!r->body && !(r->body = malloc(r->body_room + 1)))
		return -1;
	memcpy(r->body + r->body_len, data, len);
	r->body_len += len;
	r->body[r->body_len] = '\0';
	return 0;
}

static int body_complete(struct lws *wsi, struct connection *c)
{
	struct sl_http_request *r = c->reading;

	c->reading = NULL;
	if (r && c->too_big)
		return refuse(wsi, c, r, 413, too_big(r));
	return r ? pass_on(wsi, c, r) : 0;
}

static void closed(struct sl_http *h, struct connection *c)
{
	free_request(c->reading);
	free_request(c->answering);
	h->slots[c->slot].wsi = NULL;
	h->slots[c->slot].generation++; /* an answer still under way finds nobody */
	memset(c, 0, sizeof *c);
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	struct sl_http *h = lws_context_user(lws_get_context(wsi));
	struct connection *c = user;

	switch (reason) {
	case LWS_CALLBACK_HTTP:
		return begin_request(h, wsi, c, in);
	case LWS_CALLBACK_HTTP_BODY:
		return take_body(wsi, c, in, len);
	case LWS_CALLBACK_HTTP_BODY_COMPLETION:
		return body_complete(wsi, c);
	case LWS_CALLBACK_HTTP_WRITEABLE:
		return writeable(wsi, c);
	case LWS_CALLBACK_FILTER_NETWORK_CONNECTION: /* wsi: the listener's */
		return is_tcp(h, wsi) && h->n_tcp >= SL_HTTP_TCP_MAX ? -1 : 0;
	case LWS_CALLBACK_WSI_CREATE:
		h->n_tcp += is_tcp(h, wsi);
		return 0;
	case LWS_CALLBACK_WSI_DESTROY:
		h->n_tcp -= h->n_tcp && is_tcp(h, wsi); /* the listener as well, at the end */
		return 0;
	case LWS_CALLBACK_HTTP_DROP_PROTOCOL: /* after each request as well */
	case LWS_CALLBACK_CLOSED_HTTP:
		if (c && c->slot)
			closed(h, c);
		return 0;
	case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
		sl_mailbox_run(h->inbox, MAILBOX);
		return 0;
	default:
		return 0;
	}
}

static const struct lws_protocols protocols[] = {
        {.name = "http", .callback = callback, .per_session_data_size = sizeof(struct connection)},
        {0},
};

/* ---- opening and closing ---- */

static void *run(void *arg)
{
	struct sl_http *h = arg;

	while (!h->stop && lws_service(h->lws, 0) >= 0)
		;
	return NULL;
}

static void do_stop(void *arg)
{
	struct sl_http *h = arg;

	h->stop = true;
}

static void lws_says(int level, const char *line)
{
	sl_log(level & LLL_ERR ? SL_LOG_ERROR : SL_LOG_WARNING, "http: %.*s", (int)strcspn(line, "\n"), line);
}

/* A socket file nobody listens on is left over from a crash. */
static int clear_path(const char *path, char *text, size_t text_len)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	/* Not waiting for somebody who has stopped accepting: a full backlog (EAGAIN) is an answer too. */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = 0;

	if (fd < 0 || strlen(path) >= sizeof sun.sun_path) {
		error = fd < 0 ? errno : ENAMETOOLONG;
	} else {
		strcpy(sun.sun_path, path);
		if (connect(fd, (struct sockaddr *)&sun, sizeof sun) == 0 || errno == EAGAIN)
			error = EADDRINUSE;
		else if (errno == ECONNREFUSED)
			unlink(path);
		else if (errno != ENOENT)
			error = errno;
	}
	if (fd >= 0)
		close(fd);
	if (error)
		snprintf(text, text_len, "%s: %s (option 'control.api_socket')", path, strerror(error));
	return -error;
}

static bool open_unix(struct sl_http *h, char *text, size_t text_len)
{
	struct lws_context_creation_info info = {.options = LWS_SERVER_OPTION_UNIX_SOCK,
	        .vhost_name = "unix",
	        .iface = h->path,
	        .protocols = protocols,
	        .timeout_secs = TIMEOUT_S,
	        .keepalive_timeout = TIMEOUT_S};
	struct stat st;

	if (clear_path(h->path, text, text_len) < 0)
		return false;
	if (!lws_create_vhost(h->lws, &info) || stat(h->path, &st) < 0 || chmod(h->path, 0660) < 0) {
		snprintf(text, text_len, "%s: cannot listen: %s (option 'control.api_socket')", h->path,
		        strerror(errno ? errno : EADDRNOTAVAIL));
		return false;
	}
	return true;
}

static bool open_tcp(struct sl_http *h, char *text, size_t text_len)
{
	struct lws_context_creation_info info = {.vhost_name = "tcp",
	        .iface = h->tcp_text,
	        .port = ntohs(h->options.tcp.port_be),
	        .protocols = protocols,
	        .timeout_secs = TCP_TIMEOUT_S,
	        .timeout_secs_ah_idle = TCP_TIMEOUT_S,
	        .keepalive_timeout = TCP_TIMEOUT_S};
	char where[SL_ADDR_TEXT_MAX];

	sl_ip_text(&h->options.tcp.ip, h->tcp_text);
	if (sl_ip_is_v4(&h->options.tcp.ip))
		info.options |= LWS_SERVER_OPTION_DISABLE_IPV6;
	if (lws_create_vhost(h->lws, &info))
		return true;
	snprintf(text, text_len, "%s: cannot listen (option 'control.api_tcp')",
	        sl_endpoint_text(&h->options.tcp, where));
	return false;
}

struct sl_http *sl_http_open(
        const struct sl_http_options *options, struct sl_mailbox *brain, char *text, size_t text_len)
{
	struct sl_http *h = calloc(1, sizeof *h);
	struct lws_context_creation_info info = {.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
	        .port = CONTEXT_PORT_NO_LISTEN,
	        .gid = (gid_t)-1,
	        .uid = (uid_t)-1,
	        .user = h,
	        .fd_limit_per_thread = SL_HTTP_CONNECTIONS_MAX + 8};

	snprintf(text, text_len, "cannot start the HTTP edge");
	if (!h)
		return NULL;
	h->options = *options;
	h->brain = brain;
	snprintf(h->path, sizeof h->path, "%s", options->unix_path);
	pthread_mutex_init(&h->token_lock, NULL);
	sl_http_set_token(h, options->token);
	lws_set_log_level(LLL_ERR | LLL_WARN, lws_says);
	h->inbox = sl_mailbox_new(MAILBOX);
	h->lws = lws_create_context(&info);
	if (!h->inbox || !h->lws || !open_unix(h, text, text_len) ||
	        (options->has_tcp && !open_tcp(h, text, text_len)))
		goto err;
	if (pthread_create(&h->thread, NULL, run, h) == 0)
		return h;
	snprintf(text, text_len, "cannot start the HTTP edge's thread");
err:
	if (h->lws)
		lws_context_destroy(h->lws);
	pthread_mutex_destroy(&h->token_lock);
	sl_mailbox_free(h->inbox);
	free(h);
	return NULL;
}

void sl_http_close(struct sl_http *h)
{
	if (!h)
		return;
	while (sl_mailbox_post(h->inbox, do_stop, h) < 0)
		usleep(1000);
	lws_cancel_service(h->lws);
	pthread_join(h->thread, NULL);
	lws_context_destroy(h->lws);
	unlink(h->path);
	OPENSSL_cleanse(h->token, sizeof h->token);
	pthread_mutex_destroy(&h->token_lock);
	sl_mailbox_free(h->inbox);
	free(h);
}
