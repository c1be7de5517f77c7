#!/usr/bin/env bash
# run.sh [SECONDS [READER…]]: builds the fuzzers (gguf, engine: both by default), and for each of them proves with the
# canary that it can find a bug, replays the failures that were kept, then fuzzes for SECONDS. Exit 0: nothing found.
# What is found is kept in Failures/.
set -euo pipefail
seconds=${1:-60}
shift || true
readers=("$@")
[ ${#readers[@]} -gt 0 ] || readers=(gguf engine)
cd "$(dirname "$0")"
# A crashing child must die at once, not write a backtrace.
export SWIFT_BACKTRACE=enable=no
# An upper bound; alone on a machine it is a matter of seconds.
canary_seconds=300

# `--sanitize fuzzer` leaves main to libFuzzer. Dead stripping would throw the coverage counters away.
flags=(-c release --sanitize fuzzer --disable-dead-strip)
build=$(swift build "${flags[@]}" --show-bin-path)
work=$(mktemp -d)
# The folders that the engine fuzzers unpack into: a crash leaves them.
trap 'rm -rf "$work" /dev/shm/martlet-fuzz-*' EXIT
# No slow growth from short inputs: an archive has blocks of 512 bytes.
options=(-len_control=0 -timeout=30 -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0)

canary() {
    local reader=$1
    mkdir -p "$work/$reader-canary"
    if "$build/fuzz-$reader-canary" "${options[@]}" -artifact_prefix="$work/$reader-canary/" \
        -max_total_time="$canary_seconds" -max_len=128 \
        "$work/$reader-canary" "Corpus/$reader-canary" >"$work/canary.log" 2>&1
    then
        echo "run.sh: the canary of $reader survived $canary_seconds seconds: the fuzzer is blind" >&2
        return 1
    fi
    # It must have died of the false property on an input that the fuzzer made, not of anything else.
    if ! compgen -G "$work/$reader-canary/crash-*" >/dev/null; then
        echo "run.sh: the canary of $reader did not run:" >&2
        tail -n 20 "$work/canary.log" >&2
        return 1
    fi
    echo "$reader: canary found, as it must be"
}

fuzz() {
    local reader=$1 status=0 longest=65536
    # Of an archive each five bytes can be a file, which takes a while to make.
    [ "$reader" = gguf ] || longest=8192
    find "Failures/$reader" -type f ! -name README.md -print0 | xargs -0 -r "$build/fuzz-$reader" -verbosity=0
    mkdir "$work/$reader"
    "$build/fuzz-$reader" "${options[@]}" -max_len="$longest" -artifact_prefix="Failures/$reader/" \
        -max_total_time="$seconds" \
        "$work/$reader" "Corpus/$reader" >"$work/fuzz.log" 2>&1 || status=$?
    grep -aE '^stat::|ERROR|SUMMARY|Fatal error' "$work/fuzz.log" || true
    if grep -q 'no interesting inputs' "$work/fuzz.log"; then
        echo "run.sh: the fuzzer of $reader gets no coverage" >&2
        return 1
    fi
    echo "$reader: inputs that reached new code: $(find "$work/$reader" -type f | wc -l)"
    return "$status"
}

status=0
for reader in "${readers[@]}"; do
    swift build "${flags[@]}" --product "fuzz-$reader"
    swift build "${flags[@]}" --product "fuzz-$reader-canary"
    canary "$reader" || { status=1; continue; }
    fuzz "$reader" || status=1
done
exit "$status"
