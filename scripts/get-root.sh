#!/usr/bin/env bash
# Prints the path of a tar that holds a small Debian, made once: get-root.sh SUITE PACKAGE…
#
# Of Debian's own archive, as this machine's apt names it. Needs root; nothing of this machine is changed.
#
#   ARCH=arm64   for another architecture, whose programs the kernel has to run (with-arm64.sh)
# shellcheck disable=SC2016  # what others expand stands in single quotes
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

suite=$1
shift
need_packages debootstrap
arch=${ARCH:-$(dpkg --print-architecture)}
name=$(printf '%s\n' "$suite" "$@" | sha256sum | cut -c1-12)
goal=$cache/root-$suite-$arch-$name.tar
hold_lock "root-$name"
if [ ! -s "$goal" ]; then
    [ "$(id -u)" -eq 0 ] || die "making a Debian root needs root"
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
        awk '/\/debian\/?$/ && !u { u = $0 } END { print u }')
    scratch_folder
    say "making a Debian root of $suite for $arch with $*"
    tree=$scratch/root
    debootstrap --arch="$arch" --variant=minbase "$suite" "$tree" ${mirror:+"$mirror"} >"$scratch/log" 2>&1 ||
        { tail "$scratch/log" >&2; die "debootstrap failed"; }
    if [ "$#" -gt 0 ]; then
        # What a package starts when it is installed shall not start here.
        printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
        chmod 755 "$tree/usr/sbin/policy-rc.d"
        tree=$tree unshare -m --propagation private bash -euc '
            mount --rbind /proc "$tree/proc"
            mount --rbind /dev "$tree/dev"
            exec chroot "$tree" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "$@"
        ' install "$@" >"$scratch/log" 2>&1 </dev/null || { tail "$scratch/log" >&2; die "apt-get failed in the root"; }
        rm "$tree/usr/sbin/policy-rc.d"
    fi
    rm -rf "$tree"/var/cache/apt/archives/*.deb "$tree"/var/lib/apt/lists/*
    tar -C "$tree" --one-file-system -cf "$scratch/root.tar" .
    mv "$scratch/root.tar" "$goal"
fi
printf '%s\n' "$goal"
