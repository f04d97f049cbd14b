"Whether this processor computes in bfloat16, and what is chosen on it."

import torch
from torch import nn

from ulmfit_nb.precision import choose_precision, computes_bf16

cpu = torch.device('cpu')
print(computes_bf16(cpu), choose_precision('auto', nn.LSTM(200, 512, batch_first=True), 16, cpu))
