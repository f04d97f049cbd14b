WRONG = {
    'check_width': [
        ('width = 1200', 'the last layer alone'),
        ('width = 400 + 1150 + 1150 + 400', 'at one token'),
        ('width = 3 * (400 + 3 * 1150)', 'tied weights'),
        ('width = 3 * (1150 + 1150 + 400)', 'left out a layer'),
        ('width = 9312', 'Three times'),
        ('width = 9300.5', 'whole number'),
    ],
    'check_mix': [
        ('def mix(layers, w, gamma): return gamma * (w[:, None, None, None] * torch.stack(layers)).sum(0)', 'Their softmax'),
        ('def mix(layers, w, gamma): return (w.softmax(0)[:, None, None, None] * torch.stack(layers)).sum(0)', 'gamma is left out'),
        ('def mix(layers, w, gamma): return gamma * (w.softmax(0)[:, None, None, None] * torch.stack(layers)).mean(0)', 'no mean'),
        ('def mix(layers, w, gamma): return gamma * w.softmax(0)[:, None, None, None] * torch.stack(layers)', 'the shape of one'),
        (
            'def mix(layers, w, gamma): s = w.softmax(0); return gamma * (s[0] * layers[0] + s[1] * layers[1] + s[2] * layers[2])',
            'another number of layers',
        ),
        ('def mix(layers, w, gamma): return [gamma * s * x for s, x in zip(w, layers)]', 'a list'),
    ],
    'check_earlier': [
        (
            """
def earlier(y, texts, k):
    rows = np.arange(k, len(y))
    rows = rows[y[rows - k] >= 0]
    return rows, y[rows - k]
""",
            'another text',
        ),
        (
            """
def earlier(y, texts, k):
    rows = np.arange(k, len(y))
    rows = rows[texts[rows - k] == texts[rows]]
    return rows, y[rows - k]
""",
            'no class',
        ),
        (
            """
def earlier(y, texts, k):
    rows = np.arange(k, len(y))
    rows = rows[(y[rows - k] >= 0) & (texts[rows - k] == texts[rows])]
    return rows, abs(y[rows])
""",
            'tokens ago',
        ),
        (
            """
def earlier(y, texts, k):
    rows = np.arange(k, len(y))
    rows = rows[(y[rows] >= 0) & (y[rows - k] >= 0) & (texts[rows - k] == texts[rows])]
    return rows, y[rows - k]
""",
            'the rows are',
        ),
    ],
}
