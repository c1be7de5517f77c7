#!/usr/bin/env bash
# Builds the Debian packages of the three products: deb.sh BIN_FOLDER OUT_FOLDER [PROGRAM…]
#
#   ARCH=amd64|arm64   what the programs were built for (amd64)
#   VERSION=…          the packages' version (that of the source, with -1)
#   RUN="COMMAND"      runs a program of another architecture, to ask it for its help
#   STRIP=COMMAND      strips one (strip)
#   MAINTAINER=…       whose packages these are, as NAME <ADDRESS>
#
# Every library that a program needs becomes a dependency by the table below; one that is not in it is an error. Other
# versions that OUT_FOLDER holds stay, but in .build/debs.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

built=$(realpath "$1") out=$2
shift 2
programs=("$@")
[ "${#programs[@]}" -gt 0 ] || programs=(martlet martlet-registry martlet-agent)
arch=${ARCH:-amd64}
source_version=$(sed -n 's/.*text = "\([^"]*\)".*/\1/p' "$root/Sources/MartletTypes/MartletVersion.swift")
version=${VERSION:-$source_version-1}
maintainer=${MAINTAINER:-Martlet <martlet@packages.example>}
read -ra runner <<<"${RUN:-}"
export SOURCE_DATE_EPOCH
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || date +%s)}

# Of libyaml, which Yams carries, only Debian's package has the licence.
need_packages dpkg binutils python3 libyaml-0-2
# What is linked in stands, with its licences, in the build folder.
checkouts=$built/checkouts
until [ -d "$checkouts" ]; do
    [ "$checkouts" != //checkouts ] || die "no checkouts of dependencies above $built: their licences belong into the packages"
    checkouts=$(realpath "${checkouts%/*}/..")/checkouts
done
mkdir -p "$out"
out=$(realpath "$out")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The licences of what is linked in: those of whole packages and of parts that they took over, and what heads single files.
licences() {
    local file name
    for file in "$checkouts"/*/LICENSE* "$checkouts"/*/NOTICE* "$checkouts"/*/Sources/*/LICENSE*; do
        [ -e "$file" ] || continue
        name=${file#"$checkouts"/}
        install -D -m 644 "$file" "$work/licenses/$name"
    done
    for file in "$checkouts"/*/; do
        name=$(basename "$file")
        "$root/scripts/notices.py" "$file" >"$work/notices"
        [ ! -s "$work/notices" ] || install -D -m 644 "$work/notices" "$work/licenses/$name/notices-in-files"
    done
    install -D -m 644 /usr/share/doc/libyaml-0-2/copyright "$work/licenses/Yams/libyaml.copyright"
}

# Debian 12 knows the libraries by the second name of each, Debian 13 and Ubuntu 24.04 by the first.
package_of() {
    case $1 in
    libarchive.so.13) echo "libarchive13t64 | libarchive13" ;;
    libcrypto.so.3 | libssl.so.3) echo "libssl3t64 | libssl3" ;;
    libcurl.so.4) echo "libcurl4t64 | libcurl4" ;;
    libsqlite3.so.0) echo "libsqlite3-0" ;;
    libzstd.so.1) echo "libzstd1" ;;
    libz.so.1) echo "zlib1g" ;;
    libstdc++.so.6) echo "libstdc++6 (>= 12)" ;;
    libgcc_s.so.1) echo "libgcc-s1" ;;
    libc.so.6 | libm.so.6 | ld-linux-*) ;;
    *) die "$2 needs $1, which no package is known for" ;;
    esac
}

# What a program depends on, newest version of the C library included. Packed relocations came with 2.36.
dependencies() {
    local needed glibc
    glibc=$(readelf -W --version-info "$1" | sed 's/GLIBC_ABI_DT_RELR/GLIBC_2.36/' | grep -o 'GLIBC_2\.[0-9]*' |
        sort -Vu | tail -n 1)
    printf 'libc6 (>= %s)' "${glibc#GLIBC_}"
    # shellcheck disable=SC2013
    for needed in $(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do package_of "$needed" "$1"; done |
        sort -u | while IFS= read -r package; do printf ', %s' "$package"; done
}

# Fills in a maintainer script: script NAME SERVICE UNITS STARTED STOPPED
script() {
    sed "s|@SERVICE@|$2|g; s|@UNITS@|$3|g; s|@STARTED@|$4|g; s|@STOPPED@|$5|g" "$root/scripts/deb/$1" >"$tree/DEBIAN/$1"
    chmod 755 "$tree/DEBIAN/$1"
}

service() {
    local name=$1 short=${1#martlet-} unit
    for unit in "$root"/systemd/"$name"*.service "$root"/systemd/"$name"*.timer; do
        [ ! -e "$unit" ] || install -D -m 644 "$unit" "$tree/usr/lib/systemd/system/${unit##*/}"
    done
    install -D -m 644 "$root/systemd/$name.sysusers.conf" "$tree/usr/lib/sysusers.d/$name.conf"
    install -D -m 644 "$root/systemd/$name.preset" "$tree/usr/lib/systemd/system-preset/50-$name.preset"
    install -D -m 644 "$root/scripts/deb/$short.default" "$tree/etc/default/$name"
    echo "/etc/default/$name" >>"$tree/DEBIAN/conffiles"
}

agent() {
    local unit
    for unit in "$root"/systemd/martlet-runtime* "$root"/systemd/martlet.slice; do
        install -D -m 644 "$unit" "$tree/usr/lib/systemd/system/${unit##*/}"
    done
    install -D -m 644 "$root/systemd/martlet-agent.tmpfiles.conf" "$tree/usr/lib/tmpfiles.d/martlet-agent.conf"
    install -D -m 644 "$root/systemd/martlet-agent.rules" "$tree/usr/share/polkit-1/rules.d/50-martlet-agent.rules"
    install -D -m 644 "$root/scripts/deb/agent.json" "$tree/etc/martlet/agent.json"
    echo /etc/martlet/agent.json >>"$tree/DEBIAN/conffiles"
}

documents() {
    local doc=$tree/usr/share/doc/$1 file
    install -D -m 644 "$root/scripts/deb/copyright" "$doc/copyright"
    gzip -9nc "$root/CHANGELOG.md" | install -m 644 /dev/stdin "$doc/changelog.gz"
    printf '%s (%s) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- %s  %s\n' \
        "$1" "$version" "$maintainer" "$(date -R -u -d "@$SOURCE_DATE_EPOCH")" | gzip -9nc |
        install -m 644 /dev/stdin "$doc/changelog.Debian.gz"
    cp -r "$work/licenses" "$doc/licenses"
    for file in "$root"/docs/*.md "$root"/docs/formats/*.md; do
        case $1/${file##*/} in
        martlet-agent/agent-config.md | martlet-agent/keys.md | martlet-agent/offline.md | martlet-agent/security.md | \
            martlet-agent/doctor.md | martlet-agent/engines.md | martlet-agent/slots.md | martlet-agent/robustness.md | \
            martlet-agent/profiles.md | martlet-registry/operations.md | martlet-registry/keys.md | martlet-registry/rollouts.md | \
            martlet-agent/systemd.md | martlet-registry/systemd.md | martlet/tutorial.md | martlet/keys.md | martlet/offline.md | \
            martlet/rollout-policy.md | martlet/eval.md | martlet/probes.md)
            install -m 644 "$file" "$doc/${file##*/}"
            ;;
        esac
    done
}

package() {
    local name=$1
    tree=$work/$name
    install -d -m 755 "$tree" "$tree/DEBIAN"
    install -D -m 755 "$built/$name" "$tree/usr/bin/$name"
    "${STRIP:-strip}" "$tree/usr/bin/$name"
    "$root/scripts/describe.sh" "$built/$name" "$tree/usr/share" "${runner[@]}"
    documents "$name"
    case $name in
    martlet-registry)
        service "$name"
        script postinst "$name" martlet-registry.service martlet-registry.service -
        script prerm "$name" - - martlet-registry.service
        script postrm "$name" martlet-registry.service - -
        ;;
    martlet-agent)
        service "$name"
        agent
        local units="martlet-agent.service martlet-agent-enrol.service martlet-agent-scrub.timer"
        script postinst "$name" "$units" "martlet-agent.service martlet-agent-scrub.timer" -
        script prerm "$name" - - "martlet-agent-scrub.timer martlet-agent.service 'martlet-runtime@*.service'"
        script postrm "$name" "$units" - -
        ;;
    esac
    if [ -e "$root/scripts/deb/$name.overrides" ]; then
        install -D -m 644 "$root/scripts/deb/$name.overrides" "$tree/usr/share/lintian/overrides/$name"
    fi
    # Folders are made with this shell's umask.
    find "$tree" -type d -exec chmod 755 {} +
    {
        printf 'Package: %s\nVersion: %s\nArchitecture: %s\nPriority: optional\n' "$name" "$version" "$arch"
        printf 'Maintainer: %s\nInstalled-Size: %s\n' "$maintainer" \
            "$(du -sk --exclude=DEBIAN "$tree" | cut -f1)"
        local own
        own=$(sed -n 's/^Depends: //p' "$root/scripts/deb/$name.control")
        printf 'Depends: %s%s\n' "$(dependencies "$tree/usr/bin/$name")" "${own:+, $own}"
        grep -v '^Depends: ' "$root/scripts/deb/$name.control"
    } >"$tree/DEBIAN/control"
    (cd "$tree" && find . -type f -not -path './DEBIAN/*' -printf '%P\0' | sort -z | xargs -0 md5sum) >"$tree/DEBIAN/md5sums"
    chmod 644 "$tree"/DEBIAN/{control,md5sums}
    [ ! -e "$tree/DEBIAN/conffiles" ] || chmod 644 "$tree/DEBIAN/conffiles"
    # In a folder of somebody's own, older versions may be wanted.
    [ "$out" != "$root/.build/debs" ] || rm -f "$out/${name}"_*_"$arch".deb
    dpkg-deb --root-owner-group -Zxz -z3 -b "$tree" "$out/${name}_${version}_$arch.deb" >&2
    printf '%s\n' "$out/${name}_${version}_$arch.deb"
}

licences
for program in "${programs[@]}"; do package "$program"; done
