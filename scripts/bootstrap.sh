#!/usr/bin/env bash
# Gets what building, testing and the demo need and this machine lacks. Quick and silent when nothing is missing.
#
#   bootstrap.sh           packages, llama-server and the demo's base model
#   bootstrap.sh build     only what building needs
#   bootstrap.sh full      the first, and what tests at full counts use: tokens and a TPM in software, a virtual machine,
#                          another build of llama-server
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

command -v swift >/dev/null 2>&1 || die "no swift on PATH; install Swift 6.2.3 or newer from swift.org"

# pkg-config tells SwiftPM where the libraries are; curl, openssl and sqlite3 are what tests and scripts call.
need_packages pkg-config libsqlite3-dev libssl-dev libarchive-dev libcurl4-openssl-dev libzstd-dev \
    ca-certificates curl openssl sqlite3

if [ "${1:-}" != build ]; then
    # Another's OCI client, which must be able to copy releases; what judges the units.
    need_packages skopeo systemd
    # To stderr: what they print is for callers that want the path.
    "$root/scripts/get-llama.sh" >/dev/null
    "$root/scripts/get-model.sh" >/dev/null
fi

if [ "${1:-}" = full ]; then
    # A PKCS#11 token and a TPM made of software, and what OpenSSL needs to speak to them (docs/keys.md).
    need_packages softhsm2 opensc libengine-pkcs11-openssl swtpm tpm2-openssl tpm2-tools libtss2-tcti-swtpm0
    # A second build of llama.cpp, for engines that are replaced over the air (ten minutes, once).
    MARTLET_CACHE=$cache/other MARTLET_LLAMA_FROM=source "$root/scripts/get-llama.sh" >/dev/null
    # Debian roots and virtual machines with the packages in them (docs/systemd.md).
    need_packages qemu-system-x86 debootstrap e2fsprogs lintian binutils python3
fi
