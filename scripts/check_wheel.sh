#!/usr/bin/env bash
# What CI does with the built wheel in dist/: install it as a newcomer would, with resolution on, outside the checkout.
# The rows predict and photo are the quick start of `syntrans predict`: a folder of pictures to a CSV, network off.
# The source distribution is unpacked elsewhere, and some of its tests are run there; all of it is what the checkout has.
# The row with vLLM takes the versions that `make setup` has fetched, so that nothing large is downloaded again.
# Usage: scripts/check_wheel.sh [cpu|cuda]
set -euo pipefail
cd "$(dirname "$0")/.."
engine=${1:-cpu}
python=.venv/bin/python
"$python" scripts/check_installs.py --extras base openai predict photo serve
"$python" scripts/check_installs.py --extras "$engine" --constraints "requirements/$engine.txt"
echo "the wheel works outside the checkout"

unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
tar --extract --gzip --file dist/syntrans-*.tar.gz --directory "$unpacked" --strip-components 1
python=$PWD/$python
cd "$unpacked"
export PYTHONPATH=$PWD:$PWD/mining:$PWD/training:$PWD/world
"$python" -c 'import os, syntrans, syntrans_world; assert syntrans.__file__.startswith(os.getcwd()), syntrans.__file__'
"$python" -m pytest -q -p no:cacheprovider -m "not slow and not vllm" tests/contract tests/docs tests/syntrans/classes tests/world
echo "the tests of the source distribution pass"
