/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ctl/import_write.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/abi/validate.h"

/* Whom coturn lets in: users, secrets, tables. */

enum { KEY_BYTES = 16 };

/* ---- users ---- */

static void write_users(struct import *m, FILE *out)
{
	bool any = false;

	IMPORT_EACH(m, COTURN_USER, v)
	{
		char *colon = strchr(v->text, ':');
		size_t digits = strlen(colon + 1);

		if (strncmp(colon + 1, "0x", 2) == 0 && digits == 2 + 2 * KEY_BYTES) {
			import_note(m, v->line, false, "user %.*s: a key (0x...) is MD5 alone, and passwords are kept here for SHA-256 as well; write the password, or keep the user in a userdb",
			        (int)(colon - v->text), v->text);
			continue;
		}
		*colon = '\0';
		fprintf(out, any ? ",\n    { name = " : "  users = (\n    { name = ");
		import_write_text(out, v->text);
		fputs("; password = ", out);
		import_write_text(out, colon + 1);
		fputs("; }", out);
		*colon = ':';
		any = true;
	}
	if (any)
		fputs("\n  );\n", out);
}

static void write_secrets(struct import *m, FILE *out)
{
	unsigned n = 0;

	IMPORT_EACH(m, COTURN_SECRET, v)
	{
		if (n == SL_TURN_MAX_SECRETS || strlen(v->text) > SL_MSG_SECRET_MAX) {
			import_note(m, v->line, false, "static-auth-secret: %d of %d bytes are taken; this one is left out", SL_TURN_MAX_SECRETS, SL_MSG_SECRET_MAX);
			continue;
		}
		fputs(n++ ? ", " : "  secrets = [ ", out);
		import_write_text(out, v->text);
	}
	if (n)
		fputs(" ];\n", out);
}

/* "ip=... port=... dbname=... password=..." as a URL; what stands there as one is left. */
void import_write_redis(struct import *m, FILE *out, enum coturn_option o)
{
	char copy[IMPORT_TEXT_MAX], *save, url[2 * IMPORT_TEXT_MAX];
	const char *host = "127.0.0.1", *port = "6379", *db = "0", *password = "";

	snprintf(copy, sizeof copy, "%s", import_text(m, o));
	if (strncmp(copy, "redis://", 8) == 0 || copy[0] == '/') {
		import_write_text(out, copy);
		return;
	}
	for (char *word = strtok_r(copy, " \t", &save); word; word = strtok_r(NULL, " \t", &save)) {
		char *value = strchr(word, '=');
		static const char *const names[] = {"ip", "host", "port", "dbname", "db", "password"};
		const char **into[] = {&host, &host, &port, &db, &db, &password};
		bool known = false;

		if (value)
			*value++ = '\0';
		for (unsigned i = 0; value && i < sizeof names / sizeof names[0]; i++) {
			if (strcmp(word, names[i]) == 0) {
				*into[i] = value;
				known = true;
			}
		}
		if (!known)
			import_note(m, import_line(m, o), false, "%s of Redis' address: it is left out", word);
	}
	snprintf(url, sizeof url, "redis://%s%s%s%s%s%s:%s/%s", *password ? ":" : "", password, *password ? "@" : "", strchr(host, ':') ? "[" : "", host,
	        strchr(host, ':') ? "]" : "", port, db);
	import_write_text(out, url);
}

static bool write_source(FILE *out, unsigned *n, const char *kind)
{
	if (*n == SL_CONF_MAX_USER_SOURCES)
		return false;
	fprintf(out, "%s\n    { kind = \"%s\"; connect = ", (*n)++ ? "," : "  user_sources = (", kind);
	return true;
}

/* True when there are any. */
static bool write_sources(struct import *m, FILE *out)
{
	static const struct {
		enum coturn_option option;
		const char *kind;
	} sources[] = {{COTURN_USERDB, "sqlite"}, {COTURN_DB, "sqlite"}, {COTURN_PSQL, "postgresql"}, {COTURN_SQL, "postgresql"}};
	unsigned n = 0;

	for (unsigned i = 0; i < sizeof sources / sizeof sources[0]; i++) {
		if (!import_text(m, sources[i].option) || !write_source(out, &n, sources[i].kind))
			continue;
		import_write_text(out, import_text(m, sources[i].option));
		fputs("; }", out);
	}
	if (import_text(m, COTURN_REDIS) && write_source(out, &n, "redis")) {
		import_write_redis(m, out, COTURN_REDIS);
		fputs("; }", out);
	}
	if (n)
		fputs("\n  );\n", out);
	else if (import_flag(m, COTURN_LT_CRED) || import_flag(m, COTURN_USE_SECRET))
		fputs("  # coturn reads this file when it is told of no other:\n"
		      "  # user_sources = ( { kind = \"sqlite\"; connect = \"/var/lib/turn/turndb\"; } );\n",
		        out);
	return n > 0;
}

static void write_oauth(struct import *m, FILE *out, bool has_sources)
{
	const char *name = import_text(m, COTURN_SERVER_NAME) ? import_text(m, COTURN_SERVER_NAME) : import_text(m, COTURN_REALM);

	if (!import_flag(m, COTURN_OAUTH))
		return;
	if (!has_sources || !name) {
		import_note(m, import_line(m, COTURN_OAUTH), false, "oauth: its keys are in a userdb, and none is named; write turn.oauth with keys");
		return;
	}
	fputs("  oauth = { server_name = ", out);
	import_write_text(out, name);
	fputs("; };    # keys are read from user_sources\n", out);
}

void import_write_realm(struct import *m, FILE *out)
{
	fputs("  realm = ", out);
	import_write_text(out, import_text(m, COTURN_REALM) ? import_text(m, COTURN_REALM) : "example.org");
	fputs(import_text(m, COTURN_REALM) ? ";\n" : ";    # <<\n", out);
	if (!import_text(m, COTURN_REALM))
		import_note(m, 0, false, "no realm: coturn takes the machine's domain; \"example.org\" stands where yours belongs");
	write_users(m, out);
	write_secrets(m, out);
	write_oauth(m, out, write_sources(m, out));
	if (import_flag(m, COTURN_NO_SOFTWARE) || (import_text(m, COTURN_SOFTWARE) && !import_flag(m, COTURN_SOFTWARE)))
		fputs("  software = \"\";\n", out);
}
