WRONG = {
    'check_times': [
        ('times = 1', 'a mean of its own'),
        ('times = 1 / 15', 'The other way round'),
        ('times = 3', 'Nothing but the numbers'),
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
    ],
    'check_hide': [
        (
            """
def hide(data, keep, seed):
    labels = [tuple(l if i < keep else None for i, l in enumerate(labels)) for labels in data.labels]
    return TextData(data.texts, labels)
""",
            'the same task',
        ),
        (
            """
def hide(data, keep, seed):
    rng = np.random.default_rng(seed)
    return TextData(data.texts, [tuple(l if rng.random() < keep / 3 else None for l in labels) for labels in data.labels])
""",
            'each text keeps 1',
        ),
        (
            """
def hide(data, keep, seed):
    rng = np.random.default_rng(seed)
    return TextData(data.texts, [tuple(rng.permutation([*labels[:keep], *[None] * (3 - keep)]).tolist()) for labels in data.labels])
""",
            'stays in its place',
        ),
        (
            """
def hide(data, keep, seed):
    rng = np.random.default_rng()
    kept = [rng.permutation(3)[:keep] for _ in data.labels]
    return TextData(data.texts, [tuple(l if i in k else None for i, l in enumerate(labels)) for labels, k in zip(data.labels, kept)])
""",
            'The same seed',
        ),
        (
            """
def hide(data, keep, seed):
    rng = np.random.default_rng(0)
    kept = [rng.permutation(3)[:keep] for _ in data.labels]
    return TextData(data.texts, [tuple(l if i in k else None for i, l in enumerate(labels)) for labels, k in zip(data.labels, kept)])
""",
            'Another seed',
        ),
        (
            """
def hide(data, keep, seed):
    rng = np.random.default_rng(seed)
    kept = [rng.permutation(3)[:keep] for _ in data.labels]
    data.labels[:] = [tuple(l if i in k else None for i, l in enumerate(labels)) for labels, k in zip(data.labels, kept)]
    return data
""",
            'You have changed',
        ),
        ('def hide(data, keep, seed): return data.labels', 'A TextData is due'),
    ],
}
