WRONG = {
    'check_rounds': [
        ('passes = 10', 'With ratio=1'),
        ('passes = 1', 'A pass is over'),
        ('passes = 3', 'After three passes'),
        ('passes = 1000 / 300', 'A whole number'),
        ('passes = 34', 'none twice'),
        ("passes = 'four'", 'A number is due'),
    ],
    'check_align': [
        ('def align(p, shares): return p', 'still what the teacher said'),
        ('def align(p, shares): return p * shares / p.mean(0)', 'add up to 1'),
        (
            """
def align(p, shares):
    p = p * p.mean(0) / shares
    return p / p.sum(1, keepdim=True)
""",
            'more frequent still',
        ),
        (
            """
def align(p, shares):
    p = p * shares / p.mean(0) ** 2
    return p / p.sum(1, keepdim=True)
""",
            'text by text alike',
        ),
        (
            """
def align(p, shares):
    p = p / p.mean(0)
    return p / p.sum(1, keepdim=True)
""",
            'does not look at `shares`',
        ),
        (
            """
def align(p, shares):
    p *= shares / p.mean(0)
    return p / p.sum(1, keepdim=True)
""",
            'You have changed',
        ),
        ('def align(p, shares): return p.sum()', 'of the shape'),
    ],
    'check_generations': [
        ('def generations(train, n): return []', 'Nothing has been trained'),
        ("def generations(train, n): return [train('film-subjectivity')]", 'The first one learns'),
        ('def generations(train, n): return [train(None) for _ in range(n + 1)]', 'has a teacher'),
        (
            """
def generations(train, n):
    first = train(None)
    return [first] + [train(first) for _ in range(n)]
""",
            'learn from the first',
        ),
        (
            """
def generations(train, n):
    paths = [train(None)]
    while len(paths) < n: paths.append(train(paths[-1]))
    return paths
""",
            'four classifiers',
        ),
        (
            """
def generations(train, n):
    path = train(None)
    for _ in range(n): path = train(path)
    return path
""",
            'A list of directories',
        ),
        (
            """
def generations(train, n):
    paths = [train(None)]
    for _ in range(n): paths.append(train(paths[-1]))
    return paths[1:]
""",
            'Give all four',
        ),
        (
            """
def generations(train, n):
    paths = [train(None), train('classifier 0')]
    for _ in range(n - 1): paths.append(train(paths[-1]))
    return paths
""",
            'With n = 0',
        ),
    ],
}
