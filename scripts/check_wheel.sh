#!/usr/bin/env bash
# Install the built wheel into a clean environment outside the checkout, and use it as a newcomer would.
# Usage: scripts/check_wheel.sh [cpu|cuda]; the wheel is expected in dist/.
set -euo pipefail
cd "$(dirname "$0")/.."
checkout=$PWD
extra=${1:-cpu}
uv=${UV:-uv}
[[ $uv == .* ]] && uv=$checkout/$uv

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$uv" venv -q --python "$checkout/.venv/bin/python" "$place/venv"
"$uv" pip install -q --python "$place/venv/bin/python" --no-deps --require-hashes -r "requirements/$extra.txt"
"$uv" pip install -q --python "$place/venv/bin/python" --no-deps dist/syntrans-*.whl

cd "$place"
export PATH=$place/venv/bin:$PATH
unset PYTHONPATH VIRTUAL_ENV
syntrans --version
syntrans classes check --classes mini
found=$(syntrans mine --config world --limit 3)
syntrans inspect "$found"
syntrans inspect "$found" --json | python -c '
import json, sys

import syntrans

summary = json.load(sys.stdin)
assert summary["classes"] == 3, summary["classes"]
assert summary["kept"] > 0, "nothing was kept"
assert sys.prefix in syntrans.__file__, syntrans.__file__
'
echo "the wheel works outside the checkout"
