WRONG = {
    'check_place': [
        ('place = 2 * (102 // 6) + 3 * 4 + 1', 'one is kept back'),
        ('place = 3 * 6 * 4 + 2 * 4 + 1', 'batch by batch'),
        ('place = 2 + 6 * (3 * 4 + 1)', 'column by column'),
        ('place = 1 * 16 + 2 * 4 + 0', 'counted from 0'),
        ('place = 29', 'The row is'),
        ('place = 41', 'The batch is'),
        ('place = 44', 'The column is'),
        ('place = 46', 'its target'),
        ('place = 45.5', 'whole number'),
        ('place = 100', 'Three parts'),
        ('place = "45"', 'whole number'),
    ],
    'check_corpus_again': [
        ('def corpus_again(batches): return torch.cat([x.flatten() for x, _ in batches] + [batches[-1][1][-1, -1:]])', 'batch by batch'),
        ('def corpus_again(batches): return torch.cat([x for x, _ in batches], 1).flatten()', 'One token is missing'),
        ('def corpus_again(batches): return torch.cat([x for x, _ in batches], 1).T.flatten()', 'column by column'),
        ('def corpus_again(batches): return torch.cat([x for x, _ in batches], 1)', 'one axis'),
        ('def corpus_again(batches): return torch.cat([z for x, y in batches for z in (x, y[:, -1:])], 1).flatten()', 'Targets repeat'),
        ('def corpus_again(batches): return torch.cat([batches[0][0][0, :1], torch.cat([y for _, y in batches], 1).flip(0).flatten()])', 'not in their order'),
    ],
    'check_edge_share': [
        ('def edge_share(lm, epochs): return len({p for e in range(epochs) for p in offsets_from(lm.lengths())[:-1].tolist()}) / lm.row_len', 'every epoch'),
        ('def edge_share(lm, epochs): return len({p for e in range(epochs) for p in offsets_from(lm.lengths(e)).tolist()}) / lm.row_len', 'one place too many'),
        ('def edge_share(lm, epochs): return min(1., sum(len(lm.lengths(e)) for e in range(epochs)) / lm.row_len)', 'counts once'),
        ('def edge_share(lm, epochs): return len({p for e in range(epochs) for p in offsets_from(lm.lengths(e))[:-1].tolist()})', 'between 0 and 1'),
        ('def edge_share(lm, epochs): return len({p for e in range(epochs) for p in offsets_from(lm.lengths(e))[:-1].tolist()}) / len(lm.ids)', 'you found'),
    ],
    'check_budget_batches': [
        (
            """
def budget_batches(sizes, budget):
    batches = []
    for i in np.argsort(-sizes, kind='stable'):
        if batches and (len(batches[-1]) + 1) * sizes[batches[-1][0]] <= 0.8 * budget: batches[-1].append(i)
        else: batches.append([i])
    return batches
""",
            'fill each up to the budget',
        ),
        (
            """
def budget_batches(sizes, budget):
    batches = []
    for i in np.argsort(-sizes, kind='stable'):
        if batches and sizes[batches[-1]].sum() + sizes[i] <= budget: batches[-1].append(i)
        else: batches.append([i])
    return batches
""",
            'the padding is not',
        ),
        (
            """
def budget_batches(sizes, budget):
    batches = []
    for i in range(len(sizes)):
        if batches and (len(batches[-1]) + 1) * max(sizes[i], sizes[batches[-1]].max()) <= budget: batches[-1].append(i)
        else: batches.append([i])
    return batches
""",
            'sort first',
        ),
        (
            """
def budget_batches(sizes, budget):
    batches, now = [], []
    for i in np.argsort(-sizes, kind='stable'):
        if now and (len(now) + 1) * sizes[now[0]] > budget:
            batches.append(now)
            now = []
        now.append(i)
    return batches
""",
            'left after the loop',
        ),
        (
            """
def budget_batches(sizes, budget):
    batches, now = [], []
    for i in np.argsort(-sizes, kind='stable'):
        if (len(now) + 1) * sizes[now[0] if now else i] > budget:
            batches.append(now)
            now = []
        now.append(i)
    return batches + [now]
""",
            'empty batch',
        ),
        (
            """
def budget_batches(sizes, budget):
    batches = []
    for i in np.argsort(-sizes, kind='stable'):
        if sizes[i] > budget: continue
        if batches and (len(batches[-1]) + 1) * sizes[batches[-1][0]] <= budget: batches[-1].append(i)
        else: batches.append([i])
    return batches
""",
            'longer than the budget',
        ),
        ('def budget_batches(sizes, budget): return [[i] for i in range(len(sizes))]', 'fill each up'),
        ('def budget_batches(sizes, budget): return sorted_batches(sizes, 32)', 'goes beyond the budget'),
    ],
}
