#!/usr/bin/env bash
# Prints the path of a Python with the reference library of Standard Webhooks; see ../python-env.sh.
set -euo pipefail

version=1.0.1
exec bash "$(dirname "$0")/../python-env.sh" standardwebhooks "$version" "standardwebhooks.webhooks" "standardwebhooks==$version"
