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

failed=()
for group in "${groups[@]}"; do
    say "== $group"
    "${run[@]}" --filter "^($group)Tests\." --skip "$lives" --skip "$proofs" --skip "$faults" || failed+=("$group")
done
say "== lives of slots"
"${run[@]}" --filter "$lives" || failed+=("lives of slots")
say "== proofs of rollouts"
"${run[@]}" --filter "$proofs" || failed+=("proofs of rollouts")
say "== kills and faults"
"${run[@]}" --filter "$faults" || failed+=("kills and faults")
[ "${#failed[@]}" -eq 0 ] || die "tests failed in: ${failed[*]}"
say "all groups passed"
