/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ctl/ctl.h"

/* Every command of sluicectl: a new one is a row here. */

const struct ctl_command ctl_commands[] = {
        {{"status"}, 0, NULL, 0, ctl_status, "what the appliance is doing",
                "Usage: sluicectl status [--json]\n\n"
                "Both processes, allocations, what is relayed and dropped now (measured for one second), "
                "ports and workers.\n"
                "BUSY % is the share of cycles in polling rounds that found work; CYCLES/PACKET is busy "
                "cycles per packet\n"
                "received. With --json one look without rates, at once.\n\n"
                "  sluicectl status\n"
                "  sluicectl status --json | jq .dataplane.state      \"steady\" when all is provisioned\n"},
        {{"ports"}, 0, NULL, 0, ctl_ports, "ports: link, rates, errors",
                "Usage: sluicectl ports [--json]\n\n"
                "A table measured for one second; --json gives the counters since the start.\n\n"
                "  sluicectl ports --json | jq '.ports[] | {name, rx_packets, rx_missed}'\n"},
        {{"workers"}, 0, NULL, 0, ctl_workers, "workers: load, cycles per packet, rates",
                "Usage: sluicectl workers [--json]\n\n"
                "A table measured for one second; --json gives every counter of every worker since the "
                "start.\n\n"
                "  sluicectl workers\n"
                "  sluicectl workers --json | jq '.workers[0].counters.busy_cycles'\n"},
        {{"counters"}, 0, NULL, MAY_WATCH | MAY_ALL, ctl_counters, "every counter, and why packets were dropped",
                "Usage: sluicectl counters [--watch] [--all] [--json]\n\n"
                "Sums over all workers. Every dropped packet is counted under exactly one reason.\n\n"
                "  --watch   again each second, with rates; end it with Ctrl-C (with --json: an object a "
                "second)\n"
                "  --all     those that are zero as well\n\n"
                "  sluicectl counters --watch\n"
                "  sluicectl counters --json | jq .drops.no_permission\n"},
        {{"allocations"}, 0, NULL, MAY_PAGE | MAY_USER, ctl_allocations, "TURN allocations with their traffic",
                "Usage: sluicectl allocations [--user NAME] [--limit N] [--offset N] [--json]\n\n"
                "  --user NAME   only this user's\n"
                "  --limit N     at most N of them (100; up to 10000)\n"
                "  --offset N    leave out the first N\n\n"
                "  sluicectl allocations --user alice\n"
                "  sluicectl allocations --json | jq .total\n"},
        {{"allocation", "delete"}, 1, "ID", 0, ctl_allocation_delete, "end an allocation",
                "Usage: sluicectl allocation delete ID [--json]\n\n"
                "The client finds it gone (437 at its next request) and may allocate anew: remove the user "
                "as well to prevent it.\n"
                "ID is the first column of 'sluicectl allocations'.\n\n"
                "  sluicectl allocation delete 0000000000001001\n"},
        {{"sessions", "list"}, 0, NULL, MAY_PAGE, ctl_sessions_list, "media sessions (calls) with their quality",
                "Usage: sluicectl sessions [list] [--limit N] [--offset N] [--json]\n\n"
                "LOSS % and PACKETS are of what all parties sent; MOS is of the leg that is worst off. As last told by "
                "the dataplane.\n\n"
                "  sluicectl sessions --json | jq '.sessions[] | select(.mos < 3.5) | .id'\n"},
        {{"sessions", "show"}, 1, "ID", 0, ctl_sessions_show, "a session: addresses, crypto, traffic, quality",
                "Usage: sluicectl sessions show ID [--json]\n\n"
                "ID is the Call-ID, the first column of 'sluicectl sessions'. Counts are asked for now.\n\n"
                "  sluicectl sessions show 1b2c@10.0.0.5 --json | jq '.parties[].media[].leg.received'\n"},
        {{"sessions", "delete"}, 1, "ID", 0, ctl_sessions_delete, "end a session's media at once",
                "Usage: sluicectl sessions delete ID [--json]\n\n"
                "Its ports are closed; the call's signalling is not told. With --json the final counts are shown.\n"},
        {{"sessions", "record"}, 2, "ID on|off", MAY_FORMAT, ctl_sessions_record, "record a session, or stop recording it",
                "Usage: sluicectl sessions record ID on|off [--format pcap|wav] [--json]\n\n"
                "Files are written below media.recording_folder, one for each party and kind of media.\n\n"
                "  --format pcap|wav   instead of media.recording_format\n\n"
                "  sluicectl sessions record 1b2c@10.0.0.5 on --format wav\n"},
        {{"sessions", "play"}, 2, "ID CLIP", MAY_PARTY | MAY_TIMES, ctl_sessions_play, "play a clip to a session's parties",
                "Usage: sluicectl sessions play ID CLIP [--party TAG] [--times N] [--json]\n\n"
                "CLIP is a name in media.clip_folder.\n\n"
                "  --party TAG   only to this party (to all of them)\n"
                "  --times N     so often; 0 = until it is stopped (1)\n\n"
                "  sluicectl sessions play 1b2c@10.0.0.5 announcement --party as7f\n"},
        {{"sessions", "stop"}, 1, "ID", MAY_PARTY, ctl_sessions_stop, "stop what is played to a session's parties",
                "Usage: sluicectl sessions stop ID [--party TAG] [--json]\n"},
        {{"sessions", "dtmf"}, 2, "ID DIGITS", MAY_PARTY, ctl_sessions_dtmf, "dial DTMF digits as a session's party",
                "Usage: sluicectl sessions dtmf ID DIGITS [--party TAG] [--json]\n\n"
                "As RFC 4733 events, 100 ms each, that the other parties hear.\n\n"
                "  --party TAG   who dials (each of them)\n\n"
                "  sluicectl sessions dtmf 1b2c@10.0.0.5 '12#' --party as7f\n"},
        {{"sessions", "block"}, 2, "ID on|off", MAY_PARTY, ctl_sessions_block, "stop passing on what parties send",
                "Usage: sluicectl sessions block ID on|off [--party TAG] [--json]\n"},
        {{"users", "list"}, 0, NULL, MAY_PAGE, ctl_users_list, "static TURN users",
                "Usage: sluicectl users [list] [--limit N] [--offset N] [--json]\n\n"
                "Those of the configuration file and those added since. Passwords are not kept, so they "
                "cannot be shown.\n"},
        {{"users", "add"}, 1, "NAME", MAY_PASSWORD, ctl_users_add, "add a user, or change its password",
                "Usage: sluicectl users add NAME [--password-stdin | --password PASSWORD] [--json]\n\n"
                "Asks for the password unless it is given. It takes effect at once and survives restarts.\n\n"
                "  --password-stdin      read it from standard input, one line\n"
                "  --password PASSWORD   in the command line, where other users of this machine can see "
                "it\n\n"
                "  sluicectl users add alice\n"
                "  pwgen -s 24 1 | tee alice.password | sluicectl users add alice --password-stdin\n"},
        {{"users", "remove"}, 1, "NAME", 0, ctl_users_remove, "remove a user",
                "Usage: sluicectl users remove NAME [--json]\n\n"
                "Its allocations go on until they expire; see 'sluicectl allocation delete'.\n\n"
                "  sluicectl users remove alice\n"},
        {{"config", "check"}, 1, "FILE", 0, ctl_config_check, "is this configuration file good?",
                "Usage: sluicectl config check FILE [--json]\n\n"
                "Names file, line, option and what is allowed. Needs no running control plane.\n\n"
                "  sluicectl config check /etc/sluice/sluice.conf && sluicectl reload\n"},
        {{"reload"}, 0, NULL, 0, ctl_reload, "load the configuration file again, all or nothing",
                "Usage: sluicectl reload [--json]\n\n"
                "If anything in it is refused, what was in force goes on and the reason is printed. Options "
                "of the dataplane that\n"
                "it can change while it runs (exception_pps, idle ...) take its own SIGHUP: systemctl reload "
                "sluice-dataplane.\n"},
        {{"healthz"}, 0, NULL, 0, ctl_healthz, "does it serve? (exit code 0 or 4)",
                "Usage: sluicectl healthz [--json]\n\n"
                "ok when the dataplane is attached, provisioned and alive; standby (exit code 0 as well) when "
                "another control\nplane provisions TURN and this one is ready to.\n\n"
                "  until sluicectl healthz; do sleep 1; done\n"},
};
const unsigned ctl_n_commands = sizeof ctl_commands / sizeof ctl_commands[0];
