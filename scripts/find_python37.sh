#!/bin/sh
# Print the path of a Python 3.7 that works, or exit 1. A version manager's shim that only prints
# an error is none, so each one found is run.
roots="${PYENV_ROOT:-$HOME/.pyenv}/versions/3.7*
$HOME/.asdf/installs/python/3.7*
${MISE_DATA_DIR:-$HOME/.local/share/mise}/installs/python/3.7*
${UV_PYTHON_INSTALL_DIR:-$HOME/.local/share/uv/python}/cpython-3.7*
$HOME/.rye/py/cpython@3.7*
$HOME/miniconda3/envs/* $HOME/anaconda3/envs/* $HOME/miniforge3/envs/* /opt/conda/envs/*
$HOME/miniconda3 $HOME/anaconda3 $HOME/miniforge3 /opt/conda
/usr/local/python3.7* /opt/python3.7*"

try() {
    [ -x "$1" ] || return 1
    "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 7))' >/dev/null 2>&1 || return 1
    printf '%s\n' "$1"
    exit 0
}

old_ifs=$IFS
IFS=:
for folder in $PATH; do
    IFS=$old_ifs
    for name in python3.7 python3 python; do try "$folder/$name"; done
done
IFS=$old_ifs
for root in $roots; do try "$root/bin/python3.7"; done
exit 1
