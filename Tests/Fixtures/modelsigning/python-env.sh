#!/usr/bin/env bash
# Prints the path of a Python with model-signing and CycloneDX's validator; see ../python-env.sh.
set -euo pipefail

version=1.1.1
# The tool needs pyOpenSSL and does not say so.
exec bash "$(dirname "$0")/../python-env.sh" model-signing "$version" "model_signing, OpenSSL, cyclonedx.validation.json" \
    "model-signing==$version" pyOpenSSL "cyclonedx-python-lib[json-validation]==11.12.0"
