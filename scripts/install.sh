#!/usr/bin/env bash
# Copies what was built and what belongs to it: install.sh BIN_FOLDER DESTDIR PREFIX (make install calls it)
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

need_packages binutils python3
[ -x "$1/martlet-agent" ] || die "nothing was built in $1; run make release first"
# Where there is no compiler these may be of any day; `make release` leaves a mark beside them.
if ! command -v swift >/dev/null; then
    mark=$1/built
    [ -e "$mark" ] || mark=$1/martlet-agent
    changed=$(find "$root"/Package.* "$root/Sources" "$root/registry" -type f -newer "$mark" -print -quit)
    [ -z "$changed" ] || die "$changed is newer than the programs in $1: run make release as a user who has swift, then this again"
    say "installing the programs of $(date -r "$mark" '+%F %R')"
fi
built=$1 prefix=$3 goal=$2$3
# Units of a prefix in /usr belong to the system's folder, others to the administrator's.
units=$2/etc/systemd/system
[ "$prefix" != /usr ] || units=$2/lib/systemd/system

install -d "$goal/bin" "$goal/share/doc/martlet" "$units" "$2/usr/lib/sysusers.d" "$2/usr/lib/tmpfiles.d"
for program in martlet martlet-registry martlet-agent; do
    install -s -m 755 "$built/$program" "$goal/bin/$program"
done
for unit in "$root"/systemd/*.{service,slice,timer}; do
    sed "s|/usr/bin/|$prefix/bin/|; s|/usr/share/|$prefix/share/|" "$unit" >"$units/${unit##*/}"
    chmod 644 "$units/${unit##*/}"
done
for service in martlet-agent martlet-registry; do
    install -m 644 "$root/systemd/$service.sysusers.conf" "$2/usr/lib/sysusers.d/$service.conf"
    install -D -m 644 "$root/systemd/$service.preset" "$2/usr/lib/systemd/system-preset/50-$service.preset"
done
install -m 644 "$root/systemd/martlet-agent.tmpfiles.conf" "$2/usr/lib/tmpfiles.d/martlet-agent.conf"
install -D -m 644 "$root/systemd/martlet-agent.rules" "$2/usr/share/polkit-1/rules.d/50-martlet-agent.rules"
# What the owner changed stays.
for file in etc/default/martlet-agent:agent.default etc/default/martlet-registry:registry.default etc/martlet/agent.json:agent.json; do
    [ -e "$2/${file%:*}" ] || install -D -m 644 "$root/scripts/deb/${file#*:}" "$2/${file%:*}"
done
for package in martlet martlet-agent martlet-registry; do
    install -d "$goal/share/doc/$package"
    install -m 644 "$root"/docs/*.md "$goal/share/doc/$package/"
done

for program in martlet martlet-registry martlet-agent; do
    "$root/scripts/describe.sh" "$built/$program" "$goal/share"
done
say "installed below $goal"
[ -n "$2" ] || cat >&2 <<NEXT
Next, where systemd runs:
    systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload
    systemctl enable --now martlet-registry      # on the machine of the registry: docs/operations.md
    systemctl enable --now martlet-agent         # on a device, once it is enrolled: docs/systemd.md
NEXT
