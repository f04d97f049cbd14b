"Every exercise: its stub fails, its solution passes, and the usual mistakes are caught and named."

import pkgutil
import re
from importlib import import_module

import pytest
from notebooks import CHAPTERS, is_export, module_of, read
from wrong_answers import WRONG

import ulmfit_nb.course.exercises as exercises
from ulmfit_nb.course.exercises.base import Verdict

KINDS = ('Recall', 'Implement', 'Experiment')
HEAD = re.compile(rf'### (\d)\. (.+)\n\n\*\*({"|".join(KINDS)})\*\* · difficulty ([123]) of 3 · (\d+) minutes\n')
SOLUTION = re.compile(
    r'<summary>Solution</summary>\n\n.*?```python\n(?P<solution>.*?)```(?:.*?```python\n(?P<asked>.*?)```\n\nIt prints:\n\n```\n(?P<printed>.*?)```)?', re.S
)
MODULES = [import_module(f'{exercises.__name__}.{m.name}') for m in pkgutil.iter_modules(exercises.__path__)]
LESSONS = [p for p in CHAPTERS if module_of(read(p)) and (p.name < '16' or p.name > '19')]


def exercises_of(path) -> list[dict]:
    "The exercises of a chapter: heading, task, stub, solution; and what the solution is then asked, with what that prints."
    cells, found, inside = read(path).cells, [], False
    for cell in cells:
        if cell.cell_type == 'markdown' and re.search(r'^## ', cell.source, re.M):
            inside = '## Exercises' in cell.source
        if not inside:
            continue
        if cell.cell_type == 'markdown' and '\n### ' in f'\n{cell.source}':
            found.append({'task': cell.source[cell.source.index('### ') :], 'stub': None, 'solution': None, 'asked': None, 'printed': None})
        elif cell.cell_type == 'code' and found and re.search(r'\bcheck_\w+\(', cell.source):
            found[-1]['stub'] = cell.source
        if cell.cell_type == 'markdown' and (block := SOLUTION.search(cell.source)):
            found[-1].update(block.groupdict())
    return found


def names(path) -> dict:
    "What a chapter's exercises can use: its module, and what its cells import."
    nb = read(path)
    space = dict(vars(import_module(f'ulmfit_nb.{module_of(nb)}')))
    for cell in nb.cells:
        lines = [line for line in cell.source.splitlines() if line.strip()]
        if cell.cell_type == 'code' and not is_export(cell) and lines and all(re.match(r'(import|from) ', line) for line in lines):
            exec(cell.source, space)
    return space


def verdict(path, answer: str, stub: str) -> Verdict:
    "Run an answer, then the check that ends the stub's cell."
    space = names(path)
    exec(answer, space)
    return eval(stub.strip().splitlines()[-1], space)


EXERCISES = [pytest.param(p, e, id=f'{p.stem}-{i}') for p in LESSONS for i, e in enumerate(exercises_of(p), 1)]


@pytest.mark.parametrize('path', LESSONS, ids=lambda p: p.stem)
def test_three_to_five_a_chapter(path):
    found = exercises_of(path)
    assert 3 <= len(found) <= 5
    heads = [HEAD.match(e['task']) for e in found]
    assert all(heads), f'{[e["task"][:120] for e, h in zip(found, heads) if not h]} should begin like ### 1. Name, **Recall** · difficulty 1 of 3 · 5 minutes'
    assert [h[1] for h in heads] == [str(i + 1) for i in range(len(heads))]
    assert {h[3] for h in heads} == set(KINDS), f'{path.name}: each of {KINDS} at least once'


@pytest.mark.parametrize('path, exercise', EXERCISES)
def test_two_hints_and_a_folded_solution(path, exercise):
    assert exercise['task'].count('<details><summary>Hint') == 2
    assert exercise['stub'] and exercise['solution']


@pytest.mark.parametrize('path, exercise', EXERCISES)
def test_the_stub_fails_and_says_that_it_is_empty(path, exercise):
    found = verdict(path, '\n'.join(exercise['stub'].strip().splitlines()[:-1]), exercise['stub'])
    assert not found.ok and ('in place of' in found.message), found


@pytest.mark.parametrize('path, exercise', EXERCISES)
def test_the_solution_passes(path, exercise):
    found = verdict(path, exercise['solution'], exercise['stub'])
    assert found.ok, found


@pytest.mark.parametrize('path, exercise', EXERCISES)
def test_wrong_answers_are_named(path, exercise):
    check = re.findall(r'\b(check_\w+)\(', exercise['stub'])[-1]
    wrong = WRONG.get(check, [])
    assert len(wrong) >= 2, f'give two wrong answers to {check} in tests/wrong_answers'
    assert len({fragment for _, fragment in wrong}) >= 2, f'the wrong answers to {check} should differ in what is said to them'
    for answer, fragment in wrong:
        found = verdict(path, answer, exercise['stub'])
        assert not found.ok and fragment in found.message, f'{answer}\n{found}\nwas expected to say: {fragment}'


RIGHT = {  # answers that are as right as the solution, and take another way
    'check_chain_thaw': """
def chain_thaw(names, lr, epochs):
    steps = (names[-1:], *([name] for name in names[:-1]), list(names))
    return tuple(Phase(groups, [lr] * len(groups), epochs) for groups in steps)
""",
    'check_lstm_weights': 'weights_of_lstm_1 = torch.tensor(4 * 1152 * (400 + 1152 + 2))',
    'check_perplexity': 'perplexity = np.float32(math.exp(4070 / 1010))',
    'check_compare': """
def compare(a, b, seeds):
    d = np.array([b(s) - a(s) for s in seeds])
    return np.array([d.mean(), d.std(ddof=1) / len(d) ** 0.5])
""",
    'check_epochs_awake': 'epochs_awake = np.int64(6)',
    'check_phases_of': """
def phases_of(grid, names):
    phases = []
    for column in zip(*grid):
        groups, lrs = zip(*[(n, rate) for n, rate in zip(names, column) if rate])
        if phases and (groups, lrs) == phases[-1][:2]: phases[-1] = Phase(groups, lrs, phases[-1].epochs + 1)
        else: phases.append(Phase(groups, lrs))
    return phases
""",
    'check_copied': 'copied = np.int64(6000 * 201)',
    'check_learning_tokens': 'learning_tokens = np.int64(370)',
    'check_folds': """
def folds(groups, k):
    names, which, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < k: raise DataError('fewer groups than folds')
    fold_of, full = np.zeros(len(names), int), np.zeros(k, int)
    for i in np.argsort(-sizes):
        fold_of[i] = full.argmin()
        full[fold_of[i]] += sizes[i]
    return fold_of[which]
""",
    'check_leaked': """
def leaked(train, valid):
    bare = lambda text: ''.join(filter(str.isalnum, text.casefold()))
    seen = {bare(t) for t in train}
    return np.flatnonzero([bare(t) in seen for t in valid])
""",
    'check_held_out': 'held_out = np.int64(16)',
    'check_random_numbers': 'random_numbers = torch.tensor([4, 1152, 1152]).prod()',
    'check_word_masks': """
def word_masks(ids, n_words, p):
    kept = torch.rand(len(ids), n_words).double().numpy() >= p
    return (kept / (1 - p))[[[r] for r in range(len(ids))], ids.numpy()][..., None]
""",
    'check_many_passes': """
def many_passes(model, ids, n):
    mode = model.training
    passes = [model.train()(ids).logits.softmax(-1).detach().numpy() for _ in range(n)]
    model.train(mode)
    return sum(passes) / n
""",
    'check_place': 'place = 45.0',
    'check_edge_share': """
def edge_share(lm, epochs):
    begins = torch.zeros(lm.row_len)
    for e in range(epochs): begins[offsets_from(lm.lengths(e))[:-1]] = 1
    return begins.mean()
""",
    'check_words_for': """
def words_for(count, coverage):
    covered = 0
    for n, (word, k) in enumerate(count.most_common(), 1):
        covered += k
        if covered >= coverage * count.total(): return n
""",
    'check_unknown_with': """
def unknown_with(rules, texts, unseen):
    tokenizer = Tokenizer(rules)
    vocab = Vocab.build(tokenizer.map(texts), min_freq=2)
    tokens = [t for text in unseen for t in tokenizer(text)]
    return round(100 * sum(t not in vocab for t in tokens) / len(tokens), 2)
""",
    'check_trapezoid': """
def trapezoid(t, T, lr_max, up=0.1, down=0.2):
    rise, fall = max(1, int(T * up)), max(1, int(T * down))
    if t < rise: return lr_max * t / rise
    return lr_max if t < T - fall else lr_max * (T - t) / fall
""",
    'check_half_a_nat': 'share = 0.61',
}


@pytest.mark.parametrize('check', RIGHT)
def test_another_right_answer_passes(check):
    path, stub = next((p, e['stub']) for p in LESSONS for e in exercises_of(p) if f'{check}(' in e['stub'])
    found = verdict(path, RIGHT[check], stub)
    assert found.ok, found


def test_every_check_is_used():
    used = {c for p in LESSONS for e in exercises_of(p) for c in re.findall(r'\b(check_\w+)\(', e['stub'] or '')}
    there = {n for module in MODULES for n in vars(module) if n.startswith('check_')}
    assert used == there == set(WRONG)


def test_a_module_of_checks_a_chapter():
    "Each chapter takes its checks from one module, and no two from the same."
    taken = [set(re.findall(r'from ulmfit_nb\.course\.exercises\.(\w+) import', '\n'.join(c.source for c in read(p).cells))) for p in LESSONS]
    assert all(len(names) == 1 for names in taken), dict(zip([p.stem for p in LESSONS], taken))
    assert sorted(name for names in taken for name in names) == sorted(m.__name__.rpartition('.')[2] for m in MODULES if m.__name__[-5:] != '.base')
