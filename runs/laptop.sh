#!/usr/bin/env bash
# All three stages on real text, on one or two cores: Wikipedia, IMDb reviews, IMDb labels. Cut short, it goes on from its last checkpoint.
#   ULMFIT_NB_DATA=/path/to/data bash runs/laptop.sh [directory]
# The language model reads train + unsup and no test text; the test split is read once, by record.py, after everything is trained.
set -euo pipefail
out=$(realpath -m "${1:-$(dirname "$0")/out/laptop}")
cd "$(dirname "$0")/.."
make setup
export PATH="$PWD/.venv/bin:$PATH"
ulmfit-nb pretrain --data enwiki2015 --max-tokens 5000000 --preset laptop --out "$out/wiki"
ulmfit-nb fine-tune --lm "$out/wiki" --data imdb --split train+unsup --preset laptop --out "$out/imdb-lm"
ulmfit-nb classify --lm "$out/imdb-lm" --data imdb --preset laptop --out "$out/imdb-classifier"
python runs/record.py laptop "$out" imdb
