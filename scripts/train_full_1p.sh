#!/bin/sh
# The ModelZoo's train_full_1p.sh: 5 epochs of 1000 steps. Files go to output/ beside this script.
#   sh +x train_full_1p.sh --data_path=../MNIST [--precision_mode=MODE] [--help]
here=$(cd "$(dirname "$0")" && pwd) || exit 1
env=$("${PYTHON:-python3}" "$here/setup_env.py") || exit 1
exec "$env/bin/python" -m lenet_exp.modelzoo case=full "output=$here/output" \
    "project=$(dirname "$here")" "$@"
