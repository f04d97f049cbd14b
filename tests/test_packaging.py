"What is given away is what the checkout holds; what the workflows call is there."

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from configparser import ConfigParser
from email.parser import Parser
from pathlib import Path

import pytest
import yaml
from notebooks import ROOT

WORKFLOWS = sorted((ROOT / '.github/workflows').glob('*.yml'))
NEEDED = ('settings.ini', 'setup.py', 'pyproject.toml', 'MANIFEST.in', 'README.md', 'LICENSE', 'ulmfit_nb')


def checkout(*folders: str) -> set[str]:
    "The files that git has, or would take."
    command = ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard', '--', *folders]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split('\0')
    return {f for f in found if f and (ROOT / f).is_file()}


@pytest.fixture(scope='module')
def built(tmp_path_factory):
    "A wheel from an sdist from a copy of the checkout, without a network: its path, and all that was printed."
    copy = tmp_path_factory.mktemp('checkout')
    for file in checkout(*NEEDED):
        (copy / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, copy / file)
    cache = copy / 'ulmfit_nb/static/__pycache__'
    cache.mkdir()
    for junk in (cache / 'x.cpython-311.pyc', copy / 'ulmfit_nb/datasets/x.jsonl.part', copy / 'ulmfit_nb/.DS_Store'):
        junk.write_text('lies about in many a folder, and is no part of the package')
    env = os.environ | {'PYTHONDONTWRITEBYTECODE': ''}
    command = [sys.executable, '-m', 'build', '--no-isolation', '--outdir', copy / 'dist', copy]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, cwd=copy)
    assert ended.returncode == 0, ended.stdout
    return next((copy / 'dist').glob('*.whl')), ended.stdout


def test_the_wheel_holds_the_checkout(built):
    names = set(zipfile.ZipFile(built[0]).namelist())
    assert {n for n in names if '.dist-info/' not in n} == checkout('ulmfit_nb')


def test_data_and_their_cards_are_in_sdist_and_wheel(built):
    sdist = tarfile.open(next(built[0].parent.glob('*.tar.gz')))
    wanted = {f for f in checkout('ulmfit_nb/datasets') if f.endswith(('.parquet', 'README.md'))}
    assert len(wanted) == 15 + 6 and wanted <= {n.split('/', 1)[1] for n in sdist.getnames() if '/' in n}
    wheel = zipfile.ZipFile(built[0])
    assert all(wheel.read(f) == (ROOT / f).read_bytes() for f in wanted)


def test_building_it_warns_of_nothing(built):
    assert not re.findall(r'.*warning.*', built[1], re.I)


def test_what_the_wheel_says_of_itself(built):
    wheel = zipfile.ZipFile(built[0])
    texts = {Path(n).name: wheel.read(n).decode() for n in wheel.namelist() if '.dist-info/' in n}
    said = Parser().parsestr(texts['METADATA'])
    versions = [c.split(' :: ')[-1] for c in said.get_all('Classifier')]
    assert versions == settings()['python_versions'].split() and said['Requires-Python'] == f'>={versions[0]}'
    assert said['Version'] == settings()['version'] and 'ulmfit-nb = ulmfit_nb.cli:app' in texts['entry_points.txt']


def settings():
    config = ConfigParser(delimiters=['='])
    config.read(ROOT / 'settings.ini', encoding='utf-8')
    return config['DEFAULT']


def steps(workflow: Path) -> list[dict]:
    return [step for job in yaml.safe_load(workflow.read_text())['jobs'].values() for step in job['steps']]


@pytest.mark.parametrize('workflow', WORKFLOWS, ids=lambda p: p.stem)
def test_a_workflow_calls_what_the_makefile_has(workflow):
    targets = set(re.findall(r'^([a-z]+):', (ROOT / 'Makefile').read_text(), re.M))
    called = [step['run'].split() for step in steps(workflow) if 'run' in step]
    assert called and all(command == 'make' and set(wanted) <= targets for command, *wanted in called)
    assert all(re.fullmatch(r'[\w-]+/[\w/-]+@v\d+', step['uses']) for step in steps(workflow) if 'uses' in step)
    assert yaml.safe_load(workflow.read_text())[True], 'when it runs: YAML takes the word on for true'


def test_every_version_of_python_is_tested_on_some_system():
    jobs = yaml.safe_load((ROOT / '.github/workflows/tests.yml').read_text())['jobs']
    tried = [(row['os'].split('-')[0], row['python']) for row in jobs['test']['strategy']['matrix']['include']]
    assert {version for _, version in tried} == set(settings()['python_versions'].split())
    assert sum(system == 'ubuntu' for system, _ in tried) >= 2 and 'macos' in dict(tried)


def test_the_site_is_published_from_where_it_is_made():
    published = [s['with']['path'] for s in steps(ROOT / '.github/workflows/docs.yml') if 'upload-pages-artifact' in s.get('uses', '')]
    assert published == [yaml.safe_load((ROOT / '_quarto.yml').read_text())['project']['output-dir']]
