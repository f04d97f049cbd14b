"A short run that reaches (epoch, batch) and there is killed, or waits to be killed."

import os
import signal
import sys
import time

from helpers import short_run

end, checkpoint, epoch, batch = sys.argv[1:]


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def waits():
    print('half-way', flush=True)
    time.sleep(600)


short_run((int(epoch), int(batch)), checkpoint, how={'killed': killed, 'waits': waits}[end])
