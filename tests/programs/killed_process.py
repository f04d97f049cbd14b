"Stage 1 in several processes, stopped once by a callback of the first, then taken up, until the second is killed."

import os
import signal
import sys
from pathlib import Path

from helpers import stage_1

from ulmfit_nb.distributed import LostProcess, rank
from ulmfit_nb.training import Run, Stop

out, step, taken = Path(sys.argv[1]), Run.step, 0


def stop(seen, loss):
    if seen > 100:
        raise Stop(f'enough in {rank()}')


def perhaps_killed(run, *args):
    global taken
    taken += 1
    if rank() == 1 and taken == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(run, *args)


try:
    stage_1(out, callback=stop)
except Stop as e:
    print(e, 'after', 'a checkpoint' if (out / 'work/checkpoint.safetensors').exists() else 'nothing')
Run.step = perhaps_killed
try:
    stage_1(out)
except LostProcess as e:
    print(e)
    sys.exit(3)
