#!/bin/sh
# Every check of the code that needs no run; $1 is the tf2 environment.
set -eu
bin=$1/bin
echo "== lint"
"$bin/ruff" format --check --quiet . || { echo "run: $bin/ruff format ."; exit 1; }
"$bin/ruff" check --quiet .
"$bin/vermin" -t=3.7- --no-tips --violations --quiet --eval-annotations lenet_exp scripts tests benchmarks docs
"$bin/mypy"
"$bin/lint-imports"
"$bin/python" scripts/check_sizes.py
