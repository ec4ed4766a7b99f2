/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Several certificates of one listener: which of them a client sees (server_name, RFC 6066 3), and which sessions it may resume. */

#include <openssl/ssl.h>

struct sl_sni;

/* For the clients of `server`, whose own certificate is the default. Belongs to it, and goes when its last connection has gone. NULL = no memory.
 * name: the listener's. asked: called for each ClientHello, with the host that it names, in lower case, "" = none; NULL = nobody wants to know. */
struct sl_sni *sl_sni_new(SSL_CTX *server, const char *name, void (*asked)(SSL *ssl, const char *host));
/* One more; it is held. Of two for one host the first is seen, the default before all. 0, -ENOMEM, or -ENOENT: the certificate is for no host. */
int sl_sni_add(struct sl_sni *sni, SSL_CTX *further);
/* After the last one. */
void sl_sni_ready(struct sl_sni *sni);
