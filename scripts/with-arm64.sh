#!/usr/bin/env bash
# Runs a command where the kernel runs arm64 programs too, by an emulator: with-arm64.sh COMMAND…
#
# In a user and mount namespace of its own, with the ids of this one, so that nothing of the machine changes. That needs
# root and Linux 6.7; before, the emulator has to be known to the kernel: by qemu-user-static, the package. Programs outside
# a root of their own find their libraries among those of arm64.sh. The emulator knows neither Landlock nor seccomp.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

if [ "${1:-}" != --inside ]; then
    [ "$(id -u)" -eq 0 ] || die "running arm64 programs needs root"
    tools=$("$root/scripts/arm64.sh" 9>&-)
    outside=$(readlink /proc/self/ns/user)
    # Names the ids once this process has its namespace: only somebody outside may.
    {
        for _ in {1..500}; do
            if [ "$(readlink "/proc/$$/ns/user")" != "$outside" ]; then
                echo '0 0 65536' >"/proc/$$/uid_map"
                echo '0 0 65536' >"/proc/$$/gid_map"
                break
            fi
            sleep 0.02
        done
    } &
    # shellcheck disable=SC2016  # what the inner shell expands
    exec unshare --user --mount --propagation private bash -c \
        'for _ in {1..1000}; do
            if read -r _ </proc/self/gid_map; then exec "$@"; fi
            sleep 0.02
        done
        echo "error: this machine lets nobody name the ids of a user namespace, which running arm64 programs needs" >&2
        exit 1' inside "$0" --inside "$tools" "$@"
fi
tools=$2
shift 2

table=/proc/sys/fs/binfmt_misc
if mount -t binfmt_misc none "$table" 2>/dev/null; then
    zeros='\x00\x00\x00\x00\x00\x00\x00\x00'
    magic="\\x7fELF\\x02\\x01\\x01\\x00$zeros\\x02\\x00\\xb7\\x00"
    mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
    # F: opened now, so that it is found in every root. P: a program's own name is passed on.
    printf '%s' ":qemu-aarch64:M::$magic:$mask:$tools/qemu/qemu-aarch64-static:FP" >"$table/register"
fi
[ -e "$table/qemu-aarch64" ] || die "the kernel runs no arm64 programs: that needs Linux 6.7, or the package qemu-user-static"
# Where the emulator looks for libraries.
mkdir -p "$tools/etc/qemu-binfmt"
ln -sfn "$tools/sysroot-arm64" "$tools/etc/qemu-binfmt/aarch64"
mount -t overlay overlay -o "lowerdir=$tools/etc:/etc" /etc
# debootstrap makes no device files, which nobody may in such a namespace, where it is told that this is a container.
export container=lxc
exec "$@"
