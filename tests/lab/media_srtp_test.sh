#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# SRTP against implementations that are not ours: ffmpeg speaks and listens, by keys from SDP; libsrtp2 (rtp_peer) does so in
# every suite, each towards plain RTP, from it, and towards another suite, with SRTCP beside it.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/media.sh"

SUITES='AES_CM_128_HMAC_SHA1_80 AES_CM_128_HMAC_SHA1_32 AES_192_CM_HMAC_SHA1_80 AES_192_CM_HMAC_SHA1_32
	AES_256_CM_HMAC_SHA1_80 AES_256_CM_HMAC_SHA1_32 AEAD_AES_128_GCM AEAD_AES_256_GCM'
CALL_PORT=20000
SAY=2.5 HEAR=2 # seconds of sound; what comes before ffmpeg has looked at a stream may be missing

# ---- ffmpeg ----

of_plan() { # PLAN KEY: what its only line says
	tr ' ' '\n' <"$1" | sed -n "s/^$2=//p"
}

ffmpeg_says() { # NS PLAN SOUND.wav: as the party of that plan
	local ns=$1 plan=$2 key to url options=()
	key=$(of_plan "$plan" key_out)
	to=$(of_plan "$plan" remote)
	url="rtp://$to?localrtpport=$CALL_PORT"
	if [ -n "$key" ]; then
		url="s$url"
		options=(-srtp_out_suite "${key%%:*}" -srtp_out_params "${key#*:}")
	fi
	ip netns exec "$ns" timeout 20 ffmpeg -v error -nostdin -re -i "$3" -c:a pcm_alaw -f rtp "${options[@]}" "$url" \
		>"$WORK/ffmpeg-says.sdp" 2>"$WORK/ffmpeg-says.err"
}

ffmpeg_hears() { # NS IP PLAN OUT.al OUT.wav: as the party of that plan, HEAR seconds of sound
	local ns=$1 ip=$2 plan=$3 key proto=RTP/AVP
	key=$(of_plan "$plan" key_in)
	[ -z "$key" ] || proto=RTP/SAVP
	{
		printf 'v=0\r\no=lab 1 1 IN IP4 %s\r\ns=lab\r\nc=IN IP4 %s\r\nt=0 0\r\n' "$ip" "$ip"
		printf 'm=audio %s %s 8\r\na=rtpmap:8 PCMA/8000\r\n' "$CALL_PORT" "$proto"
		[ -z "$key" ] || printf 'a=crypto:1 %s inline:%s\r\n' "${key%%:*}" "${key#*:}"
	} >"$WORK/hears.sdp"
	ip netns exec "$ns" timeout 12 ffmpeg -v error -nostdin -y -protocol_whitelist file,udp,rtp,srtp -i "$WORK/hears.sdp" \
		-map 0 -t "$HEAR" -c:a copy -f alaw "$4" -map 0 -t "$HEAR" -c:a pcm_s16le "$5" >/dev/null 2>"$WORK/ffmpeg-hears.err"
}

ffmpeg_listens() {
	[ -n "$(ip netns exec "$1" ss -Hlun "sport = :$CALL_PORT")" ]
}

ffmpeg_call() { # LABEL DIRECTION OPTIONS of ng.py calls: one end says caller.wav, the other hears it
	local label=$1 from to ip before=$failures
	if [ "$2" = forth ]; then
		from=a to=b ip=$PEER_IP4 says_ns=$CLIENT_NS hears_ns=$PEER_NS
	else
		from=b to=a ip=$CLIENT_IP4 says_ns=$PEER_NS hears_ns=$CLIENT_NS
	fi
	shift 2
	rm -f "$WORK"/heard.*
	check "ffmpeg, $label: the call is set up" calls --prefix "ffmpeg" --flags asymmetric "$@" || return
	ffmpeg_hears "$hears_ns" "$ip" "$WORK/$to.plan" "$WORK/heard.al" "$WORK/heard.wav" &
	local hears=$!
	sl_wait_for 5 ffmpeg_listens "$hears_ns"
	check "ffmpeg, $label: one end speaks" ffmpeg_says "$says_ns" "$WORK/$from.plan" "$WORK/caller.wav" ||
		cat "$WORK/ffmpeg-says.err"
	wait $hears
	check "ffmpeg, $label: the other hears it, byte by byte" sound same "$WORK/ffmpeg.al" "$WORK/heard.al" --least 0.95
	[ "$failures" -eq "$before" ] || tail -n 5 "$WORK/ffmpeg-hears.err" | sed 's/^/        /'
	check "ffmpeg, $label: the call ends" ng delete --prefix ffmpeg
}

# ---- libsrtp2 ----

every_suite() { # LABEL A-PROTO B-PROTO: one call in each suite; where both ends encrypt, the other end's is the next suite
	local label=$1 suite next n=0 all=($SUITES)
	: >"$WORK/all-a.plan"
	: >"$WORK/all-b.plan"
	for suite in $SUITES; do
		next=${all[$(((n + 1) % ${#all[@]}))]}
		check "$label: $suite is negotiated" calls --prefix "$label" --first $n --a-proto "$2" --b-proto "$3" \
			--a-suite "$suite" --b-suite "$([ "$2" = "$3" ] && echo "$next" || echo "$suite")" \
			--a-extra 'rtcp_ms=300 seq=65520' --b-extra 'rtcp_ms=300 seq=65520' "${@:4}" || return
		cat "$WORK/a.plan" >>"$WORK/all-a.plan"
		cat "$WORK/b.plan" >>"$WORK/all-b.plan"
		n=$((n + 1))
	done
	mv "$WORK/all-a.plan" "$WORK/a.plan"
	mv "$WORK/all-b.plan" "$WORK/b.plan"
	check "$label: all of them at once" rtp_both --seconds 1.5 || return
	for side in a b; do
		check "$label, $side: everything came, decrypted, once, as it was sent" rtp_says $side "$clean and .received >= 70"
		check "$label, $side: RTCP too" rtp_says $side '.rtcp.refused == 0 and .rtcp.sr >= 2 and .rtcp.about == .ssrc'
	done
	check "$label: the calls end" ng delete --prefix "$label" --count $n
}

lab_up
sounds_made $SAY || exit 1
ffmpeg -v error -nostdin -y -i "$WORK/caller.wav" -f alaw "$WORK/ffmpeg.al" || exit 1 # its encoder rounds otherwise
ffmpeg_call "RTP to SRTP" back --a-proto RTP/SAVP
ffmpeg_call "SRTP to SRTP" forth --a-proto RTP/SAVP --b-proto RTP/SAVP --a-suite AES_CM_128_HMAC_SHA1_32
check "ffmpeg: and decoded it is the same sound" sound alike "$WORK/caller.wav" "$WORK/heard.wav" --least 0.98
every_suite srtp-rtp RTP/SAVP RTP/AVP
every_suite srtp-srtp RTP/SAVP RTP/SAVP
check "no call is left" sl_wait_for 5 sessions_are 0
finish
