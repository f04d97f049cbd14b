WRONG = {
    'check_test_texts': [
        ('test_texts = 900', 'one whole point'),
        ('test_texts = 1800', 'Twice as many'),
        ('test_texts = 10_000', 'p = 0.5'),
        ('test_texts = 14_400', '*two* standard errors'),
        ('test_texts = 0.9 * 0.1 / 0.5**2', 'a percentage is no share'),
        ('test_texts = 60', 'Not 60'),
        ("test_texts = '3600'", 'A number is asked for'),
    ],
    'check_sign_test': [
        (
            """
def sign_test(a, b):
    x, y = sum(p and not q for p, q in zip(a, b)), sum(q and not p for p, q in zip(a, b))
    return sum(math.comb(x + y, k) for k in range(min(x, y) + 1)) / 2**(x + y)
""",
            'That is one direction',
        ),
        (
            """
def sign_test(a, b):
    x, y = sum(p and not q for p, q in zip(a, b)), sum(q and not p for p, q in zip(a, b))
    return min(1., 2 * math.comb(x + y, min(x, y)) / 2**(x + y))
""",
            'exactly this split',
        ),
        (
            """
def sign_test(a, b):
    x, y = sum(p and not q for p, q in zip(a, b)), sum(q and not p for p, q in zip(a, b))
    return math.erfc(abs(x - y) / math.sqrt(2 * (x + y)))
""",
            'normal approximation',
        ),
        (
            """
def sign_test(a, b):
    x, y = sum(p and not q for p, q in zip(a, b)), sum(q and not p for p, q in zip(a, b))
    return min(1., 2 * sum(math.comb(len(a), k) for k in range(min(x, y) + 1)) / 2**len(a))
""",
            'leave those texts out',
        ),
        (
            """
def sign_test(a, b):
    x, y = sum(p and not q for p, q in zip(a, b)), sum(q and not p for p, q in zip(a, b))
    return 2 * sum(math.comb(x + y, k) for k in range(y + 1)) / 2**(x + y)
""",
            'which of the two comes first',
        ),
        (
            """
def sign_test(a, b):
    x, y = sum(p and not q for p, q in zip(a, b)), sum(q and not p for p, q in zip(a, b))
    return 2 * sum(math.comb(x + y, k) for k in range(min(x, y) + 1)) / 2**(x + y)
""",
            'counted twice',
        ),
        (
            """
def sign_test(a, b):
    x, y = sum(p and not q for p, q in zip(a, b)), sum(q and not p for p, q in zip(a, b))
    if x + y == 0: return 0.
    return min(1., 2 * sum(math.comb(x + y, k) for k in range(min(x, y) + 1)) / 2**(x + y))
""",
            'never disagree',
        ),
        (
            """
def sign_test(a, b):
    x, y = sum(p and not q for p, q in zip(a, b)), sum(q and not p for p, q in zip(a, b))
    if x + y > 1000: return 0.
    return min(1., 2 * sum(math.comb(x + y, k) for k in range(min(x, y) + 1)) * 0.5**(x + y))
""",
            'leave what a float can hold',
        ),
    ],
    'check_chance_to_win': [
        ('def chance_to_win(a, b): return float(np.mean(a) > np.mean(b))', 'by comparing the means'),
        ('def chance_to_win(a, b): return float(np.mean([(x > y) + 0.5 * (x == y) for x, y in zip(a, b)]))', 'seed by seed'),
        ('def chance_to_win(a, b): return sum(x > y for x in a for y in b) / (len(a) * len(b))', 'a tie counts for nothing'),
        ('def chance_to_win(a, b): return sum((x < y) + 0.5 * (x == y) for x in a for y in b) / (len(a) * len(b))', 'and yours'),
        ('def chance_to_win(a, b): return [x > y for x in a for y in b]', 'A number is asked for'),
    ],
    'check_luck': [
        (
            """
def luck(k, sd):
    return np.quantile(abs(np.random.default_rng(0).normal(0, sd, (50_000, k)).mean(1)), 0.95)
""",
            'how far *one* mean strays',
        ),
        (
            """
def luck(k, sd):
    means = np.random.default_rng(0).normal(0, sd, (50_000, 2, k)).mean(2)
    return np.quantile(means[:, 0] - means[:, 1], 0.95)
""",
            'In either direction',
        ),
        (
            """
def luck(k, sd):
    means = np.random.default_rng(0).normal(0, sd, (50_000, 2, k)).mean(2)
    return (means[:, 0] - means[:, 1]).std()
""",
            'standard deviation of the difference',
        ),
        (
            """
def luck(k, sd):
    runs = np.random.default_rng(0).normal(0, sd, (50_000, 2))
    return np.quantile(abs(runs[:, 0] - runs[:, 1]), 0.95)
""",
            'does not depend on k',
        ),
        ('def luck(k, sd): return sd', 'luck exceeds about'),
    ],
    'check_better_baseline': [
        ('def better(train): return count_words(train)', 'to the last sentence'),
        (
            """
def better(train):
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, stop_words='english')
    return make_pipeline(words, LogisticRegression(C=10, max_iter=1000)).fit(train.texts, train.labels)
""",
            'worse than counting words',
        ),
        (
            """
def better(train):
    return make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=10, max_iter=1000)).fit(train.texts, train.labels)
""",
            'no difference seen',
        ),
        (
            """
def better(train):
    train = load_data('subjectivity').select(range(2000))
    return make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=10, max_iter=1000)).fit(train.texts, train.labels)
""",
            'wrong way round',
        ),
        ('def better(train): return count_words(train).score(train.texts, train.labels)', 'Give back a fitted model'),
    ],
}
