"The peak of the resident memory, and the size of the ids, for a corpus and for one that is ten times as large. Linux counts it."

import sys
from pathlib import Path

from ulmfit_nb.corpus import build_corpus
from ulmfit_nb.tokenization import Vocab


class Blanks:
    "A tokenizer that only splits."

    def map(self, texts, workers=0):
        return (t.split() for t in texts)


def held_in_memory(texts, path, tokenizer):
    lists = list(tokenizer.map(texts))
    ids = Vocab.build(lists).numericalize(t for l in lists for t in l)
    ids.tofile(path)


def texts(n):
    return (' '.join(f'w{(i * 7 + j) % 500}' for j in range(1000)) for i in range(n))


def peak_mb():
    return next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('VmHWM')) / 1024


build, folder = {'build_corpus': build_corpus, 'held_in_memory': held_in_memory}[sys.argv[1]], Path(sys.argv[2])
for n in (300, 3000):
    open('/proc/self/clear_refs', 'w').write('5')  # the peak is counted from here
    build(texts(n), folder / f'{n}.ids', Blanks())
    print(peak_mb(), (folder / f'{n}.ids').stat().st_size / 2**20)
