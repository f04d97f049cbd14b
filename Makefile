# Each target makes its own environment first, so that on a fresh machine one command is enough.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: setup demo test lab readme docs pictures clean

setup: $(VENV)/ready

$(VENV)/ready: settings.ini setup.py pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip
	$(BIN)/python -m pip install -q -c constraints.txt torch
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	touch $@

demo: setup      ## all three stages on the data that ships, offline
	$(BIN)/ulmfit-nb demo

test: setup      ## lint, every chapter, parity, properties, the command line, a real browser
	bash tests/install_browser.sh $(BIN)/python
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check -q
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --no-loadscope-reorder --durations 15

lab: setup       ## the course, in JupyterLab
	$(BIN)/ulmfit-nb lab

readme: setup    ## the tables in README.md, from results/
	$(BIN)/python site/readme.py

docs: setup      ## the site, in _docs; needs Quarto
	rm -rf _proc
	$(BIN)/python site/docs.py
	@command -v quarto >/dev/null || { echo "Quarto is not on PATH. Install it (quarto.org, Get started), then run make docs again."; exit 1; }
	PATH="$(abspath $(BIN)):$$PATH" PYTHONPATH=site nbdev-docs
	$(BIN)/python site/check_site.py _docs

pictures: setup  ## the plain pictures of the widgets, for browsers that run no scripts; needs Chromium
	$(BIN)/python site/pictures.py

clean:
	rm -rf $(VENV) demo build *.egg-info
