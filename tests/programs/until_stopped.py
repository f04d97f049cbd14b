"Run another program of this folder as `ulmfit-nb lab` runs JupyterLab."

import sys
from pathlib import Path

from ulmfit_nb.lab import run_until_stopped

name, *args = sys.argv[1:]
sys.exit(run_until_stopped([sys.executable, Path(__file__).with_name(f'{name}.py'), *args]) % 256)
