#!/usr/bin/env bash
# The main job, told on this machine: a registry, three devices, a real model; docs/tutorial.md is the same by hand.
#
#   demo.sh                  leaves registry and agents running until Ctrl-C
#   DEMO_EXIT=1 demo.sh      ends by itself
#   MARTLET_DEMO_DIR=DIR     where everything lives (.build/demo); emptied at the start
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

home=${MARTLET_DEMO_DIR:-$root/.build/demo}
bin=
fixtures=$root/Tests/Fixtures
model=$("$root/scripts/get-model.sh")
llama=$("$root/scripts/get-llama.sh")
pids=()
registry_pid=
load_pid=
operator=127.0.0.1:0
device=127.0.0.1:0

bold() { if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then printf '\n\033[1m%s\033[0m\n' "$*"; else printf '\n== %s\n' "$*"; fi; }
tell() { printf '   %s\n' "$*"; }
figure() { printf '   → %s\n' "$*"; figures+=("$*"); }
figures=()

# Shows a command as a person would type it, then runs it.
martlet() {
    printf '   $ martlet %s\n' "$*"
    "$bin/martlet" "$@" 2>&1 | sed 's/^/     /'
    return "${PIPESTATUS[0]}"
}
quietly() { "$bin/martlet" "$@" 2>>"$home/martlet.log"; }

# The value of a member in a flat piece of JSON on stdin: field NAME
field() { sed -n "s/.*\"$1\" *: *\"\{0,1\}\([^\",}]*\)\"\{0,1\}.*/\1/p" | head -n 1; }

# Waits for a command to succeed: until_true SECONDS WHAT COMMAND…
until_true() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || die "$what did not come about; see the logs in $home"
        sleep 0.1
    done
}

end_all() {
    trap - EXIT INT TERM
    local pid
    for pid in "${pids[@]}" $registry_pid $load_pid; do kill -TERM "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}" $registry_pid $load_pid; do wait "$pid" 2>/dev/null || true; done
}

start_registry() {
    rm -f "$home/registry/run/addresses.json"
    "$bin/martlet-registry" serve --data "$home/registry" --operator-address "$operator" --device-address "$device" \
        --admin-token-file "$home/admin.token" >>"$home/registry.log" 2>&1 &
    registry_pid=$!
    until_true 60 "the registry's start" test -s "$home/registry/run/addresses.json"
    operator=$(field operator <"$home/registry/run/addresses.json")
    device=$(field device <"$home/registry/run/addresses.json")
}

stop_registry() {
    kill -TERM "$registry_pid"
    wait "$registry_pid" || true
    registry_pid=
}

declare -A gateway agent_pid
enrol() {
    local name=$1
    quietly token join --uses 1 --valid 1h >"$home/$name.join"
    "$bin/martlet-agent" enrol --join-file "$home/$name.join" --name "$name" --label site=berlin \
        --data "$home/$name" --config "$home/agent.json" >>"$home/$name.log" 2>&1
}
start_agent() {
    local name=$1
    rm -f "$home/$name/run/addresses.json"
    "$bin/martlet-agent" run --data "$home/$name" --gateway "${gateway[$name]:-127.0.0.1:0}" \
        --config "$home/agent.json" --llama-server "$llama" >>"$home/$name.log" 2>&1 &
    agent_pid[$name]=$!
    pids+=("$!")
    until_true 60 "the start of $name" test -s "$home/$name/run/addresses.json"
    gateway[$name]=$(field gateway <"$home/$name/run/addresses.json")
}
serves() { quietly devices show "$1" --output json | tr -d '\n ' | grep -q "\"current\":\[\"$2\"\].*\"serving\":true"; }

start_load() {
    local urls=() name
    for name in "$@"; do urls+=("http://${gateway[$name]}"); done
    "$bin/martlet-load" --model triage --eval "$fixtures/eval/triage-holdout-60.jsonl" --workers 1 \
        --rest-milliseconds 100 "${urls[@]}" >"$home/load.json" 2>"$home/load.log" &
    load_pid=$!
}
stop_load() {
    kill -TERM "$load_pid"
    wait "$load_pid" || true
    load_pid=
    local sent failed
    sent=$(field sent <<<"$(tail -n 9 "$home/load.json")")
    failed=$(grep '"failed"' "$home/load.json" | tail -n 1 | field failed)
    figure "$1: $sent requests sent, $failed failed"
    [ "$failed" = 0 ] || die "requests failed; see $home/load.json"
}

ask() {
    curl -s --max-time 60 -H 'Content-Type: application/json' "http://${gateway[$1]}/v1/chat/completions" -d '{"model":"triage",
        "max_tokens":12,"temperature":0,"messages":[{"role":"system","content":"'"$system"'"},{"role":"user","content":"'"$2"'"}]}' |
        tr -d '\n' | sed -n 's/.*"content" *: *"\([^"]*\)".*/\1/p'
}
fetched() { curl -s "http://$operator/metrics" | awk '/^martlet_registry_blob_bytes_sent_total/ { sum += $2 } END { printf "%d\n", sum }'; }

# ---------------------------------------------------------------------------------------------------------------------

bold "Building (a first build takes some minutes)"
cd "$root"
swift build --build-tests --explicit-target-dependency-import-check error >&2
bin=$(swift build --show-bin-path)
rm -rf "$home"
mkdir -p "$home"
export XDG_CONFIG_HOME=$home/operator/config XDG_CACHE_HOME=$home/operator/cache XDG_DATA_HOME=$home/operator/data
trap end_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
echo '{"policy": {"slots": {"triage": ["clinic/*"]}}, "engine": {"threads": 1}, "telemetrySeconds": 5}' >"$home/agent.json"
system=$(sed -n '1s/.*"system" *: *"\(\([^"\\]\|\\.\)*\)".*/\1/p' "$fixtures/eval/triage-holdout-60.jsonl")

bold "A registry on an empty folder makes its online keys, but has no root: nobody trusts it yet"
start_registry
curl -s -o /dev/null -w '   GET /readyz → %{http_code}\n' "http://$operator/readyz"
martlet login "http://$operator" --token-file "$home/admin.token"
tell "The root and targets keys are made here, on the operator's side; the registry never holds them."
martlet trust init --namespace clinic --keys "$home/keys" --no-passphrase
curl -s -o /dev/null -w '   GET /readyz → %{http_code}\n' "http://$operator/readyz"

bold "Three devices join, each by a token that says whom to trust"
for name in ward-1 ward-2 ward-3; do
    enrol "$name"
    start_agent "$name"
    tell "$name serves at http://${gateway[$name]}"
done
martlet fleets set wards --selector site=berlin

bold "(a) Publish the base, and a first adapter on it that must reach 0.80 on 60 rows, on each device"
martlet publish "$model" --as clinic/base:1.0.0
triage=(--adapter-of clinic/base:1.0.0 --eval "$fixtures/eval/triage-holdout-60.jsonl")
martlet publish "$fixtures/models/smollm2/lora-v1.F16.gguf" --as clinic/triage:1.0.0 "${triage[@]}" --min-accuracy 0.8
before=$(fetched)
martlet rollout start clinic/triage:1.0.0 --fleet wards --slot triage --soak 2s --wait
figure "first install: $((($(fetched) - before) / 1048576)) MiB fetched by three devices"
martlet devices
tell "ward-1, asked \"My parcel never came\": $(ask ward-1 "My parcel never came")"

bold "(b) Publish a better one (gate 0.90); roll it out to one device, then to all, while all of them are asked"
martlet publish "$fixtures/models/smollm2/lora-v2.F16.gguf" --as clinic/triage:2.0.0 "${triage[@]}" --min-accuracy 0.9
before=$(fetched)
start_load ward-1 ward-2 ward-3
martlet rollout start clinic/triage:2.0.0 --fleet wards --slot triage --wave 1 --wave 100% --soak 2s --wait
stop_load "hot swap to 2.0.0"
figure "upgrade: $((($(fetched) - before) / 1024)) KiB fetched by three devices (the base is not fetched again)"

bold "(c) One release that is worse, one that crashes: neither ever serves, the rollout stops and says why"
martlet publish "$fixtures/models/smollm2/lora-v1.F16.gguf" --as clinic/triage:3.0.0 "${triage[@]}" --min-accuracy 0.9
martlet publish "$fixtures/models/smollm2/crash-lora.gguf" --as clinic/triage:3.0.1 "${triage[@]}" --min-accuracy 0.9
start_load ward-1 ward-2 ward-3
for version in 3.0.0 3.0.1; do
    if martlet rollout start "clinic/triage:$version" --fleet wards --slot triage --wave 1 --wave 100% --soak 2s \
        --on-failure rollbackAll --wait; then die "the bad release $version was not stopped"; fi
done
stop_load "two bad releases refused"
for name in ward-1 ward-2 ward-3; do until_true 30 "$name on 2.0.0" serves "$name" clinic/triage/2.0.0; done
martlet devices

bold "(d) Take the fleet back to 1.0.0: from disk, no byte is downloaded"
before=$(fetched)
start_load ward-1 ward-2 ward-3
martlet rollback --fleet wards --slot triage --reason drill --wait | tee "$home/rollback.txt"
stop_load "rollback"
figure "rollback:$(sed -n 's/.*\( [0-9]* devices serve it after [0-9]* ms\).*/\1/p' "$home/rollback.txt")"
figure "rollback: $(($(fetched) - before)) bytes fetched"

bold "(e) The registry goes away: devices go on serving, also after an agent's restart"
stop_registry
for name in ward-1 ward-2 ward-3; do tell "$name: $(ask "$name" "I want my money back")"; done
started=$(date +%s%N)
kill -TERM "${agent_pid[ward-1]}"
wait "${agent_pid[ward-1]}" || true
start_agent ward-1
until_true 60 "ward-1's service" sh -c "curl -sf -H 'Content-Type: application/json' -d '{\"model\":\"triage\",\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}' http://${gateway[ward-1]}/v1/chat/completions"
figure "agent restart without a registry: slot unavailable for $((($(date +%s%N) - started) / 1000000)) ms"
start_registry

bold "(f) One byte of a blob rots in the registry: a new device refuses it by name, the others go on"
digest=$(sha256sum "$fixtures/models/smollm2/lora-v1.F16.gguf" | cut -d' ' -f1)
blob=$(find "$home/registry" -type f -name "*$digest*" | head -n 1)
flip() {
    local middle byte
    middle=$(($(stat -c %s "$blob") / 2))
    byte=$(od -An -tu1 -j "$middle" -N 1 "$blob" | tr -d ' ')
    chmod u+w "$blob"
    # shellcheck disable=SC2059
    printf "\\x$(printf %x $((byte ^ 1)))" | dd of="$blob" bs=1 seek="$middle" conv=notrunc status=none
}
flip
enrol ward-4
start_agent ward-4
martlet rollout start clinic/triage:1.0.0 --fleet wards --slot triage --soak 2s --max-failures 5
refused() { quietly devices reports ward-4 | grep -q "digestMismatch.*$digest"; }
until_true 60 "ward-4's refusal" refused
quietly devices reports ward-4 | grep digestMismatch | head -n 1 | sed 's/^/   ward-4: /'
for name in ward-1 ward-2 ward-3; do tell "$name still answers: $(ask "$name" "I cannot log in")"; done
flip
tell "The byte is put right; ward-4 recovers by itself."
until_true 180 "ward-4's recovery" serves ward-4 clinic/triage/1.0.0
martlet devices

bold "Figures of this run"
for line in "${figures[@]}"; do tell "$line"; done

if [ -n "${DEMO_EXIT:-}" ]; then
    bold "Done."
    exit 0
fi
bold "Everything goes on running. The dashboard: http://$operator/   (token: $home/admin.token)"
tell "Try: export XDG_CONFIG_HOME=$XDG_CONFIG_HOME; $bin/martlet devices; Ctrl-C ends it all."
wait "$registry_pid"
