#!/usr/bin/env bash
# Prints the path of a llama-server, obtaining one when the machine has none.
#
#   get-llama.sh           looks in $MARTLET_LLAMA_SERVER, PATH and the cache, then fetches into the cache
#   MARTLET_LLAMA_FROM=debian|source get-llama.sh    only that way of fetching
#   MARTLET_LLAMA_EMULATOR=FILE get-llama.sh         that for arm64, run by this emulator (qemu-aarch64-static)
#
# Fetching: Debian's own llama.cpp from a newer suite, unpacked (not installed) with the libraries it needs, so that it
# runs on an older Debian; else built from the source that the Python project llama-cpp-python carries.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

goal=$cache/llama.cpp
emulator=${MARTLET_LLAMA_EMULATOR:-}
[ -z "$emulator" ] || goal=$cache/llama.cpp-arm64
suite=${MARTLET_LLAMA_SUITE:-forky}
# The tools and the closure of their shared libraries with libc and its loader. What only maintainer scripts want
# (debconf and the like) is left out, since nothing is installed.
packages=(llama.cpp-tools libllama0 libggml0 libc6 libgcc-s1 libgomp1 libssl3t64 libstdc++6 libzstd1 zlib1g)
source_release=llama-cpp-python==0.3.36

runs() { "$1" --version >/dev/null 2>&1; }

find_installed() {
    if [ -n "$emulator" ]; then
        [ -x "$goal/bin/llama-server" ] || return 1
        printf '%s\n' "$goal/bin/llama-server"
    elif [ -n "${MARTLET_LLAMA_SERVER:-}" ]; then
        [ -x "$MARTLET_LLAMA_SERVER" ] || die "MARTLET_LLAMA_SERVER=$MARTLET_LLAMA_SERVER is not an executable file"
        printf '%s\n' "$MARTLET_LLAMA_SERVER"
    elif [ -z "${MARTLET_LLAMA_FROM:-}" ] && command -v llama-server; then
        :
    elif [ -x "$goal/bin/llama-server" ]; then
        printf '%s\n' "$goal/bin/llama-server"
    else
        return 1
    fi
}

# The Debian archive that this machine's apt is set up for. apt tells only of sources it has fetched once; on a
# machine that never ran "apt-get update" the source files are read.
archive() {
    local found
    # shellcheck disable=SC2016  # apt expands it
    found=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -E '/debian/?$' | head -n 1) || true
    if [ -z "$found" ]; then
        found=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -v '^ *#' |
            grep -oE '[a-z+]+://[^ ]+/debian/?( |$)' | head -n 1 | tr -d ' ') || true
    fi
    printf '%s' "$found"
}

# Writes an apt world of its own under $1, which knows the newer suite and nothing of this machine's packages.
private_apt() {
    local apt=$1 architecture=$2 mirror=$3
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/state" "$apt/debs"
    : >"$apt/state/status"
    echo "deb [arch=$architecture signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" \
        >"$apt/sources.list"
    {
        # How this machine reaches its archive (proxies, certificates, frozen snapshots) holds here as well.
        apt-config dump | grep '^Acquire::' || true
        cat <<CONF
APT::Architecture "$architecture"; APT::Architectures { "$architecture"; }; APT::Sandbox::User "root";
Acquire::Languages "none"; Acquire::Retries "3";
Dir::State "$apt/state"; Dir::State::Lists "$apt/lists"; Dir::State::status "$apt/state/status";
Dir::Cache "$apt/cache"; Dir::Etc::SourceList "$apt/sources.list"; Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Parts "/dev/null"; Dir::Etc::Preferences "/dev/null"; Dir::Etc::PreferencesParts "/dev/null";
CONF
    } >"$apt/apt.conf"
}

# A wrapper that starts tool $2 below $1 with the loader and the libraries that came with it.
write_wrapper() {
    local folder=$1 tool=$2 libraries=$3 loader=$4
    if [ -n "$emulator" ]; then
        cat >"$folder/bin/$tool" <<WRAPPER
#!/bin/sh
here=\$(cd "\$(dirname "\$(readlink -f "\$0")")/.." && pwd)
# Without SVE, which is slow to emulate.
QEMU_CPU=\${QEMU_CPU:-cortex-a72} exec "$emulator" -L "\$here/root" "\$here/root/usr/bin/$tool" "\$@"
WRAPPER
        chmod 755 "$folder/bin/$tool"
        return
    fi
    cat >"$folder/bin/$tool" <<WRAPPER
#!/bin/sh
here=\$(cd "\$(dirname "\$(readlink -f "\$0")")/.." && pwd)
libraries=\$here/root/usr/lib/$libraries
exec "\$libraries/$loader" --library-path "\$libraries:\$libraries/llama" "\$here/root/usr/bin/$tool" "\$@"
WRAPPER
    chmod 755 "$folder/bin/$tool"
}

from_debian() {
    local folder=$1 architecture libraries loader mirror deb tool apt
    command -v apt-get >/dev/null 2>&1 || return 1
    architecture=$(dpkg --print-architecture)
    [ -z "$emulator" ] || architecture=arm64
    case $architecture in
        amd64) libraries=x86_64-linux-gnu loader=ld-linux-x86-64.so.2 ;;
        arm64) libraries=aarch64-linux-gnu loader=ld-linux-aarch64.so.1 ;;
        *) say "Debian's llama.cpp is not used on $architecture" && return 1 ;;
    esac
    mirror=$(archive)
    [ -n "$mirror" ] || { say "no Debian archive in this machine's apt sources" && return 1; }
    say "fetching llama.cpp from Debian $suite (about 20 MB)"
    apt=$folder/apt
    private_apt "$apt" "$architecture" "$mirror"
    mkdir -p "$folder/root" "$folder/bin"
    (export APT_CONFIG=$apt/apt.conf && apt-get -qq update && cd "$apt/debs" &&
        apt-get -qq download "${packages[@]}") >&2 || return 1
    for deb in "$apt"/debs/*.deb; do
        dpkg-deb --fsys-tarfile "$deb" |
            tar -C "$folder/root" -x --exclude=./usr/share/man --exclude=./usr/share/locale --exclude=./usr/share/doc ||
            return 1
    done
    rm -rf "$apt"
    [ -e "$folder/root/lib" ] || ln -s usr/lib "$folder/root/lib"
    # ggml looks for its CPU back ends in Debian's absolute path, then beside /proc/self/exe, which is the loader.
    (cd "$folder/root/usr/lib/$libraries" && for deb in ggml/backends*/libggml-*.so; do ln -sf "$deb" .; done)
    for tool in "$folder"/root/usr/bin/llama-*; do
        write_wrapper "$folder" "${tool##*/}" "$libraries" "$loader"
    done
    runs "$folder/bin/llama-server"
}

from_source() {
    local folder=$1 work=$1/work source
    say "building llama-server from source (about ten minutes on two cores)"
    need_packages cmake ninja-build g++
    mkdir -p "$work" "$folder/bin"
    pip_fetch "$work" --no-binary :all: "$source_release" || return 1
    tar -C "$work" -xzf "$work"/llama_cpp_python-*.tar.gz || return 1
    source=$(echo "$work"/llama_cpp_python-*/vendor/llama.cpp)
    if ! { cmake -S "$source" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF \
        -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF &&
        cmake --build "$work/build" --target llama-server llama-quantize; } </dev/null >"$work/log" 2>&1; then
        tail -n 20 "$work/log" >&2
        return 1
    fi
    cp "$work"/build/bin/llama-server "$work"/build/bin/llama-quantize "$folder/bin/" || return 1
    rm -rf "$work"
    runs "$folder/bin/llama-server"
}

fetch() {
    local way
    for way in ${MARTLET_LLAMA_FROM:-debian source}; do
        case $way in debian | source) ;; *) die "MARTLET_LLAMA_FROM is \"debian\" or \"source\", not \"$way\"" ;; esac
        rm -rf "$scratch/llama.cpp"
        mkdir -p "$scratch/llama.cpp"
        # Each step reports its own failure, so that the next way is tried: errexit is off in a condition.
        if "from_$way" "$scratch/llama.cpp"; then
            rm -rf "$goal"
            mv "$scratch/llama.cpp" "$goal"
            return 0
        fi
        say "no llama-server from $way"
    done
    die "could not obtain llama-server; install llama.cpp and set MARTLET_LLAMA_SERVER to the path of llama-server"
}

find_installed && exit 0
hold_lock llama.cpp
# Another run may have fetched it while this one waited.
find_installed && exit 0
scratch_folder
fetch
find_installed
