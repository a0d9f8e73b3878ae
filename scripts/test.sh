#!/bin/sh
# Lint and the suite on tf2, then the suite on tf1 wherever a Python 3.7 is found.
# $1: "full" adds the tests that are too slow for every run. REQUIRE_TF1=1: no Python 3.7 fails.
set -u
cd "$(dirname "$0")/.." || exit 1
python=${PYTHON:-python3}
marker="not full"
[ "${1:-}" = full ] && marker="full or not full"

python37=$(sh scripts/find_python37.sh) || python37=
if "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 7))' 2>/dev/null; then
    python37=$python
    python=python3
fi

suite() {  # the interpreter to build with, the stack's name
    env=$("$1" scripts/setup_env.py) || return 1
    echo "== $2: tests"
    "$env/bin/python" -m pytest -m "$marker" || return 1
}

env=$("$python" scripts/setup_env.py) || exit 1
sh scripts/lint.sh "$env" || { echo "== lint failed"; exit 1; }
suite "$python" tf2; tf2=$?
if [ -n "$python37" ]; then
    suite "$python37" tf1; tf1=$?
elif [ "${REQUIRE_TF1:-0}" = 1 ]; then
    echo "== tf1: no Python 3.7 was found, and it is required here"; tf1=1
else
    echo "== tf1 was not tested: no Python 3.7 was found (PATH, pyenv, asdf, mise, uv, conda)"; tf1=0
fi
[ $tf2 -eq 0 ] && [ $tf1 -eq 0 ] || { echo "== failed: tf2 exit $tf2, tf1 exit $tf1"; exit 1; }
echo "== lint and tests passed"
