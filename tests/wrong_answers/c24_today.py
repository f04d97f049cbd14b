WRONG = {
    'check_block': [
        ('weights = 3 * 768 ** 2 + 8 * 768 ** 2', 'mixes the heads'),
        ('weights = 4 * 768 ** 2', 'Two linear layers'),
        ('weights = 8 * 768 ** 2', 'matrices of its own'),
        ('weights = 144 * 768 ** 2', 'all twelve'),
        ('weights = 12.5', 'whole number'),
        ('weights = 117_000_000', 'Twelve times'),
        ('weights = 12 * 768', 'n × n'),
        ('weights = 12 * 768 ** 2 + 13 * 768', 'Matrices only'),
    ],
    'check_attend': [
        (
            """
def attend(q, k, v):
    later = torch.ones(5, 5, dtype=bool).triu(1)[:q.shape[1], :q.shape[1]]
    return (q @ k.transpose(1, 2) / 2).masked_fill(later, -torch.inf).softmax(2) @ v
""",
            'any number of features',
        ),
        ('def attend(q, k, v): return (q @ k.transpose(1, 2) / 2).softmax(2) @ v', 'nothing is masked'),
        (
            """
def attend(q, k, v):
    later = torch.ones(q.shape[1], q.shape[1], dtype=bool).triu(1)
    return (q @ k.transpose(1, 2)).masked_fill(later, -torch.inf).softmax(2) @ v
""",
            'root of d',
        ),
        (
            """
def attend(q, k, v):
    later = torch.ones(q.shape[1], q.shape[1], dtype=bool).triu(1)
    return (q @ k.transpose(1, 2) / 2).softmax(2).masked_fill(later, 0) @ v
""",
            'sum to 1',
        ),
        (
            """
def attend(q, k, v):
    later = torch.ones(q.shape[1], q.shape[1], dtype=bool).triu(0)
    return (q @ k.transpose(1, 2) / 2).masked_fill(later, -torch.inf).softmax(2) @ v
""",
            'see itself',
        ),
        (
            """
def attend(q, k, v):
    later = torch.ones(q.shape[1], q.shape[1], dtype=bool).triu(1)
    return (q @ k.transpose(1, 2) / 2).masked_fill(later, -torch.inf).softmax(1) @ v
""",
            'Each row of weights',
        ),
        (
            """
def attend(q, k, v):
    later = torch.ones(q.shape[1], q.shape[1], dtype=bool).triu(1)
    return (q @ k.transpose(1, 2) / q.shape[2]).masked_fill(later, -torch.inf).softmax(2) @ v
""",
            'not by d',
        ),
        ('def attend(q, k, v): return q @ k.transpose(1, 2)', 'shape of the values'),
    ],
    'check_moved': [
        (
            """
def moved(encoder, ids):
    turned = torch.cat([ids[:, :-1].flip(1), ids[:, -1:]], 1)
    a, b = (encoder.eval()(x)[0] for x in (ids, turned))
    return (a - b).abs().max().item()
""",
            'all tokens',
        ),
        (
            """
def moved(encoder, ids):
    turned = torch.cat([ids[:, :-1].flip(1), ids[:, -1:]], 1)
    a, b = (encoder.train()(x)[0][:, -1] for x in (ids, turned))
    return (a - b).abs().max().item()
""",
            'Dropout is off',
        ),
        (
            """
def moved(encoder, ids):
    a, b = (encoder.eval()(x)[0][:, -1] for x in (ids, ids.flip(1)))
    return (a - b).abs().max().item()
""",
            'blind',
        ),
        ('def moved(encoder, ids): return True if encoder.place.weight.any() else 0.', 'you find'),
    ],
}
