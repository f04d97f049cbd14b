WRONG = {
    'check_learning_tokens': [
        ('learning_tokens = 350', 'never torn'),
        ('learning_tokens = 300', 'You left out the piece'),
        ('learning_tokens = 630', 'tokens that rest'),
        ('learning_tokens = 1000', 'do not reach all of it'),
        ('learning_tokens = 371', 'Not 371'),
    ],
    'check_mean_of_last': [
        ('def mean_of_last(out, lengths, k): return out[:, -k:].mean(1)', 'last k columns of the batch'),
        (
            """
def mean_of_last(out, lengths, k):
    place, end = torch.arange(out.shape[1]), lengths[:, None]
    counts = (place < end) & (place >= end - k)
    return (out * counts[..., None]).sum(1) / counts.sum(1, keepdim=True)
""",
            'NaN times 0',
        ),
        (
            """
def mean_of_last(out, lengths, k):
    place, end = torch.arange(out.shape[1]), lengths[:, None]
    counts = (place < end) & (place >= end - k)
    return out.masked_fill(~counts[..., None], 0).sum(1) / k
""",
            'You divide by k',
        ),
        (
            """
def mean_of_last(out, lengths, k):
    place, end = torch.arange(out.shape[1]), lengths[:, None]
    counts = (place < end) & (place > end - k - 2)
    return out.masked_fill(~counts[..., None], 0).sum(1) / counts.sum(1, keepdim=True)
""",
            'not the mean of the last k',
        ),
        (
            """
def mean_of_last(out, lengths, k):
    place, end = torch.arange(out.shape[1]), lengths[:, None]
    counts = (place < end) & (place >= end - k)
    return out.masked_fill_(~counts[..., None], 0).sum(1) / counts.sum(1, keepdim=True)
""",
            'changes the features',
        ),
        (
            """
def mean_of_last(out, lengths, k):
    place, end = torch.arange(out.shape[1]), lengths[:, None]
    counts = (place < end) & (place > end - k)
    return out.masked_fill(~counts[..., None], 0).sum(1) / counts.sum(1, keepdim=True)
""",
            'and counts itself',
        ),
        ('def mean_of_last(out, lengths, k): return torch.stack([row[n - k:n].mean(0) for row, n in zip(out, lengths)])', 'counts from the end'),
        ('def mean_of_last(out, lengths, k): return torch.stack([row[max(0, n - k):n].mean(0) for row, n in zip(out, lengths)]).numpy()', 'a ndarray'),
        ('def mean_of_last(out, lengths, k): return [row[max(0, n - k):n].mean(0) for row, n in zip(out, lengths)]', 'A tensor is asked for; yours is a list'),
        ('def mean_of_last(out, lengths, k): return torch.stack([row[max(0, n - k):n].mean() for row, n in zip(out, lengths)])', 'A tensor (bs, n)'),
    ],
    'check_views_moved': [
        (
            """
def views_moved(model, ids, place, other):
    changed = [*ids[:place], other, *ids[place + 1:]]
    a, b = [model(torch.tensor(d)[None], torch.tensor([len(d)])).pooled.view(3, -1) for d in (ids, changed)]
    return (a - b).abs().amax(1).tolist()
""",
            'batch norm wants several documents',
        ),
        (
            """
def views_moved(model, ids, place, other):
    model.head.eval()
    changed = [*ids[:place], other, *ids[place + 1:]]
    a, b = [model(torch.tensor(d)[None], torch.tensor([len(d)])).pooled.view(3, -1) for d in (ids, changed)]
    return (a - b).abs().amax(1).tolist()
""",
            'dropout is still on',
        ),
        (
            """
def views_moved(model, ids, place, other):
    model.eval()
    changed = [*ids[:place], other, *ids[place + 1:]]
    a, b = [model(torch.tensor(d)[None], torch.tensor([len(d)])).pooled for d in (ids, changed)]
    return [(a - b).abs().max().item()] * 3
""",
            'One number, three times',
        ),
        (
            """
def views_moved(model, ids, place, other):
    model.eval()
    changed = [*ids[:place], other, *ids[place + 1:]]
    a, b = [model(torch.tensor(d)[None], torch.tensor([len(d)])).pooled.view(3, -1) for d in (ids, changed)]
    return (a - b).amax(1).tolist()
""",
            'the absolute change that counts',
        ),
        (
            """
def views_moved(model, ids, place, other):
    model.eval()
    changed = [*ids[:place], other, *ids[place + 1:]]
    a, b = [model(torch.tensor(d)[None], torch.tensor([len(d)])).pooled.view(3, -1) for d in (ids, changed)]
    return (a - b).abs().mean(1).tolist()
""",
            'The largest is asked for',
        ),
        (
            """
def views_moved(model, ids, place, other):
    model.eval()
    changed = [*ids[:place], other, *ids[place + 1:]]
    a, b = [model(torch.tensor(d)[None], torch.tensor([len(d)])).pooled.view(3, -1) for d in (ids, changed)]
    return (a - b).norm(dim=1).tolist()
""",
            'That is the norm',
        ),
        (
            """
def views_moved(model, ids, place, other):
    model.eval()
    a = model(torch.tensor(ids)[None], torch.tensor([len(ids)])).pooled.view(3, -1)
    ids[place] = other
    b = model(torch.tensor(ids)[None], torch.tensor([len(ids)])).pooled.view(3, -1)
    return (a - b).abs().amax(1).tolist()
""",
            'Change a copy',
        ),
        ('def views_moved(model, ids, place, other): return 0.', 'Three numbers are asked for'),
    ],
    'check_better_vector': [
        (
            """
def better_vector(encoder, ids, lengths):
    return concat_pool(encoder(ids)[0], lengths)
""",
            'that is what concat pooling of the last layer has',
        ),
        (
            """
def better_vector(encoder, ids, lengths):
    return encoder(ids)[0].mean(1)[:, :3]
""",
            'at least a point more',
        ),
        ('def better_vector(encoder, ids, lengths): return encoder(ids)[0]', 'A tensor (bs, features)'),
        ('def better_vector(encoder, ids, lengths): return concat_pool(encoder(ids)[0], lengths).numpy()', 'a ndarray'),
    ],
}
