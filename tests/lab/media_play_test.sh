#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
#
# Clips and DTMF played into a call, calls recorded: what is heard and what is written is compared with what was played and
# said. Sound and digits through SRTP as well.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/media.sh"

ask() { # COMMAND MORE-JSON: about call-0@lab
	ng_send "{\"command\": \"$1\", \"call-id\": \"call-0@lab\"${2:+, $2}}"
}

speak() { # SECONDS: both ends, in the background; a hears and records, b counts digits
	rm -f "$WORK/go"
	rtp_start client a "$WORK/a.plan" --go-file "$WORK/go" --seconds "$1" &&
		rtp_start peer b "$WORK/b.plan" --go-file "$WORK/go" --seconds "$1" && : >"$WORK/go"
}

new_call() { # A-EXTRA B-EXTRA OPTIONS of ng.py calls
	calls --a-extra "$1" --b-extra "$2" "${@:3}"
}

heard() { # FILE SOUND JUMPS: every packet is one of SOUND's, in its order
	sound pieces "$WORK/$2" "$WORK/$1" --jumps "$3"
}

recordings() { # ENDING: complete ones
	find "$RECORDINGS" -name "*.$1" ! -name '.*' | wc -l
}

recordings_are() { # ENDING NUMBER
	is "$(recordings "$1")" -eq "$2"
}

# One side begins some samples before the other, which is padded with silence.
channel_is() { # CHANNEL SOUND: of the WAV, byte by byte, once it is A-law again
	ffmpeg -v error -nostdin -y -i "$RECORDINGS"/*.wav -af "pan=mono|c0=c$1" -f alaw "$WORK/decoded.al" &&
		sound same "$WORK/$2" "$WORK/decoded.al" --least 0.9 --wrong 400
}

captured() { # IP SOUND: what it sent is in the pcap, decrypted
	sound extract "$RECORDINGS"/*.pcap "$WORK/extracted.al" --src "$1" && sound same "$WORK/$2" "$WORK/extracted.al" --least 0.9
}

told() { # ENDING JQ-CONDITION: in the file beside a recording
	jq -e "$2" "$(find "$RECORDINGS" -name "*.$1" | sed "s/$1\$/json/")" || { cat "$RECORDINGS"/*.json; return 1; }
}

lab_up
ours_only
RECORDINGS=$RUN_DIR/recordings
sounds_made 3 || exit 1
# Clips are 0.6 s of other sounds.
sound make "$WORK/clip.wav" --seconds 0.6 --seed 3 >/dev/null
ffmpeg -v error -nostdin -y -i "$WORK/clip.wav" -c:a pcm_alaw "$RUN_DIR/clips/greeting.wav" || exit 1
ffmpeg -v error -nostdin -y -i "$WORK/clip.wav" -f alaw "$WORK/clip.al" || exit 1

# ---- clips ----
new_call "record=$WORK/a.al packed=yes" "send=no" >/dev/null || exit 1
speak 2.6
sleep 0.2
check "a clip, three times over, to one party" ask 'play media' '"from-tag": "a0", "file": "greeting.wav", "repeat-times": 3'
sleep 2.1
rtp_wait a b
check "it is heard thrice, packet by packet" heard a.al clip.al 0
check "all of it" is "$(stat -c %s "$WORK/a.al")" -eq $((3 * 4800))
check "the other party hears none of it" rtp_says b "$clean"
speak 1.6
check "the other party's clip, until it is stopped" ask 'play media' '"from-tag": "a0", "file": "greeting.wav", "repeat-times": 0'
sleep 0.8
check "it is stopped" ask 'stop media' '"from-tag": "a0"'
rtp_wait a b
check "it was heard until then, and no longer" eval 'n=$(stat -c %s "$WORK/a.al"); is "$n" -gt 4800 && is "$n" -lt 9600'
check "a clip that is not there is refused" ng send --expect 'greeting2' \
	'{"command": "play media", "call-id": "call-0@lab", "from-tag": "a0", "file": "greeting2.wav"}'
check "so is one outside the folder" ng send --expect clip_folder \
	'{"command": "play media", "call-id": "call-0@lab", "from-tag": "a0", "file": "../sluice.conf"}'
check "the call ends" ng delete

# ---- a clip over SRTP, while the other party speaks ----
new_call "record=$WORK/a.al packed=yes" "play=$WORK/callee.al" --a-proto RTP/SAVP --a-suite AEAD_AES_128_GCM >/dev/null || exit 1
speak 1.7
sleep 0.5
check "a clip displaces what the other party says" ask 'play media' '"from-tag": "a0", "file": "greeting.wav"'
rtp_wait a b
check "nothing was repeated or forged, and no index used twice" rtp_says a '.auth_failures == 0 and .replays == 0 and .malformed == 0
	and all(.streams[]; .repeated == 0 and .reused_indices == 0)'
cat "$WORK/callee.al" "$WORK/clip.al" >"$WORK/both.al"
check "first the party, then the clip, then the party again" sound pieces "$WORK/both.al" "$WORK/a.al" --jumps 3
check "the call ends" ng delete

# ---- DTMF ----
new_call 'dtmf_pt=101 dtmf=42#' 'dtmf_pt=101' --b-proto RTP/SAVP >/dev/null || exit 1
speak 2.2
sleep 0.3
for digit in 1 5 9; do
	check "digit $digit for the first party" ask 'play DTMF' "\"from-tag\": \"b0\", \"code\": \"$digit\", \"duration\": 120, \"pause\": 100"
done
rtp_wait a b
check "the caller's digits arrived at the callee" is "$(jq -r '.[0].events' "$WORK/b.json")" = '42#'
check "ours at the caller, one after another" is "$(jq -r '.[0].events' "$WORK/a.json")" = 159
check "and were nowhere else" rtp_says b '.auth_failures == 0 and .replays == 0'
check "DTMF of the caller is blocked" ask 'block DTMF' '"from-tag": "a0"'
speak 1.2
rtp_wait a b
check "then none arrives, and the sound does" rtp_says b '.events == "" and .received >= 30'
check "the caller is silenced" ask 'silence media' '"from-tag": "a0"'
speak 0.6
rtp_wait a b
check "then none of its sound arrives, but packets do" rtp_says b '.received >= 20 and .from == {} and .unnumbered == .received'
check "the caller is blocked" ask 'block media' '"from-tag": "a0"'
speak 0.6
rtp_wait a b
check "then nothing arrives" rtp_says b '.received == 0'
check "the call ends" ng delete

# ---- recording ----
new_call "play=$WORK/caller.al" "play=$WORK/callee.al" --a-proto RTP/SAVP >/dev/null || exit 1
check "recording starts" ask 'start recording'
speak 1.6
rtp_wait a b
check "recording stops" ask 'stop recording'
check "there is one file" sl_wait_for 3 recordings_are wav 1
check "on one side what the caller said" channel_is 0 caller.al
check "on the other what the callee said" channel_is 1 callee.al
check "nothing of it was lost" told wav '.state == "complete" and ([.. | .lost? | numbers] | add // 0) == 0'
check "another one, as pcap" ctl sessions record call-0@lab on --format pcap
speak 1
rtp_wait a b
check "it ends with the call" ng delete
check "there is one file of it" sl_wait_for 3 recordings_are pcap 1
check "what the caller said is in it" captured "$CLIENT_IP4" caller.al
check "what the callee said too" captured "$PEER_IP4" callee.al
finish
