#!/usr/bin/env bash
# Prints the path of a Python with python-tuf; see ../python-env.sh.
set -euo pipefail

version=7.0.1
exec bash "$(dirname "$0")/../python-env.sh" python-tuf "$version" tuf "tuf==$version" "securesystemslib[crypto]==1.6.0"
