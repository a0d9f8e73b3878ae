#!/bin/sh
# The sdist and the wheel in dist/, with the pip of $1, an environment. The wheel is built from the
# sdist, so that it can be built again from what is published.
set -eu
cd "$(dirname "$0")/.."
export PIP_DISABLE_PIP_VERSION_CHECK=1
export SOURCE_DATE_EPOCH=315532800  # the first second of a zip's time: the same source, the same wheel
python=$1/bin/python
tools=$(mktemp -d)
leftovers="build lenet_exp.egg-info"  # what an older build left would be packed again
trap 'rm -rf "$tools" $leftovers' EXIT
rm -rf dist $leftovers
"$python" -m pip install --quiet --target "$tools" "setuptools>=61"
PYTHONPATH=$tools "$python" -c 'from setuptools import build_meta; build_meta.build_sdist("dist")' \
    >"$tools/log" 2>&1 || { cat "$tools/log" >&2; exit 1; }
"$python" -m pip wheel --quiet --no-deps --wheel-dir dist dist/*.tar.gz
ls dist/*
