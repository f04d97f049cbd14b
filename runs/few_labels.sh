#!/usr/bin/env bash
# Few labels, five seeds: sentences and reviews about films, shop reviews, questions and news. Cut short, it goes on with the point that was under way.
#   ULMFIT_NB_DATA=/path/to/data bash runs/few_labels.sh [directory]
# No test text is seen before the classifiers are done; settings were chosen with --choose, on validation texts. `film-small` has read IMDb's
# reviews of train and unsup, so that there it is stage 2 itself.
set -euo pipefail
out=$(realpath -m "${1:-$(dirname "$0")/out/few_labels}")
cd "$(dirname "$0")/.."
make setup
export PATH="$PWD/.venv/bin:$PATH"
python -m pip install -q -c constraints.txt -e '.[study]'
few() { python runs/few_labels.py "$1" --out "$out/$1" "${@:2}"; }
few subjectivity --sizes 50,100,200,500,1000,6500
few snippets --sizes 100,500,1000,4000,7162
few imdb --as-it-is --sizes 100,500,1000,5000
few film_reviews --sizes 100,500,1000
few clothing --start wiki-small --unlabelled train+unsup --sizes 100,500,1000,4000
few trec --start wiki-small --head hidden-layer --sizes 200,500 --valid 500
few ag_news --start wiki-small --sizes 100,1000
