POOLED = """
@torch.no_grad()
def left_out_of_pooling(classifier, text):
    tokens, features = read_text(classifier, text)
    def pool(rows): return torch.cat([rows[-1], rows.amax(0), rows.mean(0)])
    rows = [features] + [features[torch.arange(len(tokens)) != t] for t in range(len(tokens))]
    logits = classifier.model.head(torch.stack([pool(r) for r in rows]))
    m = margin(logits, int(logits[0].argmax()))
    return (m[0] - m[1:]).numpy()
"""
BEYOND = """
def beyond_the_sum(classifier, text, i, j):
    ids = classifier.vocab.numericalize(classifier.tokenizer(text))
    docs = [ids, np.delete(ids, i), np.delete(ids, j), np.delete(ids, [i, j])]
    logits = predict_logits(classifier.model, DocBatches(docs, bs=4))
    whole, no_i, no_j, neither = margin(logits, int(logits[0].argmax())).tolist()
    return (whole - neither) - (whole - no_i) - (whole - no_j)
"""
FIRST = """
def same_first(classifier, texts):
    def first(text, replace): return occlusion(classifier, text, replace=replace).drop.argmax()
    return float(np.mean([first(t, None) == first(t, 'xxunk') for t in texts]))
"""


def but(answer: str, right: str, wrong: str) -> str:
    assert right in answer
    return answer.replace(right, wrong)


WRONG = {
    'check_whole_perplexity': [
        ('whole_perplexity = 125', 'mean of the two'),
        ('whole_perplexity = 87.5', 'weighted the perplexities'),
        ('whole_perplexity = 100', 'same weight'),
        ('whole_perplexity = 4.2586', 'mean surprisal, in nats'),
        ('whole_perplexity = 60', 'Not 60'),
    ],
    'check_left_out_of_pooling': [
        ('def left_out_of_pooling(classifier, text): return occlusion(classifier, text).drop', 'That is `occlusion`'),
        (but(POOLED, 'features[torch.arange(len(tokens)) != t]', '(features * (torch.arange(len(tokens)) != t)[:, None])'), 'leave the row out'),
        (but(POOLED, 'rows[-1]', 'features[-1]'), 'Right but for the last token'),
        (but(POOLED, 'm[0] - m[1:]', 'm[1:] - m[0]'), 'The sign'),
        (but(POOLED, 'm = margin(logits, int(logits[0].argmax()))', 'm = logits[:, int(logits[0].argmax())]'), 'differences of a logit'),
        (but(POOLED, 'for t in range(len(tokens))]', 'for t in range(1, len(tokens))]'), '`xxbos` among them'),
        (but(POOLED, 'rows.amax(0), rows.mean(0)', 'rows.mean(0), rows.amax(0)'), 'and yours'),
    ],
    'check_beyond_the_sum': [
        (but(BEYOND, ' - (whole - no_i) - (whole - no_j)', ''), 'what both take along'),
        (but(BEYOND, '(whole - neither) - (whole - no_i) - (whole - no_j)', 'whole + neither - no_i - no_j'), 'The sign'),
        (but(BEYOND, 'np.delete(ids, [i, j])', 'np.delete(np.delete(ids, i), min(j, len(ids) - 2))'), 'moved up by one place'),
        (
            but(BEYOND, 'margin(logits, int(logits[0].argmax())).tolist()', '[margin(l, int(l.argmax())).item() for l in logits]'),
            'Ask all four for the same class',
        ),
        (but(BEYOND, 'margin(logits, int(logits[0].argmax())).tolist()', 'logits[:, int(logits[0].argmax())].tolist()'), 'differences of a logit'),
        (but(BEYOND, 'return ', 'return 2 * '), 'and yours'),
    ],
    'check_same_first': [
        (but(FIRST, 'np.mean', 'np.sum'), 'That is a count'),
        (
            but(
                FIRST,
                'return occlusion(classifier, text, replace=replace).drop.argmax()',
                """
        o = occlusion(classifier, text, replace=replace)
        return o.tokens[o.drop.argmax()]""",
            ),
            'compare places',
        ),
        (but(FIRST, '.drop.argmax()', '.drop.__abs__().argmax()'), 'speak *against* the verdict as well'),
        (but(FIRST, '.drop.argmax()', '.drop.argmin()'), 'argmin instead of argmax'),
        (but(FIRST, "first(t, 'xxunk')", 'first(t, None)'), 'same `replace`'),
        (but(FIRST, 'return float(', 'return float(-'), 'yours says'),
    ],
    'check_without_the_notes': [
        ('def without_the_notes(texts): return texts', 'still there'),
        ("def without_the_notes(texts): return [t.replace('( ruth ) ', '') for t in texts]", 'as much as two did'),
        ("def without_the_notes(texts): return ['' for t in texts]", 'words are left'),
        ("def without_the_notes(texts): return [t for t in texts if 'sam' not in t.split()]", 'keep all of them'),
        ("def without_the_notes(texts): return [t.replace('( ', '').replace(') ', '') for t in texts]", 'without any notes'),
        ("def without_the_notes(texts): return ' '.join(texts)", 'A list of strings'),
    ],
}
