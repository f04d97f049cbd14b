#!/usr/bin/env bash
# The language model that ships, `wiki-small`: 32 million tokens of Wikipedia, one epoch. Cut short, it goes on from its last checkpoint.
#   ULMFIT_NB_DATA=/path/to/data bash runs/pretrain_small.sh [directory]
# Its perplexity on the held-out articles is recorded in results/wiki_small.json; then it is put into ulmfit_nb/pretrained with int8 weights,
# and these have to come to the same figure within 1 %.
set -euo pipefail
out=$(realpath -m "${1:-$(dirname "$0")/out/pretrain_small}")
cd "$(dirname "$0")/.."
make setup
export PATH="$PWD/.venv/bin:$PATH"
ulmfit-nb pretrain --data enwiki2015 --max-tokens 32000000 --preset small --out "$out/wiki-small"
for split in validation test; do python runs/evaluate.py "$out/wiki-small" enwiki2015 --split $split; done
python runs/package.py "$out/wiki-small" wiki-small
for split in validation test; do python runs/evaluate.py wiki-small enwiki2015 --split $split --check; done
