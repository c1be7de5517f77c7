#!/usr/bin/env bash
# Builds for release, measures, prints a table, writes .build/bench/results.json: bench.sh [PART OF A FIGURE'S NAME]
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root"

llama=$(scripts/get-llama.sh)
model=$(scripts/get-model.sh)
# The folder of release builds with the flags of `make release`.
release=(swift build -c release --static-swift-stdlib)
for product in martlet martlet-registry martlet-agent martlet-load; do
    say "building $product for release"
    "${release[@]}" --quiet --product "$product"
done
swift build --quiet -c release --package-path Benchmarks
"$(swift build -c release --package-path Benchmarks --show-bin-path)/bench" \
    --root "$root" --programs "$("${release[@]}" --show-bin-path)" --llama-server "$llama" --model "$model" \
    --results "$root/.build/bench/results.json" --filter "${1:-}"
