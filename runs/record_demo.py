"""What `ulmfit-nb demo` comes to, recorded in results/demo.json, with its picture in nbs/images: python runs/record_demo.py [--out DIR]"""

import tempfile
from pathlib import Path
from typing import Annotated

from command_line import from_command_line
from typer import Option

from ulmfit_nb.course.records import record
from ulmfit_nb.demo import plot_demo, run_demo

ROOT = Path(__file__).parent.parent


def measure(
    out: Annotated[Path | None, Option(help='directory of the models; default: a temporary one')] = None,
    results: Annotated[Path, Option(help='directory of the record')] = ROOT / 'results',
    picture: Annotated[Path, Option(help='file of the picture')] = ROOT / 'nbs/images/demo.png',
):
    "Run it, record it, draw it."
    with tempfile.TemporaryDirectory() as temporary:
        found = run_demo(out or Path(temporary))
    record(results / 'demo.json', 'python runs/record_demo.py', found)
    plot_demo(found, picture)


def main():
    from_command_line(measure)


if __name__ == '__main__':
    main()
