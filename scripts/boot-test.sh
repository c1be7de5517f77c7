#!/usr/bin/env bash
# Boots a Debian with the packages in a virtual machine and proves what only systemd as process 1 can: boot-test.sh DEBS
#
# Readiness and the watchdog, users that come and go (DynamicUser), what an engine's unit can reach, limits by control
# groups, engines that outlive the agent's restart, agents that come over the air and go back by themselves, enrolment by
# a credential, and the way from the power button to an answer without a registry. KVM is used where it may be, else the
# emulator (ten times slower). Needs root.
#
#   MARTLET_BOOT_DIR=DIR   keeps the image and what was said there
# shellcheck disable=SC2016  # what others expand stands in single quotes
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

debs=$(realpath "$1")
need_packages qemu-system-x86 debootstrap e2fsprogs
llama=$("$root/scripts/get-llama.sh")
llama_tree=$(dirname "$(dirname "$(realpath "$llama")")")
base=$("$root/scripts/get-root.sh" bookworm systemd systemd-sysv dbus polkitd linux-image-cloud-amd64 curl \
    libcurl4 libsqlite3-0 libarchive13 libssl3 libzstd1 ca-certificates)

# Agents for updates over the air: this build under a later version, and two that serve nobody, one of which hangs while
# the other ends at once. Made in the tree, as agent-7, agent-8 and agent-9 with the first digit of their versions.
agents() {
    local version facts number behaviour
    version=$("$tree/usr/bin/martlet-agent" --version)
    facts=$("$tree/usr/bin/martlet-agent" program-facts)
    mkdir "$tree/opt/agents"
    LC_ALL=C sed "s/martlet-agent-version=$version;/martlet-agent-version=7${version#?};/" "$tree/usr/bin/martlet-agent" \
        >"$tree/opt/agents/agent-7"
    chmod 755 "$tree/opt/agents/agent-7"
    for number in 8 9; do
        behaviour="return 9"
        [ "$number" = 9 ] || behaviour="for (;;) pause()"
        {
            printf '#include <stdio.h>\n#include <string.h>\n#include <unistd.h>\n'
            printf 'const volatile char stamp[] = "martlet-agent-version=%s;";\n' "$number${version#?}"
            printf 'int main(int count, char **words) {\n'
            printf '    if (count > 1 && !strcmp(words[1], "program-facts")) return stamp[0] == 0 || puts("%s") < 0;\n' \
                "$(sed "s/$version/$number${version#?}/; s/\"/\\\\\"/g" <<<"$facts")"
            printf '    %s;\n}\n' "$behaviour"
        } >"$scratch/agent.c"
        clang -O1 -static -o "$tree/opt/agents/agent-$number" "$scratch/agent.c"
    done
}

# The agent's package under a later version, as an upgrade brings it, packed for an emulated machine's patience.
upgrade() {
    local unpacked=$scratch/upgrade
    dpkg-deb -R "$(newest_debs "$debs" amd64 | grep /martlet-agent_)" "$unpacked"
    sed -i 's/^Version: .*/Version: 99.0.0-1/' "$unpacked/DEBIAN/control"
    mkdir "$tree/opt/upgrade"
    dpkg-deb --root-owner-group -Zgzip -z1 -b "$unpacked" "$tree/opt/upgrade/martlet-agent.deb" >/dev/null
    rm -r "$unpacked"
}

scratch_folder
work=${MARTLET_BOOT_DIR:-$scratch}
mkdir -p "$work"
tree=$scratch/root
mkdir "$tree"
say "== the image"
tar -C "$tree" -xf "$base"
newest_debs "$debs" amd64 | xargs cp -t "$tree/root/"
printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
chmod 755 "$tree/usr/sbin/policy-rc.d"
tree=$tree unshare -m --propagation private bash -euc '
    mount -t proc proc "$tree/proc"
    mount --bind /dev "$tree/dev"
    exec chroot "$tree" sh -c "dpkg -i /root/*_amd64.deb"
' >"$work/install.log" 2>&1 || { tail "$work/install.log" >&2; die "the packages do not install"; }
rm "$tree/usr/sbin/policy-rc.d" "$tree"/root/*.deb
mkdir -p "$tree/opt/llama" "$tree/opt/fixtures"
cp -a "$llama_tree/." "$tree/opt/llama/"
cp "$root"/Tests/Fixtures/models/tiny/tiny-*.gguf "$root"/Tests/Fixtures/eval/tiny-eval-seen-42.jsonl "$tree/opt/fixtures/"
install -m 755 "$root/scripts/boot/check.sh" "$tree/opt/check.sh"
agents
upgrade
install -m 644 "$root/scripts/boot/martlet-check.service" "$tree/etc/systemd/system/martlet-check.service"
ln -s ../martlet-check.service "$tree/etc/systemd/system/multi-user.target.wants/martlet-check.service"
# A login on the console hangs up whoever else writes there, as soon as it starts.
ln -s /dev/null "$tree/etc/systemd/system/serial-getty@ttyS0.service"
echo box-1 >"$tree/etc/hostname"
printf '127.0.0.1 localhost box-1\n' >"$tree/etc/hosts"
printf '/dev/vda / ext4 rw,noatime 0 1\n' >"$tree/etc/fstab"
: >"$tree/etc/machine-id"
kernel=$(find "$tree/boot" -name "vmlinuz-*" | sort | tail -n 1)
cp "$kernel" "$work/vmlinuz"
cp "$tree/boot/initrd.img-${kernel##*/vmlinuz-}" "$work/initrd"
rm -f "$work/image"
mke2fs -q -t ext4 -E lazy_itable_init=1 -d "$tree" "$work/image" 2500M
rm -rf "$tree"

# The emulator, or KVM where a kernel comes up under it: in a machine that is virtual itself it often does not.
machine=(-machine accel=tcg -cpu max)
patience=3600
if [ -w /dev/kvm ]; then
    (timeout 30 qemu-system-x86_64 -machine accel=kvm -cpu host -m 512 -nodefaults -display none -no-reboot \
        -kernel "$work/vmlinuz" -append "console=ttyS0 panic=-1" -serial "file:$work/kvm.console" \
        </dev/null >"$work/kvm.qemu" 2>&1 || true) 2>/dev/null
    if grep -a -q 'Kernel panic' "$work/kvm.console" 2>/dev/null; then
        machine=(-machine accel=kvm -cpu host)
        patience=900
    else
        say "   KVM does not boot a kernel here; the emulator takes longer"
    fi
fi

# Boots once; what is said on the console goes to a file: boot NAME
boot() {
    say "== boot: $1"
    timeout "$patience" qemu-system-x86_64 "${machine[@]}" -m 2048 -smp 2 -nodefaults -display none -no-reboot \
        -kernel "$work/vmlinuz" -initrd "$work/initrd" \
        -append "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=no martlet.check=$1" \
        -drive "file=$work/image,if=virtio,format=raw,cache=unsafe" -serial "file:$work/$1.console" \
        -device virtio-rng-pci </dev/null >"$work/$1.qemu" 2>&1 || { cat "$work/$1.qemu" >&2; die "the machine did not end by itself within $patience s"; }
    tr -d '\r' <"$work/$1.console" | grep -a -E '^(ok|FAILED|figure|note): ' | sed 's/^/   /' >&2 || true
    if ! tr -d '\r' <"$work/$1.console" | grep -a -q '^ALL WELL$'; then
        tail -n 60 "$work/$1.console" >&2
        die "$1: not all held"
    fi
}

boot first
boot second
say "systemd for real: all of it holds"
