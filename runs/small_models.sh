#!/usr/bin/env bash
# The language models that ship: `wiki-small` has read Wikipedia four times, `film-small` then 75,000 film reviews twice; each forwards and backwards.
#   ULMFIT_NB_DATA=/path/to/data bash runs/small_models.sh [directory]
# A quarter of an hour on a GPU (without one, days); cut short, it goes on from its last checkpoint. What they make of held-out texts is recorded
# in results/, then they are put into ulmfit_nb/pretrained, and have to come to the same figures there.
set -euo pipefail
out=$(realpath -m "${1:-$(dirname "$0")/out/small_models}")
cd "$(dirname "$0")/.."
make setup
export PATH="$PWD/.venv/bin:$PATH"
python runs/small_models.py number "$out/numbered" --workers "$(nproc)"
python runs/small_models.py train "$out/numbered" "$out/models"
for way in '' -backwards; do
  for held_out in 'wiki enwiki2015 validation' 'wiki enwiki2015 test' 'film film_reviews validation' 'film film_reviews test'; do
    read -r kind data split <<< "$held_out"
    python runs/evaluate.py "$out/models/int8/$kind-small$way" "$data" --split "$split"
  done
  for kind in wiki film; do python runs/package.py "$out/models/int8/$kind-small$way" "$kind-small$way"; done
  python runs/evaluate.py "wiki-small$way" enwiki2015 --split validation --check
  python runs/evaluate.py "film-small$way" film_reviews --split test --check
done
