#!/usr/bin/env bash
# Installs, upgrades, downgrades, removes and purges the packages in a root of their own: deb-test.sh DEB_FOLDER [SUITE]
#
# No container: debootstrap makes the root once (kept in the cache), chroot runs it, a private mount namespace hides it.
# SUITE is Debian's: bookworm where none is given, for arm64 trixie. Needs root. The newest packages of this machine's
# architecture are taken.
#
#   ARCH=arm64   those of another, whose programs the kernel has to run (with-arm64.sh)
# shellcheck disable=SC2016  # what others expand stands in single quotes
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

debs=$(realpath "$1")
arch=${ARCH:-$(dpkg --print-architecture)}
if [ "$arch" = arm64 ]; then suite=trixie; else suite=bookworm; fi
suite=${2:-$suite}
if [ -z "${MARTLET_HIDDEN:-}" ]; then
    exec env MARTLET_HIDDEN=1 unshare --mount --propagation private "$0" "$@"
fi
need_packages debootstrap dpkg lintian fakeroot
packages=$(newest_debs "$debs" "$arch")
readarray -t packages <<<"$packages"
base=$(ARCH=$arch "$root/scripts/get-root.sh" "$suite" systemd libcurl4 libsqlite3-0 libarchive13 libssl3 libzstd1)

say "== lintian"
for deb in "${packages[@]}"; do
    found=$(lintian --allow-root --fail-on error --tag-display-limit 0 "$deb" 2>&1) || { say "$found"; die "lintian: $deb"; }
done

scratch_folder
tree=$scratch/root
mkdir "$tree"
tar -C "$tree" -xf "$base"
inside() { chroot "$tree" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }

# A newer version of the same programs, with another text in one configuration file: what an upgrade would bring.
newer() {
    local deb=$1 work=$scratch/newer name
    rm -rf "$work"
    dpkg-deb -R "$deb" "$work"
    name=$(dpkg-deb -f "$deb" Package)
    sed -i 's/^Version: .*/Version: 99.0.0-1/' "$work/DEBIAN/control"
    [ ! -e "$work/etc/default/$name" ] || echo "# new in 99" >>"$work/etc/default/$name"
    dpkg-deb --root-owner-group -Znone -b "$work" "$tree/root/${name}_new.deb" >/dev/null
}

expect() {
    local what=$1
    shift
    if "$@" >/dev/null 2>&1; then say "   ok: $what"; else die "not so: $what"; fi
}
status() { inside dpkg-query -W -f '${db:Status-Status} ${Version}' "$1" 2>/dev/null; }
refuse() { ! "$@"; }

# Nothing that is mounted may be removed with the root.
data=$tree/var/lib/martlet-registry
unmount_all() { umount -l "$data/blobs" "$data" "$tree/proc" "$tree/dev" 2>/dev/null || true; }
trap 'unmount_all; rm -rf --one-file-system "$scratch"' EXIT
mount --rbind /proc "$tree/proc"
mount --rbind /dev "$tree/dev"

say "== installation"
for deb in "${packages[@]}"; do
    cp "$deb" "$tree/root/"
    newer "$deb"
done
version=$(dpkg-deb -f "${packages[0]}" Version)
inside sh -c "dpkg -i /root/*_$version""_$arch.deb" >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; die "the packages do not install"; }
for program in martlet martlet-registry martlet-agent; do
    expect "$program is installed and runs" inside "$program" --version
    expect "$program has a manual page" test -s "$tree/usr/share/man/man1/$program.1.gz"
    expect "$program has completions" test -s "$tree/usr/share/bash-completion/completions/$program"
done
for service in martlet-agent martlet-registry; do
    expect "$service has its user" inside id "$service"
    expect "$service is enabled" test -L "$tree/etc/systemd/system/multi-user.target.wants/$service.service"
done
expect "the scrub is enabled" test -L "$tree/etc/systemd/system/timers.target.wants/martlet-agent-scrub.timer"
expect "the enrolment is enabled" test -L "$tree/etc/systemd/system/multi-user.target.wants/martlet-agent-enrol.service"
expect "the agent's folder is its user's alone" test "$(stat -c %a "$tree/var/lib/martlet-agent")" = 750
expect "the configuration is root's to write and the agent's alone to read" \
    test "$(inside stat -c '%U:%G %a' /etc/martlet/agent.json)" = "root:martlet-agent 640"
expect "systemd takes the units" inside sh -c \
    'systemd-analyze verify --man=no /usr/lib/systemd/system/martlet-*.service 2>&1 | grep -i martlet && exit 1 || exit 0'
expect "nothing of the packages is missing or changed" inside sh -c 'test -z "$(dpkg -V martlet martlet-agent martlet-registry)"'

say "== upgrade, with a configuration that its owner changed"
echo 'MARTLET_AGENT_FLAGS="--gateway 127.0.0.1:9000"' >>"$tree/etc/default/martlet-agent"
inside sh -c 'echo data >/var/lib/martlet-agent/journal.sqlite'
inside sh -c 'dpkg --force-confold -i /root/*_new.deb' >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; die "the upgrade failed"; }
expect "the newer version is there" test "$(status martlet-agent)" = "installed 99.0.0-1"
expect "the owner's change stays" grep -q 9000 "$tree/etc/default/martlet-agent"
expect "what its owner left alone is new" grep -q 'new in 99' "$tree/etc/default/martlet-registry"
expect "the data stays" test -s "$tree/var/lib/martlet-agent/journal.sqlite"

say "== a unit that was disabled stays so over an upgrade"
inside deb-systemd-helper disable martlet-registry.service >/dev/null 2>&1 || true
inside systemctl disable martlet-registry.service >/dev/null 2>&1 || true

say "== downgrade"
inside sh -c "dpkg --force-confold -i /root/*_$version""_$arch.deb" >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; die "the downgrade failed"; }
expect "the older version is back" test "$(status martlet-agent)" = "installed $version"
expect "the owner's change stays" grep -q 9000 "$tree/etc/default/martlet-agent"
expect "the data stays" test -s "$tree/var/lib/martlet-agent/journal.sqlite"
expect "the disabled unit is still disabled" refuse test -L "$tree/etc/systemd/system/multi-user.target.wants/martlet-registry.service"

say "== removal keeps configuration and data"
inside dpkg -r martlet-agent martlet-registry martlet >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; die "the removal failed"; }
expect "the program is gone" refuse test -e "$tree/usr/bin/martlet-agent"
expect "the configuration stays" test -e "$tree/etc/default/martlet-agent"
expect "the data stays" test -s "$tree/var/lib/martlet-agent/journal.sqlite"

say "== purge leaves nothing, also in a data folder that is a volume, has one, or is a link"
mkdir -p "$data"
mount -t tmpfs tmpfs "$data"
mkdir "$data/blobs"
mount -t tmpfs tmpfs "$data/blobs"
echo data | tee "$data/registry.sqlite" "$data/blobs/one" >/dev/null
mv "$tree/var/lib/martlet-agent" "$tree/srv/agent"
ln -s /srv/agent "$tree/var/lib/martlet-agent"
# What is not the service's is not taken for it.
mkdir -p "$tree/srv/others" "$tree/var/lib/private"
echo data >"$tree/srv/others/file"
ln -s /srv/others "$tree/var/lib/private/martlet-agent"
inside dpkg -P martlet-agent martlet-registry martlet >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; die "the purge failed"; }
expect "the volumes are empty" test "$(cd "$data" && find . | sort | tr '\n' ' ')" = ". ./blobs "
expect "what is left is said" grep -q "left in /var/lib/martlet-registry: /var/lib/martlet-registry/blobs" "$scratch/log"
expect "the folder that a link led to is empty" test -z "$(ls -A "$tree/srv/agent")"
expect "the link is gone" refuse test -L "$tree/var/lib/martlet-agent"
expect "a folder of another's stays, and that is said" grep -q "which is not the service's" "$scratch/log"
expect "with what is in it" test -s "$tree/srv/others/file"
umount "$data/blobs" "$data"
rmdir "$data"
rm "$tree/var/lib/private/martlet-agent"
left=$(find "$tree/etc" "$tree/usr" "$tree/var" -iname '*martlet*' -not -path '*/var/log/*' -not -path '*/var/lib/dpkg/*')
[ -z "$left" ] || die "left behind: $left"
say "   ok: nothing is left"
say "all of it holds on $suite $arch"
