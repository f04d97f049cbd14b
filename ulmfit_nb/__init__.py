"ULMFiT as an interactive notebook course that is also a library."
from importlib.metadata import version

from .classifier import load_classifier
from .fine_tuning import fine_tune
from .gradual_unfreezing import train_classifier
from .pretraining import pretrain

__version__ = version('ulmfit-nb')
__all__ = ['pretrain', 'fine_tune', 'train_classifier', 'load_classifier']
