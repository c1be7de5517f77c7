#!/usr/bin/env bash
# Copies what was built and what belongs to it: install.sh BIN_FOLDER DESTDIR PREFIX (make install calls it)
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

built=$1 prefix=$3 goal=$2$3
# Units of a prefix in /usr belong to the system's folder, others to the administrator's.
units=$2/etc/systemd/system
[ "$prefix" != /usr ] || units=$2/lib/systemd/system

install -d "$goal/bin" "$goal/share/doc/martlet" "$units" "$2/usr/lib/sysusers.d" "$2/usr/lib/tmpfiles.d"
for program in martlet martlet-registry martlet-agent; do
    install -s -m 755 "$built/$program" "$goal/bin/$program"
done
for unit in "$root"/systemd/*.service; do
    sed "s|/usr/bin/|$prefix/bin/|; s|/usr/share/|$prefix/share/|" "$unit" >"$units/${unit##*/}"
    chmod 644 "$units/${unit##*/}"
done
install -m 644 "$root/systemd/martlet.sysusers.conf" "$2/usr/lib/sysusers.d/martlet.conf"
install -m 644 "$root/systemd/martlet.tmpfiles.conf" "$2/usr/lib/tmpfiles.d/martlet.conf"
install -m 644 "$root"/docs/*.md "$goal/share/doc/martlet/"

completions() { install -D -m 644 /dev/stdin "$goal/share/$1"; }
"$built/martlet" --generate-completion-script bash | completions bash-completion/completions/martlet
"$built/martlet" --generate-completion-script zsh | completions zsh/site-functions/_martlet
"$built/martlet" --generate-completion-script fish | completions fish/vendor_completions.d/martlet.fish
say "installed below $goal; next: docs/operations.md"
