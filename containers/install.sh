#!/bin/sh
# What both images are made of, as root: sh install.sh LOCK TORCH_INDEX
# git says which commit a run is of (run.json); Triton compiles with gcc on a GPU.
set -eu
apt-get update
apt-get install --yes --no-install-recommends gcc git libc6-dev
rm -rf /var/lib/apt/lists/*
git config --system --add safe.directory /opt/xsleep
# Of equal versions pip takes the one with a local part, as in +cpu, where the index has it.
pip install --no-cache-dir --extra-index-url "$2" --requirement "$1"
