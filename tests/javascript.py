"Running the widgets' JavaScript outside a browser."

import json
import os
import re
import shutil
import subprocess

import pytest


def run_js(code: str):
    "What a module prints, read as JSON. Without node there is nothing to run: a failure in CI, a skip elsewhere."
    if not (node := shutil.which('node')):
        missing = pytest.fail if os.environ.get('CI') == 'true' else pytest.skip
        missing('node is not installed, so the JavaScript of the widget cannot be run')
    done = subprocess.run([node, '--input-type=module'], input=code, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def call_js(code: str, calls: list) -> list:
    "What the functions that a module exports answer to (name, arguments) calls."
    names = ', '.join(sorted(set(re.findall(r'^export function (\w+)', code, re.MULTILINE))))
    call = f'{json.dumps(calls)}.map(([f, args]) => known[f](...args))'
    return run_js(f'{code}\nconst known = {{ {names} }};\nconsole.log(JSON.stringify({call}));')
