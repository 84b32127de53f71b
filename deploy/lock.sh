#!/usr/bin/env bash
# Write deploy/requirements.lock (run time) and deploy/requirements-test.lock (with the tests' tools) from
# pyproject.toml, every package with its hashes. Usage: deploy/lock.sh [PYTHON]
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${1:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check pip-tools==7.6.2

compile() { # OUTPUT [extra options]
    local output=$1
    shift
    cp "deploy/$output" "$work/$output" 2> /dev/null || true # keeps the versions that still fit
    "$work/venv/bin/pip-compile" --quiet --generate-hashes --strip-extras --allow-unsafe --all-build-deps \
        --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
        --annotation-style=line "$@" --output-file "$work/$output" pyproject.toml
    {
        echo '# Every package by version and hash. Written by `make lock` from pyproject.toml; do not edit.'
        sed -e "s#-c $work/[a-z.-]*, ##; s# *\# via -c $work/[a-z.-]*\$##" "$work/$output" | grep -v -e '^$' -e '^# Every'
    } > "$work/clean"
    mv "$work/clean" "deploy/$output"
    echo "wrote deploy/$output"
}

compile requirements.lock
cp deploy/requirements.lock "$work/constraints.txt"
sed -i -e 's/ \\$//' -e '/--hash/d' "$work/constraints.txt"
compile requirements-test.lock --extra test --constraint "$work/constraints.txt"
