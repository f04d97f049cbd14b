"Stage 1 of a run that says when it has counted the words, and then waits for its input to be closed."

import sys

from helpers import PROSE, PROSE_LM

from ulmfit_nb import corpus, pretrain

first_pass = corpus.first_pass


def slow(*args):
    counts = first_pass(*args)
    print('counted', flush=True)
    sys.stdin.read()
    return counts


corpus.first_pass = slow
pretrain(PROSE, sys.argv[1], **PROSE_LM)
