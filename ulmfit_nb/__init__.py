"ULMFiT as an interactive notebook course that is also a library."
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from . import forks as forks  # it has a forked process compute on
from .classifier import load_classifier
from .classifier_training import train_classifier
from .data import TextData
from .fine_tuning import fine_tune
from .hub import download_model, push_to_hub, save_pretrained
from .pretraining import pretrain
from .sources import TextSource, load_data
from .stages import load_pretrained
from .tokenization import Tokenizer, Vocab

try:
    __version__ = version('ulmfit-nb')
except PackageNotFoundError:  # a checkout that nobody has installed, say where runs/paper.py trains
    __version__ = 'not installed'
__all__ = [
    'pretrain', 'fine_tune', 'train_classifier', 'load_classifier',
    'download_model', 'load_pretrained', 'save_pretrained', 'push_to_hub',
    'TextClassifier', 'TextRegressor',
    'load_data', 'TextData', 'TextSource', 'Tokenizer', 'Vocab',
]


def __getattr__(name):
    "Estimators of scikit-learn, which is imported when somebody asks for them."
    if name in ('TextClassifier', 'TextRegressor'):
        return getattr(import_module('.estimator', __name__), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
