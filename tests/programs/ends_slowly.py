"A server of a kind: asked to end, it takes its time, or does not listen at all."

import signal
import sys
import time

mark, how = sys.argv[1:]


def end(*_):
    time.sleep(1)  # what JupyterLab needs to shut its kernels down; longer than Python's patience with a child on Ctrl-C
    with open(mark, 'w') as f:
        f.write('ended in good order')
    sys.exit(7)


signal.signal(signal.SIGTERM, signal.SIG_IGN if how == 'stubborn' else end)
print('ready', flush=True)
for _ in range(600):
    time.sleep(0.1)
