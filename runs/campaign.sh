#!/usr/bin/env bash
# The reliability campaign: a kill at every operation on files of the three stages and of save_pretrained, flips and cuts of every file, and a million hostile
# texts, with the memory after every ten thousand. About an hour on one core. What is finished is not done again.
#   bash runs/campaign.sh
set -euo pipefail
cd "$(dirname "$0")/.."
make setup
OMP_NUM_THREADS=1 .venv/bin/python runs/campaign.py
