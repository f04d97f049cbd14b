WRONG = {
    'check_random_numbers': [
        ('random_numbers = 1152 * 1152', 'four gates'),
        ('random_numbers = 2 * 4 * 1152 * 1152', 'from the input'),
        ('random_numbers = 64 * 4 * 1152 * 1152', 'one for all rows'),
        ('random_numbers = 70 * 4 * 1152 * 1152', 'not at every step'),
        ('random_numbers = 64 * 1152', 'mask on features'),
        ('random_numbers = 1', 'table under'),
    ],
    'check_word_masks': [
        ('def word_masks(ids, n_words, p): return dropout_mask(torch.zeros(()), (*ids.shape, 1), p)', 'one place of a row'),
        ('def word_masks(ids, n_words, p): return F.embedding(ids, dropout_mask(torch.zeros(()), (n_words, 1), p))', 'Every row drops the same words'),
        ('def word_masks(ids, n_words, p): return (torch.rand(len(ids), n_words) >= p).float().gather(1, ids)[..., None]', 'divided by 1 - p'),
        ('def word_masks(ids, n_words, p): return dropout_mask(torch.zeros(()), (len(ids), n_words), 1 - p).gather(1, ids)[..., None]', '1 - p'),
        ('def word_masks(ids, n_words, p): return dropout_mask(torch.zeros(()), (len(ids), n_words), p).gather(1, ids)', 'give it shape'),
        (
            'def word_masks(ids, n_words, p): return ((torch.rand(len(ids), n_words) >= 1 - p).float() / (1 - p)).gather(1, ids)[..., None]',
            'of the words are dropped, where p is',
        ),
        (
            'def word_masks(ids, n_words, p): return dropout_mask(torch.zeros(()), (len(ids), 1, 1), p).expand(*ids.shape, 1)',
            'Whole rows are dropped',
        ),
        ('def word_masks(ids, n_words, p): return (torch.rand(len(ids), n_words) >= p).gather(1, ids)[..., None]', 'divided by 1 - p'),
    ],
    'check_mean_gap': [
        (
            """
def mean_gap(layer, run, n):
    return (torch.stack([run(layer) for _ in range(n)]).mean(0) - run(layer.eval())).abs().mean().item()
""",
            'No pass was made in training mode',
        ),
        (
            """
def mean_gap(layer, run, n):
    mode = layer.training
    passes = torch.stack([run(layer.train()) for _ in range(n)])
    gap = (passes - run(layer.eval())).abs().mean().item()
    layer.train(mode)
    return gap
""",
            'mean of the differences',
        ),
        (
            """
def mean_gap(layer, run, n):
    mode = layer.training
    gap = (torch.stack([run(layer.train()) for _ in range(n)]).mean(0) - run(layer.eval())).mean().item()
    layer.train(mode)
    return gap
""",
            'cancelled out',
        ),
        (
            """
def mean_gap(layer, run, n):
    return (torch.stack([run(layer.train()) for _ in range(n)]).mean(0) - run(layer.eval())).abs().mean().item()
""",
            'in the mode in which you found it',
        ),
        (
            """
def mean_gap(layer, run, n):
    layer.train()
    return (torch.stack([run(layer) for _ in range(n)]).mean(0) - run(layer)).abs().mean().item()
""",
            'No pass was made in evaluation mode',
        ),
    ],
    'check_many_passes': [
        (
            'def many_passes(model, ids, n):\n    return torch.stack([model.eval()(ids).logits.softmax(-1) for _ in range(n)]).mean(0)',
            'No pass was made in training',
        ),
        ('def many_passes(model, ids, n): return model.train()(ids).logits.softmax(-1)', 'With n = 2 you made 1 passes'),
        ('def many_passes(model, ids, n):\n    return torch.stack([model.train()(ids).logits for _ in range(n)]).mean(0)', 'These are scores'),
        (
            'def many_passes(model, ids, n):\n    return torch.stack([model.train()(ids).logits for _ in range(n)]).mean(0).softmax(-1)',
            'of the mean of the scores',
        ),
        ('def many_passes(model, ids, n):\n    return sum(model.train()(ids).logits.softmax(-1) for _ in range(n))', 'sum 1'),
        ('def many_passes(model, ids, n):\n    return torch.stack([model.train()(ids).logits.softmax(-1) for _ in range(n)]).mean(0)', 'torch.no_grad'),
        (
            """
@torch.no_grad()
def many_passes(model, ids, n):
    return torch.stack([model.train()(ids).logits.softmax(-1) for _ in range(n)]).mean(0)
""",
            'in the mode in which you found it',
        ),
    ],
}
