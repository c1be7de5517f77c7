#!/usr/bin/env bash
# Builds for release, measures, prints a table, writes .build/bench/results.json: bench.sh [PART OF A FIGURE'S NAME]
#
#   MARTLET_BENCH_PROGRAMS=DIR bench.sh    measures the programs in DIR instead of building them
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root"

llama=$(scripts/get-llama.sh)
model=$(scripts/get-model.sh)
programs=${MARTLET_BENCH_PROGRAMS:-}
if [ -z "$programs" ]; then
    # The folder of release builds with the flags of `make release`.
    release=(swift build -c release --static-swift-stdlib)
    for product in martlet martlet-registry martlet-agent martlet-fleetsim martlet-load trust-bench rollout-bench; do
        say "building $product for release"
        "${release[@]}" --quiet --product "$product"
    done
    programs=$("${release[@]}" --show-bin-path)
fi
for program in martlet martlet-registry martlet-agent martlet-fleetsim martlet-load trust-bench rollout-bench; do
    [ -x "$programs/$program" ] || die "$programs holds no $program"
done
swift build --quiet -c release --package-path Benchmarks
"$(swift build -c release --package-path Benchmarks --show-bin-path)/bench" \
    --root "$root" --programs "$programs" --llama-server "$llama" --model "$model" \
    --results "$root/.build/bench/results.json" --filter "${1:-}"
