#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The closed loop on one machine: pomonad, the simulator's APNs, and N simulated devices that come only when a push
# wakes them, in a directory that is gone afterwards; called by `./dev demo [N] [--once]`. POMONA_BUILD says which
# binaries. It sends a command to all and shows how they are woken and answer; with --once it ends then.
set -euo pipefail

readonly BIN=${POMONA_BUILD:?}/bin
readonly READY_SECONDS=20
readonly ENROLLED_SECONDS=60
readonly ANSWERED_SECONDS=120

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
		*) count=$((10#$argument)) ;;
		esac
	done
	((count > 0)) || die "usage: ./dev demo [N] [--once], N from 1"
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
	"$BIN/pomona-sim" ca --dir "$dir/sim" >/dev/null
	"$BIN/pomonactl" init --dir "$dir" --hostname localhost >"$dir/init.txt"
	set_key device listen "127.0.0.1:$device_port"
	set_key device connections_per_address 0 # all devices come from here
	set_key device handshakes_per_s 0
	set_key device handshakes_per_address_per_s 0
	set_key admin listen "127.0.0.1:$admin_port"
	set_key push server "localhost:$apns_port"
	set_key push ca_file "$dir/sim/apple/ca.pem"
	"$BIN/pomonad" -c "$dir/pomona.conf" 2>"$dir/pomonad.log" &
	pids+=($!)
	wait_until "$READY_SECONDS" "pomonad to be ready" is_ready
}

start_devices()
{
	ctl ca add "$dir/sim/ca.pem" >/dev/null
	ctl pushcert set "$dir/sim/apple/push.pem" >/dev/null
	"$BIN/pomona-sim" run --dir "$dir/sim" --url "https://localhost:$device_port" --ca "$dir/tls/root.pem" \
		--devices "$count" --apns "127.0.0.1:$apns_port" --control "$dir/sim.sock" >"$dir/sim.log" 2>&1 &
	pids+=($!)
}

is_every_device_enrolled()
{
	kill -0 "${pids[1]}" 2>/dev/null || die "pomona-sim ended"
	ctl --json status | /usr/bin/python3 -c '
import json, sys
rows = json.load(sys.stdin)["enrollments"]
devices = [row["count"] for row in rows if row["kind"] in ("device", "byod_device") and row["state"] == "enrolled"]
sys.exit(sum(devices) < int(sys.argv[1]))' "$count"
}

# watch_answers UUID: a line each half second until every device has answered.
watch_answers()
{
	/usr/bin/python3 - "$BIN" "$dir" "$count" "$ANSWERED_SECONDS" "$1" <<'EOT'
import json, subprocess, sys, time

programs, directory, uuid = sys.argv[1], sys.argv[2], sys.argv[5]
count, bound = int(sys.argv[3]), float(sys.argv[4])
started = time.monotonic()


def ask(*words):
    return json.loads(subprocess.run([f"{programs}/{words[0]}", *words[1:]], check=True, stdout=subprocess.PIPE).stdout)


while True:
    woken = ask("pomona-sim", "fault", "--control", f"{directory}/sim.sock", "stats")["woken"]
    states = ask("pomonactl", "-c", f"{directory}/pomona.conf", "--json", "command", uuid)["by_state"]
    answered = states.get("done", 0) + states.get("failed", 0)
    seconds = time.monotonic() - started
    print(f"{seconds:6.1f} s  {woken:6d} woken by a push  {answered:6d} of {count} answered", flush=True)
    if answered >= count:
        print(f"{count} devices were woken and have answered in {seconds:.1f} s.")
        sys.exit(0)
    if seconds > bound:
        sys.exit(f"demo: {count - answered} devices have not answered in {seconds:.0f} s")
    time.sleep(0.5 - (time.monotonic() - started) % 0.5)
EOT
}

show_what_to_try()
{
	cat <<EOT

All of it goes on: $count simulated devices are enrolled with pomonad, and come only when it wakes them.
  devices   https://localhost:$device_port
  admin     http://127.0.0.1:$admin_port/api/v1/status
  APNs      localhost:$apns_port, played by the simulator
  token     $(sed -n 's/.*token[: ]*//p' "$dir/init.txt" | tail -n 1)
  state     $dir (removed at the end)

Try, in another terminal:
  $BIN/pomonactl -c $dir/pomona.conf status
  $BIN/pomonactl -c $dir/pomona.conf devices
  $BIN/pomonactl -c $dir/pomona.conf send DeviceInformation --all
  $BIN/pomonactl -c $dir/pomona.conf push --all
  $BIN/pomona-sim fault --control $dir/sim.sock stats
  $BIN/pomona-sim fault --control $dir/sim.sock reason=TooManyRequests rate_percent=50
  $BIN/pomona-sim fault --control $dir/sim.sock

Ctrl-C ends it.
EOT
}

# A command to all devices, watched until the last one has answered.
show_the_loop()
{
	local uuid

	wait_until "$((ENROLLED_SECONDS + count / 20))" "$count devices to enroll" is_every_device_enrolled
	echo "$count devices are enrolled and asleep. DeviceInformation to all:"
	uuid=$(ctl --json send DeviceInformation --all | /usr/bin/python3 -c '
import json, sys
print(json.load(sys.stdin)["uuid"])')
	watch_answers "$uuid"
	ctl command "$uuid" | sed -n "1,12p"
	ctl status
}

parse_arguments "$@"
trap clean_up EXIT
trap 'exit 0' INT TERM
dir=$(mktemp -d "${TMPDIR:-/tmp}/pomona-demo.XXXXXX")
device_port=$(free_port)
admin_port=$(free_port)
apns_port=$(free_port)
start_server
start_devices
show_the_loop
if ! $is_once; then
	show_what_to_try
	wait -n
	die "a program ended by itself"
fi
