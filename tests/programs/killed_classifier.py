"Stage 3 on the reviews, which after some checkpoints says so and waits to be killed."

import sys
import time
from pathlib import Path

from helpers import REVIEWS, TINY_CLASSIFIER

from ulmfit_nb import train_classifier, training

lm, out, saves = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
save, count = training.Run.save, 0


def slow_save(run):
    global count
    save(run)
    count += 1
    if count == saves:
        print('saved', flush=True)
        time.sleep(60)


training.Run.save = slow_save
train_classifier(lm, REVIEWS, out, every=2, **TINY_CLASSIFIER)
