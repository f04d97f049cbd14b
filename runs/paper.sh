#!/usr/bin/env bash
# The paper's results at full size: needs a GPU, the data, and for the whole of it some hours. Stopped, it goes on with the run that was under way.
#   ULMFIT_NB_DATA=/path/to/data bash runs/paper.sh [imdb | ablations] [directory]
# imdb: all three stages in both directions, three seeds, and their mean. Settings were chosen on reviews of films that are not in the training part.
set -euo pipefail
group=${1:-imdb}
out=$(realpath -m "${2:-$(dirname "$0")/out}")
cd "$(dirname "$0")/.."
make setup
export PATH="$PWD/.venv/bin:$PATH"
python runs/pack.py "$out/packs" --workers "$(nproc)"
python runs/paper.py rehearse
python runs/paper.py "$group" --packs "$out/packs" --out "$out/paper"
