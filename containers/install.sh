#!/bin/sh
# What both images are made of, as root: sh install.sh FOLDER-OF-THE-LOCKS cpu|cuda
# git says which commit a run is of (run.json); Triton compiles with gcc on a GPU.
set -eu
apt-get update
apt-get install --yes --no-install-recommends gcc git libc6-dev
rm -rf /var/lib/apt/lists/*
git config --system --add safe.directory /opt/xsleep
pip install --no-cache-dir --require-hashes --no-deps --extra-index-url https://download.pytorch.org/whl/cpu \
  --requirement "$1/requirements.lock" --requirement "$1/requirements-$2.lock"
