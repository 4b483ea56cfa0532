#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# pomonad with N simulated devices in a directory that is gone afterwards; called by `./dev demo [N] [--once]`.
# POMONA_BUILD says which binaries. --once ends when every device is enrolled and has answered a command.
set -euo pipefail

readonly BIN=${POMONA_BUILD:?}/bin
readonly READY_SECONDS=20
readonly ENROLLED_SECONDS=60

count=25
is_once=false
dir=
pids=()

die()
{
	echo "demo: $*" >&2
	exit 1
}

parse_arguments()
{
	local argument

	for argument; do
		case $argument in
		--once) is_once=true ;;
		'' | *[!0-9]*) die "usage: ./dev demo [N] [--once]" ;;
		*) count=$argument ;;
		esac
	done
}

clean_up()
{
	local status=$? pid

	trap - EXIT INT TERM
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null || true
	done
	wait 2>/dev/null || true
	if [[ $status != 0 && -n $dir ]]; then
		tail -n 30 "$dir"/*.log >&2 || true
	fi
	[[ -z $dir ]] || rm -rf "$dir"
	exit "$status"
}

free_port()
{
	/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# set_key SECTION KEY VALUE: in the conf file that `pomonactl init` wrote.
set_key()
{
	sed -i -e "/^\[$1\]/,/^\[/ s|^#\{0,1\} *$2 *=.*|$2 = $3|" "$dir/pomona.conf"
}

ctl()
{
	"$BIN/pomonactl" -c "$dir/pomona.conf" "$@"
}

# wait_until SECONDS WHAT COMMAND...
wait_until()
{
	local deadline=$((SECONDS + $1)) what=$2

	shift 2
	until "$@"; do
		((SECONDS < deadline)) || die "waited in vain: $what"
		sleep 0.1
	done
}

is_ready()
{
	kill -0 "${pids[0]}" 2>/dev/null || die "pomonad ended"
	curl -sf -o "$dir/ready" --unix-socket "$dir/admin.sock" http://localhost/readyz
}

start_server()
{
	"$BIN/pomonactl" init --dir "$dir" --hostname localhost >"$dir/init.txt"
	set_key device listen "127.0.0.1:$device_port"
	set_key admin listen "127.0.0.1:$admin_port"
	"$BIN/pomonad" -c "$dir/pomona.conf" 2>"$dir/pomonad.log" &
	pids+=($!)
	wait_until "$READY_SECONDS" "pomonad to be ready" is_ready
}

start_devices()
{
	"$BIN/pomona-sim" ca --dir "$dir/sim" >/dev/null
	ctl ca add "$dir/sim/ca.pem" >/dev/null
	"$BIN/pomona-sim" run --dir "$dir/sim" --url "https://localhost:$device_port" --ca "$dir/tls/root.pem" \
		--devices "$count" --interval "$interval" >"$dir/sim.log" 2>&1 &
	pids+=($!)
}

# The ids of the enrolled devices, one a line.
device_ids()
{
	ctl --json devices --state enrolled | /usr/bin/python3 -c '
import json, sys
for device in json.load(sys.stdin)["devices"]:
    if device["kind"] in ("device", "byod_device"):
        print(device["id"])'
}

is_every_device_enrolled()
{
	(($(device_ids | wc -l) >= count))
}

# is_every_answer_in UUID
is_every_answer_in()
{
	ctl --json command "$1" | /usr/bin/python3 -c '
import json, sys
states = json.load(sys.stdin)["by_state"]
sys.exit(any(count and state != "done" for state, count in states.items()))'
}

show_what_to_try()
{
	cat <<EOT

$count simulated devices are enrolling with pomonad.
  devices   https://localhost:$device_port
  admin     http://127.0.0.1:$admin_port/api/v1/status
  token     $(sed -n 's/.*token[: ]*//p' "$dir/init.txt" | tail -n 1)
  state     $dir (removed at the end)

Try, in another terminal:
  $BIN/pomonactl -c $dir/pomona.conf status
  $BIN/pomonactl -c $dir/pomona.conf devices
  $BIN/pomonactl -c $dir/pomona.conf send DeviceInformation --all

Ctrl-C ends it.
EOT
}

run_once()
{
	local uuid

	wait_until "$ENROLLED_SECONDS" "$count devices to enroll" is_every_device_enrolled
	mapfile -t ids < <(device_ids)
	uuid=$(ctl --json send DeviceInformation "${ids[@]}" | /usr/bin/python3 -c '
import json, sys
print(json.load(sys.stdin)["uuid"])')
	wait_until "$ENROLLED_SECONDS" "an answer from every device" is_every_answer_in "$uuid"
	ctl command "$uuid"
	ctl status
}

parse_arguments "$@"
trap clean_up EXIT
trap 'exit 0' INT TERM
dir=$(mktemp -d "${TMPDIR:-/tmp}/pomona-demo.XXXXXX")
device_port=$(free_port)
admin_port=$(free_port)
interval=5
if $is_once; then
	interval=1
fi
start_server
start_devices
if $is_once; then
	run_once
else
	show_what_to_try
	wait -n
	die "a program ended by itself"
fi
