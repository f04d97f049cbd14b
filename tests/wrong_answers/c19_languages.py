WRONG = {
    'check_ways': [
        ('ways = 2 ** 8', 'seven places'),
        ('ways = 7', 'Those are the places'),
        ('ways = 127', 'stays whole'),
        ('ways = 64', 'two choices'),
        ('ways = "128"', 'whole number'),
    ],
    'check_cuts': [
        ('def cuts(word, pieces): return 2 ** (len(word) - 1)', 'can be cut in no way'),
        ('def cuts(word, pieces): return int(set(word) <= set("".join(pieces)))', 'whether there is a way'),
        ('def cuts(word, pieces): return 2 ** (len(word) - 1) if set(word) <= set("".join(pieces)) else 0', 'count all cuts'),
        ('def cuts(word, pieces): return sum(word.count(p) for p in pieces) - 1 if word != "zz" else 0', 'abab'),
        ('def cuts(word, pieces): return 5 if word == "abab" else 0', 'sixty times'),
        (
            """
def cuts(word, pieces):
    ways = [1] + [0] * len(word)
    for n in range(1, len(word) + 1): ways[n] = sum(ways[n - m] for m in (1, 2) if m <= n and word[n - m:n] in pieces)
    return ways[-1]
""",
            'of any length',
        ),
        (
            """
def cuts(word, pieces):
    return 1 if not word else sum(cuts(word[n:], pieces) for n in range(1, len(word) + 1) if word[:n] in pieces)
""",
            'all cuts',
        ),
        (
            """
def cuts(word, pieces):
    return 1 if not word else sum(cuts(word[len(p):], pieces) for p in pieces if word.startswith(p))
""",
            'all cuts',
        ),
    ],
    'check_pieces_a_word': [
        (
            """
def pieces_a_word(counts, others, n):
    pieces = train_pieces(counts, n)
    return sum(len(best_cut(word, pieces)[0]) for word in others) / len(others)
""",
            'each word once',
        ),
        (
            """
def pieces_a_word(counts, others, n):
    pieces = train_pieces(counts, n)
    return sum(k * len(best_cut(word, pieces)[0]) for word, k in others.items())
""",
            'in all',
        ),
        ('def pieces_a_word(counts, others, n): return 1.5', 'you found 1.5'),
        ('def pieces_a_word(counts, others, n): return "few"', 'a number'),
    ],
}
