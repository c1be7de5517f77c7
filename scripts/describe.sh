#!/usr/bin/env bash
# Writes what a shell and a reader want to know of a program: describe.sh PROGRAM SHARE_FOLDER [COMMAND THAT RUNS IT…]
#
# Completions for bash, zsh and fish, and the manual page, all from the program itself.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

program=$1 share=$2 name=${1##*/}
shift 2
say_of() { "$@"; }
[ "$#" -eq 0 ] || say_of() { "${runner[@]}" "$@"; }
runner=("$@")

put() { install -D -m 644 /dev/stdin "$share/$1"; }
say_of "$program" --generate-completion-script bash | sed '1{/^#!/d}' | put "bash-completion/completions/$name"
say_of "$program" --generate-completion-script zsh | put "zsh/vendor-completions/_$name"
say_of "$program" --generate-completion-script fish | put "fish/vendor_completions.d/$name.fish"
say_of "$program" --experimental-dump-help | "$root/scripts/manpage.py" | gzip -9n | put "man/man1/$name.1.gz"
