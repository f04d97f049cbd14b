UNKNOWN = """
def unknown_with(rules, texts, unseen):
    tokenizer, full = Tokenizer(rules), Tokenizer()
    vocab = Vocab.build(map(tokenizer, texts), min_freq=2)
    tokens = [t for text in unseen for t in tokenizer(text)]
    return 100 * sum(t not in vocab for t in tokens) / len(tokens)
"""

PIECES = """
def pieces(word, vocab):
    if word in vocab: return [word]
    for i in range(len(word) - 1, 0, -1):
        rest = pieces(word[i:], vocab) if word[:i] in vocab else [UNK]
        if all(r in vocab for r in rest) and UNK not in rest: return [word[:i], *rest]
    return [word]
"""

CAPITALS = r"""
def mark_capitals(text):
    def fold(m):
        if not m[0][0].isupper() or any(c.isupper() for c in m[0][1:]): return m[0]
        return (f'{MAJ} ' if len(m[0]) > 1 else '') + m[0].lower()
    return re.sub(r'\S+', fold, text)
"""

WORDS = """
def words_for(count, coverage):
    due, covered = coverage * count.total(), 0
    if due <= 0: return 0
    for n, (word, k) in enumerate(count.most_common(), 1):
        covered += k
        if covered >= due: return n
    return len(count)
"""


def changed(answer: str, *changes: tuple[str, str, str]) -> list[tuple[str, str]]:
    "The right answer with a mistake in it, for each (what was right, what is wrong, what the check says)."
    assert all(old in answer for old, _, _ in changes)
    return [(answer.replace(old, new), says) for old, new, says in changes]


WRONG = {
    'check_read_aloud': [
        ('read_aloud = "xxwrep 3 xxup no , a xxmaj film by x xxrep 4 !"', 'every text begin'),
        ('read_aloud = "xxbos xxup xxwrep 3 no , a xxmaj film by x xxrep 4 !"', 'mark stands in front'),
        ('read_aloud = "xxbos xxwrep 3 xxup no , a xxmaj film by xxup x xxrep 4 !"', 'single capital'),
        ('read_aloud = "xxbos xxup no xxup no xxup no , a xxmaj film by x xxrep 4 !"', 'one entry'),
        ('read_aloud = "xxbos xxwrep 3 xxup no , a film by x xxrep 4 !"', 'The capital of Film'),
        ('read_aloud = "xxbos xxwrep 3 xxup no , a xxmaj film by x !!!!"', 'the count and the sign'),
        ('read_aloud = "xxbos xxwrep 3 xxup no , a xxmaj film by x xxrep ! 4"', 'The first 12 tokens are right'),
        ('read_aloud = 14', 'A string is due'),
        ('read_aloud = "xxbos, xxwrep, 3, xxup, no, ,, a, xxmaj, film, by, x, xxrep, 4, !"', 'no commas'),
    ],
    'check_mark_capitals': changed(
        CAPITALS,
        (r"re.sub(r'\S+', fold, text)", "' '.join(fold([w]) for w in text.split())", 'White space got lost'),
        (r"re.sub(r'\S+', fold, text)", "' '.join(fold([w]) if w else '' for w in text.split(' '))", 'after a new line or a tab'),
        ('not m[0][0].isupper() or any(c.isupper() for c in m[0][1:])', 'not m[0].istitle()', '`istitle`'),
        ('or any(c.isupper() for c in m[0][1:])', '', 'second capital'),
        ("if len(m[0]) > 1 else ''", '', 'gets no mark'),
        ('m[0][0].isupper()', "m[0][0] in 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'", 'first letters are capitals too'),
        ('m[0][0].isupper()', "m[0][0] in 'ABCDEFGHIJKLMNOPQRSTUVWXYZÀÉÈÜ'", 'does not reach far'),
        ('any(c.isupper() for c in m[0][1:])', "re.search('[A-Z]', m[0][1:])", 'beyond A to Z as well'),
    )
    + [('mark_capitals = replace_maj', 'first letters are capitals too')],
    'check_words_for': changed(
        WORDS,
        ('count.most_common()', 'sorted(count.items(), key=lambda p: p[1])', '`most_common` sorts'),
        ('coverage * count.total(), 0', 'coverage * len(count) , 0', 'brings the sum over the share'),
        ('covered >= due', 'covered > due', 'stop at `>=`'),
        ('return n\n', 'return n - 1\n', 'yours needs 0'),
        ('if due <= 0: return 0', 'if coverage == 1: return 2', 'takes all three words'),
        ('return 0', 'return len(count)', 'To cover nothing'),
    ),
    'check_unknown_with': changed(
        UNKNOWN,
        ('100 *', '', 'a fraction'),
        ('100 * sum(t not in', 'sum(t in', 'a fraction'),
        ('100 *', '10_000 *', 'above 100 %'),
        ('t not in vocab', 't in vocab', 'known tokens'),
        ('Tokenizer(rules)', 'Tokenizer()', 'All eight rules were at work'),
        ('map(tokenizer, texts)', 'map(full, texts)', 'vocabulary was built with all eight'),
        ('for t in tokenizer(text)', 'for t in full(text)', 'were read with all eight'),
        ('in unseen', 'in texts', 'flatter'),
        ('min_freq=2', 'min_freq=3', 'min_freq=2'),
        ('[t for text in unseen for t in tokenizer(text)]', '{t for text in unseen for t in tokenizer(text)}', 'as often as it occurs'),
    ),
    'check_pieces': changed(
        PIECES,
        ('if word in vocab: return [word]', '', 'A known word stays whole'),
        ('return [word[:i], *rest]', 'return word[:i], *rest', 'A list of pieces'),
        ('pieces(word[i:], vocab) if', '[word[i:]] if', 'may be cut again'),
        ('all(r in vocab for r in rest) and UNK not in rest', 'UNK not in rest', 'stays as it is'),
        ('return [word[:i], *rest]', 'return [word[:i], *rest]\n        if UNK not in rest: return [word]', 'try a shorter beginning'),
    )
    + [
        ('pieces = lambda word, vocab: [word]', 'both known'),
        ('pieces = lambda word, vocab: [word] if word in vocab else [word[:-1], word[-1]] if word[:-1] in vocab else [word]', 'three known pieces'),
    ],
}
