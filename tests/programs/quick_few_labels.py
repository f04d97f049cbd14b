"runs/few_labels.py with trainings of seconds."

from dataclasses import replace

import few_labels

few_labels.FINE_TUNE = replace(few_labels.FINE_TUNE, bs=4, min_steps=4)
few_labels.CLASSIFY = replace(few_labels.CLASSIFY, bs=16, epochs=1, min_steps=3)
few_labels.main()
