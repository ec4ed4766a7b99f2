#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Other people's user agents call each other through the appliance: baresip (digest by MD5) and linphonec (by SHA-256), over UDP, TCP
# and TLS, with RTP and SRTP, and what each of them played is what the other one recorded.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/sip.sh"

for program in baresip linphonec; do
	command -v $program >/dev/null || skip "$program is not installed (config/packages, section test)"
done

# baresip takes its sound from a file and keeps what it heard as dump-*-dec.wav.
baresip_made() { # NAME TRANSPORT PORT SRTP [ACCOUNT-PARAMETERS]: in $WORK/NAME; SRTP: srtp-mand or nothing
	local name=$1 transport=$2 port=$3 srtp=$4 more=${5:-} at=5060
	[ "$transport" != tls ] || at=5061
	mkdir -p "$WORK/$name"
	: >"$WORK/$name/contacts"
	cat >"$WORK/$name/config" <<-TEXT
	poll_method epoll
	sip_listen $CLIENT_IP4:$port
	sip_cafile $RUN_DIR/tls/ca.pem
	audio_player aubridge,heard-$name
	audio_source aufile,$WORK/$name.wav
	audio_alert aubridge,alert-$name
	ausrc_srate 8000
	auplay_srate 8000
	ausrc_channels 1
	auplay_channels 1
	audio_level no
	rtp_ports ${port}0-${port}9
	jitter_buffer_delay 1-5
	snd_path $WORK/$name
	module_path /usr/lib/baresip/modules
	module g711.so
	module aufile.so
	module aubridge.so
	module sndfile.so
	module srtp.so
	module uuid.so
	module_tmp account.so
	module_app menu.so
	TEXT
	printf '<sip:%s@md5.test;transport=%s>;auth_user=%s;auth_pass=lab-password;regint=60;audio_codecs=pcma%s%s%s\n' "$name" \
		"$transport" "$name" ";outbound=\"sip:$SERVICE_IP4:$at;transport=$transport\"" "${srtp:+;mediaenc=$srtp}" "$more" \
		>"$WORK/$name/accounts"
}

baresip_run() { # NAME SECONDS [COMMAND]
	ip netns exec "$CLIENT_NS" timeout $(($2 + 5)) baresip -4 -f "$WORK/$1" -t "$2" ${3:+-e "$3"} >"$WORK/$1/log" 2>&1 </dev/null &
}

registered() { # NAME
	api /v1/registrations | grep -q "\"$1@"
}

linphone_made() { # NAME TRANSPORT DOMAIN ENCRYPTION
	local name=$1 transport=$2 domain=$3
	mkdir -p "$WORK/$name/.local/share/linphone"
	cat >"$WORK/$name/rc" <<-TEXT
	[sip]
	sip_port=5080
	sip_tcp_port=5080
	sip_tls_port=5081
	root_ca=$RUN_DIR/tls/ca.pem
	verify_server_certs=1
	verify_server_cn=1
	register_only_when_network_is_up=0
	use_ipv6=0
	media_encryption=$4
	media_encryption_mandatory=$([ "$4" = none ] && echo 0 || echo 1)
	default_proxy=0
	[net]
	dns_srv_enabled=0
	[video]
	automatically_initiate=0
	automatically_accept=0
	[sound]
	echocancellation=0
	[proxy_0]
	reg_proxy=<sip:$domain;transport=$transport>
	reg_route=<sip:$domain;transport=$transport;lr>
	reg_identity=<sip:$name@$domain>
	reg_expires=60
	reg_sendregister=1
	[auth_info_0]
	username=$name
	passwd=lab-password
	domain=$domain
	TEXT
}

linphone_run() { # NAME SECONDS WORDS...: commands, one a word, each after a second
	local name=$1 seconds=$2 word
	shift 2
	{
		printf 'soundcard use files\n'
		sleep 1.5
		for word; do
			printf '%s\n' "$word"
			sleep 1
		done
		sleep "$seconds"
		printf 'terminate\n'
		sleep 0.5
		printf 'quit\n'
	} | HOME=$WORK/$name ip netns exec "$CLIENT_NS" timeout $((seconds + 10)) linphonec -c "$WORK/$name/rc" -d 6 -l "$WORK/$name/trace" \
		>"$WORK/$name/log" 2>&1 &
}

heard() { # NAME OF: what NAME recorded is what OF played
	local file
	file=$(ls -t "$WORK/$1"/dump-*-dec.wav "$WORK/$1"/rec.wav 2>/dev/null | head -n 1)
	[ -n "$file" ] || { echo "$1 recorded nothing"; tail -n 12 "$WORK/$1/log"; return 1; }
	"$TESTS_LAB/sound.py" alike "$WORK/$2.wav" "$file" --least 0.85 --overlap 0.25
}

both_heard() { # A B
	heard "$1" "$2" && heard "$2" "$1"
}

srtp_on() { # NAME: a call's log tells of it
	grep -q 'SRTP is Enabled' "$WORK/$1/log"
}

# A call of two baresips: alice calls, bob answers.
baresips_call() { # TRANSPORT-OF-ALICE TRANSPORT-OF-BOB SRTP
	local a b
	rm -rf "$WORK/alice" "$WORK/bob"
	baresip_made alice "$1" 5062 "$3"
	baresip_made bob "$2" 5064 "$3" ';answermode=auto'
	baresip_run bob 8
	b=$!
	if sl_wait_for 4 registered bob; then
		baresip_run alice 6 "/dial sip:bob@md5.test"
		a=$!
		wait $a
	fi
	kill -TERM $b 2>/dev/null
	wait $b
	[ -e "$WORK/alice/log" ] || { tail -n 8 "$WORK/bob/log"; return 1; }
	grep -q 'Call established' "$WORK/alice/log" || { grep -E 'call|4[0-9][0-9]|5[0-9][0-9]' "$WORK/alice/log" | tail -n 6; return 1; }
	both_heard alice bob
}

lab_up --sip
# The agents find the appliance by its domain's name.
mkdir -p "/etc/netns/$CLIENT_NS"
printf '127.0.0.1 localhost\n%s lab.test sha.test sbc.lab.test\n' "$SERVICE_IP4" >"/etc/netns/$CLIENT_NS/hosts"
printf 'nameserver 127.0.0.1\n' >"/etc/netns/$CLIENT_NS/resolv.conf" # nobody is there, and says so at once
at_end() {
	rm -rf "/etc/netns/$CLIENT_NS"
}
seed=1
for name in alice bob carol; do
	"$TESTS_LAB/sound.py" make "$WORK/$name.wav" --seconds 4 --seed $seed >/dev/null || exit 1
	seed=$((seed + 1))
done

# baresip's library gives up on a challenge by SHA-256, even when one by MD5 is beside it (RFC 8760 wants it to look on).
domain() { # NAME ALGORITHM USER...
	local name=$1 user
	api "/v1/domains/$name" -X PUT -d "{\"name\": \"$name\", \"tenant\": \"lab\", \"algorithms\": [\"$2\"], \"min_expires\": 2}"
	for user in "${@:3}"; do
		api "/v1/users/$user@$name" -X PUT -d "{\"name\": \"$user\", \"domain\": \"$name\", \"password\": \"lab-password\"}"
	done >"$WORK/users.out"
	! grep error "$WORK/users.out"
}
check "a domain for who knows MD5 only" domain md5.test MD5 alice bob
check "and one for who knows better" domain sha.test SHA-256 carol

check "baresip to baresip, both over UDP, plain RTP: both hear each other" baresips_call udp udp ''
check "over TCP and UDP, with SRTP" baresips_call tcp udp srtp-mand
check "and it was SRTP" srtp_on alice
check "over TLS and TCP, with SRTP" baresips_call tls tcp srtp-mand
check "every call left its CDRs, answered" \
	is "$(api '/v1/cdrs?limit=100' | jq '[.cdrs[] | select(.status == 200 and .media.packets_in > 50)] | length')" -ge 6

linphone_calls() {
	"$TESTS_LAB/sound.py" make "$WORK/bob.wav" --seconds 9 --seed 4 >/dev/null # outlasts the call: baresip hangs up at the end of its file
	rm -rf "$WORK/bob" "$WORK/carol"
	linphone_made carol tls sha.test srtp
	baresip_made bob udp 5064 srtp-mand ';answermode=auto'
	baresip_run bob 12
	local b=$!
	if sl_wait_for 4 registered bob; then
		linphone_run carol 3 "call sip:bob@md5.test" "play $WORK/carol.wav" "record $WORK/carol/rec.wav"
		wait $!
	fi
	kill -TERM $b 2>/dev/null
	wait $b
	[ -e "$WORK/carol/log" ] || { tail -n 8 "$WORK/bob/log"; return 1; }
	grep -q 'connected' "$WORK/carol/log" || { tail -n 12 "$WORK/carol/log"; return 1; }
}
check "linphonec registers by SHA-256 over TLS and calls baresip, with SRTP" linphone_calls
check "linphonec showed SHA-256" grep -q 'algorithm=SHA-256' "$WORK/carol/trace"
check "baresip heard linphonec" heard bob carol
check "linphonec heard baresip" heard carol bob
finish
