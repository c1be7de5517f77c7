#!/usr/bin/env bash
# Cross-builds programs for arm64 with Debian's own Swift, on an amd64 Debian: arm64.sh OUT_FOLDER [PROGRAM…]
#
# Without programs it makes ready what that needs and prints where that is. All of it comes from Debian: the compiler
# (swiftlang 6.2.3 of sid) is unpacked into a folder of its own and run by chroot, the arm64 libraries are those of
# Debian 13. Nothing is installed on this machine; bind mounts live in a private namespace. Needs root, 2.4 GB of disk and,
# the first time, 1.3 GB of downloads.
#
#   MARTLET_ARM64_TOOLS=DIR   where that is (arm64 in the cache)
#   CONFIG=release|debug      (release)
#   SCRATCH=DIR               the build folder (.build-arm64)
#
# The programs need glibc 2.38 or newer: Debian 13, Ubuntu 24.04. The Swift library is linked in.
# shellcheck disable=SC2016  # what others expand stands in single quotes
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

tools=${MARTLET_ARM64_TOOLS:-$cache/arm64}
compiler_suite=sid
library_suite=trixie
cxx=14
# Raised when what is unpacked changes, so that old folders are made anew.
recipe=2
config=${CONFIG:-release}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
host_packages=(swiftlang libc6-dev libstdc++-15-dev git ca-certificates base-files bash coreutils sed grep findutils)
target_packages=(base-files bash coreutils ca-certificates tzdata libc6-dev "libstdc++-$cxx-dev" libsqlite3-dev libssl-dev
    zlib1g-dev libarchive-dev libcurl4-openssl-dev libxml2-dev uuid-dev libzstd-dev)
# Half of the compiler's 2.7 GB is for editors and debuggers.
unneeded=(--exclude=./usr/share --exclude='*/lib/swift/embedded' --exclude='*/swift_static/embedded'
    --exclude='*/bin/lldb*' --exclude='*/bin/clangd' --exclude='*/bin/sourcekit-lsp' --exclude='*/bin/docc'
    --exclude='*/bin/llvm-objdump' --exclude='*/bin/swift-format' --exclude='*/bin/wasmkit' --exclude='*/bin/repl_swift'
    --exclude='*/liblldb*' --exclude='*/libsourcekitd*' --exclude='*/libclang.so*' --exclude='*/libLTO.so*'
    --exclude='*/libSwiftSourceKit*')

[ "$(id -u)" -eq 0 ] || die "cross-building needs root (chroot)"
[ "$(dpkg --print-architecture)" = amd64 ] || die "cross-building is for amd64; on arm64 use make release"
[ -r "$keyring" ] || need_packages debian-archive-keyring
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | awk '/\/debian\/?$/ && !u { u = $0 } END { print u }')
[ -n "$mirror" ] || die "apt knows no Debian mirror; add one to its sources"
mkdir -p "$tools"
tools=$(realpath "$tools")

# An apt of its own, which knows one suite and architecture: world NAME SUITE ARCHITECTURE
world() {
    local folder=$tools/apt/$1
    mkdir -p "$folder"/lists/partial "$folder"/cache/archives/partial "$folder"/state
    : >"$folder/state/status"
    echo "deb [arch=$3 signed-by=$keyring] $mirror $2 main" >"$folder/sources.list"
    {
        # How this machine reaches its archive (proxies, certificates, frozen snapshots) holds here as well.
        apt-config dump | grep '^Acquire::' || true
        cat <<CONF
APT::Architecture "$3"; APT::Architectures { "$3"; }; APT::Install-Recommends "false"; APT::Sandbox::User "root";
Acquire::Languages "none"; Acquire::Retries "3";
Dir::State "$folder/state"; Dir::State::Lists "$folder/lists"; Dir::State::status "$folder/state/status";
Dir::Cache "$folder/cache"; Dir::Etc::SourceList "$folder/sources.list"; Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Parts "/dev/null"; Dir::Etc::Preferences "/dev/null"; Dir::Etc::PreferencesParts "/dev/null";
CONF
    } >"$folder/apt.conf"
    quietly apt-get -q update
}
quietly() {
    APT_CONFIG=$folder/apt.conf "$@" >"$folder/log" 2>&1 </dev/null || { tail "$folder/log" >&2; die "$1 failed for $folder"; }
}
# Packages with all they depend on, or just the packages.
closure() { local folder=$tools/apt/$1 && shift && quietly apt-get -q -y -d install "$@"; }
alone() { local folder=$tools/apt/$1 && shift && (cd "$folder/cache/archives" && quietly apt-get -q download "$@"); }
debs() { echo "$tools/apt/$1/cache/archives"; }
# Less a binary rebuild's +bN.
upstream() { dpkg-deb -f "$1" Version | sed 's/+b[0-9]*$//'; }

compiler() {
    local tree=$tools/chroot-amd64 deb
    [ "$(cat "$tree/.recipe" 2>/dev/null)" != "$recipe" ] || return 0
    say "unpacking the compiler"
    world host "$compiler_suite" amd64
    closure host "${host_packages[@]}"
    rm -rf "$tree"
    mkdir -p "$tree"
    # First, because it brings the links bin -> usr/bin and so on.
    dpkg-deb -x "$(debs host)"/base-files_*.deb "$tree"
    for deb in "$(debs host)"/*.deb; do
        case ${deb##*/} in
        swiftlang_*)
            dpkg-deb --fsys-tarfile "$deb" | tar -C "$tree" -x "${unneeded[@]}"
            upstream "$deb" >"$tree/.swift-version"
            ;;
        *) dpkg-deb -x "$deb" "$tree" ;;
        esac
    done
    # Clang takes the newest folder of gcc's; only one has the headers of libstdc++.
    for deb in "$tree"/usr/lib/gcc/x86_64-linux-gnu/*; do [ "${deb##*/}" = 15 ] || rm -rf "$deb"; done
    [ -e "$tree/usr/bin/sh" ] || ln -s bash "$tree/usr/bin/sh"
    echo 'root:x:0:0:root:/root:/bin/bash' >"$tree/etc/passwd"
    echo 'root:x:0:' >"$tree/etc/group"
    echo '127.0.0.1 localhost' >"$tree/etc/hosts"
    mkdir -p "$tree"/{proc,dev,tmp,root,arm64,sdks}
    echo "$recipe" >"$tree/.recipe"
}

libraries() {
    local tree=$tools/sysroot-arm64 deb id="$recipe $library_suite $compiler_suite $cxx libzstd-dev"
    [ "$(cat "$tree/.recipe" 2>/dev/null)" != "$id" ] || return 0
    say "unpacking the arm64 libraries"
    world base "$library_suite" arm64
    closure base "${target_packages[@]}"
    world swift "$compiler_suite" arm64
    alone swift swiftlang libswiftlang
    [ "$(upstream "$(debs swift)"/swiftlang_*_arm64.deb)" = "$(cat "$tools/chroot-amd64/.swift-version")" ] ||
        die "swiftlang differs between amd64 and arm64; remove $tools/chroot-amd64 and try again"
    rm -rf "$tree"
    mkdir -p "$tree"
    dpkg-deb -x "$(debs base)"/base-files_*.deb "$tree"
    for deb in "$(debs base)"/*.deb; do dpkg-deb -x "$deb" "$tree"; done
    for deb in "$(debs swift)"/*.deb; do
        dpkg-deb --fsys-tarfile "$deb" | tar -C "$tree" -x "${unneeded[@]}" --exclude=./usr/bin \
            --exclude=./usr/libexec/swift/bin --exclude='*/lib/swift/host'
    done
    # Where the driver looks, seen from the SDK.
    ln -sfn ../libexec/swift/lib/swift "$tree/usr/lib/swift"
    ln -sfn ../libexec/swift/lib/swift_static "$tree/usr/lib/swift_static"
    for deb in "$tree"/usr/lib/gcc/aarch64-linux-gnu/*; do [ "${deb##*/}" = "$cxx" ] || rm -rf "$deb"; done
    mkdir -p "$tree"/{proc,dev,tmp,root}
    echo "$id" >"$tree/.recipe"
}

# What joins the two; paths are those inside the chroot.
sdk() {
    local bundle=$tools/sdks/debian-arm64.artifactbundle
    mkdir -p "$bundle/debian-arm64"
    cat >"$bundle/info.json" <<'JSON'
{"schemaVersion":"1.0","artifacts":{"debian-arm64":{"type":"swiftSDK","version":"1.0.0",
  "variants":[{"path":"debian-arm64"}]}}}
JSON
    cat >"$bundle/debian-arm64/swift-sdk.json" <<'JSON'
{"schemaVersion":"4.0","targetTriples":{"aarch64-unknown-linux-gnu":{
  "sdkRootPath":"/arm64",
  "swiftResourcesPath":"/arm64/usr/libexec/swift/lib/swift",
  "swiftStaticResourcesPath":"/arm64/usr/libexec/swift/lib/swift_static",
  "toolsetPaths":["toolset.json"]}}}
JSON
    cat >"$bundle/debian-arm64/toolset.json" <<'JSON'
{"schemaVersion":"1.0","rootPath":"/usr/libexec/swift/bin","swiftCompiler":{"extraCLIOptions":["-use-ld=lld"]}}
JSON
}

# The emulator, of this machine's own release.
emulator() {
    [ ! -x "$tools/qemu/qemu-aarch64-static" ] || return 0
    say "unpacking the emulator"
    mkdir -p "$tools/qemu"
    world qemu bookworm amd64
    alone qemu qemu-user-static
    dpkg-deb --fsys-tarfile "$(debs qemu)"/qemu-user-static_*.deb |
        tar -C "$tools/qemu" -x --strip-components=3 ./usr/bin/qemu-aarch64-static
}

hold_lock arm64
compiler
libraries
sdk
emulator
rm -rf "$tools/apt"
if [ "$#" -eq 0 ]; then
    printf '%s\n' "$tools"
    exit 0
fi

out=$1
shift
scratch=${SCRATCH:-$root/.build-arm64}
mkdir -p "$out" "$scratch"
out=$(realpath "$out") scratch=$(realpath "$scratch")
tree=$tools/chroot-amd64
# git inside follows what this machine's git follows, local mirrors included.
{
    cat /etc/gitconfig "${HOME:-/root}/.gitconfig" 2>/dev/null || true
    printf '[safe]\n\tdirectory = *\n'
} >"$tree/root/.gitconfig"
mirrors=$(git config --get-regexp '^url\..*\.insteadof$' | sed -n 's,^url\.\(/[^ ]*\)/\.insteadof .*,\1,p' | head -n 1)
export tools tree root scratch mirrors
for program in "$@"; do
    say "building $program for arm64 ($config)"
    unshare -m --propagation private bash -euc '
        show() { mkdir -p "$tree$1"; mount --bind "$1" "$tree$1"; }
        mount -t proc proc "$tree/proc"
        mount --rbind /dev "$tree/dev"
        mount --bind "$tools/sysroot-arm64" "$tree/arm64"
        mount --bind "$tools/sdks" "$tree/sdks"
        [ -z "$mirrors" ] || [ ! -d "$mirrors" ] || show "$mirrors"
        show "$root"
        show "$scratch"
        exec chroot "$tree" /usr/bin/env -i HOME=/root LANG=C.UTF-8 TERM=dumb \
            PATH=/usr/libexec/swift/bin:/usr/bin:/bin /usr/libexec/swift/bin/swift build "$@"
    ' arm64 -c "$config" --static-swift-stdlib --swift-sdks-path /sdks --swift-sdk debian-arm64 \
        --package-path "$root" --scratch-path "$scratch" --product "$program" >&2
    built=$scratch/aarch64-unknown-linux-gnu/$config/$program
    cp "$built" "$tree/tmp/$program"
    chroot "$tree" /usr/libexec/swift/bin/llvm-objcopy --strip-all "/tmp/$program"
    install -m 755 "$tree/tmp/$program" "$out/$program"
    rm "$tree/tmp/$program"
    printf '%s\n' "$out/$program"
done
