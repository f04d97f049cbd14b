"""How long each chapter takes from top to bottom: measured, written to results/chapters.json and into the line under each title.
Run it on an idle machine. `--check` only says whether the lines are those of the record."""

import argparse
import json
import math
import os
import re
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from notebooks import NBS, ROOT, name_of, read

from ulmfit_nb.experiments import record

STRIP = re.compile(r'(\*\*Time\*\* about )(\S+)( s on 2 cores)')


def strip_of(nb) -> int | None:
    "The cell of a notebook that says how long it takes."
    return next((i for i, c in enumerate(nb.cells) if c.cell_type == 'markdown' and STRIP.search(c.source)), None)


def measure(path: Path) -> float:
    "Seconds from the start of the kernel to the last cell."
    nb, began = read(path), time.perf_counter()
    NotebookClient(nb, timeout=600, resources={'metadata': {'path': str(path.parent)}}).execute()
    return time.perf_counter() - began


def rounded(seconds: float) -> int:
    "To the next five seconds: a promise should be kept."
    return 5 * math.ceil(seconds / 5)


def stale(path: Path, seconds: float) -> str | None:
    "What is wrong with a chapter's line."
    nb = read(path)
    said = STRIP.search(nb.cells[strip_of(nb)].source)[2]
    return None if said == str(rounded(seconds)) else f'{name_of(path)} says {said} s, and {rounded(seconds)} were measured'


def write(path: Path, seconds: float):
    "Put the measured time into a chapter's line."
    nb = read(path)
    cell = nb.cells[strip_of(nb)]
    cell.source = STRIP.sub(rf'\g<1>{rounded(seconds)}\g<3>', cell.source)
    nbformat.write(nb, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('chapters', nargs='*', help='measure (or check) these; default: all')
    parser.add_argument('--check', action='store_true')
    args = parser.parse_args()
    lessons = {name_of(p): p for p in NBS if strip_of(read(p)) is not None}
    path = ROOT / 'results/chapters.json'
    seconds = json.loads(path.read_text(encoding='utf-8'))['seconds'] if path.exists() else {}
    if args.check:
        names = args.chapters or lessons
        wrong = [f'{n} was never measured' for n in names if n not in seconds] + [w for n in names if n in seconds and (w := stale(lessons[n], seconds[n]))]
        raise SystemExit('\n'.join(wrong) + '\nRun python site/minutes.py on an idle machine' if wrong else 0)
    os.environ.setdefault('OMP_NUM_THREADS', '2')
    for name in args.chapters or lessons:
        seconds[name] = round(measure(lessons[name]), 1)
        print(f'{seconds[name]:6.1f} s  {name}', flush=True)
        write(lessons[name], seconds[name])
        record(path, 'python site/minutes.py', {'seconds': {n: seconds[n] for n in lessons if n in seconds}})


if __name__ == '__main__':
    main()
