#!/usr/bin/env bash
# Few labels: IMDb at four sizes, TREC-6 and AG News at one, three seeds each. Cut short, it goes on with the point that was under way.
#   ULMFIT_NB_DATA=/path/to/data bash runs/few_labels.sh [directory]
# No test text is seen before the classifiers are done; settings were chosen with --choose, on reviews set aside from the training split.
set -euo pipefail
out=$(realpath -m "${1:-$(dirname "$0")/out/few_labels}")
cd "$(dirname "$0")/.."
make setup
export PATH="$PWD/.venv/bin:$PATH"
python runs/few_labels.py imdb --out "$out/imdb"
python runs/few_labels.py trec --out "$out/trec" --sizes 500 --test 500 --valid 500 --unlabelled-split train
python runs/few_labels.py ag_news --out "$out/ag_news" --sizes 1000 --unlabelled-split train
