"Write more than the system lets this process write."

import resource
import sys

import torch

from ulmfit_nb.files import write_tensors

resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    write_tensors(sys.argv[1], {'a': torch.zeros(100_000)})
except OSError as e:
    print('OSError', e.errno)
