WRONG = {
    'check_times': [
        ('times = 1', 'a mean of its own'),
        ('times = 1 / 15', 'The other way round'),
        ('times = 3', 'stars against recommends'),
        ('times = 5', 'department against stars'),
        ('times = 14', '1 / n'),
        ("times = '15'", 'A number is due'),
    ],
    'check_decayed': [
        ('def decayed(weight, t, T): return weight * (1 - 0.99 * t / (T - 1))', 'the same amount'),
        ('def decayed(weight, t, T): return weight * 0.01 ** (t / T)', 'At the last of 101'),
        ('def decayed(weight, t, T): return weight * 0.01 ** ((t + 1) / T)', 'At step 0'),
        ('def decayed(weight, t, T): return weight * 0.01 ** (t / (T - 1)) if T > 1 else 0.01', 'a single step'),
        ('def decayed(weight, t, T): return weight * 0.01 ** ((t / max(1, T - 1)) ** 2)', 'Half-way'),
        ("def decayed(weight, t, T): return 'less'", 'A number is due'),
        ('def decayed(weight, t, T): return weight * 0.01 ** (t / 100)', 'step 3 of 7'),
        ('def decayed(weight, t, T): return weight * 0.01 ** (t / (T - 1))', 'a single step'),
    ],
    'check_hide': [
        (
            """
import random
def hide(data, keep, seed):
    rng = random.Random(seed)
    chosen = [sorted(rng.sample(range(len(labels)), keep)) for labels in data.labels]
    return TextData(data.texts, [[labels[i] for i in of] for labels, of in zip(data.labels, chosen)])
""",
            'then it keeps all',
        ),
        ('def hide(data, keep, seed): return TextData(data.texts, [labels[:keep] for labels in data.labels])', 'the same task'),
        (
            """
def hide(data, keep, seed):
    rng = np.random.default_rng(seed)
    return TextData(data.texts, [[l for l in labels if rng.random() < keep / 3] for labels in data.labels])
""",
            'each text keeps 1',
        ),
        (
            """
def hide(data, keep, seed):
    rng = np.random.default_rng(seed)
    return TextData(data.texts, [[labels[i] for i in rng.permutation(3)[:keep]] for labels in data.labels])
""",
            'in their order',
        ),
        (
            """
def hide(data, keep, seed):
    rng = np.random.default_rng()
    return TextData(data.texts, [[labels[i] for i in sorted(rng.permutation(3)[:keep])] for labels in data.labels])
""",
            'The same seed',
        ),
        (
            """
def hide(data, keep, seed):
    rng = np.random.default_rng(0)
    return TextData(data.texts, [[labels[i] for i in sorted(rng.permutation(3)[:keep])] for labels in data.labels])
""",
            'Another seed',
        ),
        (
            """
def hide(data, keep, seed):
    rng = np.random.default_rng(seed)
    for labels in data.labels: labels[:] = [labels[i] for i in sorted(rng.permutation(len(labels))[:keep])]
    return TextData(data.texts, data.labels)
""",
            'You have changed',
        ),
        ('def hide(data, keep, seed): return TextData(data.texts, [tuple(labels[:keep]) for labels in data.labels])', 'a list of labels'),
        ('def hide(data, keep, seed): return data.labels', 'A TextData is due'),
        (
            """
def hide(data, keep, seed):
    return TextData(data.texts, [[l for k, l in enumerate(labels) if (k - i - seed) % 3 < keep] for i, labels in enumerate(data.labels)])
""",
            'round in a circle',
        ),
        (
            """
def hide(data, keep, seed):
    rng = np.random.default_rng(seed)
    return TextData(data.texts, [[l for k, l in enumerate(labels) if k in rng.permutation(3)[:keep]] for labels in data.labels])
""",
            'each text keeps 1',
        ),
        (
            """
def hide(data, keep, seed):
    rng = np.random.default_rng(seed)
    kept = [set(rng.permutation(3)[:keep].tolist()) for _ in data.labels]
    return TextData(data.texts, [[l for k, l in enumerate(labels) if k in places] for labels, places in zip(data.labels, kept)])
""",
            'fewer labels than three',
        ),
    ],
}
