#!/usr/bin/env bash
# The catastrophe, recorded: stage 3 on 500 IMDb labels by gradual unfreezing and by two shortcuts, with accuracy and the language model's perplexity after
# every few steps. A plan that is finished is not carried out again.
#   ULMFIT_NB_DATA=/path/to/data bash runs/forgetting.sh [language model]
# It starts from a language model that was fine-tuned on the unlabelled reviews and has read no labelled one; by default that of runs/few_labels.sh.
set -euo pipefail
lm=$(realpath "${1:-$(dirname "$0")/out/few_labels/imdb/tuned}")
cd "$(dirname "$0")/.."
make setup
.venv/bin/python runs/forgetting.py "$lm"
