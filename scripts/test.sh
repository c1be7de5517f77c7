#!/usr/bin/env bash
# Runs the tests that were built, in groups one after the other: test.sh [PART OF A TEST'S NAME]
#
# Within a group tests run side by side. All at once, the properties would take every thread for seconds, and tests that
# wait for real servers and engines would miss their time limits on a machine of two cores.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root"

run=(swift test --skip-build --disable-xctest)
if [ -n "${1:-}" ]; then exec "${run[@]}" --filter "$1"; fi

groups=(
    "MartletTypes|GGUF|BundleFormat|TUF|DeviceProfiles|Telemetry|RolloutEngine|RolloutPolicyFile|Trust|MartletAPI"
    "RegistryStore|AgentStore|SystemdNotify"
    "RegistryClient|FleetSimulation|Publishing|RolloutView"
    "ModelRuntime"
    "RegistryServer"
    "AgentEngine"
    "Tidy|Golden"
    "EndToEnd"
)
# A target that is in no group would never run.
for folder in Tests/*/; do
    name=$(basename "$folder")
    case $name in Fixtures | Preload | TestSupport) continue ;; esac
    [[ "|$(IFS='|'; echo "${groups[*]}")|" == *"|$name|"* ]] || die "Tests/$name is in no group of $0"
done

# Those that have a turn of their own. Random lives of slots: at full counts they take every thread for half a minute.
# Proofs of rollouts: they compare how fast a device answers now with how fast it did a minute ago, which other tests
# beside them would change more than the release does.
lives='AgentEngineTests\.(SlotHistory|SlotMachinePromise)'
proofs='EndToEndTests\.ProofTests'
# Kills, power cuts and faults of disk, network and clock: they wait out an agent's pauses, many times over.
faults='EndToEndTests\.(KillTests|DiskFaultTests|ClockTests|NetworkFaultTests)'

# What failed is said once more at the end: with thousands of tests nobody finds it above.
log=.build/tests.log
: >"$log"
failed=()
# part NAME ARGUMENT...: runs what the arguments of `swift test` choose.
part() {
    say "== $1"
    "${run[@]}" "${@:2}" 2>&1 | tee -a "$log" || failed+=("$1")
}
for group in "${groups[@]}"; do
    part "$group" --filter "^($group)Tests\." --skip "$lives" --skip "$proofs" --skip "$faults"
done
part "lives of slots" --filter "$lives"
part "proofs of rollouts" --filter "$proofs"
part "kills and faults" --filter "$faults"
if [ "${#failed[@]}" -gt 0 ]; then
    grep -E '^(✘|error:|.*Fatal error)' "$log" | cut -c 1-600 | tail -n 40 >&2 || true
    die "tests failed in: ${failed[*]}"
fi
say "all groups passed"
