WRONG = {
    'check_perplexity': [
        ('perplexity = 244.7', 'mean of two batch means'),
        ('perplexity = 64.9', 'Perplexities are not averaged'),
        ('perplexity = 4.03', 'in nats'),
        ('perplexity = 16.3', 'base e'),
        ('perplexity = 60.', 'it is not'),
    ],
    'check_accumulate': [
        (
            """
def accumulate(model, x, y, pieces):
    for a, b in zip(x.chunk(pieces), y.chunk(pieces)): model(a, targets=b).loss.backward()
""",
            'The pieces are summed',
        ),
        (
            """
def accumulate(model, x, y, pieces):
    for a, b in zip(x.chunk(pieces), y.chunk(pieces)): (model(a, targets=b).loss / pieces).backward()
""",
            'the last is smaller',
        ),
        (
            """
def accumulate(model, x, y, pieces):
    for a, b in zip(x.chunk(pieces), y.chunk(pieces)):
        model.zero_grad()
        (model(a, targets=b).loss * len(a) / len(x)).backward()
""",
            'Only the last piece',
        ),
        (
            """
def accumulate(model, x, y, pieces):
    for a, b in zip(x.chunk(pieces, 1), y.chunk(pieces, 1)): (model(a, targets=b).loss * a.numel() / x.numel()).backward()
""",
            'cut in time',
        ),
        (
            """
def accumulate(model, x, y, pieces):
    model(x, targets=y).loss.backward()
""",
            'rows were read at once',
        ),
        (
            """
def accumulate(model, x, y, pieces):
    for a, b in zip(x.chunk(pieces), y.chunk(pieces)): (model(a, targets=b).loss * len(a) / len(x) / pieces).backward()
""",
            'one division too many',
        ),
        (
            """
def accumulate(model, x, y, pieces):
    loss = 0.
    for a, b in zip(x.chunk(pieces), y.chunk(pieces)): loss = loss + model(a, targets=b).loss * len(a) / len(x)
    loss.backward()
""",
            'kept at once',
        ),
        (
            """
def accumulate(model, x, y, pieces):
    state = None
    for a, b in zip(x.chunk(pieces), y.chunk(pieces)):
        o = model(a, state, b)
        (o.loss * len(a) / len(x)).backward()
        state = detach(o.state)
""",
            'each piece begins without one',
        ),
    ],
    'check_averager': [
        (
            """
class Averager:
    def __init__(self, model): self.model, self.last = model, None
    def __call__(self, seen, loss): self.last = {k: v.detach() for k, v in model_tensors(self.model).items()}
    def average(self): return self.last
""",
            'The average is the last weights',
        ),
        (
            """
class Averager:
    def __init__(self, model): self.model = model
    def __call__(self, seen, loss): self.last = model_tensors(self.model)
    def average(self): return self.last
""",
            'The average is the last weights',
        ),
        (
            """
class Averager:
    def __init__(self, model): self.model, self.mean = model, {}
    def __call__(self, seen, loss):
        for k, v in model_tensors(self.model).items(): self.mean[k] = 0.9 * self.mean.get(k, v.detach()) + 0.1 * v.detach()
    def average(self): return self.mean
""",
            'An exponential mean forgets',
        ),
        (
            """
class Averager:
    def __init__(self, model): self.model, self.all = model, []
    def __call__(self, seen, loss): self.all.append({k: v.clone() for k, v in model_tensors(self.model).items()})
    def average(self): return {k: sum(w[k] for w in self.all) / len(self.all) for k in self.all[0]}
""",
            'carries a history',
        ),
        (
            """
class Averager:
    def __init__(self, model): self.model, self.n, self.mean = model, 1, {k: v.detach().clone() for k, v in model_tensors(model).items()}
    def __call__(self, seen, loss):
        self.n += 1
        for k, v in model_tensors(self.model).items(): self.mean[k] += (v.detach() - self.mean[k]) / self.n
    def average(self): return self.mean
""",
            'The weights at the start',
        ),
        (
            """
class Averager:
    def __init__(self, model): self.model, self.mean = model, {}
    def __call__(self, seen, loss):
        for k, v in model_tensors(self.model).items(): self.mean[k] = (self.mean.get(k, v.detach()) + v.detach()) / 2
    def average(self): return self.mean
""",
            'An exponential mean forgets',
        ),
        (
            """
class Averager:
    def __init__(self, model): self.model, self.n, self.mean = model, 0, {k: v.detach() for k, v in model_tensors(model).items()}
    def __call__(self, seen, loss):
        self.n += 1
        for k, v in model_tensors(self.model).items(): self.mean[k] += v.detach()
    def average(self): return {k: v / self.n for k, v in self.mean.items()}
""",
            'The model itself was changed',
        ),
        (
            """
class Averager:
    def __init__(self, model): self.model, self.n, self.sum = model, 0, {}
    def __call__(self, seen, loss):
        self.n += 1
        for k, v in self.model.state_dict().items(): self.sum[k] = self.sum.get(k, 0) + v
    def average(self): return {k: v / self.n for k, v in self.sum.items()}
""",
            'a tied matrix once',
        ),
        (
            """
class Averager:
    def __init__(self, model): self.model, self.sum = model, {}
    def __call__(self, seen, loss):
        for k, v in model_tensors(self.model).items(): self.sum[k] = self.sum.get(k, 0) + v.detach()
    def average(self): return self.sum
""",
            'That is the sum',
        ),
    ],
    'check_compare': [
        (
            """
def compare(a, b, seeds):
    from statistics import mean, stdev
    d = [b(s) - a(s) for s in seeds]
    return mean(d), stdev(d)
""",
            'how far single differences spread',
        ),
        (
            """
def compare(a, b, seeds):
    from statistics import mean, pstdev
    d = [b(s) - a(s) for s in seeds]
    return mean(d), pstdev(d) / len(d) ** 0.5
""",
            'ddof=1',
        ),
        (
            """
def compare(a, b, seeds):
    from statistics import mean, variance
    x, y = [a(s) for s in seeds], [b(s) for s in seeds]
    return mean(y) - mean(x), ((variance(x) + variance(y)) / len(x)) ** 0.5
""",
            'takes the two as unrelated',
        ),
        (
            """
def compare(a, b, seeds):
    from statistics import mean, stdev
    d = [b(s + 1000) - a(s) for s in seeds]
    return mean(d), stdev(d) / len(d) ** 0.5
""",
            'different seeds',
        ),
        (
            """
def compare(a, b, seeds):
    from statistics import mean, stdev
    x, y = [a(s) for s in seeds], [b((s + 1) % 100) for s in seeds]
    d = [j - i for i, j in zip(x, y)]
    return mean(d), stdev(d) / len(d) ** 0.5
""",
            'different seeds',
        ),
        (
            """
def compare(a, b, seeds):
    from statistics import mean, stdev
    d = [a(s) - b(s) for s in seeds]
    return mean(d), stdev(d) / len(d) ** 0.5
""",
            'The sign',
        ),
        (
            """
def compare(a, b, seeds):
    from statistics import mean, stdev
    return mean(b(s) - a(s) for s in seeds), stdev([b(s) - a(s) for s in seeds]) / len(seeds) ** 0.5
""",
            'keep its result',
        ),
        ('def compare(a, b, seeds): return sum([b(s) - a(s) for s in seeds]) / len(seeds)', 'Return two numbers'),
    ],
    'check_more_steps': [
        ('cut = dict(bs=32, bptt=35)', 'how it was cut before'),
        ('cut = dict(bs=64, bptt=70)', 'there are fewer steps'),
        ('cut = dict(bs=30, bptt=35)', '20 % are asked for'),
        ('cut = dict(bs=2, bptt=5)', 'would take long'),
        ('cut = dict(bs=8., bptt=20)', 'whole numbers'),
        ('cut = dict(bs=8, bptt=20, lr=0.1)', 'and nothing else'),
    ],
}
