"The recorded campaign, at tiny size; what it finds is in test_campaign.py."

import json
import os
import subprocess
import sys

import pytest
from helpers import ROOT


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='each kill is a forked process')
def test_the_recorded_run_at_tiny_size(tmp_path):
    def campaign(*more):
        sizes = ['--texts', '500', '--chunk', '100', '--kills', '2', '--spoilt', '2']
        args = [sys.executable, ROOT / 'runs/campaign.py', *sizes, '--work', tmp_path / 'work', '--out', tmp_path / 'r.json', *more]
        done = subprocess.run(args, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return json.loads((tmp_path / 'r.json').read_text())

    begun = campaign('--minutes', '0')
    assert begun['texts']['texts'] == 0 and begun['texts']['of'] == 500 and len(begun['kills']) == 5 and 'config.json' in begun['spoilt']
    record = campaign()
    assert record['texts']['texts'] == 500 and len(record['texts']['resident_mb']) == 5 and record['texts']['wrong'] == []
    assert (record['command'], record['seed']) == ('bash runs/campaign.sh', 0) and record['commit']
    assert {k: record[k] for k in ('kills', 'spoilt')} == {k: begun[k] for k in ('kills', 'spoilt')}, 'what is finished is read'
    assert [of['kills'] for of in record['kills'].values()] == [2] * 5
