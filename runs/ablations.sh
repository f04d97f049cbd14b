#!/usr/bin/env bash
# What each part of ULMFiT is worth: on the sentences that ship, and with 1,000 labels of IMDb's whole reviews, five seeds each. Cut short, it goes on.
#   ULMFIT_NB_DATA=/path/to/data bash runs/ablations.sh [directory]
set -euo pipefail
out=$(realpath -m "${1:-$(dirname "$0")/out/ablations}")
cd "$(dirname "$0")/.."
make setup
export PATH="$PWD/.venv/bin:$PATH"
python runs/ablations.py subjectivity --out "$out"
python runs/ablations.py snippets --labels 500 --out "$out"
python runs/ablations.py imdb --labels 1000 --unlabelled-split unsup --long --out "$out"
