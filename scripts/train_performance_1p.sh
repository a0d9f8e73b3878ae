#!/bin/sh
# The ModelZoo's train_performance_1p.sh: 500 steps, for sec/step. Files go to output/ beside this script.
#   sh +x train_performance_1p.sh --data_path=../MNIST [--precision_mode=MODE] [--help]
here=$(cd "$(dirname "$0")" && pwd) || exit 1
env=$("${PYTHON:-python3}" "$here/setup_env.py") || exit 1
exec "$env/bin/python" -m lenet_exp.modelzoo case=performance "output=$here/output" \
    "project=$(dirname "$here")" "$@"
