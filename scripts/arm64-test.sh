#!/usr/bin/env bash
# The story of one arm64 device: install, swap, rollback, with arm64 programs run by an emulator: arm64-test.sh FOLDER
#
# FOLDER has the three programs built for arm64 (make arm64): agent, registry and command line. The engine is Debian's arm64
# llama.cpp, emulated too. Kernel calls that the emulator does not know (Landlock, seccomp) are left out: no claim about
# confinement on real arm64 comes from here.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

if [ "$#" -eq 1 ]; then
    programs=$(realpath "$1")
    tools=$("$root/scripts/arm64.sh")
    llama=$(MARTLET_LLAMA_EMULATOR=$tools/qemu/qemu-aarch64-static "$root/scripts/get-llama.sh")
    exec "$root/scripts/with-arm64.sh" "$0" "$programs" "$llama"
fi
programs=$1 llama=$2
fixtures=$root/Tests/Fixtures
scratch_folder
# Short: paths of sockets are limited.
home=$(mktemp -d /tmp/arm64.XXXXXX)
export XDG_CONFIG_HOME=$home/config XDG_CACHE_HOME=$home/cache XDG_DATA_HOME=$home/data
pids=()
end_all() {
    local pid
    for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$home" "$scratch"
}
trap end_all EXIT
until_true() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || { tail -n 40 "$home"/*.log >&2; die "$what did not come about"; }
        sleep 0.3
    done
    say "   ok: $what"
}
field() { sed -n "s/.*\"$1\" *: *\"\{0,1\}\([^\",}]*\)\"\{0,1\}.*/\1/p" | head -n 1; }
martlet() { "$programs/martlet" "$@"; }
serves() { martlet devices show pi --output json | tr -d '\n ' | grep -q "\"current\":\[\"$1\"\].*\"serving\":true"; }
is_arm64() { martlet devices show pi --output json | grep -qi 'arm64\|aarch64'; }
ask() {
    curl -sf --max-time 120 -H 'Content-Type: application/json' "http://$gateway/v1/chat/completions" \
        -d '{"model":"triage","max_tokens":4,"messages":[{"role":"user","content":"I was charged twice"}]}'
}

say "== an arm64 device under emulation"
export QEMU_CPU=cortex-a72
for program in martlet martlet-agent martlet-registry; do
    machine=$(od -An -tu2 -j18 -N2 "$programs/$program" | tr -d ' ')
    [ "$machine" = 183 ] || die "$programs/$program is no arm64 program"
done
say "   $("$programs/martlet-agent" version), engine $("$llama" --version 2>&1 | sed -n 's/^version: //p')"
"$programs/martlet-registry" serve --data "$home/registry" --operator-address 127.0.0.1:0 --device-address 127.0.0.1:0 \
    --admin-token-file "$home/admin.token" >"$home/registry.log" 2>&1 &
pids+=("$!")
until_true 60 "the registry runs" test -s "$home/registry/run/addresses.json"
operator=$(field operator <"$home/registry/run/addresses.json")
# shellcheck disable=SC2129  # one line for each command
martlet login "http://$operator" --token-file "$home/admin.token" >>"$home/martlet.log" 2>&1
martlet trust init --namespace clinic --keys "$home/keys" --no-passphrase >>"$home/martlet.log" 2>&1
martlet token join --uses 1 --valid 1h >"$home/pi.join" 2>>"$home/martlet.log"
echo '{"policy": {"slots": {"triage": ["clinic/*"]}}, "engine": {"threads": 1}, "telemetrySeconds": 5}' >"$home/agent.json"
"$programs/martlet-agent" enrol --join-file "$home/pi.join" --name pi --label site=lab --data "$home/pi" --config "$home/agent.json" >"$home/enrol.log" 2>&1 ||
    { cat "$home/enrol.log" >&2; die "the device does not enrol"; }
say "   ok: the device enrols, with a key of its own"
"$programs/martlet-agent" run --data "$home/pi" --gateway 127.0.0.1:0 --llama-server "$llama" >"$home/pi.log" 2>&1 &
pids+=("$!")
until_true 120 "the agent runs" test -s "$home/pi/run/addresses.json"
gateway=$(field gateway <"$home/pi/run/addresses.json")
# The registry hears from the device itself what it is.
until_true 120 "the registry knows it as arm64" is_arm64

release() { martlet publish "$fixtures/models/tiny/$1" --as "clinic/triage:$2" >>"$home/martlet.log" 2>&1 || die "publishing $2 failed"; }
roll() {
    martlet rollout start "clinic/triage:$1" --fleet lab --slot triage --soak 1s --wait >>"$home/martlet.log" 2>&1 ||
        { tail "$home/martlet.log" >&2; die "the rollout of $1 fails"; }
}
martlet fleets set lab --selector site=lab >>"$home/martlet.log" 2>&1 || die "the fleet cannot be made"
release tiny-v1.Q4_0.gguf 1.0.0
release tiny-v2.Q4_0.gguf 2.0.0
roll 1.0.0
until_true 400 "install: it serves 1.0.0" serves clinic/triage/1.0.0
until_true 120 "it answers" ask
roll 2.0.0
until_true 400 "swap: it serves 2.0.0" serves clinic/triage/2.0.0
until_true 120 "it answers" ask
martlet rollback --fleet lab --slot triage --reason drill >>"$home/martlet.log" 2>&1 || die "the rollback does not start"
until_true 400 "rollback: it serves 1.0.0 again" serves clinic/triage/1.0.0
until_true 120 "it answers" ask
kill -TERM "${pids[1]}"
wait "${pids[1]}" || die "the agent does not end well"
say "   ok: the agent ends well"
unset 'pids[1]'
say "install, swap and rollback on arm64: all of it holds"
