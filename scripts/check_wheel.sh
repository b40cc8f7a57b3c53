#!/usr/bin/env bash
# What CI does with the built wheel in dist/: install it as a newcomer would, with resolution on, outside the checkout.
# The rows predict and photo are the quick start of `syntrans predict`: a folder of pictures to a CSV, network off.
# The source distribution is unpacked elsewhere and must hold every file that git tracks. All of its tests are collected
# there, which imports every test file and what it tests; a part is run, less the slow ones: those of the pages, the
# contract, the lists, the configs and the world, which read files of the checkout that no import would miss.
# One row takes the lowest versions that pyproject.toml allows. The row with vLLM takes the versions that `make setup` has
# fetched, so that nothing large is downloaded again.
# Usage: scripts/check_wheel.sh [cpu|cuda]
set -euo pipefail
cd "$(dirname "$0")/.."
engine=${1:-cpu}
python=$PWD/.venv/bin/python
unpacked=$(mktemp -d)
trap 'kill "${installs:-}" 2>/dev/null || true; rm -rf "$unpacked"' EXIT

use_the_wheel() {
  "$python" scripts/check_installs.py --extras base openai predict photo serve
  "$python" scripts/check_installs.py --extras openai --how extra tool
  "$python" scripts/check_installs.py --extras openai --lowest
  "$python" scripts/check_installs.py --extras "$engine" --constraints "requirements/$engine.txt"
  echo "the wheel works outside the checkout"
}

# Beside the other: installing waits for the disk, tests for the processor.
use_the_wheel &
installs=$!
tar --extract --gzip --file dist/syntrans-*.tar.gz --directory "$unpacked" --strip-components 1
missing=$(comm -23 <(git ls-files | sort) <(cd "$unpacked" && find . ! -type d -printf '%P\n' | sort))
[ -z "$missing" ] || { echo "the source distribution lacks $missing"; exit 1; }
(
  cd "$unpacked"
  export PYTHONPATH=$PWD:$PWD/mining:$PWD/training:$PWD/world
  "$python" -c 'import os, syntrans, syntrans_world; assert syntrans.__file__.startswith(os.getcwd()), syntrans.__file__'
  "$python" -m pytest -q -p no:cacheprovider -m "not slow and not vllm" --assert=plain tests \
    --deselect=tests/{benchmarks,cli,mining,reliability,training,wheel}/ \
    --deselect=tests/syntrans/{descriptors,files,images,runs,views}/
)
echo "the source distribution: no file is missing, all tests are found, and those of pages, contract, lists, configs and world pass"
wait "$installs"
