BARE = "''.join(c for c in text.lower() if c.isalnum())"

WRONG = {
    'check_held_out': [
        ('held_out = 15', 'class by class'),
        ('held_out = 14', 'max(1'),
        ('held_out = 17', 'min(n - 1'),
        ('held_out = "many"', 'A whole number is due'),
        ('held_out = 12', 'five numbers'),
        ('held_out = 16.9', 'no part of a text'),
    ],
    'check_leaked': [
        ('leaked = lambda train, valid: [i for i, t in enumerate(valid) if t in set(train)]', 'slipped through'),
        (f'leaked = lambda train, valid: [text for text in valid if {BARE} in {{{BARE} for text in train}}]', 'Give the positions'),
        ('leaked = lambda train, valid: [i for i, t in enumerate(valid) if any(t.lower().strip(". ") in u.lower() for u in train)]', 'Compare whole texts'),
        (
            f'leaked = lambda train, valid: [valid.index(v) for v in dict.fromkeys(valid) if (lambda text: {BARE})(v) in [{BARE} for text in train]]',
            'both are leaks',
        ),
        (
            r"""
import re
def leaked(train, valid):
    bare = lambda text: re.sub('[^a-z]', '', text.lower())
    seen = {bare(t) for t in train}
    return [i for i, t in enumerate(valid) if bare(t) in seen]
""",
            'digits count',
        ),
        (
            r"""
import re
def leaked(train, valid):
    bare = lambda text: re.sub('[^a-z0-9]', '', text.lower())
    seen = {bare(t) for t in train}
    return [i for i, t in enumerate(valid) if bare(t) in seen]
""",
            'É is a letter',
        ),
        (
            r"""
import re
def leaked(train, valid):
    bare = lambda text: re.sub(r'\W+', ' ', text.lower()).strip()
    seen = {bare(t) for t in train}
    return [i for i, t in enumerate(valid) if bare(t) in seen]
""",
            'nothing in their place',
        ),
        (
            r"""
import re
def leaked(train, valid):
    bare = lambda text: re.sub(r'\W', '', text.lower())
    seen = {bare(t) for t in train}
    return [i for i, t in enumerate(valid) if bare(t) in seen]
""",
            'underline',
        ),
        (f'leaked = lambda train, valid: [i for i, v in enumerate(valid) if (lambda text: {BARE})(v) in [{BARE} for text in train]]', 'into a set'),
    ],
    'check_folds': [
        ('folds = lambda groups, k: [i % k for i in range(len(groups))]', 'Decide once a group'),
        ('folds = lambda groups, k: [0 for g in groups]', 'one fold is empty'),
        ('folds = lambda groups, k: [sorted(set(groups)).index(g) % k for g in groups]', 'Too uneven'),
        ('folds = lambda groups, k: [sorted(set(groups)).index(g) % k + 1 for g in groups]', 'numbered from 0'),
        (
            """
def folds(groups, k):
    full, fold_of = [0] * k, {}
    for g, n in Counter(groups).most_common():
        fold_of[g] = full.index(min(full))
        full[fold_of[g]] += n
    return [fold_of[g] for g in groups]
""",
            'nobody is told',
        ),
        (
            """
def folds(groups, k):
    full, fold_of = [0] * k, {}
    if len(set(groups)) < k: raise ValueError('few')
    for g, n in Counter(groups).most_common():
        fold_of[g] = full.index(min(full))
        full[fold_of[g]] += n
    return [fold_of[g] for g in groups]
""",
            'Raise a DataError',
        ),
    ],
    'check_flattered': [],
    'check_heard': [
        ('heard = lambda data: "balanced"', 'return the model'),
        ('heard = lambda data: count_words(TextData(data.texts, [data.classes[l] for l in data.labels]))', 'The labels are 0 and 1'),
        ('heard = lambda data: count_words(data)', 'it pays to say happy'),
        (
            """
from types import SimpleNamespace
heard = lambda data: SimpleNamespace(predict=lambda texts: [1] * len(texts))
""",
            'always says the same',
        ),
        (
            """
def heard(data):
    line = LogisticRegression(C=0.1, max_iter=1000, class_weight={0: 100, 1: 1})
    return make_pipeline(TfidfVectorizer(), line).fit(data.texts, data.labels)
""",
            'the happy who are not heard',
        ),
        (
            """
def heard(data):
    line = LogisticRegression(C=10, max_iter=1000, class_weight='balanced')
    return make_pipeline(TfidfVectorizer(), line).fit(data.texts, data.labels)
""",
            'a smaller C',
        ),
        (
            """
def heard(data):
    rare = np.flatnonzero(np.equal(data.labels, 0))
    return count_words(data.select([*range(len(data)), *np.repeat(rare, data.labels.count(1) // len(rare) - 1)]))
""",
            'fewer happy texts',
        ),
    ],
}

RIGHT = """
def flattered(per_film, n_films=500, seed=0):
    films = np.repeat(np.arange(n_films), per_film)
    coin = np.random.default_rng(seed).integers(0, 2, n_films)
    data = TextData([str(f) for f in films], coin[films].tolist(), ['tails', 'heads'])
    train, valid = split_data(data, 0.2, seed)
    seen = set(train.texts)
    return 100 * float(np.mean([1 if t in seen else 0.5 for t in valid.texts]))
"""
for old, new, says in (
    ('else 0.5', 'else 0', 'a coin, not a zero'),
    ('100 *', '1 *', 'in %, please'),
    ('set(train.texts)', 'set(data.texts)', '*training* part'),
    ('0.2, seed)', '0.2, seed, films)', 'not the films'),
    ('0.2, seed)', '0.5, seed)', 'four times out of five'),
):
    WRONG['check_flattered'].append((RIGHT.replace(old, new), says))
