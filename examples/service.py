"""A service around a classifier of your own. It needs `pip install 'ulmfit-nb[serve,onnx]'`.

    ulmfit-nb classify --data mine.csv --out classifier
    MODEL=classifier PORT=8000 python examples/service.py
    curl -s localhost:8000/predict -H 'Content-Type: application/json' -d '{"texts": ["a warm and funny film"]}'

`ulmfit-nb serve` does the same. Here is room for what is yours: this service keeps the texts that it
was not sure of, for a person to label (GET /to-label), since those teach a classifier most.
"""

import os
from collections import deque

import numpy as np

from ulmfit_nb import load_classifier
from ulmfit_nb.service import create_app


class Remembering:
    "A classifier that keeps the last texts whose two likeliest classes were close."

    def __init__(self, classifier, margin=0.5, most=1000):
        if classifier.target.kind != 'single-label':
            raise SystemExit('this service is for classifiers that give each text one label: see ulmfit-nb serve')
        self.classifier, self.margin = classifier, margin
        self.classes, self.target = classifier.classes, classifier.target
        self.undecided = deque(maxlen=most)

    def predict_proba(self, texts):
        probabilities = self.classifier.predict_proba(texts)
        best = np.sort(probabilities, 1)
        close = best[:, -1] - best[:, -2] < self.margin
        self.undecided += [text for text, keep in zip(texts, close) if keep]
        return probabilities


classifier = Remembering(load_classifier(os.environ['MODEL'], engine=os.environ.get('ENGINE', 'torch')))
app = create_app(classifier, threshold=float(os.environ.get('THRESHOLD', 0)))


@app.get('/to-label')
def to_label() -> list[str]:
    return list(classifier.undecided)


if __name__ == '__main__':
    import uvicorn

    uvicorn.run(app, port=int(os.environ.get('PORT', 8000)), log_level='warning')
