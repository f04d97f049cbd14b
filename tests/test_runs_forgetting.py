"The recorded run of forgetting, at tiny size."

import json
import subprocess
import sys

from forgetting import sample
from helpers import ROOT

from ulmfit_nb.course.forgetting import baseline_plans, head_or_rate
from ulmfit_nb.data import TextData


def forgetting(*args, **kwargs):
    script = ROOT / 'runs/forgetting.py'
    sizes = {'labels': 24, 'valid': 16, 'one-pass': 32, 'tokens': 300, 'every': 2, 'seeds': 1, 'preset': 'tiny', 'epochs': 1}
    sizes = ['--quiet', *(word for name, value in sizes.items() for word in (f'--{name}', str(value)))]
    return subprocess.run([sys.executable, script, *args, *sizes], capture_output=True, text=True, timeout=300, **kwargs)


def test_the_recorded_run_at_tiny_size(tiny_tuned, tmp_path):
    args = [str(tiny_tuned), '--work', str(tmp_path / 'work'), '--out', str(tmp_path / 'forgetting.json')]
    done = forgetting(*args)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / 'forgetting.json').read_text())
    assert (record['data'], record['labels'], record['valid'], record['seeds']) == ('subjectivity', 24, 16, 1) and 300 <= record['tokens']
    assert record['command'] == 'bash runs/forgetting.sh' and record['commit'] and record['lm']['words'] == 48
    assert [r['name'] for r in record['runs']] == list(baseline_plans(['embedding', 'lstm 1', 'lstm 2', 'head']))
    assert [r['name'] for r in record['one_pass']] == list(head_or_rate(['embedding', 'head'])) and record['one_pass_labels'] == 32
    steps = [[p['step'] for p in r['points']] for r in record['runs']]
    assert steps[0] == steps[1] == steps[2] and steps[0][:3] == [0, 2, 4]
    assert {r['points'][0]['perplexity'] for r in record['runs']} == {record['runs'][0]['points'][0]['perplexity']}
    first = [r['points'][1]['perplexity'] / r['points'][0]['perplexity'] for r in record['runs']]
    assert first[0] == 1 != first[2]

    again = forgetting(*args)  # finished plans are read from their files
    assert again.stdout == done.stdout
    other = forgetting(*args, '--lr', '0.02')
    assert other.returncode and 'other settings' in other.stderr


def test_the_sample_is_balanced_and_leaves_the_rest():
    data = TextData([str(i) for i in range(30)], [0] * 20 + [1] * 10, ['a', 'b'])
    few, rest = sample(data, 8, 0)
    assert sorted(few.labels) == [0] * 4 + [1] * 4 and sorted(few.texts + rest.texts, key=int) == data.texts
    assert sample(data, 8, 1)[0].texts != few.texts == sample(data, 8, 0)[0].texts
