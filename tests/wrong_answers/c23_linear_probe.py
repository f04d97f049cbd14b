WRONG = {
    'check_head_steps': [
        ('steps = 4', 'A pair is due'),
        ("steps = ('four', 782)", 'Two numbers are due'),
        ('steps = 100, 25_000', 'A step reads a batch'),
        ('steps = 3, 781', 'makes a batch too'),
        ('steps = 100 / 32, 25_000 / 32', 'Whole steps'),
        ('steps = 782, 4', 'With 100 labels first'),
        ('steps = 5, 782', 'has not so many steps'),
        ('steps = 4, 781', 'With 100 it is right'),
    ],
    'check_as_one': [
        ('def as_one(norm, linear): return linear.weight', 'Give two things'),
        ('def as_one(norm, linear): return linear.weight.T, norm.bias', 'are due'),
        (
            """
def as_one(norm, linear):
    scale = norm.weight / (norm.running_var + norm.eps) ** 0.5
    linear.weight *= scale
    return linear.weight, linear.weight @ norm.bias
""",
            'You have changed',
        ),
        (
            """
def as_one(norm, linear):
    scale = norm.weight / norm.running_var ** 0.5
    return linear.weight * scale, linear.weight @ (norm.bias - norm.running_mean * scale)
""",
            'adds `eps`',
        ),
        ('def as_one(norm, linear): return linear.weight, linear.weight @ norm.bias', 'multiply each column'),
        (
            """
def as_one(norm, linear):
    scale = norm.weight / (norm.running_var + norm.eps) ** 0.5
    return linear.weight * scale, linear.weight @ norm.bias
""",
            'is missing in the bias',
        ),
        (
            """
def as_one(norm, linear):
    scale = norm.weight / (norm.running_var + norm.eps) ** 0.5
    return linear.weight * scale, linear.weight @ (norm.bias - norm.running_mean)
""",
            'what comes out for zeros',
        ),
    ],
    'check_left_out': [
        ("def left_out(x, y, penalty, folds): return 'much'", 'A number is due'),
        ('def left_out(x, y, penalty, folds): return len(x)', 'A share is due'),
        (
            """
def left_out(x, y, penalty, folds):
    right = 0
    for k in range(folds):
        out = torch.arange(len(x)) % folds == k
        mean, std = x[~out].mean(0), x[~out].std(0, correction=0)
        w, b = fit_probe((x - mean) / std, y, penalty=penalty)
        right += ((((x[out] - mean) / std) @ w.T + b).argmax(1) == y[out]).sum().item()
    return right / len(x)
""",
            'have been learnt as well',
        ),
        (
            """
def left_out(x, y, penalty, folds):
    right = 0
    for k in range(folds):
        out = torch.arange(len(x)) % folds == k
        z = (x - x[~out].mean(0)) / x[~out].std(0, correction=0)
        w, b = fit_probe(z[~out], y[~out], penalty=penalty)
        right += ((z[~out] @ w.T + b).argmax(1) == y[~out]).sum().item()
    return right / len(x) / (folds - 1)
""",
            'Ask about those left out',
        ),
        (
            """
def left_out(x, y, penalty, folds):
    z, right = (x - x.mean(0)) / x.std(0, correction=0), 0
    for k in range(folds):
        out = torch.arange(len(x)) % folds == k
        w, b = fit_probe(z[~out], y[~out], penalty=penalty)
        right += ((z[out] @ w.T + b).argmax(1) == y[out]).sum().item()
    return right / len(x)
""",
            'have been looked at',
        ),
        ('def left_out(x, y, penalty, folds): return 0.', 'Of these 23 texts'),
        (
            """
def left_out(x, y, penalty, folds):
    right = 0
    for k in range(3):
        out = torch.arange(len(x)) % 3 == k
        mean, std = x[~out].mean(0), x[~out].std(0, correction=0)
        w, b = fit_probe((x[~out] - mean) / std, y[~out], penalty=1.)
        right += ((((x[out] - mean) / std) @ w.T + b).argmax(1) == y[out]).sum().item()
    return right / len(x)
""",
            'with this penalty and three parts',
        ),
    ],
}
