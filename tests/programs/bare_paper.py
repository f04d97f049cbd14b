"runs/paper.py where neither this library is installed nor what only the course needs; run it from the top of the checkout."

import importlib.metadata
import runpy
import sys

known = importlib.metadata.version


def version(name):
    if name == 'ulmfit-nb':
        raise importlib.metadata.PackageNotFoundError(name)
    return known(name)


importlib.metadata.version = version
for name in 'spacy nbdev fastcore datasets ipywidgets anywidget jupyterlab'.split():
    sys.modules[name] = None  # importing it fails
sys.argv = ['paper.py', *sys.argv[1:]]
sys.path.insert(0, 'runs')  # as `python runs/paper.py` has it
runpy.run_path('runs/paper.py', run_name='__main__')
