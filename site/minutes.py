"""How long each chapter takes from top to bottom: measured, written to results/chapters.json and into the line under each title. Where the
processor has more than AVX2, each is measured a second time with no more than that, for many readers' machines have no more; the line says the slower.
Run it on an idle machine. `--check` only says whether the lines are those of the record."""

import json
import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import nbformat
import torch
from nbclient import NotebookClient
from notebooks import NBS, ROOT, name_of, read
from typer import Argument, Option

from ulmfit_nb.course.records import record

sys.path.insert(0, str(ROOT / 'runs'))
from command_line import from_command_line  # noqa: E402

STRIP = re.compile(r'(\*\*Time\*\* about )(\S+)( s on 2 cores)')
RECORD = ROOT / 'results/chapters.json'
AVX2 = {'ONEDNN_MAX_CPU_ISA': 'AVX2', 'ATEN_CPU_CAPABILITY': 'avx2'}  # no instructions beyond these, and so no bf16
MACHINES = {'seconds': {}, 'seconds_avx2': AVX2}  # in the record: on the machine as it is, and as if it had AVX2 alone
BF16 = "import torch; from ulmfit_nb.precision import computes_bf16; print(computes_bf16(torch.device('cpu')))"


def strip_of(nb) -> int | None:
    "The cell of a notebook that says how long it takes."
    return next((i for i, c in enumerate(nb.cells) if c.cell_type == 'markdown' and STRIP.search(c.source)), None)


def machines() -> dict[str, dict]:
    "What is to be measured here: all of `MACHINES` if this processor has more than AVX2 and can be kept from using it, else the machine as it is."
    if not torch.backends.cpu.get_cpu_capability().startswith('AVX512'):
        return {'seconds': MACHINES['seconds']}
    done = subprocess.run([sys.executable, '-c', BF16], env=os.environ | AVX2, capture_output=True, text=True, check=True)
    if done.stdout.strip() != 'False':
        raise SystemExit(f'{" ".join(f"{k}={v}" for k, v in AVX2.items())} leaves this processor its bf16: this would not be the time of an AVX2 machine.')
    return MACHINES


def measure(path: Path, variables: dict[str, str]) -> float:
    "Seconds from the start of the kernel, which has these variables in its environment, to the last cell."
    nb, began = read(path), time.perf_counter()
    NotebookClient(nb, timeout=600, resources={'metadata': {'path': str(path.parent)}}).execute(env=os.environ | variables)
    return time.perf_counter() - began


def slower(found: dict[str, dict[str, float]], name: str) -> float | None:
    "The most seconds that a chapter took on any of the machines; None if it was never measured."
    return max((found[machine][name] for machine in MACHINES if name in found.get(machine, {})), default=None)


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


def time_chapters(
    chapters: Annotated[list[str] | None, Argument(help='Measure (or check) these. Default: all.')] = None,
    check: Annotated[bool, Option('--check', help='Measure nothing; say whether the lines are those of the record.')] = False,
):
    lessons = {name_of(p): p for p in NBS if strip_of(read(p)) is not None}
    known = json.loads(RECORD.read_text(encoding='utf-8')) if RECORD.exists() else {}
    found = {machine: known.get(machine, {}) for machine in MACHINES}
    if check:
        seconds = {name: slower(found, name) for name in chapters or lessons}
        wrong = [f'{name} was never measured' if s is None else stale(lessons[name], s) for name, s in seconds.items()]
        raise SystemExit('\n'.join([*filter(None, wrong), 'Run python site/minutes.py on an idle machine']) if any(wrong) else 0)
    os.environ.setdefault('OMP_NUM_THREADS', '2')
    here = machines()
    for name in chapters or lessons:
        for machine in MACHINES:
            found[machine].pop(name, None)  # of a machine that is measured no more, nothing stays
        for machine, variables in here.items():
            found[machine][name] = round(measure(lessons[name], variables), 1)
            print(f'{found[machine][name]:6.1f} s  {name}{" with AVX2 alone" if variables else ""}', flush=True)
        write(lessons[name], slower(found, name))
        record(RECORD, 'python site/minutes.py', {m: {n: of[n] for n in lessons if n in of} for m, of in found.items() if of})


def main():
    from_command_line(time_chapters)


if __name__ == '__main__':
    main()
