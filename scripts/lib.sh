# What the scripts share: where things are cached, and how they speak. Sourced, never run.
# shellcheck shell=bash disable=SC2034

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${MARTLET_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/martlet}

# Progress goes to stderr: the stdout of a script is its result.
say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $*"
    exit 1
}

# Runs a command as root: as we are, or through sudo.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo -- "$@"
    else
        die "\"$*\" needs root; run it as root or install sudo"
    fi
}

# Installs the named Debian packages that are missing; silent and without apt when none is.
need_packages() {
    local missing=() package
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    if ! command -v dpkg-query >/dev/null 2>&1; then
        say "this is not Debian: make sure that you have what it calls ${missing[*]}"
        return 0
    fi
    command -v apt-get >/dev/null 2>&1 || die "missing: ${missing[*]}; install them"
    say "installing ${missing[*]}"
    # The lists of a fresh machine or container are empty or old. What apt says matters only when it fails.
    local said status=0
    said=$({ as_root apt-get -qq update && as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
        -o Dpkg::Use-Pty=0 --no-install-recommends install "${missing[@]}"; } </dev/null 2>&1) || status=$?
    [ "$status" -eq 0 ] || die "apt-get failed: $said"
}

# A Python that has pip; Debian's is installed where none is.
need_pip() {
    python3 -m pip --version >/dev/null 2>&1 || need_packages python3 python3-pip
    python3 -m pip --version >/dev/null 2>&1 || die "python3 has no pip; install the package python3-pip"
}

# Fetches one file of a Python project, with whatever index pip is configured for: pip_fetch DIR ARGUMENTS…
pip_fetch() {
    local folder=$1
    shift
    need_pip
    python3 -m pip --disable-pip-version-check download --quiet --no-deps --dest "$folder" "$@" </dev/null >&2
}

# Holds a lock file until the script ends, so that parallel runs fetch once.
hold_lock() {
    mkdir -p "$cache"
    exec 9>"$cache/$1.lock"
    flock -n 9 || {
        say "waiting for another run that holds $cache/$1.lock"
        flock 9
    }
}

# The newest package of each of the three products in a folder: newest_debs FOLDER ARCHITECTURE
newest_debs() {
    local product newest
    for product in martlet martlet-registry martlet-agent; do
        newest=$(find "$1" -maxdepth 1 -name "${product}_*_$2.deb" | sort -V | tail -n 1)
        [ -n "$newest" ] || die "no package $product for $2 in $1; run make deb first"
        printf '%s\n' "$newest"
    done
}

# A scratch folder beside its goal, so that the final rename is atomic; removed on any exit.
scratch_folder() {
    mkdir -p "$cache"
    scratch=$(mktemp -d "$cache/partial.XXXXXX")
    trap 'rm -rf "$scratch"' EXIT
}
