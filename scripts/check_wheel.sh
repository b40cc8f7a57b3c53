#!/usr/bin/env bash
# What CI does with the built wheel in dist/: install it as a newcomer would, with resolution on, outside the checkout.
# The rows predict and photo are the quick start of `syntrans predict`: a folder of pictures to a CSV, network off.
# The row with vLLM takes the versions that `make setup` has fetched, so that nothing large is downloaded again.
# Usage: scripts/check_wheel.sh [cpu|cuda]
set -euo pipefail
cd "$(dirname "$0")/.."
engine=${1:-cpu}
python=.venv/bin/python
"$python" scripts/check_installs.py --extras base openai predict photo
"$python" scripts/check_installs.py --extras "$engine" --constraints "requirements/$engine.txt"
echo "the wheel works outside the checkout"
