#!/usr/bin/env bash
# Runs the public TUF conformance suite against our client: tuf-conformance.sh CHECKOUT [ARGUMENTS OF PYTEST…]
#
# CHECKOUT is a clone of https://github.com/theupdateframework/tuf-conformance, which no package index has.
# MARTLET_TUF_CLIENT=FILE takes that client instead of building one.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

[ -d "${1:-}/tuf_conformance" ] || die "give the path of a clone of tuf-conformance"
suite=$(cd "$1" && pwd)
shift
need_packages faketime python3 python3-venv
client=${MARTLET_TUF_CLIENT:-}
if [ -z "$client" ]; then
    cd "$root"
    swift build --quiet --product tuf-client >&2
    client=$(swift build --show-bin-path)/tuf-client
fi
environment=$cache/tuf-conformance
if ! "$environment/bin/python" -c 'import tuf, pytest' 2>/dev/null; then
    rm -rf "$environment"
    python3 -m venv "$environment"
    # What the suite's pyproject.toml names.
    mapfile -t needs < <(sed -n '/^dependencies = \[/,/^\]/s/^ *"\(.*\)",\{0,1\}$/\1/p' "$suite/pyproject.toml")
    "$environment/bin/pip" install --quiet --disable-pip-version-check "${needs[@]}" </dev/null >&2
fi
cd "$suite"
exec "$environment/bin/python" -m pytest -q -p no:cacheprovider tuf_conformance --entrypoint "$client" "$@"
