#!/usr/bin/env bash
# The catastrophe, recorded: stage 3 on 100 labels of subjectivity by gradual unfreezing and by two shortcuts, with accuracy and the language model's perplexity
# after every few steps; and one pass in four ways, to tell the head's part from the rate's. Five seeds. A run that is finished is not carried out again.
#   bash runs/forgetting.sh [language model]
# The language model should have read none of the sentences; by default it is wiki-small, which ships.
set -euo pipefail
lm=${1:-wiki-small}
[ -e "$lm" ] && lm=$(realpath "$lm")
cd "$(dirname "$0")/.."
make setup
.venv/bin/python runs/forgetting.py "$lm"
