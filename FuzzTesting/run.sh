#!/usr/bin/env bash
# run.sh [SECONDS]: builds the fuzzers, proves with the canary that they can find a bug, replays the failures that were
# kept, then fuzzes the GGUF reader for SECONDS. Exit 0: nothing found. What is found is kept in Failures/.
set -euo pipefail
seconds=${1:-60}
cd "$(dirname "$0")"
# A crashing child must die at once, not write a backtrace.
export SWIFT_BACKTRACE=enable=no
canary_seconds=120

# `--sanitize fuzzer` leaves main to libFuzzer. Dead stripping would throw the coverage counters away.
flags=(-c release --sanitize fuzzer --disable-dead-strip)
swift build "${flags[@]}" --product fuzz-gguf
swift build "${flags[@]}" --product fuzz-gguf-canary
build=$(swift build "${flags[@]}" --show-bin-path)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
options=(-max_len=65536 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0)

mkdir "$work/canary"
if "$build/fuzz-gguf-canary" "${options[@]}" -artifact_prefix="$work/" -max_total_time="$canary_seconds" -max_len=128 \
    "$work/canary" Corpus/gguf-canary >"$work/canary.log" 2>&1
then
    echo "run.sh: the canary survived $canary_seconds seconds: the fuzzer is blind" >&2
    exit 1
fi
# It must have died of the false property on an input that the fuzzer made, not of anything else.
if ! compgen -G "$work/crash-*" >/dev/null; then
    echo "run.sh: the canary did not run:" >&2
    tail -n 20 "$work/canary.log" >&2
    exit 1
fi
echo "canary: found, as it must be"

find Failures/gguf -type f ! -name README.md -print0 | xargs -0 -r "$build/fuzz-gguf" -verbosity=0

mkdir "$work/corpus"
status=0
"$build/fuzz-gguf" "${options[@]}" -artifact_prefix=Failures/gguf/ -max_total_time="$seconds" \
    "$work/corpus" Corpus/gguf >"$work/fuzz.log" 2>&1 || status=$?
grep -aE '^stat::|ERROR|SUMMARY' "$work/fuzz.log" || true
if grep -q 'no interesting inputs' "$work/fuzz.log"; then
    echo "run.sh: the fuzzer gets no coverage" >&2
    exit 1
fi
echo "inputs that reached new code: $(find "$work/corpus" -type f | wc -l)"
exit "$status"
