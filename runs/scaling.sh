#!/usr/bin/env bash
# What more text and a wider model bring: two widths, four amounts of Wikipedia, one epoch each. Cut short, it goes on with the run that was under way.
#   ULMFIT_NB_DATA=/path/to/data bash runs/scaling.sh [directory]
# One vocabulary and the same held-out articles for all, so that the perplexities may be compared. Drawn in chapter 09.
set -euo pipefail
out=$(realpath -m "${1:-$(dirname "$0")/out/scaling}")
cd "$(dirname "$0")/.."
make setup
export PATH="$PWD/.venv/bin:$PATH"
python runs/scaling.py enwiki2015 --out "$out"
