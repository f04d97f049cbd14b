"Wrong answers to the exercises of chapter 4."

TRIPLES = """
class Trigrams:
    def __init__(self, ids, vocab_sz):
        self.lower, self.after = Bigrams(ids, vocab_sz), {}
        ids = np.asarray(ids).tolist()
        for v, w, following in zip(ids, ids[1:], ids[2:]):
            self.after.setdefault((v, w), Counter())[following] += 1

    def __call__(self, before):
        p, counts = self.lower(before), self.after.get(tuple(map(int, before[-2:])))
        if not counts: return p
        words, n = np.array(list(counts)), np.array(list(counts.values()))
"""

WRONG = {
    'check_perplexity_by_hand': [
        ('perplexity_by_hand = 4 / (1/2 + 1/4 + 1/8 + 1/4)', 'geometric'),
        ('perplexity_by_hand = 4.5', 'mean of the logarithms'),
        ('perplexity_by_hand = 2', 'undoes the logarithm'),
        ('perplexity_by_hand = 7.38905609893065', 'not with e'),
        ('perplexity_by_hand = 256', 'whole text'),
        ('perplexity_by_hand = 2 ** (8 / 5)', 'the first is given'),
        ('perplexity_by_hand = 1', 'Take the mean'),
    ],
    'check_forget_bias': [
        ('def forget_bias(n): return 0.5 ** (1 / n)', 'goes through a sigmoid'),
        ('def forget_bias(n): return np.log(1 - 0.5 ** (1 / n)) - np.log(0.5) / n', 'nearly shut'),
        ('def forget_bias(n): return np.log(0.5) / n', 'and not the logarithm alone'),
        ('def forget_bias(n): return np.log(n)', 'is left, not a half'),
    ],
    'check_gru_step': [
        (
            """
def gru_step(x, h, w, u, b, b2):
    r, z, g = (x @ w.T + b + h @ u.T + b2).chunk(3, 1)
    return (1 - z.sigmoid()) * g.tanh() + z.sigmoid() * h
""",
            'never used',
        ),
        (
            """
def gru_step(x, h, w, u, b, b2):
    z, r, g = (x @ w.T + b).chunk(3, 1)
    z2, r2, g2 = (h @ u.T + b2).chunk(3, 1)
    r, z = (r + r2).sigmoid(), (z + z2).sigmoid()
    return (1 - z) * (g + r * g2).tanh() + z * h
""",
            'order r, z, g',
        ),
        (
            """
def gru_step(x, h, w, u, b, b2):
    r, z, g = (x @ w.T + b).chunk(3, 1)
    r2, z2, _ = (h @ u.T + b2).chunk(3, 1)
    r, z = (r + r2).sigmoid(), (z + z2).sigmoid()
    g2 = (r * h) @ u.chunk(3)[2].T + b2.chunk(3)[2]
    return (1 - z) * (g + g2).tanh() + z * h
""",
            'before it is multiplied',
        ),
        (
            """
def gru_step(x, h, w, u, b, b2):
    r, z, g = (x @ w.T + b).chunk(3, 1)
    r2, z2, g2 = (h @ u.T + b2).chunk(3, 1)
    r, z = (r + r2).sigmoid(), (z + z2).sigmoid()
    return z * (g + r * g2).tanh() + (1 - z) * h
""",
            'the other way round',
        ),
        (
            """
def gru_step(x, h, w, u, b, b2):
    r, z, g = (x @ w.T + b + b2).chunk(3, 1)
    r2, z2, g2 = (h @ u.T).chunk(3, 1)
    r, z = (r + r2).sigmoid(), (z + z2).sigmoid()
    return (1 - z) * (g + r * g2).tanh() + z * h
""",
            'inside the brackets',
        ),
        ('def gru_step(x, h, w, u, b, b2): return x', 'shape'),
        ('def gru_step(x, h, w, u, b, b2): return h', 'term by term'),
    ],
    'check_trigrams': [
        ('class Trigrams(Bigrams):\n    pass', 'no better than pairs'),
        (f'{TRIPLES}        p = np.zeros(len(p))\n        p[words] = n / n.sum()\n        return p', 'probability 0'),
        (f'{TRIPLES}        p[words] += n / n.sum()\n        return p', 'sum to'),
        (
            f'{TRIPLES}        p = p * 0.9 * len(n) / n.sum()\n        p[words] += (n - 0.9) / n.sum()\n        return p',
            'seen twice',
        ),
        (
            f'{TRIPLES}        p = p * 0.7\n        p[words] += 0.3 * n / n.sum()\n        return p',
            'seen twice',
        ),
        (
            f'{TRIPLES.replace("self.after.get(tuple(map(int, before[-2:])))", "self.after[tuple(map(int, before[-2:]))]")}        return p',
            'let pairs guess',
        ),
        (
            f'{TRIPLES}        p = p * 0.3 * len(n) / n.sum()\n        p[words] += (n - 0.3) / n.sum()\n        return p',
            'no better than pairs',
        ),
        (
            f'{TRIPLES}        p = p * 0.99\n        p[words] += 0.01 * n / n.sum()\n        return p',
            'is better than pairs',
        ),
        (
            'class Trigrams:\n    def __init__(self, ids, vocab_sz): self.p = Frequencies(ids, vocab_sz).p\n'
            '    def __call__(self, before): return self.p[before[-1]]',
            'a probability for each word',
        ),
    ],
}
