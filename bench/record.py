"What a measurement leaves behind: medians, ratios, and how much other processes disturbed it."
import os
import platform
import resource
import statistics
import subprocess
import time
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
QUIET = 0.15   # cores that other processes may use while we measure


class Watch:
    "How many cores other processes have kept busy since it was made; None where there is no /proc."
    def __init__(self): self.began = self.read()

    def read(self):
        "Seconds by the clock, seconds of all cores together, and those of ours and our finished children."
        try: f = [int(v) for v in Path('/proc/stat').read_text().splitlines()[0].split()[1:9]]
        except OSError: return None
        own = os.times()
        busy = sum(f) - f[3] - f[4]   # all but idle and waiting; time that other machines stole counts
        return time.time(), busy / os.sysconf('SC_CLK_TCK'), own.user + own.system + own.children_user + own.children_system

    def others(self):
        if self.began is None: return None
        clock, busy, own = (b - a for a, b in zip(self.began, self.read()))
        return round(max(0., (busy - own) / clock), 2)


def wait_for_quiet(limit=60):
    "Wait until other processes leave the machine alone. Raises SystemExit if they don't."
    for _ in range(max(1, limit // 3)):
        watch = Watch()
        time.sleep(3)
        others = watch.others()
        if others is None or others <= QUIET: return
    raise SystemExit(f'other processes keep {others} cores busy, so timings would mean nothing. Stop them and run this again (or add --force).')


def peak_mb(): return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def rss_mb():
    "Memory in use now."
    return round(int(Path('/proc/self/statm').read_text().split()[1]) * os.sysconf('SC_PAGE_SIZE') / 2**20)


def spread(values):
    "Median, least and greatest, to four figures."
    figures = dict(median=statistics.median(values), min=min(values), max=max(values))
    return {k: float(f'{v:.4g}') for k, v in figures.items()} | {'n': len(values)}


def summary(seconds, work, unit, values):
    """Rates, and how many times faster than the first implementation each of the others is. The ratio is taken within a
    repeat, where both ran under the same conditions. `seconds`, by implementation: those of each repeat; `work`: units in each."""
    first = next(iter(seconds))
    ratios = {k: spread([a / b for a, b in zip(seconds[first], s)]) for k, s in seconds.items() if k != first}
    results = {k: {f'{unit}_per_s': float(f'{work / statistics.median(s):.4g}'), 'seconds': spread(s)} | values.get(k, {})
               for k, s in seconds.items()}
    return {'results': results, 'times_as_fast_as': first, 'ratios': ratios}


def git(*args): return subprocess.run(['git', '-C', ROOT, *args], capture_output=True, text=True).stdout.strip()


def origin(command, threads):
    "How a record was made."
    versions = {'python': platform.python_version()}
    for name in ('torch', 'numpy', 'spacy', 'accelerate', 'fastai', 'ulmfit-nb'):
        try: versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError: versions[name] = None
    cpus = [l.split(':')[1].strip() for l in open('/proc/cpuinfo') if l.startswith('model name')] if os.path.exists('/proc/cpuinfo') else []
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30
    return {'command': command, 'commit': git('rev-parse', 'HEAD'), 'changed_since': bool(git('status', '--porcelain', 'ulmfit_nb', 'bench')),
            'date': time.strftime('%Y-%m-%d'), 'versions': versions,
            'hardware': {'cpu': cpus[0] if cpus else platform.processor(), 'cores': os.cpu_count(), 'threads': threads, 'memory_gb': round(memory)}}
