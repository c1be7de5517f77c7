#!/usr/bin/env bash
# Prints the path of a Python with model-signing and CycloneDX's validator, from a virtual environment in the cache
# folder. Exits with 3 and a reason on stderr where Python, pip or the package index cannot be had.
set -euo pipefail

version=1.1.1
cache=${MARTLET_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/martlet}
environment=$cache/model-signing-$version

unavailable() {
    printf '%s\n' "$*" >&2
    exit 3
}

mkdir -p "$cache"
exec 9>"$environment.lock"
flock 9
if ! "$environment/bin/python" -c 'import model_signing, OpenSSL, cyclonedx.validation.json' 2>/dev/null; then
    command -v python3 >/dev/null || unavailable "there is no python3"
    rm -rf "$environment"
    python3 -m venv "$environment" >/dev/null 2>&1 || unavailable "python3 cannot make virtual environments (python3-venv)"
    # The tool needs pyOpenSSL and does not say so.
    "$environment/bin/pip" install --quiet --disable-pip-version-check "model-signing==$version" pyOpenSSL \
        "cyclonedx-python-lib[json-validation]==11.12.0" </dev/null >/dev/null 2>&1 ||
        unavailable "pip cannot install model-signing $version"
fi
printf '%s\n' "$environment/bin/python"
