"Predicts on two threads, forks, predicts in the child, which asks for two threads again: argv is a classifier's directory and an engine."

import os
import sys

import torch

from ulmfit_nb import load_classifier

TEXTS = ['a fine day', '', 'dull ' * 300] * 40

if __name__ == '__main__':
    torch.set_num_threads(2)
    classifier = load_classifier(sys.argv[1], 'cpu', engine=sys.argv[2])
    torch.randn(600, 600) @ torch.randn(600, 600)  # small products take one thread alone
    before = classifier.predict_proba(TEXTS)
    if not (child := os.fork()):
        same = abs(classifier.predict_proba(TEXTS) - before).max() < 1e-5
        (torch.randn(600, 600) @ torch.randn(600, 600)).sum()
        print('the same' if same else 'others', torch.get_num_threads(), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
