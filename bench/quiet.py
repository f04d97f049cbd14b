"What a measurement leaves behind: medians, ratios, and how much other processes disturbed it."

import os
import statistics
import time
from pathlib import Path

QUIET = 0.15  # cores that other processes may use while we measure


class Watch:
    "How many cores other processes have kept busy since it was made; None where there is no /proc."

    def __init__(self):
        self.began = self.read()

    def read(self):
        "Seconds by the clock, seconds of all cores together, and those of ours and our finished children."
        try:
            f = [int(v) for v in Path('/proc/stat').read_text().splitlines()[0].split()[1:9]]
        except OSError:
            return None
        own = os.times()
        busy = sum(f) - f[3] - f[4]  # all but idle and waiting; time that other machines stole counts
        return time.time(), busy / os.sysconf('SC_CLK_TCK'), own.user + own.system + own.children_user + own.children_system

    def others(self):
        if self.began is None:
            return None
        clock, busy, own = (b - a for a, b in zip(self.began, self.read()))
        return round(max(0.0, (busy - own) / clock), 2)


def wait_for_quiet(limit=60):
    "Wait until other processes leave the machine alone. Raises SystemExit if they don't."
    for _ in range(max(1, limit // 3)):
        watch = Watch()
        time.sleep(3)
        others = watch.others()
        if others is None or others <= QUIET:
            return
    raise SystemExit(f'other processes keep {others} cores busy, so timings mean nothing: stop them and run this again, or add --force')


def rss_mb():
    "Memory in use now."
    return round(int(Path('/proc/self/statm').read_text().split()[1]) * os.sysconf('SC_PAGE_SIZE') / 2**20)


def slice_to_lrs(values):
    "Median, least and greatest, to four figures."
    figures = dict(median=statistics.median(values), min=min(values), max=max(values))
    return {k: float(f'{v:.4g}') for k, v in figures.items()} | {'n': len(values)}


def summary(seconds, work, unit, values):
    """Rates, and how many times faster than the first implementation each of the others is. The ratio is taken within a
    repeat, where both ran under the same conditions. `seconds`, by implementation: those of each repeat; `work`: units in each."""
    first = next(iter(seconds))
    ratios = {k: slice_to_lrs([a / b for a, b in zip(seconds[first], s)]) for k, s in seconds.items() if k != first}
    results = {k: {f'{unit}_per_s': float(f'{work / statistics.median(s):.4g}'), 'seconds': slice_to_lrs(s)} | values.get(k, {}) for k, s in seconds.items()}
    return {'results': results, 'times_as_fast_as': first, 'ratios': ratios}
