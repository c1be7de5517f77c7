#!/usr/bin/env bash
# Prints the path of a Python with ONNX Runtime; see ../python-env.sh.
set -euo pipefail

version=1.31.1
exec bash "$(dirname "$0")/../python-env.sh" onnxruntime "$version" onnxruntime "onnxruntime==$version"
