"""How much memory a prediction takes: the peak of this process in MB, before and after it. `long_document DIR ENGINE CHARACTERS OTHERS`.
The sentences lie beside DIR, a line each: what reads a data set takes memory of its own."""

import sys
from pathlib import Path

from ulmfit_nb.classifier import load_classifier
from ulmfit_nb.memory import peak_memory_mb

folder, engine, size, others = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
classifier = load_classifier(folder, 'cpu' if engine == 'torch' else None, engine)
sentences = (Path(folder).parent / 'sentences.txt').read_text().splitlines()
classifier.predict(sentences[: others + 1])
before = peak_memory_mb()
once = ' '.join(sentences) + '\n'
text = once * (size // len(once))
text += once[: size - len(text)]
assert len(text) == size
probabilities = classifier.predict_proba([text, *sentences[:others]])
assert len(probabilities) == others + 1 and abs(probabilities.sum(1) - 1).max() < 1e-5
print(before, peak_memory_mb())
