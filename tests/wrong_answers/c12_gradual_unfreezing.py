WRONG = {
    'check_passes': [
        ('passes = 3', 'Each step of the thaw'),
        ('passes = 7', 'six layer groups'),
        ('passes = 9', 'counted it twice'),
        ('passes = 5', 'Not 5'),
    ],
    'check_chain_thaw': [
        ('def chain_thaw(names, lr, epochs): return [Phase(n, lr, epochs) for n in (names[-1], *names[:-1])]', 'lists of groups and of rates'),
        ('def chain_thaw(names, lr, epochs): return gradual_unfreezing(names, lr, epochs, factor=1, each=epochs)', 'That is gradual unfreezing'),
        (
            """
def chain_thaw(names, lr, epochs):
    return [Phase([name], [lr], epochs) for name in reversed(names)] + [Phase(list(names), [lr] * len(names), epochs)]
""",
            'from the *bottom*',
        ),
        (
            """
def chain_thaw(names, lr, epochs):
    steps = [names[-1:], *([name] for name in names), list(names)]
    return [Phase(groups, [lr] * len(groups), epochs) for groups in steps]
""",
            'does not come again',
        ),
        (
            """
def chain_thaw(names, lr, epochs):
    steps = [names[-1:], *([name] for name in names[:-1])]
    return [Phase(groups, [lr] * len(groups), epochs) for groups in steps]
""",
            'At the end all layers',
        ),
        (
            """
def chain_thaw(names, lr, epochs):
    steps = [names[-1:], *([name] for name in names[:-1]), list(names)]
    return [Phase(groups, [lr], epochs) for groups in steps]
""",
            'as many rates as groups',
        ),
        (
            """
def chain_thaw(names, lr, epochs):
    steps = [names[-1:], *([name] for name in names[:-1]), list(names)]
    return [Phase(groups, [lr] * len(groups)) for groups in steps]
""",
            'Every phase has 2 epochs',
        ),
    ],
    'check_both_ways': [
        (
            """
def both_ways(a, b, texts):
    def columns(c): return c.predict_proba(texts)[:, np.argsort(c.classes)]
    return (columns(a) + columns(b)) / 2
""",
            'need not be the alphabet',
        ),
        ('def both_ways(a, b, texts): return (a.predict_proba(texts) + b.predict_proba(texts)) / 2', 'Look up each class by name'),
        ('def both_ways(a, b, texts): return a.predict_proba(texts) + b.predict_proba(texts)', 'add up to 1'),
        (
            """
def both_ways(a, b, texts):
    places = [b.classes.index(c) for c in a.classes]
    p = (a.predict_proba(texts) * b.predict_proba(texts)[:, places]) ** 0.5
    return p / p.sum(1, keepdims=True)
""",
            'The mean of the two probabilities',
        ),
        (
            """
def both_ways(a, b, texts):
    places = [b.classes.index(c) for c in a.classes]
    one_hot = lambda p: (p == p.max(1, keepdims=True)).astype(float)
    return (one_hot(a.predict_proba(texts)) + one_hot(b.predict_proba(texts)[:, places])) / 2
""",
            'You average verdicts',
        ),
        (
            """
def both_ways(a, b, texts):
    places = [a.classes.index(c) for c in b.classes]
    return (a.predict_proba(texts) + b.predict_proba(texts)[:, places]) / 2
""",
            'not for three',
        ),
        ('def both_ways(a, b, texts): return [a.classes[i] for i in (a.predict_proba(texts) + b.predict_proba(texts)).argmax(1)]', 'Return probabilities'),
    ],
    'check_everything_awake': [
        ('def everything_awake(names): return gradual_unfreezing(names, epochs=1)', 'One phase is asked for'),
        ('def everything_awake(names): return all_at_once(names, lr=0.01, epochs=8)', 'Four passes at most'),
        ('def everything_awake(names): return all_at_once(names, lr=0.01, epochs=4, factor=1)', 'The lower layers are too fast'),
        ('def everything_awake(names): return all_at_once(names, lr=1e-5, epochs=1)', 'The head is too slow'),
    ],
}
