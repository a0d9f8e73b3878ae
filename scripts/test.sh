#!/bin/sh
# Lint, then the suite on tf2 and, wherever a Python 3.7 is found, on tf1 at the same time.
# $1: "full" runs every test on every stack, "check" lint and what needs no TensorFlow.
# REQUIRE_TF1=1: no Python 3.7 fails. WORKERS: processes of a suite, one TensorFlow each.
set -u
cd "$(dirname "$0")/.." || exit 1
python=${PYTHON:-python3}
python37=
if "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 7))' 2>/dev/null; then
    python37=$python
    python=python3
fi
share=
case ${1:-} in
full)
    on_tf2="full or not full"; on_tf1=$on_tf2
    export TEST_GRAPPLER=1 ;;  # in every session of tests/precision, as a training has it
*)
    on_tf2="not full"; on_tf1="not full and not stackless"
    # A test that takes so much of a suite is a fault, found before the suite is slow.
    [ "${CI:-}" = true ] && share="--longest-share=0.2" ;;
esac

suite() {  # the interpreter to build with, the stack's name, which tests, how many processes
    env=$("$1" scripts/setup_env.py) || return 1
    echo "== $2: tests"
    # A worker takes whole files, in their order: what a module prepares is prepared once.
    "$env/bin/python" -m pytest -m "$3" -n "${WORKERS:-$4}" --dist loadfile --durations=10 $share
}

env=$("$python" scripts/setup_env.py) || exit 1
sh scripts/lint.sh "$env" || { echo "== lint failed"; exit 1; }
if [ "${1:-}" = check ]; then
    echo "== tests without TensorFlow"
    exec "$env/bin/python" -m pytest -q --light -m "stackless and not slow and not full" tests
fi
[ -n "$python37" ] || python37=$(sh scripts/find_python37.sh) || python37=
tf1=0
if [ -n "$python37" ]; then
    # Beside the other: where one suite starts, waits or ends, the other has the processors.
    printed=$(mktemp) || exit 1
    trap 'rm -f "$printed"' EXIT
    trap 'exit 130' INT
    suite "$python37" tf1 "$on_tf1" 2 >"$printed" 2>&1 &
    echo "== tf1: tests, beside those of tf2; what they print comes below"
fi
suite "$python" tf2 "$on_tf2" 3; tf2=$?  # longer, and it waits for servers and browsers
if [ -n "$python37" ]; then
    wait $!; tf1=$?
    cat "$printed"
elif [ "${REQUIRE_TF1:-0}" = 1 ]; then
    echo "== tf1: no Python 3.7 was found, and it is required here"; tf1=1
else
    echo "== tf1 was not tested: no Python 3.7 was found (PATH, pyenv, asdf, mise, uv, conda)"
fi
[ $tf2 -eq 0 ] && [ $tf1 -eq 0 ] || { echo "== failed: tf2 exit $tf2, tf1 exit $tf1"; exit 1; }
echo "== lint and tests passed"
