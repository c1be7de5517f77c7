#!/usr/bin/env bash
# How much the units expose, by systemd's own measure (0 best, 10 worst); fails above 2.0, for an engine's unit above
# 0.5, or when a unit is wrong: check-units.sh [required]
#
# Without systemd-analyze nothing is checked, which is an error where it is `required`.
set -euo pipefail
cd "$(dirname "$0")/../systemd"

if ! command -v systemd-analyze >/dev/null 2>&1; then
    echo "systemd-analyze is not here: the units are not checked" >&2
    [ "${1:-}" != required ] || exit 1
    exit 0
fi
for unit in *.service; do
    # Tenths: 20 is 2.0.
    limit=20
    [ "$unit" != martlet-runtime@.service ] || limit=5
    systemd-analyze security --offline=true --threshold=$limit --no-pager "$unit" | tail -n 1
done
# What this machine has not installed (programs, pages) is no fault of a unit.
complaints=$(systemd-analyze verify --man=no ./*.service ./*.slice ./*.timer 2>&1 |
    grep -v -e 'is not executable: No such file' -e '^$' || true)
if [ -n "$complaints" ]; then
    printf '%s\n' "$complaints" >&2
    exit 1
fi
for file in "$PWD"/*.sysusers.conf; do
    systemd-sysusers --dry-run "$file" >/dev/null 2>&1 || { echo "$file is wrong" >&2; exit 1; }
done
