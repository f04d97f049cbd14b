WRONG = {
    'check_copied': [
        ('copied = 6000 * 200', 'a bias for each word'),
        ('copied = 6000 * 401', 'moved once'),
        ('copied = 6000 * 400', 'the biases are missing'),
        ('copied = 6000 * 202', 'A bias too many'),
        ('copied = 6000 * 402', 'Everything twice'),
        ('copied = 8000 * 201', 'the mean of all rows'),
        ('copied = 20_000 * 201', 'stay behind'),
        ('copied = 201', 'How many words'),
        ("copied = '1,206,000'", 'A number is asked for'),
    ],
    'check_match_relatives': [
        (
            """
def match_relatives(rows, old, new, relatives):
    moved = match_rows(rows, old, new)
    for i, w in enumerate(new.words):
        if relatives.get(w) in old: moved[i] = rows[old.index[relatives[w]]]
    return moved
""",
            'has a row of its own',
        ),
        (
            """
def match_relatives(rows, old, new, relatives):
    moved = match_rows(rows, old, new)
    for i, w in enumerate(new.words):
        if w in relatives and w not in old: moved[i] = rows[old.index[relatives[w]]]
    return moved
""",
            'A relative need not be among the old words',
        ),
        (
            """
def match_relatives(rows, old, new, relatives):
    moved = match_rows(rows, old, new)
    for i, w in enumerate(new.words):
        if w in relatives and w not in old: moved[i] = rows[int(old.numericalize([relatives[w]])[0])]
    return moved
""",
            'the row of xxunk',
        ),
        ('def match_relatives(rows, old, new, relatives): return match_rows(rows, old, new)', "the row of 'color'"),
        (
            """
def match_relatives(rows, old, new, relatives):
    moved = rows.new_zeros(len(new), *rows.shape[1:])
    for i, w in enumerate(new.words):
        w = w if w in old else relatives.get(w)
        if w in old: moved[i] = rows[old.index[w]]
    return moved
""",
            'the mean of all old rows',
        ),
        (
            """
def match_relatives(rows, old, new, relatives):
    moved = match_rows(rows, old, new)
    rows[0] = 0
    return moved
""",
            'changes the old rows',
        ),
        (
            """
def match_relatives(rows, old, new, relatives):
    return match_rows(rows, old, new)[:len(old)]
""",
            '10 words need rows',
        ),
    ],
    'check_moved_well': [
        ('def moved_well(model, old, moved, new): return True', 'every row by its id'),
        ('def moved_well(model, old, moved, new): return False', 'rejects a move without a mistake'),
        ('def moved_well(model, old, moved, new): print(len(new))', 'gives back nothing'),
        (
            """
def moved_well(model, old, moved, new):
    shared = [w for w in new.words if w in old]
    before, after = old.numericalize(shared), new.numericalize(shared)
    return torch.equal(model.decoder.weight[before], moved.decoder.weight[after])
""",
            'the biases by id',
        ),
        (
            """
def moved_well(model, old, moved, new):
    shared = [w for w in new.words if w in old]
    before, after = old.numericalize(shared), new.numericalize(shared)
    return torch.equal(model.decoder.weight[before], moved.decoder.weight[after]) and torch.equal(model.decoder.bias[before], moved.decoder.bias[after])
""",
            'fresh LSTM weights',
        ),
        (
            """
def moved_well(model, old, moved, new):
    shared = [w for w in new.words if w in old]
    a, b = (m(torch.from_numpy(v.numericalize(shared)).long()[None]).logits[0] for m, v in ((model, old), (moved.eval(), new)))
    return torch.allclose(a[:, old.numericalize(shared)], b[:, new.numericalize(shared)], atol=1e-5)
""",
            'zeros for new words',
        ),
        (
            """
def moved_well(model, old, moved, new):
    shared = [w for w in new.words if w in old]
    a, b = (m.train()(torch.from_numpy(v.numericalize(shared)).long()[None]).logits[0] for m, v in ((model, old), (moved, new)))
    return torch.allclose(a[:, old.numericalize(shared)], b[:, new.numericalize(shared)], atol=1e-5)
""",
            'evaluation mode',
        ),
        (
            """
def moved_well(model, old, moved, new):
    shared = [w for w in new.words if w in old][:3]
    a, b = (m(torch.from_numpy(v.numericalize(shared)).long()[None]).logits[0] for m, v in ((model, old), (moved.eval(), new)))
    fresh = [i for i, w in enumerate(new.words) if w not in old]
    return (torch.allclose(a[:, old.numericalize(shared)], b[:, new.numericalize(shared)], atol=1e-5)
            and torch.allclose(b[:, fresh], a.mean(1, keepdim=True).expand(-1, len(fresh)), atol=1e-5))
""",
            'a wrong row for the last word',
        ),
        (
            """
def moved_well(model, old, moved, new):
    right = change_vocab(model, old, new).state_dict()
    return all(torch.equal(v, right[k]) for k, v in moved.state_dict().items())
""",
            'the same one',
        ),
        (
            """
def moved_well(model, old, moved, new):
    from ulmfit_nb.fine_tuning import change_vocab as move
    ids = torch.arange(len(new))[None]
    return torch.allclose(moved.eval()(ids).logits, move(model, old, new).eval()(ids).logits)
""",
            'the same one',
        ),
        (
            """
def moved_well(model, old, moved, new):
    got = moved.state_dict()
    return all(torch.allclose(got[k], match_rows(v, old, new) if 'emb' in k or 'decoder' in k else v) for k, v in model.state_dict().items())
""",
            'or `match_rows`',
        ),
    ],
    'check_between': [
        ('def between(a, b, share): return a', 'one of the two'),
        (
            """
def between(a, b, share):
    for p, q in zip(a.parameters(), b.parameters()): p.data.lerp_(q.data, share)
    return a.eval()
""",
            'changed by it',
        ),
        (
            """
def between(a, b, share):
    other, model = b.state_dict(), LanguageModel(a.config)
    model.load_state_dict({k: share * v + (1 - share) * other[k] for k, v in a.state_dict().items()})
    return model.eval()
""",
            'of the second model',
        ),
        (
            """
def between(a, b, share):
    other, model = b.state_dict(), LanguageModel(a.config)
    model.load_state_dict({k: (1 - share) * v + share * other[k] if 'lstm' in k else v for k, v in a.state_dict().items()})
    return model.eval()
""",
            'every one of them',
        ),
        (
            """
def between(a, b, share):
    other, model = b.state_dict(), LanguageModel(a.config)
    model.load_state_dict({k: (1 - share) * v + share * other[k] for k, v in a.state_dict().items()})
    return model
""",
            'training mode',
        ),
        ('def between(a, b, share): return {k: (1 - share) * v + share * b.state_dict()[k] for k, v in a.state_dict().items()}', 'A model is asked for'),
    ],
}
