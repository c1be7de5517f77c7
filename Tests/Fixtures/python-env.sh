#!/usr/bin/env bash
# Prints the path of a Python with what a test needs, from a virtual environment in the cache folder, which is made where
# there is none: python-env.sh NAME VERSION IMPORTS REQUIREMENT... Exits with 3 and a reason on stderr where Python, pip or
# the package index cannot be had.
set -euo pipefail

name=$1 version=$2 imports=$3
shift 3
cache=${MARTLET_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/martlet}
environment=$cache/$name-$version

unavailable() {
    printf '%s\n' "$*" >&2
    exit 3
}

mkdir -p "$cache"
exec 9>"$environment.lock"
flock 9
if ! "$environment/bin/python" -c "import $imports" 2>/dev/null; then
    command -v python3 >/dev/null || unavailable "there is no python3"
    rm -rf "$environment"
    python3 -m venv "$environment" >/dev/null 2>&1 || unavailable "python3 cannot make virtual environments (python3-venv)"
    "$environment/bin/pip" install --quiet --disable-pip-version-check "$@" </dev/null >/dev/null 2>&1 ||
        unavailable "pip cannot install $name $version"
fi
printf '%s\n' "$environment/bin/python"
