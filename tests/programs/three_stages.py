"All three stages on the reviews without dropout, in however many processes this was started in."

import sys
from pathlib import Path

from helpers import three_stages
from torch import nn

nn.Dropout.forward = lambda self, x: x
three_stages(Path(sys.argv[1]))
