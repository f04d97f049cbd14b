"The README says what is there: its commands, its files, its figures, its example."

import re
import subprocess
import sys

from notebooks import NBS, ROOT

README = (ROOT / 'README.md').read_text(encoding='utf-8')


def test_results_are_those_recorded():
    done = subprocess.run([sys.executable, ROOT / 'runs/readme.py', '--check'], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_make_targets_exist():
    makefile = (ROOT / 'Makefile').read_text()
    named = set(re.findall(r'(?:^|`)make (\w+)', README, re.M))
    assert {'demo', 'lab', 'test'} <= named
    for target in named:
        assert f'\n{target}:' in makefile, f'no target {target}'


def test_links_and_pictures_exist():
    for target in re.findall(r'\]\(([^)#:]+)\)', README):
        assert (ROOT / target).exists(), target


def test_every_chapter_is_named():
    assert set(re.findall(r'`(index|widgets|exercises|\d\d_\w+)`', README)) == {p.stem for p in NBS}


def test_the_example_runs(tmp_path, monkeypatch):
    code = re.search(r'```python\n(.*?)```', README, re.S)[1]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    monkeypatch.chdir(tmp_path)
    exec(compile(code, 'README.md', 'exec'), {})
    assert (tmp_path / 'out/classifier/config.json').exists()
