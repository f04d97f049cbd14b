CONTEXT = """
def perplexity_with_context(model, ids, k):
    rows = ids.unfold(0, k + 1, 1)
    loss = torch.nn.functional.cross_entropy
    with torch.no_grad(): {}
"""
TOP_P = """
def top_p(logits, p):
    probs, order = logits.softmax(0).sort(descending=True)
    out = torch.zeros_like(logits)
    {}
"""

WRONG = {
    'check_half_a_nat': [
        ('share = 4.0 / 4.5', 'share of the losses'),
        ('share = math.exp(0.5)', 'Turn it round'),
        ('share = 0.5', 'difference of the losses'),
        ('share = 1 - math.exp(-0.5)', 'has gone'),
        ('share = 2 ** (4.0 - 4.5)', 'in bits'),
        ('share = 0.9', 'write both perplexities'),
        ('share = 60.65', 'in per cent'),
        ('share = 100 * 4.0 / 4.5', 'in per cent'),
        ("share = '61 %'", 'a number, not'),
    ],
    'check_bits_per_character': [
        ('def bits_per_character(loss, n_tokens, n_characters): return loss * n_tokens / n_characters', 'in nats'),
        ('def bits_per_character(loss, n_tokens, n_characters): return loss * n_tokens * math.log(2) / n_characters', 'divide by ln 2'),
        ('def bits_per_character(loss, n_tokens, n_characters): return loss / math.log(2)', 'bits for a token'),
        ('def bits_per_character(loss, n_tokens, n_characters): return loss * n_characters / math.log(2) / n_tokens', 'changed places'),
        ('def bits_per_character(loss, n_tokens, n_characters): return math.exp(loss) * n_tokens / n_characters', 'Perplexity is not wanted'),
    ],
    'check_top_p': [
        (TOP_P.format('keep = probs.cumsum(0) <= p; out[order[keep]] = probs[keep]; return out / out.sum()'), 'reaches p'),
        (TOP_P.format('keep = (probs.cumsum(0) <= p) & (probs < p); out[order[keep]] = probs[keep]; return out'), 'reaches p'),
        (TOP_P.format('keep = probs >= p; out[order[keep]] = probs[keep]; return out / out.sum()'), 'Nothing is left'),
        (TOP_P.format('keep = probs.cumsum(0) - probs < p; out[order[keep]] = probs[keep]; return out'), 'divide by its sum'),
        (TOP_P.format('keep = probs.cumsum(0) - probs < p; out[keep] = probs[keep]; return out / out.sum()'), 'not the likeliest'),
        (TOP_P.format('keep = probs.cumsum(0) - probs < p; return probs[keep] / probs[keep].sum()'), 'zeros included'),
        (TOP_P.format('keep = probs.cumsum(0) - probs < p; out[order[keep]] = probs[keep]; return (out / out.sum()).numpy()'), 'a ndarray'),
        (TOP_P.format('keep = probs.cumsum(0) - probs < p; out[order[keep]] = 1.; return out / out.sum()'), 'in proportion'),
        ('def top_p(logits, p):\n    logits[logits.softmax(0) < 0.01] = -torch.inf\n    return logits.softmax(0)', 'changes the logits'),
    ],
    'check_perplexity_with_context': [
        (CONTEXT.format('return loss(model.eval()(rows[:, :-1]).logits[:, -1], rows[:, -1]).item()'), 'exponential'),
        (CONTEXT.format('return loss(model.eval()(rows[:, :-1]).logits[:, -1], rows[:, -1], reduction="none").exp().mean().item()'), 'First the mean'),
        (CONTEXT.format('return loss(model.eval()(rows[:, 1:]).logits[:, -1], rows[:, -1]).exp().item()'), 'must not go in'),
        (CONTEXT.format('return loss(model.eval()(rows[:, max(0, min(1, k - 1)):-1]).logits[:, -1], rows[:, -1]).exp().item()'), 'one word short'),
        (CONTEXT.format('return loss(model.eval()(rows[:, :-1]).logits.flatten(0, 1), rows[:, 1:].flatten()).exp().item()'), 'last place alone'),
        (CONTEXT.format('return loss(model.train()(rows[:, :-1]).logits[:, -1], rows[:, -1]).exp().item()'), 'Is dropout off'),
        (
            """
from ulmfit_nb.batching import LMBatches
from ulmfit_nb.language_model import evaluate_lm
def perplexity_with_context(model, ids, k):
    return evaluate_lm(model, LMBatches(ids.numpy(), bs=1, bptt=k))['perplexity']
""",
            'k is no limit',
        ),
    ],
    'check_better_settings': [
        ('better = 4', 'A dict is asked for'),
        ('better = dict(epochs=3)', 'One reading'),
        ('better = dict(max_vocab=100)', 'The words stay'),
        ('better = dict(rate=0.1)', 'change only'),
        ('better = dict(bs=16)', 'Change one'),
        ('better = dict(n_hid=2000)', 'takes too long'),
        ('better = dict(bs=64)', 'no better'),
    ],
}
