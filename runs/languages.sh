#!/usr/bin/env bash
# Whole words against subwords, in Hausa from its tweets alone and in German from law and tweets, five seeds. Cut short, it goes on.
#   ULMFIT_NB_DATA=/path/to/data bash runs/languages.sh [directory]
# The folders there: afrisenti_hausa, germeval2018 and de_gesetze, with train.parquet and test.parquet; where there is validation.parquet, it chooses.
# Nothing learns from a test text, and none chooses anything.
set -euo pipefail
out=$(realpath -m "${1:-$(dirname "$0")/out/languages}")
cd "$(dirname "$0")/.."
make setup
export PATH="$PWD/.venv/bin:$PATH"
for language in hausa german; do python runs/languages.py "$language" --out "$out"; done
