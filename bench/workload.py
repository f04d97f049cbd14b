"The data that every implementation gets: made by numpy's PCG64 from fixed seeds, so the same on every machine."

import time

import numpy as np

N_SPECIAL, BEGIN = 9, 2  # ids below the first are special tokens; the second opens a document
SIZES = {
    'full': dict(emb_sz=400, n_hid=1152, n_layers=3),  # the paper's
    'small': dict(emb_sz=128, n_hid=256, n_layers=2),
}


def zipf_ids(n, vocab, seed):
    "n ids of ordinary words; the k-th most frequent has a chance in proportion to k ** -1.05."
    weights = np.arange(1, vocab - N_SPECIAL + 1, dtype=float) ** -1.05
    drawn = np.random.default_rng(seed).choice(len(weights), size=n, p=weights / weights.sum())
    return (drawn + N_SPECIAL).astype(np.int64)


def doc_lengths(n, seed, mean=270, sigma=0.75, low=10, high=1500):
    "Lengths as those of film reviews: log-normal, about 270 tokens on average."
    drawn = np.random.default_rng(seed).lognormal(np.log(mean) - sigma**2 / 2, sigma, n)
    return np.clip(drawn.astype(int), low, high)


def documents(n, vocab, seed=2, lengths=None):
    "Documents as id arrays, and a label of two for each, drawn without regard to the text."
    lengths = doc_lengths(n, seed) if lengths is None else np.asarray(lengths)
    docs = [d.copy() for d in np.split(zipf_ids(int(lengths.sum()), vocab, seed + 1), np.cumsum(lengths)[:-1])]
    for d in docs:
        d[0] = BEGIN
    return docs, np.random.default_rng(seed + 2).integers(0, 2, n)


def corpus(n_tokens, vocab=30_000):
    "About n_tokens in documents, for the loaders."
    lengths = doc_lengths(n_tokens // 265, 11)
    return [d.copy() for d in np.split(zipf_ids(int(lengths.sum()), vocab, 12), np.cumsum(lengths)[:-1])]


def lm_batches(n, vocab, bs=16, seq_len=72, seed=3):
    "n batches of ids and the ids one place on, (bs, seq_len) each; row i goes on in the next batch."
    rows = zipf_ids(bs * (n * seq_len + 1), vocab, seed).reshape(bs, -1)
    cuts = range(0, n * seq_len, seq_len)
    return [(rows[:, i : i + seq_len].copy(), rows[:, i + 1 : i + seq_len + 1].copy()) for i in cuts]


class Stopwatch:
    "Batches that note how long the loop around them takes over each: from handing it out until the next is asked for."

    def __init__(self, batches):
        self.batches, self.seconds = batches, []

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        self.seconds = []
        for batch in self.batches:
            start = time.perf_counter()
            yield batch
            self.seconds.append(time.perf_counter() - start)
