"What a language model makes of texts with nothing trained: three studies set a linear model on it."

from dataclasses import replace

import numpy as np

from ulmfit_nb.batching import DocBatches
from ulmfit_nb.classifier_training import doc_batches, new_classifier
from ulmfit_nb.data import TextData
from ulmfit_nb.layers import pooled_features
from ulmfit_nb.settings import PRESETS
from ulmfit_nb.stages import Stage
from ulmfit_nb.tokenization import Tokenizer


def documents(stage: Stage, data: TextData, bs: int = 64, shuffle: bool = False, seed: int = 0) -> DocBatches:
    "Texts in a language model's words, read in its direction."
    return doc_batches(data, stage.vocab, bs, shuffle, stage.config['backwards'], seed, Tokenizer(**stage.config['tokenizer']))


def frozen_features(stage: Stage, data: TextData, layers: str = 'last') -> np.ndarray:
    "(texts, features): pooled features, of the last layer or of all."
    settings = replace(PRESETS['small'].train_classifier, layers=layers)
    return pooled_features(new_classifier(stage, len(data.classes), settings), documents(stage, data))
