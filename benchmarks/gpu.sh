#!/bin/sh
# The measurement for when a GPU is at hand: sh benchmarks/gpu.sh [--dry]. Writes .runs/bench/gpu.md with the card's
# name; with --dry the same code on tiny shapes on the CPU, and no figure is written.
set -e
cd "$(dirname "$0")/.."
exec .venv/bin/python -m benchmarks.gpu "$@"
