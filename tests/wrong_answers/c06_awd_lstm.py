WRONG = {
    'check_lstm_weights': [
        ('weights_of_lstm_1 = 1152 * (400 + 1152 + 2)', 'one gate'),
        ('weights_of_lstm_1 = 4 * 1152 * (400 + 1152 + 1)', 'two biases'),
        ('weights_of_lstm_1 = 4 * 1152 * (400 + 1152)', 'biases are missing'),
        ('weights_of_lstm_1 = 4 * 1152 * 400', 'also reads the last state'),
        ('weights_of_lstm_1 = 4 * 1152 * (1152 + 1152 + 2)', 'second layer'),
        ('weights_of_lstm_1 = 7.16', 'not millions'),
        ('weights_of_lstm_1 = "many"', 'A number is asked for'),
    ],
    'check_continue_text': [
        (
            """
def continue_text(model, ids, n):
    state = model(torch.tensor([ids])).state
    for _ in range(n):
        o = model(torch.tensor([ids[-1:]]), state)
        state = o.state
        ids = ids + [o.logits[0, -1].argmax().item()]
    return ids
""",
            'read twice',
        ),
        (
            """
def continue_text(model, ids, n):
    new = ids
    for _ in range(n):
        new = [model(torch.tensor([new])).logits[0, -1].argmax().item()]
        ids = ids + new
    return ids
""",
            'as if the text began with it',
        ),
        (
            """
def continue_text(model, ids, n):
    for _ in range(n): ids = ids + [model(torch.tensor([ids])).logits[0, -1].argmax().item()]
    return ids
""",
            'were read to say',
        ),
        (
            """
def continue_text(model, ids, n):
    new, out, state = ids, [], None
    for _ in range(n):
        o = model(torch.tensor([new]), state)
        new, state = [o.logits[0, -1].argmax().item()], o.state
        out += new
    return out
""",
            'Give back the prompt',
        ),
        (
            """
def continue_text(model, ids, n):
    return ids + [int(i) for i in model(torch.tensor([ids])).logits[0, -1].topk(n).indices]
""",
            'Is each chosen after those before it',
        ),
    ],
    'check_split_gradient': [
        (
            """
def split_gradient(model, x, y):
    matrix, bias, features = model.decoder.weight, model.decoder.bias, model.encoder(x)[0]
    a = linear_cross_entropy(features.detach(), matrix, bias, y)
    b = linear_cross_entropy(features, matrix.detach(), bias, y)
    return tuple(torch.autograd.grad(loss, matrix)[0] for loss in (a, b))
""",
            'but exchanged',
        ),
        (
            """
def split_gradient(model, x, y):
    matrix, bias, features = model.decoder.weight, model.decoder.bias, model.encoder(x)[0]
    a = linear_cross_entropy(features, matrix, bias, y)
    b = linear_cross_entropy(features.detach(), matrix, bias, y)
    return tuple(torch.autograd.grad(loss, matrix)[0] for loss in (a, b))
""",
            'the whole gradient',
        ),
        (
            """
def split_gradient(model, x, y):
    whole = torch.autograd.grad(model(x, targets=y).loss, model.decoder.weight)[0]
    return whole / 2, whole / 2
""",
            'Half of the sum',
        ),
        (
            """
def split_gradient(model, x, y):
    matrix, bias, features = model.decoder.weight, model.decoder.bias, model.encoder(x)[0]
    a = linear_cross_entropy(features, matrix.detach(), bias, y) * y.numel()
    b = linear_cross_entropy(features.detach(), matrix, bias, y) * y.numel()
    return tuple(torch.autograd.grad(loss, matrix)[0] for loss in (a, b))
""",
            'yours is a sum',
        ),
    ],
    'check_influence': [
        (
            """
@torch.no_grad()
def influence(encoder, ids, other):
    as_it_is, changes = encoder(ids)[0][0, -1], []
    for t in range(ids.shape[1]):
        changed = ids.clone()
        changed[0, t] = other
        changes.append((encoder(changed)[0][0, -1] - as_it_is).norm().item())
    return changes
""",
            'training mode',
        ),
        (
            """
@torch.no_grad()
def influence(encoder, ids, other):
    as_it_is, changes = encoder.eval()(ids)[0][0, -1], []
    for t in range(ids.shape[1]):
        ids[0, t] = other
        changes.append((encoder(ids)[0][0, -1] - as_it_is).norm().item())
    return changes
""",
            'The ids that were handed in have changed',
        ),
        (
            """
@torch.no_grad()
def influence(encoder, ids, other):
    as_it_is, changes, changed = encoder.eval()(ids)[0][0, -1], [], ids.clone()
    for t in range(ids.shape[1]):
        changed[0, t] = other
        changes.append((encoder(changed)[0][0, -1] - as_it_is).norm().item())
    return changes
""",
            'heap up',
        ),
        (
            """
@torch.no_grad()
def influence(encoder, ids, other):
    as_it_is, changes = encoder.eval()(ids)[0][0], []
    for t in range(ids.shape[1]):
        changed = ids.clone()
        changed[0, t] = other
        changes.append((encoder(changed)[0][0, t] - as_it_is[t]).norm().item())
    return changes
""",
            'at the place of the word itself',
        ),
        (
            """
@torch.no_grad()
def influence(encoder, ids, other):
    as_it_is, changes = encoder.eval()(ids)[0][0], []
    for t in range(ids.shape[1]):
        changed = ids.clone()
        changed[0, t] = other
        changes.append((encoder(changed)[0][0] - as_it_is).norm().item())
    return changes
""",
            'all places together',
        ),
    ],
}
