#!/bin/sh
# What both images are made of, as root: sh install.sh LOCK TORCH_INDEX
# git says which commit a run is of (run.json); Triton compiles with gcc on a GPU.
set -eu
apt-get update
apt-get install --yes --no-install-recommends gcc git libc6-dev
rm -rf /var/lib/apt/lists/*
git config --system --add safe.directory /opt/xsleep
# Builds of PyTorch for the CPU, as 2.13.0+cpu, are in indexes of its own; of PyPI is that for CUDA.
locked() { pip install --no-cache-dir --require-hashes --no-deps --extra-index-url "$2" --requirement "$1"; }
locked "$1" "$2"
locked "${1%.lock}-cpu.lock" "$2" || locked "${1%.lock}-cuda.lock" "$2"
