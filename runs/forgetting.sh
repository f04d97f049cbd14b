#!/usr/bin/env bash
# The catastrophe, recorded: stage 3 by gradual unfreezing and by two shortcuts, with accuracy and the language model's perplexity after every few steps.
#   ULMFIT_NB_DATA=/path/to/data bash runs/forgetting.sh [directory of a language model]    500 IMDb labels; by default on the model of runs/laptop.sh
#   bash runs/forgetting.sh tiny                                                           a few minutes, on the reviews that ship
# A plan that is finished is not carried out again. Both write results/forgetting.json.
set -euo pipefail
lm="${1:-$(dirname "$0")/out/laptop/imdb-lm}"
if [ -d "$lm" ]; then lm=$(realpath "$lm"); fi   # else it is the name of a model that ships, or `tiny`
cd "$(dirname "$0")/.."
make setup
export PATH="$PWD/.venv/bin:$PATH"
if [ "$lm" = tiny ]; then
  small=runs/out/forgetting-tiny   # the language model and the settings of chapter 11
  python -c "from ulmfit_nb import pretrain; from ulmfit_nb.data import load_data
pretrain(load_data('reviews', 'train+unsup').texts, '$small/lm', emb_sz=100, n_hid=100, n_layers=2, min_freq=2, bs=8, bptt=35, epochs=3, lr=0.01, drop_mult=0.2)"
  python runs/forgetting.py "$small/lm" --data reviews --labels 360 --valid 120 --valid-split validation --tokens 3000 --every 8 --preset tiny --epochs 4 \
    --work "$small" --command 'bash runs/forgetting.sh tiny'
else
  python runs/forgetting.py "$lm"
fi
