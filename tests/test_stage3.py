"""Stage 3 from end to end: three stages in a temporary directory, resume after SIGKILL, and everything it refuses."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from forgetting import sample
from safetensors.torch import load_file

from ulmfit_nb import classifier_training, fine_tune, load_classifier, pretrain, stages, train_classifier
from ulmfit_nb.batching import DocBatches, LMBatches, TokenStream
from ulmfit_nb.checks import train_valid
from ulmfit_nb.classifier_training import new_classifier
from ulmfit_nb.course.forgetting import Forgetting, baseline_plans, encoder_perplexity, watch_forgetting
from ulmfit_nb.data import DataError, TextData
from ulmfit_nb.language_model import evaluate_lm
from ulmfit_nb.schedules import stlr
from ulmfit_nb.stages import Stage, StageError, load_lm
from ulmfit_nb.training import constant

GOOD = ['a warm and funny film', 'what a lovely , clever story', 'i laughed and i cried , a joy', 'wonderful cast and a great script']
BAD = ['a dull and lazy film', 'what a long , stupid mess', 'i slept and i left , a bore', 'awful cast and a poor script']
TEXTS = [f'{t} , {n}' for n in ('truly', 'really', 'honestly', 'in the end', 'all in all') for t in GOOD + BAD]
REVIEWS = TextData(TEXTS, [int(t.rsplit(' , ', 1)[0] in GOOD) for t in TEXTS], ['neg', 'pos'])
LM = dict(bs=2, bptt=10, min_freq=1, lr=0.02, drop_mult=0.1, progress_bar=False)
OPTIONS = dict(epochs=6, lr=0.05, bs=8, bptt=5, max_len=8, drop_mult=0.1, progress_bar=False)


@pytest.fixture(scope='module')
def lm(tmp_path_factory):
    folder = tmp_path_factory.mktemp('lm')
    general = pretrain(TEXTS * 2, folder / 'general', emb_sz=12, n_hid=16, n_layers=2, epochs=1, **LM)
    return fine_tune(general, TEXTS * 3, folder / 'tuned', epochs=1, **LM)


@pytest.fixture(scope='module')
def classifier(lm, tmp_path_factory):
    return train_classifier(lm, REVIEWS, tmp_path_factory.mktemp('stage3') / 'classifier', **OPTIONS)


def history(path):
    "What a run noted, but for what differs from one machine and hour to the next."
    entries = json.loads((path / 'history.json').read_text())
    return [{k: v for k, v in h.items() if k not in ('minutes', 'peak_mb')} for h in entries]


def snapshot(path):
    return {f.relative_to(path): f.read_bytes() for f in path.rglob('*') if f.is_file()}


# --- it works ---------------------------------------------------------------------------------------------------------------------


def test_three_stages_learn_and_predict(classifier):
    assert sorted(f.name for f in classifier.iterdir()) == ['config.json', 'history.json', 'model.safetensors', 'vocab.json']
    entries = history(classifier)
    assert [(h['phase'], h['groups'][0]) for h in entries] == [(1, 'head'), (2, 'lstm 2'), (3, 'lstm 1')] + [(4, 'embedding')] * 6
    assert entries[-1]['train_loss'] < 0.4 < entries[0]['train_loss']
    loaded = load_classifier(classifier)
    assert loaded.classes == ['neg', 'pos']
    right = sum(p == REVIEWS.classes[y] for p, y in zip(loaded.predict(TEXTS), REVIEWS.labels))
    assert right > 0.8 * len(TEXTS)


def test_few_labels_are_read_until_there_are_enough_steps(lm, tmp_path):
    out = train_classifier(lm, REVIEWS, tmp_path / 'classifier', REVIEWS, **OPTIONS | dict(epochs=1, min_steps=3 * len(REVIEWS) // OPTIONS['bs']))
    assert [h['phase'] for h in history(out)] == [1, 2, 3, 4, 4, 4]


def test_predictions_do_not_depend_on_batch_or_order(classifier):
    loaded, texts = load_classifier(classifier), [*TEXTS[:5], '', 'unheard-of words only', 'long ' * 60]
    one_by_one = [loaded.predict_proba([t])[0] for t in texts]
    for bs in (1, 3, 64):
        for got, want in zip(loaded.predict_proba(texts[::-1], bs=bs)[::-1], one_by_one):
            assert got == pytest.approx(want, abs=1e-5)


def test_backwards_language_model_gives_a_backwards_classifier(tmp_path):
    lm = pretrain(TEXTS, tmp_path / 'lm', emb_sz=8, n_hid=8, n_layers=1, backwards=True, **LM)
    loaded = load_classifier(train_classifier(lm, REVIEWS, tmp_path / 'c', **OPTIONS | {'epochs': 1}))
    assert loaded.backwards and loaded.predict_proba(['a b c']).shape == (1, 2)


# --- called again -----------------------------------------------------------------------------------------------------------------


def test_second_call_returns_at_once(lm, classifier, monkeypatch):
    before = snapshot(classifier)
    monkeypatch.setattr(classifier_training, 'fit', lambda *a, **k: pytest.fail('trained again'))
    assert train_classifier(lm, REVIEWS, classifier, **OPTIONS) == classifier
    assert snapshot(classifier) == before


FEWER = REVIEWS.select(range(len(REVIEWS) - 4))
RENAMED = TextData(TEXTS, REVIEWS.labels, ['bad', 'good'])


@pytest.mark.parametrize(
    'name,change',
    [('epochs', {'epochs': 5}), ('lr', {'lr': 0.01}), ('bptt', {'bptt': 6}), ('max_len', {'max_len': None}), ('seed', {'seed': 1}),
     ('factor', {'factor': 2.0}), ('data', {'data': FEWER}), ('data', {'data': RENAMED})],
)  # fmt: skip
def test_other_settings_are_refused_by_name(lm, classifier, name, change):
    before = snapshot(classifier)
    with pytest.raises(ValueError, match=rf'other settings \({name}: '):
        train_classifier(lm, **{'data': REVIEWS, 'out': classifier} | OPTIONS | change)
    assert snapshot(classifier) == before


def test_other_validation_data_are_another_run(lm, tmp_path):
    options = OPTIONS | {'epochs': 1}
    train_classifier(lm, REVIEWS, tmp_path, valid=FEWER, **options)
    assert train_classifier(lm, REVIEWS, tmp_path, valid=FEWER, **options) == tmp_path
    with pytest.raises(ValueError, match=r'other settings \(valid: '):
        train_classifier(lm, REVIEWS, tmp_path, valid=REVIEWS, **options)


KILLED = """
import sys, time, torch
from pathlib import Path
torch.set_num_threads({threads})  # sums in another number of threads differ in the last digit
sys.path.insert(0, {tests!r})
import test_stage3 as t, ulmfit_nb.classifier_training as stage, ulmfit_nb.training as training
save, count = training.Run.save, 0
def slow_save(run):
    global count
    save(run)
    count += 1
    if count == {saves}: print('saved', flush=True); time.sleep(60)
training.Run.save = slow_save
stage.train_classifier(Path({lm!r}), t.REVIEWS, Path({out!r}), every=2, **t.OPTIONS)
"""


@pytest.mark.parametrize('saves', [4, 20])  # in the second phase, and in the last
def test_killed_run_goes_on_to_the_same_classifier(lm, classifier, tmp_path, saves):
    out = tmp_path / 'killed'
    code = KILLED.format(tests=os.path.dirname(__file__), lm=str(lm), out=str(out), saves=saves, threads=torch.get_num_threads())
    process = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == 'saved\n'
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert (out / 'work/checkpoint.safetensors').exists()
    with pytest.raises(StageError, match='cut short'):
        load_classifier(out)
    with pytest.raises(ValueError, match='lr: 0.05 there, 0.04 now'):
        train_classifier(lm, REVIEWS, out, **OPTIONS | {'lr': 0.04})
    started = time.perf_counter()
    train_classifier(lm, REVIEWS, out, every=2, **OPTIONS)
    assert not (out / 'work').exists() and time.perf_counter() - started < 60
    ours, theirs = load_file(out / 'model.safetensors'), load_file(classifier / 'model.safetensors')
    assert ours.keys() == theirs.keys()
    for k in ours:
        assert ours[k].equal(theirs[k]), k
    assert history(out) == history(classifier)


# --- what it refuses --------------------------------------------------------------------------------------------------------------

BAD_DATA = {
    'no texts in it': TextData([], []),
    'no labels': TextData(TEXTS),
    "every text is labelled 'pos'": TextData(TEXTS, [1] * len(TEXTS), ['neg', 'pos']),
    "class 'mixed' has a single example": TextData([*TEXTS, 'so so'], [*REVIEWS.labels, 2], ['neg', 'pos', 'mixed']),
    '39 labels for 40 texts': TextData(TEXTS, REVIEWS.labels[:-1], ['neg', 'pos']),
    'label 2, where 2 classes': TextData(TEXTS, [2, *REVIEWS.labels[1:]], ['neg', 'pos']),
    'text 3 is missing': TextData([*TEXTS[:3], None, *TEXTS[4:]], REVIEWS.labels, ['neg', 'pos']),
    'text 1 is 7': TextData([TEXTS[0], 7, *TEXTS[2:]], REVIEWS.labels, ['neg', 'pos']),
    'a list, where a TextData is due. Read a file with load_data': TEXTS,
    'text 0 has no label': TextData(TEXTS, [None, *REVIEWS.labels[1:]], ['neg', 'pos']),
}


@pytest.mark.parametrize('message', BAD_DATA)
def test_data_that_cannot_be_learnt_from(lm, tmp_path, message):
    with pytest.raises(DataError, match=message):
        train_classifier(lm, BAD_DATA[message], tmp_path / 'out', **OPTIONS)
    assert not (tmp_path / 'out').exists()


BAD_VALID = {
    "label 'mixed' was not among the classes seen": TextData(['so so', 'fine'], [0, 1], ['mixed', 'pos']),
    'validation texts: there are no texts': TextData([], [], ['neg', 'pos']),
    'validation texts: the texts have no labels': TextData(['so so']),
}


@pytest.mark.parametrize('message', BAD_VALID)
def test_validation_data_that_cannot_be_used(lm, tmp_path, message):
    with pytest.raises(DataError, match=message):
        train_classifier(lm, REVIEWS, tmp_path / 'out', valid=BAD_VALID[message], **OPTIONS)
    assert not (tmp_path / 'out').exists()


def test_a_class_without_training_examples_is_unseen():
    three = TextData(TEXTS, REVIEWS.labels, ['neg', 'pos', 'mixed'])
    with pytest.raises(DataError, match="label 'mixed' was not among the classes seen"):
        train_valid(three, TextData(['so so'], [2], three.classes))


def test_labels_are_matched_by_name():
    names = TextData(TEXTS, [REVIEWS.classes[l] for l in REVIEWS.labels])
    turned = TextData(['lovely', 'awful'], [0, 1], ['pos', 'neg'])
    train, valid = train_valid(names, turned)
    assert (train.labels, train.classes) == (REVIEWS.labels, ['neg', 'pos']) and valid.labels == [1, 0]


def test_a_tenth_of_each_class_is_set_aside():
    train, valid = train_valid(REVIEWS, None)
    assert sorted(train.texts + valid.texts) == sorted(TEXTS) and sorted(valid.labels) == [0, 0, 1, 1]
    assert train_valid(REVIEWS, None, seed=1)[1].texts != valid.texts


def test_batches_of_one_are_refused(lm, tmp_path):
    with pytest.raises(ValueError, match='bs is 1: batch norm needs'):
        train_classifier(lm, REVIEWS, tmp_path / 'out', **OPTIONS | {'bs': 1})
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('n', [4, 5, 7])
def test_a_handful_of_examples_is_enough(lm, tmp_path, n):
    few = TextData(TEXTS[: n - 2] + ['a dull film', 'a dull film'], [1] * (n - 2) + [0, 0], ['neg', 'pos'])
    path = train_classifier(lm, few, tmp_path / 'out', **OPTIONS | {'epochs': 1, 'bs': 2})
    assert load_classifier(path).predict(['a film']) in (['neg'], ['pos'])


def test_directories_of_the_wrong_stage(lm, classifier, tmp_path):
    with pytest.raises(StageError, match='holds a classifier, where a language model is due: give .* pretrain or fine_tune'):
        train_classifier(classifier, REVIEWS, tmp_path / 'out', **OPTIONS)
    with pytest.raises(StageError, match='holds a language model, where a classifier is due'):
        load_classifier(lm)
    with pytest.raises(StageError, match='no such directory'):
        train_classifier(tmp_path / 'nowhere', REVIEWS, tmp_path / 'out', **OPTIONS)
    before = snapshot(lm)
    with pytest.raises(ValueError, match='other settings'):
        train_classifier(lm, REVIEWS, lm, **OPTIONS)
    assert snapshot(lm) == before and not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    'texts,message',
    [('a fine film', r'one string, where a list .* Write \[text\]'), ([None], 'text 0 is missing'), ([3.5], 'text 0 is 3.5'),
     (['fine', float('nan')], 'text 1 is missing'), ([b'bytes'], "text 0 is b'bytes'"), ([['a', 'b']], 'text 0 is'), ([], 'no texts in it'),
     (None, 'missing'), (7, '7')],
)  # fmt: skip
def test_predict_refuses_what_is_not_a_list_of_texts(classifier, texts, message):
    with pytest.raises(DataError, match=message):
        load_classifier(classifier).predict(texts)


# --- a language model that ships, by name ------------------------------------------------------------------------------------------


def test_a_shipped_model_is_found_by_its_name(lm, tmp_path, monkeypatch):
    shipped = tmp_path / 'pretrained'
    (shipped / 'small').parent.mkdir()
    (shipped / 'small').symlink_to(lm, target_is_directory=True)
    monkeypatch.setattr(stages, 'PRETRAINED', shipped)
    monkeypatch.chdir(tmp_path)
    options = OPTIONS | {'epochs': 1}
    by_name, by_path = (train_classifier(m, REVIEWS, tmp_path / str(i), **options) for i, m in enumerate(['small', lm]))
    assert (by_name / 'model.safetensors').read_bytes() == (by_path / 'model.safetensors').read_bytes()
    assert load_classifier(train_classifier('small', REVIEWS, by_path, **options)).classes == ['neg', 'pos'], 'one run, by either name'
    with pytest.raises(StageError, match=r'large: no such directory, and no model of that name ships \(small\)'):
        train_classifier('large', REVIEWS, tmp_path / 'none', **options)
    (shipped / 'c').symlink_to(by_path, target_is_directory=True)
    assert load_classifier('c').predict(['a fine film']) == load_classifier(by_path).predict(['a fine film'])


# --- forgetting ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def watched(lm):
    "The plan of the classifier above, watched."
    plan, schedule = baseline_plans(GROUPS, OPTIONS['lr'], OPTIONS['epochs'])['gradual unfreezing']
    return watch_forgetting(lm, REVIEWS, None, TEXTS[:20], every=5, plan=plan, schedule=schedule, bs=8, drop_mult=0.1)


GROUPS = ['embedding', 'lstm 1', 'lstm 2', 'head']


def test_watching_does_not_change_what_is_watched(lm, tmp_path, watched):
    path = train_classifier(lm, REVIEWS, tmp_path / 'c', **{k: v for k, v in OPTIONS.items() if k not in ('bptt', 'max_len')})
    assert [p['step'] for p in watched['points']] == [*range(0, 50, 5)]  # 36 texts in batches of eight: five steps a pass
    assert [p['accuracy'] for p in watched['points'][1:]] == [h['accuracy'] for h in history(path)]


def test_frozen_layers_forget_nothing_and_the_phases_begin_where_they_are_said_to(watched):
    assert [p['start'] for p in watched['phases']] == [0, 5, 10, 15]
    before, head_only, thawed = [p['perplexity'] for p in watched['points'][:3]]
    assert before == head_only != thawed
    assert watched['points'][0]['accuracy'] is None and all(0 <= p['accuracy'] <= 1 for p in watched['points'][1:])


def test_all_at_once_forgets_from_the_first_step(lm):
    plans = baseline_plans(GROUPS, 0.05, 1)
    assert {sum(p.epochs for p in plan) for plan, _ in plans.values()} == {4}
    plan, schedule = plans['all at once, one rate']
    assert schedule is constant and plan[0].lrs == [0.05] * 4
    run = watch_forgetting(lm, REVIEWS, REVIEWS, TEXTS[:20], every=2, plan=[plan[0]._replace(epochs=1)], schedule=schedule, bs=8)
    assert [p['step'] for p in run['points']] == [0, 2, 4, 5], 'the end is measured too'
    assert len({p['perplexity'] for p in run['points']}) == 4


@pytest.mark.parametrize('training', [True, False])
def test_a_measurement_leaves_mode_and_random_numbers_alone(lm, training):
    stage = Stage.open(lm, 'language model')
    vocab = stage.vocab
    model, ids = new_classifier(stage, 2).train(training), [vocab.numericalize(t.split()) for t in TEXTS]
    watcher = Forgetting(model, DocBatches(ids, REVIEWS.labels, bs=8), load_lm(lm)[0], LMBatches(*TokenStream.of(ids), bs=2, bptt=10), every=2)
    weights, state = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    for _ in range(3):
        watcher(8, 0.7)
    assert model.training is training and model.head.training is training and torch.get_rng_state().equal(state)
    assert all(v.equal(weights[k]) for k, v in model.state_dict().items())
    assert [p['step'] for p in watcher.points] == [0, 2]


def test_the_perplexity_is_that_of_the_encoder_in_its_language_model(lm):
    stage = Stage.open(lm, 'language model')
    vocab = stage.vocab
    batches = LMBatches(*TokenStream.of([vocab.numericalize(t.split()) for t in TEXTS]), bs=2, bptt=10)
    model = new_classifier(stage, 2)
    whole = load_lm(lm)[0]
    assert encoder_perplexity(model, load_lm(lm)[0], batches) == evaluate_lm(whole, batches)['perplexity']
    with torch.no_grad():
        for other in (model.encoder, whole.encoder):
            other.lstms[0].lstm.bias_ih_l0.add_(0.5)
    assert encoder_perplexity(model, load_lm(lm)[0], batches) == evaluate_lm(whole, batches)['perplexity']


def forgetting(*args, **kwargs):
    script = Path(__file__).parents[1] / 'runs/forgetting.py'
    sizes = ['--data', 'reviews', '--labels', '24', '--valid', '16', '--tokens', '300', '--every', '2', '--preset', 'tiny', '--epochs', '1', '--quiet']
    return subprocess.run([sys.executable, script, *args, *sizes], capture_output=True, text=True, timeout=300, **kwargs)


def test_the_recorded_run_at_tiny_size(lm, tmp_path):
    args = [str(lm), '--work', str(tmp_path / 'work'), '--out', str(tmp_path / 'forgetting.json')]
    done = forgetting(*args)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / 'forgetting.json').read_text())
    assert (record['data'], record['labels'], record['valid'], record['seed']) == ('reviews', 24, 16, 0) and 300 <= record['tokens'] < 500
    assert record['command'] == 'bash runs/forgetting.sh' and record['commit'] and record['lm']['words'] == 48
    assert [r['name'] for r in record['runs']] == list(baseline_plans(GROUPS))
    steps = [[p['step'] for p in r['points']] for r in record['runs']]
    assert steps[0] == steps[1] == steps[2] and steps[0][:3] == [0, 2, 4]
    assert {r['points'][0]['perplexity'] for r in record['runs']} == {record['runs'][0]['points'][0]['perplexity']}
    first = [r['points'][1]['perplexity'] / r['points'][0]['perplexity'] for r in record['runs']]
    assert first[0] == 1 != first[2]

    again = forgetting(*args)  # finished plans are read from their files
    assert again.stdout == done.stdout
    other = forgetting(*args, '--seed', '1')
    assert other.returncode and 'other settings' in other.stderr


def test_the_sample_is_balanced_and_leaves_the_rest():
    data = TextData([str(i) for i in range(30)], [0] * 20 + [1] * 10, ['a', 'b'])
    few, rest = sample(data, 8, 0)
    assert sorted(few.labels) == [0] * 4 + [1] * 4 and sorted(few.texts + rest.texts, key=int) == data.texts
    assert sample(data, 8, 1)[0].texts != few.texts == sample(data, 8, 0)[0].texts


@pytest.mark.parametrize('n', [8, 20, 40])
def test_steps_are_counted_in_the_batches_there_are(lm, tmp_path, n):
    "Of few documents `doc_batches` makes smaller batches, and so more of them."
    path = train_classifier(lm, REVIEWS.select(range(n)), tmp_path / 'c', REVIEWS, **OPTIONS | {'epochs': 1, 'min_steps': 12, 'bs': 16})
    passes = sum(h['epoch'] > 0 and h['phase'] == 4 for h in history(path))
    assert passes == {8: 6, 20: 6, 40: 5}[n]


def test_schedules_are_told_apart(lm, tmp_path):
    options = OPTIONS | {'epochs': 1}
    quick = train_classifier(lm, REVIEWS, tmp_path / 'c', schedule=partial(stlr, cut_frac=0.3), **options)
    assert json.loads((quick / 'config.json').read_text())['settings']['schedule'] == 'stlr(cut_frac=0.3)'
    with pytest.raises(ValueError, match=r'stlr\(cut_frac=0.3\)'):
        train_classifier(lm, REVIEWS, tmp_path / 'c', **options)
    with pytest.raises(ValueError, match='has a name in its module'):
        train_classifier(lm, REVIEWS, tmp_path / 'd', schedule=lambda t, T, lr: lr, **options)
