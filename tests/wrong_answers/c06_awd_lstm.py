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
        (
            """
def split_gradient(model, x, y):
    whole = torch.autograd.grad(model(x, targets=y).loss, model.decoder.weight)[0]
    read = torch.isin(torch.arange(len(whole)), x)[:, None]
    return whole * read, whole * ~read
""",
            'words that were read are predicted too',
        ),
    ],
    'check_state_dropout': [
        ('def state_dropout(lstm, p):\n    a, u, b, c = lstm.parameters()\n    return [a, u * dropout_mask(u, u.shape, p), b, c]', 'single weights'),
        ('def state_dropout(lstm, p):\n    a, u, b, c = lstm.parameters()\n    return [a, u * dropout_mask(u, (len(u), 1), p), b, c]', 'You drop rows'),
        (
            'def state_dropout(lstm, p):\n    a, u, b, c = lstm.parameters()\n    n = u.shape[1]\n'
            '    return [a, u * dropout_mask(u, (4, 1, n), p).expand(4, n, n).reshape(4 * n, n), b, c]',
            'Each gate has a mask of its own',
        ),
        ('def state_dropout(lstm, p):\n    a, u, b, c = lstm.parameters()\n    return [a, u * (torch.rand(1, u.shape[1]) >= p), b, c]', 'divided by 1 - p'),
        (
            'def state_dropout(lstm, p):\n    a, u, b, c = lstm.parameters()\n    u.data *= dropout_mask(u, (1, u.shape[1]), p)\n    return [a, u, b, c]',
            'not in place',
        ),
        ('def state_dropout(lstm, p):\n    a, u, b, c = lstm.parameters()\n    return [a, u.detach() * dropout_mask(u, (1, u.shape[1]), p), b, c]', 'way back'),
        ('def state_dropout(lstm, p):\n    a, u, b, c = lstm.parameters()\n    return [a * dropout_mask(a, (1, a.shape[1]), p), u, b, c]', 'Only the second'),
    ],
    'check_start_by_frequency': [
        ('def start_by_frequency(model, counts): model.decoder.bias = torch.nn.Parameter(((counts + 1) / (counts + 1).sum()).log())', 'copy into it'),
        ('@torch.no_grad()\ndef start_by_frequency(model, counts): model.decoder.bias.copy_((counts / counts.sum()).log())', 'minus infinity'),
        ('@torch.no_grad()\ndef start_by_frequency(model, counts): model.decoder.bias.copy_(counts)', 'should be logarithms'),
        ('@torch.no_grad()\ndef start_by_frequency(model, counts): model.decoder.bias.copy_(counts / counts.sum())', 'Is the bias the logarithm'),
        ('@torch.no_grad()\ndef start_by_frequency(model, counts): (counts + 1).log()', 'nothing has changed'),
        (
            '@torch.no_grad()\ndef start_by_frequency(model, counts):\n    model.decoder.weight.zero_()\n    model.decoder.bias.copy_((counts + 1).log())',
            'Only the bias',
        ),
        ('@torch.no_grad()\ndef start_by_frequency(model, counts): model.decoder.bias.copy_(-((counts + 1) / (counts + 1).sum()).log())', 'lowest score'),
    ],
}
