"""What `ulmfit-nb demo` comes to, recorded in results/demo.json with the accuracies of other seeds beside it (other labels, another head, another
stage 2), and its picture in nbs/images: python runs/record_demo.py [--out DIR]"""

import json
import tempfile
from pathlib import Path
from typing import Annotated

from command_line import from_command_line
from typer import Option

from ulmfit_nb.course.records import record
from ulmfit_nb.demo import SHOWN, plot_demo, run_demo

ROOT = Path(__file__).parent.parent


def measure(
    out: Annotated[Path | None, Option(help='directory of the models; default: a temporary one')] = None,
    seeds: Annotated[list[int], Option(help='the first is what the demo shows')] = (0, 1, 2, 3, 4),
    results: Annotated[Path, Option(help='directory of the record')] = ROOT / 'results',
    picture: Annotated[Path, Option(help='file of the picture')] = ROOT / 'nbs/images/demo.png',
):
    "Run it, record it, draw it."
    with tempfile.TemporaryDirectory() as temporary:
        found = []
        for seed in seeds:
            folder = (out or Path(temporary)) / str(seed)
            done = folder / 'demo.json'
            found.append(json.loads(done.read_text(encoding='utf-8')) if done.exists() else run_demo(folder, seed))
    by_seed = {name: [f[name] for f in found] for name in SHOWN}
    record(results / 'demo.json', 'python runs/record_demo.py', found[0] | {'seeds': by_seed})
    plot_demo(found[0], picture)


def main():
    from_command_line(measure)


if __name__ == '__main__':
    main()
